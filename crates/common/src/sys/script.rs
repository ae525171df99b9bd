//! Fork and exec of somebody else's program: by descriptor, as another user, with nothing of ours left in it.
//!
//! Which program that is, is found out in the forked child: a path may lead into a file system that does not answer, and
//! then the child waits for it, and not the process that sends adverts or runs checks.

use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::unistd::{ForkResult, Gid, Pid, Uid, pipe2, setgroups, setresgid, setresuid, setsid};

use crate::capability::Capability;

/// How to start it.
#[derive(Debug)]
pub struct Script {
    /// Its whole environment, `NAME=value`.
    pub environment: Vec<CString>,
    /// Its ids, where they are not ours: user, group, all groups.
    pub ids: Option<(Uid, Gid, Vec<Gid>)>,
    /// Whether it is killed when we die.
    pub dies_with_us: bool,
}

/// What to start.
#[derive(Debug)]
pub struct Found {
    /// The binary, opened.
    pub file: OwnedFd,
    /// Its arguments, the name first.
    pub argv: Vec<CString>,
    /// Files that its user must be allowed to execute besides the binary.
    pub executable: Vec<CString>,
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
    /// Why it did not become the program, if it did not.
    pub report: Report,
}

/// A process of ours that is to be reaped.
#[derive(Debug)]
pub struct Child(Pid);

impl Child {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.0.as_raw()
    }

    /// Waits for its end. To be called once.
    ///
    /// # Errors
    /// It is none of ours any more.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let mut status = 0;
        loop {
            // SAFETY: the status is a valid integer to write to.
            if unsafe { libc::waitpid(self.0.as_raw(), &raw mut status, 0) } >= 0 {
                return Ok(ExitStatus::from_raw(status));
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

/// What a child says that did not become the program.
#[derive(Debug)]
pub struct Report(File);

impl Report {
    /// What it said; to be asked when it has ended.
    pub fn read(&mut self) -> Option<String> {
        let mut words = [0; 1024];
        let count = self.0.read(&mut words).ok().filter(|count| *count > 0)?;
        Some(String::from_utf8_lossy(words.get(..count)?).into_owned())
    }
}

/// What went wrong, and what was being done.
#[derive(Debug)]
pub struct Failure {
    /// In plain words.
    pub doing: &'static str,
    /// The system's answer.
    pub error: io::Error,
}

/// Pointers as `execveat` wants them, with a null behind the last.
struct Pointers(Vec<*const c_char>);

impl Pointers {
    fn to(strings: &[CString]) -> Self {
        Self(strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect())
    }
}

/// Ends the child whatever happens: nothing of it may go on as if it were us.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        // SAFETY: ends the process; no code runs after it.
        unsafe { libc::_exit(127) };
    }
}

/// Starts a script. Does not wait for anything: `find` is called in the child, and what went wrong there is in the
/// report when it has ended; `explain` puts it into words.
///
/// # Errors
/// No process or no descriptors.
pub fn spawn(
    script: &Script,
    find: impl FnOnce() -> Result<Found, String>,
    explain: impl FnOnce(&Failure) -> String,
) -> io::Result<Started> {
    let null = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
    let (output, their_output) = pipe2(OFlag::O_CLOEXEC)?;
    // Our end only: a script that finds its output non-blocking would lose lines.
    fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let (report, their_report) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&report, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let parent = nix::unistd::getpid();
    // A handler of ours that ran in the child would write into our pipe: the child unblocks when it has none.
    let mut ours = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut ours))?;
    // SAFETY: the processes of Holdfast have one thread, so the child may do whatever we may; it never returns from here.
    // (In a test with more threads it takes no lock but the allocator's, which the C library makes usable after a fork.)
    let forked = unsafe { nix::unistd::fork() };
    if !matches!(forked, Ok(ForkResult::Child)) {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&ours), None)?;
    }
    let child = match forked? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let end = End;
            in_the_child(script, parent, [&null, &their_output, &their_report], find, explain);
            drop(end);
            // Not reached.
            return Err(io::ErrorKind::Other.into());
        }
    };
    let report = Report(File::from(report));
    match super::pidfd::open(child) {
        Ok(pidfd) => Ok(Started { child: Child(child), pidfd, output, report }),
        Err(error) => {
            // Nobody would notice its end: it must not run. Errors leave a zombie behind, at worst.
            let _reaped =
                kill(child, Signal::SIGKILL).map_err(io::Error::from).and_then(|()| Child(child).wait());
            Err(error)
        }
    }
}

