//! Fork and exec of somebody else's program: by descriptor, as another user, with nothing of ours left in it.

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{Gid, Pid, Uid, pipe2, setgroups, setresgid, setresuid, setsid};

/// What to start.
#[derive(Debug)]
pub struct Script<'a> {
    /// The binary, opened.
    pub file: BorrowedFd<'a>,
    /// Its arguments, the name first.
    pub argv: Vec<CString>,
    /// Its whole environment, `NAME=value`.
    pub environment: Vec<CString>,
    /// Files that its user must be allowed to execute besides the binary.
    pub executable: Vec<CString>,
    /// Its ids, where they are not ours: user, group, all groups.
    pub ids: Option<(Uid, Gid, Vec<Gid>)>,
    /// Whether it is killed when we die.
    pub dies_with_us: bool,
}

/// A started script, leader of a session and process group of its own.
#[derive(Debug)]
pub struct Started {
    /// To reap it with; its process group has the same number.
    pub child: Child,
    /// Readable once it has ended.
    pub pidfd: OwnedFd,
    /// What it writes to standard output and error; non-blocking.
    pub output: OwnedFd,
}

/// What went wrong, and what was being done.
#[derive(Debug)]
pub struct Failure {
    /// In plain words.
    pub doing: String,
    /// The system's answer.
    pub error: io::Error,
}

impl Failure {
    fn to(doing: &str, error: impl Into<io::Error>) -> Self {
        Self { doing: doing.to_owned(), error: error.into() }
    }
}

/// Pointers as `execveat` wants them, with a null behind the last.
struct Pointers(Vec<*const c_char>);

// SAFETY: the pointers lead into heap blocks of `CString`s that live in the same closure and are never changed.
unsafe impl Send for Pointers {}
// SAFETY: as above; they are only read.
unsafe impl Sync for Pointers {}

impl Pointers {
    fn to(strings: &[CString]) -> Self {
        Self(strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect())
    }
}

/// Starts a script.
///
/// # Errors
/// What the child could not do before it became the program is told as if it had happened here.
pub fn spawn(script: Script<'_>) -> Result<Started, Failure> {
    let no_pipe = |error: io::Error| Failure::to("making a pipe", error);
    let (output, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(|error| no_pipe(error.into()))?;
    // Our end only: a script that finds its output non-blocking would lose lines.
    fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|error| no_pipe(error.into()))?;
    let also_theirs = theirs.try_clone().map_err(no_pipe)?;

    // The path is never used: the closure below executes the descriptor itself.
    let mut command = Command::new("/");
    command.current_dir("/").stdin(Stdio::null()).stdout(theirs).stderr(also_theirs);
    let file = script.file.as_raw_fd();
    let Script { argv, environment, executable, ids, dies_with_us, .. } = script;
    let (argv_pointers, environment_pointers) = (Pointers::to(&argv), Pointers::to(&environment));
    let become_it = move || {
        // The strings must live as long as the pointers to them.
        let _kept = (&argv, &environment);
        step("starting a session", setsid().map(drop).map_err(io::Error::from))?;
        step("resetting signals", reset_signals())?;
        step("resetting the scheduler", reset_scheduler())?;
        // While we may: the user of the script may not.
        super::resources::give_back();
        if let Some((uid, gid, groups)) = &ids {
            step("setting the groups", setgroups(groups).map_err(io::Error::from))?;
            step("setting the group", setresgid(*gid, *gid, *gid).map_err(io::Error::from))?;
            step("setting the user", setresuid(*uid, *uid, *uid).map_err(io::Error::from))?;
        }
        if dies_with_us {
            // After the ids: changing them clears it.
            step(
                "binding it to us",
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from),
            )?;
        }
        for path in &executable {
            step("looking whether its user may execute it", may_execute(path))?;
        }
        close_on_exec();
        step("executing it", execute(file, &argv_pointers, &environment_pointers))
    };
    // SAFETY: the closure makes system calls only, which are async-signal-safe, and neither allocates nor takes
    // locks; what it needs was made before. `setgroups`, `setresgid` and `setresuid` of libc act on this one
    // thread, the only one of a forked child.
    unsafe { command.pre_exec(become_it) };
    let spawned = command.spawn();
    // Its copies of the writing ends and the closure's strings end here.
    drop(command);
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Err(Failure { doing: last_step(&output), error }),
    };
    let pidfd = i32::try_from(child.id())
        .map_err(io::Error::other)
        .and_then(|pid| super::pidfd::open(Pid::from_raw(pid)));
    match pidfd {
        Ok(pidfd) => Ok(Started { child, pidfd, output }),
        Err(error) => {
            // Nobody would notice its end: it must not run. Errors leave a zombie behind, at worst.
            let _reaped = child.kill().and_then(|()| child.wait());
            Err(Failure::to("opening a descriptor for the process", error))
        }
    }
}

