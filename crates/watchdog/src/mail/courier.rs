//! The process that talks to the server: its start, what it tells, its end.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use common::alerts::job::{FDS_VARIABLE, Job, Report};
use common::event_loop::{Cx, Interest, Registration};
use common::sys::pidfd;
use common::sys::spawn::{Program, Spawned, spawn};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::options::Options;
use crate::text::sealed;
use crate::watchdog::Key;

/// No line of a report is longer.
const LINE: usize = 1 << 16;

/// One living courier.
#[derive(Debug)]
pub(crate) struct Courier {
    pid: i32,
    pidfd: OwnedFd,
    _process: Registration<Key>,
    /// What it tells, until it has closed its end.
    pipe: Option<(File, Registration<Key>)>,
    /// The beginning of a line.
    begun: Vec<u8>,
}

impl Courier {
    /// Starts one with a job.
    pub(crate) fn start(job: &Job, options: &Options, cx: &Cx<'_, Key>) -> io::Result<Self> {
        let memory = sealed("holdfast-mail", |file| Ok(serde_json::to_writer(file, job)?))?;
        let (ours, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        nix::fcntl::fcntl(&ours, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let Spawned { pid, pidfd } = spawn(&Program {
            path: "/proc/self/exe".into(),
            title: "holdfastd: mail".into(),
            args: options.courier_args(),
            env: vec![(FDS_VARIABLE.into(), format!("{},{}", memory.as_raw_fd(), theirs.as_raw_fd()).into())],
            keep: vec![memory.as_fd(), theirs.as_fd()],
            new_session: true,
            when_we_die: Some(Signal::SIGKILL),
        })?;
        let watched = cx
            .registry()
            .add(&pidfd, Key::CourierEnded, Interest::Read)
            .and_then(|process| Ok((process, cx.registry().add(&ours, Key::CourierTells, Interest::Read)?)));
        match watched {
            Ok((process, tells)) => Ok(Self {
                pid: pid.as_raw(),
                pidfd,
                _process: process,
                pipe: Some((File::from(ours), tells)),
                begun: Vec::new(),
            }),
            Err(error) => {
                pidfd::send(pidfd.as_fd(), Signal::SIGKILL)?;
                waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED)?;
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// What it has told since the last time.
    pub(crate) fn reports(&mut self) -> Vec<Report> {
        let mut buffer = vec![0; LINE];
        let mut reports = Vec::new();
        while let Some((pipe, _)) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    for piece in
                        buffer.get(..count).unwrap_or_default().split_inclusive(|byte| *byte == b'\n')
                    {
                        self.begun.extend_from_slice(piece);
                        if self.begun.last() == Some(&b'\n') {
                            reports.extend(serde_json::from_slice::<Report>(&self.begun).ok());
                            self.begun.clear();
                        } else if self.begun.len() > LINE {
                            self.begun.clear();
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.pipe = None,
            }
        }
        reports
    }

    pub(crate) fn kill(&self) {
        if let Err(error) = pidfd::send(self.pidfd.as_fd(), Signal::SIGKILL) {
            log::debug!("courier not killed: {error} pid={}", self.pid);
        }
    }

    /// Waits a little for its end.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)), Ok(1))
    }

    /// Whether it has ended; and how, if that was not as it should be.
    pub(crate) fn reap(&self) -> Option<Option<String>> {
        match waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            // What went wrong with the server it has told.
            Ok(WaitStatus::Exited(_, 0 | 1)) => Some(None),
            Ok(WaitStatus::Exited(_, code)) => Some(Some(format!("exit code {code}"))),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(Some(format!("signal {}", signal as i32))),
            Ok(
                WaitStatus::StillAlive
                | WaitStatus::Stopped(..)
                | WaitStatus::PtraceEvent(..)
                | WaitStatus::PtraceSyscall(_)
                | WaitStatus::Continued(_),
            ) => None,
            // Somebody else has reaped it: it is gone.
            Err(_) => Some(None),
        }
    }
}
