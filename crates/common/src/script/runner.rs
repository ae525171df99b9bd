//! Starts scripts, watches them and says how they ended.
//!
//! To the loop it is one descriptor: register the runner itself, call [`Runner::ready`] when it is readable and
//! [`Runner::timeout`] when it is due. Inside is an epoll instance with two entries a run, the process and its
//! output, so that callers need one key whatever they run, and stale events cannot meet a new run.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use log::debug;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, Uid};

use super::outputs::Outputs;
use super::path::words;
use super::{Command, Ending, Exit, Finished, Identity, Outcome, Output, Purpose, RunTable, Step, program};
use crate::capability::Capability;
use crate::config::UserName;
use crate::event_loop::Drained;
use crate::sys::script::{Child, Found, Report, Script, Started, spawn};

/// Rounds of events handled in one go.
const ROUNDS: usize = 8;
/// Lines of output logged for a run.
const LOGGED_LINES: usize = 20;

/// A process of ours that is not reaped.
#[derive(Debug)]
struct Run<Id> {
    id: Id,
    /// Whether its owner knows how it ended.
    told: bool,
    program: String,
    purpose: Purpose,
    child: Child,
    report: Report,
    /// None once it has ended.
    pidfd: Option<OwnedFd>,
    output: Output,
    started: Instant,
    limit: Duration,
}

/// All scripts of a process. `Id` is the owner's name for a run; one run at a time has it.
#[derive(Debug)]
pub struct Runner<Id> {
    epoll: Epoll,
    table: RunTable<u64>,
    runs: BTreeMap<u64, Run<Id>>,
    numbers: BTreeMap<Id, u64>,
    outputs: Outputs,
    last: u64,
    default_user: Option<UserName>,
    users: BTreeMap<Option<UserName>, Identity>,
    /// Finds and judges the program. It is called in the forked child, since that may take for ever.
    find: fn(&[String], Uid) -> Result<Found, String>,
}

/// Probes, and what got its TERM, end with the runner. A notification that is in its time goes on.
impl<Id> Drop for Runner<Id> {
    fn drop(&mut self) {
        for (number, run) in &self.runs {
            if run.purpose == Purpose::Probe || self.table.is_condemned(*number) {
                signal(&run.child, Signal::SIGKILL);
            }
        }
    }
}