/// In the child: leaves the name of a failed step in the output, where the parent looks for it.
fn step(name: &'static str, result: io::Result<()>) -> io::Result<()> {
    if result.is_err() {
        // SAFETY: the name is valid for its length; a standard error that is not open is refused.
        unsafe { libc::write(libc::STDERR_FILENO, name.as_ptr().cast(), name.len()) };
    }
    result
}

/// In the parent: which step the child failed in. Nobody but us has written into its output.
fn last_step(output: &OwnedFd) -> String {
    let mut name = [0; 128];
    let length = nix::unistd::read(output, &mut name).unwrap_or(0);
    match std::str::from_utf8(name.get(..length).unwrap_or_default()) {
        Ok(step) if !step.is_empty() => step.to_owned(),
        _ => "executing it".to_owned(),
    }
}

/// Every signal to its default and none blocked: what a daemon ignores or blocks is its own affair.
fn reset_signals() -> io::Result<()> {
    /// All zero is the default disposition, no flags and an empty mask; on no platform is the kernel's
    /// `struct sigaction` longer.
    static DEFAULT: [u64; 16] = [0; 16];
    let (default, mask_size) = (&raw const DEFAULT, size_of::<u64>());
    for number in 1..=64 {
        let old: *mut u64 = std::ptr::null_mut();
        // SAFETY: the pointer leads to enough zeroes to read, and a null says that the old disposition is not
        // asked for. The library's own call would leave out the two signals that it uses itself.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, default, old, mask_size) };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

/// Back to the ordinary scheduler, where we run under a real-time one without "reset on fork".
fn reset_scheduler() -> io::Result<()> {
    // SAFETY: takes and returns integers; 0 is the calling process.
    let ours = unsafe { libc::sched_getscheduler(0) };
    if ours == libc::SCHED_OTHER {
        return Ok(());
    }
    let ordinary = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter is a valid, initialised struct.
    let rc = unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const ordinary) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn may_execute(path: &CStr) -> io::Result<()> {
    // SAFETY: the path ends with a zero byte; access(2) judges with the real ids, which are the script's by now.
    let rc = unsafe { libc::access(path.as_ptr(), libc::X_OK) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Closes on exec whatever was inherited or made without that flag.
fn close_on_exec() {
    let first: libc::c_uint = 3;
    // SAFETY: takes integers; marks descriptors only. Before Linux 5.11 it fails and every descriptor made by
    // ourselves carries the flag anyway.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Becomes the program; comes back only with an error.
fn execute(file: RawFd, argv: &Pointers, environment: &Pointers) -> io::Result<()> {
    let (argv, environment) = (argv.0.as_ptr(), environment.0.as_ptr());
    // SAFETY: the descriptor is open (borrowed by the caller of spawn over the fork), the path is the empty string,
    // and both arrays end with a null and lead to strings that are alive in this closure.
    unsafe { libc::syscall(libc::SYS_execveat, file, c"".as_ptr(), argv, environment, libc::AT_EMPTY_PATH) };
    Err(io::Error::last_os_error())
}
