//! One living process of a child: its pidfd, its life line, and the connection that hellos travel on.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use common::child::FDS_VARIABLE;
use common::control::{Connection, Request};
use common::event_loop::{Cx, Interest, Registration};
use common::role::Role;
use common::sys::spawn::{Program, spawn};
use common::sys::{pidfd, spawn::Spawned};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use serde_json::Value;

use crate::options::Options;
use crate::reload::Round;
use crate::supervisor::{ChildId, Ended, Pid};
use crate::watchdog::Key;

/// What a child was asked and has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Hello,
    Prepare(Round),
    Commit(Round),
    Abort,
    Status,
}

impl Asked {
    fn method(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Prepare(_) => "prepare",
            Self::Commit(_) => "commit",
            Self::Abort => "abort",
            Self::Status => "status",
        }
    }
}

/// A question and what became of it.
pub(crate) type Answer = (Asked, Result<Value, String>);

/// What a new process is given.
#[derive(Debug)]
pub(crate) struct Legacy<'a> {
    pub(crate) listener: BorrowedFd<'a>,
    pub(crate) share: BorrowedFd<'a>,
    pub(crate) checkpoint: BorrowedFd<'a>,
    pub(crate) mark: BorrowedFd<'a>,
    pub(crate) history: BorrowedFd<'a>,
}

/// One living process.
#[derive(Debug)]
pub(crate) struct Incarnation {
    pid: Pid,
    _registration: Registration<Key>,
    pidfd: OwnedFd,
    /// Its end of stream tells the child that we are gone, even if we are killed. What comes back over it are the
    /// child's last words.
    life_line: UnixStream,
    connection: Option<Connection<Key>>,
    asked: BTreeMap<u64, Asked>,
    next: u64,
}

impl Incarnation {
    /// Starts one.
    pub(crate) fn start(
        child: ChildId,
        role: &Role,
        options: &Options,
        legacy: &Legacy<'_>,
        cx: &Cx<'_, Key>,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let Legacy { listener, share, checkpoint, mark, history } = *legacy;
        let keep = vec![listener, share, theirs.as_fd(), checkpoint, mark, history];
        let numbers: Vec<String> = keep.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
        let Spawned { pid, pidfd } = spawn(&Program {
            path: "/proc/self/exe".into(),
            title: format!("holdfastd: {}", role.name).into(),
            args: options.child_args(role),
            env: vec![(FDS_VARIABLE.into(), numbers.join(",").into())],
            keep,
            new_session: true,
            // The life line tells it first; this one reaches a child whose loop does not turn but would die of TERM.
            when_we_die: Some(Signal::SIGTERM),
        })?;
        match cx.registry().add(&pidfd, Key::Process(child), Interest::Read) {
            Ok(registration) => Ok(Self {
                pid: Pid(pid.as_raw()),
                _registration: registration,
                pidfd,
                life_line: ours,
                connection: None,
                asked: BTreeMap::new(),
                next: 1,
            }),
            Err(error) => {
                pidfd::send(pidfd.as_fd(), Signal::SIGKILL)?;
                waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED)?;
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Connects to its socket, unless that has been done.
    pub(crate) fn connect(&mut self, child: ChildId, socket: &Path, cx: &Cx<'_, Key>) -> io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(socket, Key::Line(child), cx)?);
        }
        Ok(())
    }

    /// Asks it something.
    pub(crate) fn ask(&mut self, asked: Asked, params: Value, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let connection = self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let request = Request { id: self.next, method: asked.method().to_owned(), params };
        connection.send(&request, fds)?;
        self.asked.insert(self.next, asked);
        self.next += 1;
        Ok(())
    }

    /// Takes in what it has answered. What came before a connection broke still counts.
    pub(crate) fn answers(&mut self) -> (Vec<Answer>, io::Result<()>) {
        let Some(connection) = self.connection.as_mut() else { return (Vec::new(), Ok(())) };
        let mut replies = Vec::new();
        let read = connection.ready(&mut replies);
        let answers = replies.into_iter().filter_map(|reply| {
            let asked = self.asked.remove(&reply.id)?;
            Some((asked, reply.into_outcome()))
        });
        let answers = answers.collect();
        if read.is_err() {
            self.connection = None;
        }
        (answers, read)
    }

    /// Sends it a signal. One that is dead already needs none.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd::send(self.pidfd.as_fd(), signal) {
            log::debug!("signal not sent: {error} signal={signal} pid={}", self.pid);
        }
    }

    /// Why it ended, if it said so: one line, a bounded part of it.
    pub(crate) fn last_words(&self) -> Option<String> {
        let mut words = [0; 1024];
        self.life_line.set_nonblocking(true).ok()?;
        let count = (&self.life_line).read(&mut words).ok().filter(|count| *count > 0)?;
        let words = String::from_utf8_lossy(words.get(..count)?).trim().replace('\n', " ");
        Some(words)
    }

    /// Waits for its end, which it leaves to be noticed as any other. False if it did not come in time.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)), Ok(1))
    }

    /// How it ended, if it has.
    pub(crate) fn reap(&self) -> Option<Ended> {
        match waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            Ok(WaitStatus::Exited(_, code)) => Some(Ended::Code(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(Ended::Signal(signal as i32)),
            Ok(
                WaitStatus::StillAlive
                | WaitStatus::Stopped(..)
                | WaitStatus::PtraceEvent(..)
                | WaitStatus::PtraceSyscall(_)
                | WaitStatus::Continued(_),
            ) => None,
            Err(error) => {
                log::error!("cannot wait for a child: {error} pid={}", self.pid);
                None
            }
        }
    }
}