impl<Id> AsFd for Runner<Id> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl<Id: Copy + Ord + Debug> Runner<Id> {
    /// A runner that runs scripts as `default_user` (`global.script_user`) where their command names nobody.
    ///
    /// # Errors
    /// Where the kernel refuses an epoll instance.
    pub fn new(default_user: Option<UserName>) -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            table: RunTable::default(),
            runs: BTreeMap::new(),
            numbers: BTreeMap::new(),
            outputs: Outputs::default(),
            last: 0,
            default_user,
            users: BTreeMap::new(),
            find: |argv, user| program::find(argv, user).map_err(|error| error.to_string()),
        })
    }

    /// After a reload: another default user, and users are looked up again.
    pub fn reconfigure(&mut self, default_user: Option<UserName>) {
        self.default_user = default_user;
        self.users.clear();
    }

    /// Starts a run. Its end is reported by [`Self::ready`] or [`Self::timeout`].
    ///
    /// # Errors
    /// [`Outcome::NotStarted`] where there is no user or no process for it; nothing is reported later then. What is wrong
    /// with the program itself is found out in the new process, and reported as its end.
    pub fn start(&mut self, id: Id, command: &Command, now: Instant) -> Result<(), Outcome> {
        if let Some(run) = self.numbers.get(&id).and_then(|number| self.runs.get(number)) {
            return Err(Outcome::NotStarted(format!(
                "process {} of the run before is still there",
                run.child.id()
            )));
        }
        let started = self.spawn(command).map_err(Outcome::NotStarted)?;
        self.last += 1;
        let number = self.last;
        let Started { mut child, pidfd, output, report } = started;
        let process = EpollEvent::new(EpollFlags::EPOLLIN, Source::Process.of(number));
        let watched = self.epoll.add(&pidfd, process).map_err(io::Error::from);
        let watched =
            watched.and_then(|()| self.outputs.add(output, number, Source::Output.of(number), &self.epoll));
        if let Err(error) = watched {
            signal(&child, Signal::SIGKILL);
            // Killed just now: waiting for it is short, and without it a zombie would stay for ever.
            let _status = child.wait();
            return Err(Outcome::NotStarted(format!("cannot watch it: {}", words(&error))));
        }
        let program = command.line.program().to_owned();
        debug!("script started script={program} pid={} id={id:?}", child.id());
        let (pidfd, output, limit) = (Some(pidfd), Output::default(), command.time_limit);
        let purpose = command.purpose;
        let run =
            Run { id, told: false, program, purpose, child, report, pidfd, output, started: now, limit };
        self.table.started(number, now, limit);
        self.runs.insert(number, run);
        self.numbers.insert(id, number);
        Ok(())
    }

    /// Sends TERM to a run, and KILL later where it does not end. Its end is reported as usual.
    pub fn stop(&mut self, id: Id, now: Instant) {
        let Some(number) = self.numbers.get(&id) else { return };
        if self.table.stop(*number, now)
            && let Some(run) = self.runs.get(number)
        {
            signal(&run.child, Signal::SIGTERM);
        }
    }

    /// Whether the process of a run of this name is there.
    pub fn is_running(&self, id: Id) -> bool {
        self.numbers.contains_key(&id)
    }

    /// How many processes are not reaped.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether every process is reaped.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// When [`Self::timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.table.poll_timeout(), self.outputs.poll_timeout()].into_iter().flatten().min()
    }

    /// The runner's descriptor is readable: reads outputs, reaps, reports.
    pub fn ready(&mut self, now: Instant, out: &mut Vec<Finished<Id>>) -> Drained {
        let mut events = [EpollEvent::empty(); 32];
        for _ in 0..ROUNDS {
            let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
                Ok(0) | Err(_) => return Drained::Yes,
                Ok(count) => count,
            };
            for event in events.iter().take(count) {
                match Source::from(event.data()) {
                    (Source::Process, number) => self.ended(number, now, out),
                    (Source::Output, number) => self.read(number, now),
                }
            }
        }
        Drained::More
    }

    /// Deadlines: time limits and pauses.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Finished<Id>>) {
        self.outputs.resume(now, &self.epoll, |number| Source::Output.of(number));
        let mut steps = Vec::new();
        self.table.timeout(now, &mut steps);
        for (number, step) in steps {
            match step {
                Step::Terminate => self.signal(number, Signal::SIGTERM),
                Step::Kill => self.signal(number, Signal::SIGKILL),
                Step::GiveUp(ending) => self.tell(number, |run| forced(ending, run.limit), now, out),
                Step::Bury => {
                    self.signal(number, Signal::SIGKILL);
                    self.reap(number);
                }
            }
        }
    }

    /// Finds program and user, and forks.
    fn spawn(&mut self, command: &Command) -> Result<Started, String> {
        let user = command.user.as_ref().or(self.default_user.as_ref()).cloned();
        if !self.users.contains_key(&user) {
            let identity = Identity::find(user.as_ref()).map_err(|error| error.to_string())?;
            self.users.insert(user.clone(), identity);
        }
        let identity = self.users.get(&user).ok_or("its user was forgotten")?;
        let script = Script {
            environment: environment(identity, &command.environment),
            ids: identity.change.then(|| (identity.uid, identity.gid, identity.groups.clone())),
            dies_with_us: command.purpose == Purpose::Probe,
        };
        let find = || (self.find)(command.line.argv(), identity.uid);
        let started = spawn(&script, find, |failure| match failure.error.raw_os_error() {
            Some(libc::ENOEXEC) => "neither a program nor a script with #! in its first line".to_owned(),
            _ => format!("{} as user {}: {}", failure.doing, identity.name, words(&failure.error)),
        });
        started.map_err(|error| format!("no new process: {}", words(&error)))
    }

    /// A process has ended.
    fn ended(&mut self, number: u64, now: Instant, out: &mut Vec<Finished<Id>>) {
        let Some(exit) = self.table.exited(number) else { return };
        self.read(number, now);
        if let Some(run) = self.runs.get_mut(&number) {
            run.pidfd = None;
            self.numbers.remove(&run.id);
        }
        match exit {
            Exit::Natural => {
                let outcome = |run: &mut Run<Id>| match run.report.read() {
                    Some(why) => {
                        let _status = run.child.wait();
                        Outcome::NotStarted(why)
                    }
                    None => by_itself(run.child.wait()),
                };
                self.tell(number, outcome, now, out);
                self.runs.remove(&number);
            }
            Exit::Forced(ending) => {
                self.tell(number, |run| forced(ending, run.limit), now, out);
                self.reap(number);
            }
            Exit::Remains(ending) => self.tell(number, |run| forced(ending, run.limit), now, out),
            Exit::Late => self.reap(number),
        }
    }

    /// Tells the owner how a run ended, once.
    fn tell(
        &mut self,
        number: u64,
        outcome: impl FnOnce(&mut Run<Id>) -> Outcome,
        now: Instant,
        out: &mut Vec<Finished<Id>>,
    ) {
        self.outputs.leave_behind(number);
        let Some(run) = self.runs.get_mut(&number).filter(|run| !run.told) else { return };
        run.told = true;
        let outcome = outcome(run);
        let output = std::mem::take(&mut run.output);
        let took = now.saturating_duration_since(run.started);
        let (id, program, pid) = (run.id, &run.program, run.child.id());
        for line in output.lines().take(LOGGED_LINES) {
            debug!("script says: {line} script={program} pid={pid}");
        }
        debug!("script ended: {outcome} script={program} pid={pid} id={id:?} took_us={}", took.as_micros());
        out.push(Finished { id, outcome, output, took, program: run.program.clone() });
    }

    /// Reads a chunk of an output.
    fn read(&mut self, number: u64, now: Instant) {
        let run = self.runs.get_mut(&number).filter(|run| !run.told);
        self.outputs.read(number, now, &self.epoll, |chunk| match run {
            Some(run) => {
                run.output.take(chunk);
                run.output.overflowed()
            }
            // Nobody reads what comes after the end.
            None => true,
        });
    }

    /// Signals a whole process group. Its leader is not reaped, so the number is still its own.
    fn signal(&self, number: u64, which: Signal) {
        if let Some(run) = self.runs.get(&number) {
            debug!("script gets {which} script={} pid={}", run.program, run.child.id());
            signal(&run.child, which);
        }
    }

    /// Reaps a process that has ended and whose status does not count.
    fn reap(&mut self, number: u64) {
        if let Some(mut run) = self.runs.remove(&number) {
            let _status = run.child.wait();
        }
    }
}

