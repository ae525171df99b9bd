//! Scripts: those that check, whose end goes back to the attempt, and notify commands, in order for each
//! server and each virtual server.

use std::io;
use std::time::{Duration, Instant};

use common::config::{CommandLine, UserName};
use common::event_loop::{Drained, Interest, Registration, Registry};
use common::script::{
    Class, Command, Finished, JobNumber, Notice, NotifyAction, NotifyQueue, Outcome, Runner,
};

use crate::checks::Program;
use crate::machine::{CheckId, Subject};

/// How long a notify command may take.
const NOTIFY_LIMIT: Duration = Duration::from_secs(60);

/// The runner's name for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Run {
    Check(CheckId),
    Notify(JobNumber),
}

/// The end of a checking script.
#[derive(Debug)]
pub struct Ended {
    /// Whose it was.
    pub check: CheckId,
    /// How it ended.
    pub outcome: Outcome,
}

/// The scripts of the process.
#[derive(Debug)]
pub struct Scripts<K: Copy> {
    _registration: Registration<K>,
    runner: Runner<Run>,
    queue: NotifyQueue<Subject, Command>,
    // Empty between calls; kept for their memory.
    actions: Vec<NotifyAction<Subject, Command>>,
    finished: Vec<Finished<Run>>,
}

impl<K: Copy> Scripts<K> {
    /// Scripts that run as `default_user` where they name nobody; their descriptor becomes readable under
    /// `key`.
    ///
    /// # Errors
    /// No descriptors.
    pub fn new(default_user: Option<UserName>, key: K, registry: &Registry<K>) -> io::Result<Self> {
        let runner = Runner::new(default_user)?;
        let registration = registry.add(&runner, key, Interest::Read)?;
        Ok(Self {
            _registration: registration,
            runner,
            queue: NotifyQueue::default(),
            actions: Vec::new(),
            finished: Vec::new(),
        })
    }

    /// After a reload: another default user.
    pub fn reconfigure(&mut self, default_user: Option<UserName>) {
        self.runner.reconfigure(default_user);
    }

    /// Runs the program of a check. The time limit is the check's own business; this one is for a check that
    /// forgets it.
    ///
    /// # Errors
    /// Why it was not started.
    pub fn check(
        &mut self,
        check: CheckId,
        program: Program,
        limit: Duration,
        now: Instant,
    ) -> Result<(), Outcome> {
        let command = Command::probe(program.command, program.user, limit + Duration::from_secs(1));
        self.runner.start(Run::Check(check), &command, now)
    }

    /// Ends the program of a check; nobody waits for it any more.
    pub fn stop(&mut self, check: CheckId, now: Instant) {
        self.runner.stop(Run::Check(check), now);
    }

    /// Queues a notify command.
    pub fn notify(
        &mut self,
        subject: Subject,
        line: CommandLine,
        environment: Vec<(&'static str, String)>,
        now: Instant,
    ) {
        let command = Command::notify(line, None, NOTIFY_LIMIT);
        let command =
            environment.into_iter().fold(command, |command, (name, value)| command.with(name, value));
        let notice = Notice { class: Class::State, jobs: vec![(command, NOTIFY_LIMIT)] };
        self.queue.push(&subject, notice, now, &mut self.actions);
        self.start_jobs(now);
    }

    fn start_jobs(&mut self, now: Instant) {
        // A job that cannot be started is finished, which may make the queue start another.
        while let Some(action) = (!self.actions.is_empty()).then(|| self.actions.remove(0)) {
            match action {
                NotifyAction::Start { number, job, time_limit, .. } => {
                    let command = Command { time_limit, ..job };
                    if let Err(outcome) = self.runner.start(Run::Notify(number), &command, now) {
                        log::warn!("notify command failed: {outcome} command=\"{}\"", command.line);
                        self.queue.finished(number, now, &mut self.actions);
                    }
                }
                NotifyAction::Terminate { number } => self.runner.stop(Run::Notify(number), now),
            }
        }
    }

    /// The descriptor is readable.
    pub fn ready(&mut self, now: Instant, out: &mut Vec<Ended>) -> Drained {
        let drained = self.runner.ready(now, &mut self.finished);
        self.settle(now, out);
        drained
    }

    /// When [`Self::timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.runner.poll_timeout(), self.queue.poll_timeout()].into_iter().flatten().min()
    }

    /// Time limits.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Ended>) {
        self.runner.timeout(now, &mut self.finished);
        self.queue.timeout(now, &mut self.actions);
        self.settle(now, out);
    }

    fn settle(&mut self, now: Instant, out: &mut Vec<Ended>) {
        for Finished { id, outcome, .. } in std::mem::take(&mut self.finished) {
            match id {
                Run::Check(check) => out.push(Ended { check, outcome }),
                Run::Notify(number) => {
                    if !outcome.success() {
                        log::warn!("notify command failed: {outcome}");
                    }
                    self.queue.finished(number, now, &mut self.actions);
                }
            }
        }
        self.start_jobs(now);
    }

    /// Whether every notification is through.
    pub fn is_idle(&self) -> bool {
        self.queue.is_idle()
    }
}
