//! What every process does first: its names, its log, what it inherits.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::child::Inherited;
use common::exit::Exit;
use common::log::{Part, Target};
use common::role::Role;
use watchdog::{Estate, Failure};

use crate::cli::Line;

/// What `ps -o comm`, `pidof` and `killall` see; a process started through `/proc/self/exe` would be called `exe`.
pub(crate) fn name_process() {
    let _cosmetic = nix::sys::prctl::set_name(c"holdfastd");
}

/// Shows the watchdog under its title in the foreground too. Where the kernel does not let us: the same program again,
/// under another `argv[0]`, which takes its time.
pub(crate) fn retitle() {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let Some(title) = arguments.first_mut().filter(|title| *title != watchdog::TITLE) else { return };
    *title = watchdog::TITLE.into();
    if common::sys::show_arguments(&arguments).is_ok() {
        return;
    }
    let arguments = arguments.iter().skip(1);
    // Returns only if it fails, and then the title stays as it is.
    let _cosmetic = Command::new("/proc/self/exe").arg0(watchdog::TITLE).args(arguments).exec();
}

/// Sets the log up, and makes it the place where a fault of ours leaves its last words.
pub(crate) fn log(line: &Line, ident: &'static str, parts: &[Part]) -> Result<(), Failure> {
    let target = &line.options.log_target;
    common::log::init(ident, parts, &line.options.log_level, target)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot log to {target}: {error}")))?;
    std::panic::set_hook(Box::new(|info| {
        log::error!("internal error: {}", info.to_string().replace('\n', " "));
    }));
    Ok(())
}

/// A machine without a system log still gets its daemon, unless that log was asked for.
pub(crate) fn choose_target(line: &mut Line) {
    if !line.target_chosen && !Path::new("/dev/log").exists() {
        watchdog::tell("there is no system log at /dev/log: running without a log (see --log-target)");
        line.options.log_target = Target::Stderr;
    }
}

/// The log of a child and what the watchdog left it.
pub(crate) fn child(line: &Line, role: &'static Role) -> Result<Inherited, Failure> {
    log(line, role.name, role.parts)?;
    Inherited::take(line.options.run_dir.clone(), role.name)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot be a child: {error}")))
}

/// What a watchdog has left whose place we take. Without it we start as if nobody had been there.
pub(crate) fn estate(line: &Line) -> Option<Estate> {
    let text = line.succeed.as_ref()?;
    let taken = Estate::take(text);
    if let Err(error) = &taken {
        log::error!("upgrade: what the version before has left cannot be used: {error} estate={text}");
    }
    taken.ok()
}