/// The two sources of a run.
#[derive(Debug, Clone, Copy)]
enum Source {
    Process,
    Output,
}

impl Source {
    /// What epoll gives back with an event.
    fn of(self, number: u64) -> u64 {
        number << 1
            | match self {
                Self::Process => 0,
                Self::Output => 1,
            }
    }

    fn from(data: u64) -> (Self, u64) {
        (if data & 1 == 0 { Self::Process } else { Self::Output }, data >> 1)
    }
}

fn signal(leader: &Child, which: Signal) {
    let pid = Pid::from_raw(leader.id());
    // ESRCH where nobody is left in the group: that is what was wanted. Before it leads a group it has its number only.
    if killpg(pid, which).is_err()
        && let Err(error) = kill(pid, which)
        && error != Errno::ESRCH
    {
        let error = Capability::Kill.explain(error.into());
        log::warn!("a script that has to end cannot be ended, it runs on: {error} pid={pid}");
    }
}

fn forced(ending: Ending, limit: Duration) -> Outcome {
    match ending {
        Ending::TimeLimit => Outcome::TimedOut(limit),
        Ending::Stopped => Outcome::Stopped,
    }
}

fn by_itself(status: io::Result<ExitStatus>) -> Outcome {
    match status {
        Ok(status) => match (status.code().and_then(|code| u8::try_from(code).ok()), status.signal()) {
            (Some(code), _) => Outcome::Exited(code),
            (None, Some(number)) => Outcome::Signalled(number),
            (None, None) => Outcome::Lost(status.to_string()),
        },
        Err(error) => Outcome::Lost(words(&error)),
    }
}

/// The whole environment of a script: what its user expects, and what its owner adds.
fn environment(identity: &Identity, added: &[(String, String)]) -> Vec<CString> {
    let ours = [
        ("PATH", Command::SEARCH_PATH),
        ("HOME", &identity.home),
        ("USER", &identity.name),
        ("LOGNAME", &identity.name),
        ("SHELL", "/bin/sh"),
    ];
    let added = added.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let lines = ours.into_iter().chain(added).map(|(name, value)| format!("{name}={value}"));
    lines.filter_map(|line| CString::new(line).ok()).collect()
}

#[cfg(test)]
mod tests;