fn in_the_child(
    script: &Script,
    parent: Pid,
    [null, output, report]: [&OwnedFd; 3],
    find: impl FnOnce() -> Result<Found, String>,
    explain: impl FnOnce(&Failure) -> String,
) {
    // Nobody can be told where not even that can be done.
    let Ok(mut report) = settle(null, output, report) else { return };
    let words = become_it(script, parent, find).unwrap_or_else(|refusal| match refusal {
        Refusal::Find(words) => words,
        Refusal::Step(failure) => explain(&failure),
    });
    let _unheard = report.write_all(words.as_bytes());
}

/// In the child: the three streams, the report as the fourth, and nothing else of ours.
fn settle(null: &OwnedFd, output: &OwnedFd, report: &OwnedFd) -> io::Result<File> {
    reset_signals()?;
    nix::unistd::dup2_stdin(null)?;
    nix::unistd::dup2_stdout(output)?;
    nix::unistd::dup2_stderr(output)?;
    // SAFETY: takes integers. Where the report has that number already, the flag must be set as well: dup3 would refuse.
    let placed = unsafe {
        if report.as_raw_fd() == REPORT {
            REPORT
        } else {
            libc::dup3(report.as_raw_fd(), REPORT, libc::O_CLOEXEC)
        }
    };
    if placed < 0 {
        return Err(io::Error::last_os_error());
    }
    let first: libc::c_uint = 4;
    let none: libc::c_uint = 0;
    // SAFETY: takes integers. What it closes is known to the parent's objects only, none of which is used or dropped here
    // again: the child ends with `_exit` or exec. Before Linux 5.9 it fails, and they are closed by the exec.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, none) };
    // SAFETY: the descriptor was placed there just now, and no other object of this process knows the number.
    Ok(unsafe { File::from_raw_fd(REPORT) })
}

/// Where the child has its report.
const REPORT: RawFd = 3;

enum Refusal {
    Find(String),
    Step(Failure),
}

/// In the child: comes back only where it cannot become the program.
fn become_it(
    script: &Script,
    parent: Pid,
    find: impl FnOnce() -> Result<Found, String>,
) -> Result<String, Refusal> {
    step("starting a session", setsid().map(drop).map_err(io::Error::from))?;
    step("changing the directory", nix::unistd::chdir("/").map_err(io::Error::from))?;
    step("resetting the scheduler", reset_scheduler())?;
    // While we may: the user of the script may not.
    super::resources::give_back();
    if script.dies_with_us {
        die_with(parent)?;
    }
    let Found { file, argv, executable } = find().map_err(Refusal::Find)?;
    if let Some((uid, gid, groups)) = &script.ids {
        let (of_group, of_user) = (Capability::Setgid, Capability::Setuid);
        step("setting the groups", setgroups(groups).map_err(|error| of_group.explain(error.into())))?;
        step(
            "setting the group",
            setresgid(*gid, *gid, *gid).map_err(|error| of_group.explain(error.into())),
        )?;
        step("setting the user", setresuid(*uid, *uid, *uid).map_err(|error| of_user.explain(error.into())))?;
    }
    if script.dies_with_us {
        // Again: changing the ids has cleared it.
        die_with(parent)?;
    }
    for path in &executable {
        step("looking whether its user may execute it", may_execute(path))?;
    }
    let (argv_pointers, environment) = (Pointers::to(&argv), Pointers::to(&script.environment));
    step("executing it", execute(file.as_raw_fd(), &argv_pointers, &environment))?;
    Ok(String::new())
}

/// The kernel kills this process when the parent ends.
fn die_with(parent: Pid) -> Result<(), Refusal> {
    let bound = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from);
    step("binding it to us", bound)?;
    if nix::unistd::getppid() == parent {
        return Ok(());
    }
    // It had ended before: nobody reads this.
    step("binding it to us", Err(io::ErrorKind::NotFound.into()))
}

fn step(doing: &'static str, result: io::Result<()>) -> Result<(), Refusal> {
    result.map_err(|error| Refusal::Step(Failure { doing, error }))
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

/// Becomes the program; comes back only with an error.
fn execute(file: RawFd, argv: &Pointers, environment: &Pointers) -> io::Result<()> {
    let (argv, environment) = (argv.0.as_ptr(), environment.0.as_ptr());
    // SAFETY: the descriptor is open and the strings are alive, both held by the caller; the path is the empty string, and
    // both arrays end with a null.
    unsafe { libc::syscall(libc::SYS_execveat, file, c"".as_ptr(), argv, environment, libc::AT_EMPTY_PATH) };
    Err(io::Error::last_os_error())
}
