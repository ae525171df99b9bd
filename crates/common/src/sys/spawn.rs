//! Fork and exec of a program of ours, with chosen descriptors kept open.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::event_loop::heard;

/// A process that runs.
#[derive(Debug)]
pub struct Spawned {
    /// Its number; ours until it is waited for.
    pub pid: Pid,
    /// Readable once it has ended.
    pub pidfd: OwnedFd,
}

/// What to start.
#[derive(Debug)]
pub struct Program<'a> {
    /// The file to execute; `/proc/self/exe` is this very program, whatever lies on the disk by now.
    pub path: OsString,
    /// `argv[0]`: the name that `ps` shows.
    pub title: OsString,
    /// The arguments behind it.
    pub args: Vec<OsString>,
    /// Variables added to our own environment.
    pub env: Vec<(OsString, OsString)>,
    /// Descriptors that stay open over the exec, under their own numbers.
    pub keep: Vec<BorrowedFd<'a>>,
    /// Whether it leads a session of its own, out of reach of a terminal's signals.
    pub new_session: bool,
    /// The signal it gets when we die, however we die.
    pub when_we_die: Option<Signal>,
}

/// Starts a program, with the signals blocked that its event loop hears, until it can.
///
/// # Errors
/// Where fork or exec fail. A process that was started but has no pidfd is killed again.
pub fn spawn(program: &Program<'_>) -> io::Result<Spawned> {
    let mut command = Command::new(&program.path);
    command.arg0(&program.title).args(&program.args).envs(program.env.iter().map(|(k, v)| (k, v)));
    let keep: Vec<RawFd> = program.keep.iter().map(AsRawFd::as_raw_fd).collect();
    let new_session = program.new_session;
    let when_we_die = program.when_we_die;
    let unheard = heard();
    let prepare = move || {
        for fd in &keep {
            // SAFETY: the caller of spawn() borrows each descriptor until the exec has happened.
            let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        super::resources::give_back();
        // Whoever is told something before it can hear it shall hear it when it can: its event loop unblocks them.
        unheard.thread_block()?;
        if new_session {
            nix::unistd::setsid()?;
        }
        if let Some(signal) = when_we_die {
            nix::sys::prctl::set_pdeathsig(signal)?;
        }
        Ok(())
    };
    // SAFETY: the closure makes fcntl, sigprocmask, setsid, prctl and the system calls of giving resources back only,
    // which are async-signal-safe, and does not allocate; and every process of Holdfast is single-threaded.
    unsafe { command.pre_exec(prepare) };
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)?;
    match super::pidfd::open(pid) {
        Ok(pidfd) => Ok(Spawned { pid, pidfd }),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}
