//! The watchdog from start to end, in the foreground or as a daemon.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use common::event_loop::{EventLoop, heard};
use common::exit::Exit;
use common::log::Target;
use common::role::Role;
use common::sys::spawn::{Program, spawn};
use nix::fcntl::OFlag;

use crate::announce::{Announcer, outcome};
use crate::failure::Failure;
use crate::options::Options;
use crate::pidfile::PidFile;
use crate::rundir;
use crate::text::Text;
use crate::upgrade::Estate;
use crate::watchdog::{Key, Watchdog};

/// The title of the watchdog's process, as its `argv[0]`.
pub const TITLE: &str = "holdfastd: watchdog";

/// Runs the watchdog until it is told to stop or cannot go on. The log is set up. `estate` is what a watchdog left
/// whose place this process has taken.
#[must_use]
pub fn run(
    options: &Options,
    roles: &'static [Role],
    mut announcer: Announcer,
    estate: Option<Estate>,
) -> Exit {
    let (estate, left) = match estate {
        Some(Estate { lock, mark, before, checkpoints }) => {
            log::info!("upgrade: taking the place of the version before");
            (Some((lock, mark)), (before, checkpoints))
        }
        None => (None, (0, BTreeMap::new())),
    };
    let begun = begin(options, roles, estate);
    let (mut event_loop, text, pid_file) = match begun {
        Ok(begun) => begun,
        Err(failure) => return give_up(options, &mut announcer, &failure),
    };
    let made = Watchdog::new(options.clone(), roles, text, pid_file, left, announcer, &event_loop.cx());
    let mut watchdog = match made {
        Ok(watchdog) => watchdog,
        Err((mut announcer, failure)) => return give_up(options, &mut announcer, &failure),
    };
    let ended = turn(&mut event_loop, &mut watchdog);
    watchdog.clean_up(*ended.as_ref().unwrap_or(&Exit::Failed));
    match ended {
        Ok(exit) => {
            log::info!("stopped exit={}", exit.code());
            exit
        }
        Err(error) => {
            log::error!("cannot wait for events: {error}");
            Exit::Failed
        }
    }
}

/// Turns until the end, or into another version of the program.
fn turn(event_loop: &mut EventLoop<Key>, watchdog: &mut Watchdog) -> io::Result<Exit> {
    loop {
        let exit = event_loop.run(watchdog)?;
        if !watchdog.is_to_give_place() {
            return Ok(exit);
        }
        // From here on signals wait for the loop of the other one. Those that were heard here are ours.
        heard().thread_block()?;
        event_loop.hear(watchdog);
        watchdog.give_place();
        heard().thread_unblock()?;
    }
}

type Begun = (EventLoop<Key>, Text, PidFile);

fn begin(options: &Options, roles: &[Role], estate: Option<(OwnedFd, OwnedFd)>) -> Result<Begun, Failure> {
    log::info!(
        "starting version={} pid={} config={}",
        env!("CARGO_PKG_VERSION"),
        std::process::id(),
        options.config.display()
    );
    let text = Text::load(options, roles)?;
    // Handlers before the pid file: whoever reads a number there may send signals to it.
    let event_loop = EventLoop::new();
    let event_loop = event_loop
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot make the event loop: {error}")))?;
    rundir::prepare(&options.run_dir)?;
    let path = options.run_dir.join("holdfastd.pid");
    let inherited = estate.and_then(|(lock, mark)| PidFile::inherited(&path, lock, mark));
    let pid_file = match inherited {
        Some(pid_file) => pid_file,
        None => PidFile::lock(&path, text.limits().stop)?,
    };
    Ok((event_loop, text, pid_file))
}

fn give_up(options: &Options, announcer: &mut Announcer, failure: &Failure) -> Exit {
    let at_terminal = announcer.is_foreground();
    for line in &failure.lines {
        // At a terminal the whole text follows: once is enough.
        if !(at_terminal && options.log_target == Target::Stderr) {
            log::error!("{line}");
        }
    }
    if at_terminal {
        tell(&failure.text);
    }
    announcer.failed(failure);
    failure.exit
}

/// Checks the configuration that `options` name, and says what is wrong with it.
#[must_use]
pub fn check(options: &Options, roles: &[Role]) -> Exit {
    match Text::load(options, roles) {
        Ok(text) => {
            tell(&format!("{}{}: no errors", text.warnings, options.config.display()));
            Exit::Done
        }
        Err(failure) => {
            tell(&failure.text);
            failure.exit
        }
    }
}

/// Starts the watchdog as a daemon and waits for the outcome of its start-up.
#[must_use]
pub fn detach(options: &Options) -> Exit {
    match try_detach(options) {
        Ok((exit, text)) => {
            if exit != Exit::Done {
                tell(&text);
            }
            exit
        }
        Err(error) => {
            tell(&format!("cannot become a daemon: {error}"));
            Exit::Failed
        }
    }
}

fn try_detach(options: &Options) -> io::Result<(Exit, String)> {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let mut args = options.daemon_args();
    args.extend([OsString::from("--announce"), writer.as_raw_fd().to_string().into()]);
    let daemon = spawn(&Program {
        path: "/proc/self/exe".into(),
        title: TITLE.into(),
        args,
        env: Vec::new(),
        keep: vec![writer.as_fd()],
        new_session: true,
        when_we_die: None,
    })?;
    drop(writer);
    let outcome = outcome(File::from(reader));
    if outcome.0 != Exit::Done {
        // It tells its outcome before it ends: whoever is told of a failure finds nothing of it left.
        // Where SIGCHLD is ignored this ends with an error, when it has ended: just as good.
        let _ended = nix::sys::wait::waitpid(daemon.pid, None);
    }
    Ok(outcome)
}

/// Leaves the terminal and the working directory: what a daemon does before anything else.
///
/// # Errors
/// `/dev/null` or `/` cannot be used.
pub fn leave_terminal() -> Result<(), Failure> {
    try_leave_terminal()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot leave the terminal: {error}")))
}

fn try_leave_terminal() -> io::Result<()> {
    let null = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    nix::unistd::chdir("/")?;
    Ok(())
}

/// Says something to the operator. A closed terminal is no reason to fail.
pub fn tell(text: &str) {
    let mut stderr = io::stderr().lock();
    let _closed = if text.ends_with('\n') { write!(stderr, "{text}") } else { writeln!(stderr, "{text}") };
}
