//! Scripts: the tracked ones, whose outcome goes back to the core, and notify commands, in their order.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use common::config::{CommandLine, UserName};
use common::event_loop::{Drained, Interest, Registration, Registry};
use common::script::{self, Class, Finished, JobNumber, Notice, NotifyAction, NotifyQueue, Outcome, Runner};

use crate::machine::action::{Command, Notification, NotifyState, Object};
use crate::machine::event::{Event, ScriptOutcome};
use crate::machine::id::Name;

/// An object's last notification is over within this, also when one before it hangs: the watchdog's patience with a
/// stopping child is longer.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// The runner's name for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Run {
    Tracked(u64),
    Notify(JobNumber),
}

/// What belongs together: the commands for one change of state of one object.
type Occasion = (Object, NotifyState, Vec<(script::Command, Duration)>);

/// The scripts of the process.
#[derive(Debug)]
pub struct Scripts<K: Copy> {
    _registration: Registration<K>,
    runner: Runner<Run>,
    queue: NotifyQueue<Object, script::Command>,
    /// The runs of tracked scripts that somebody waits for.
    tracked: BTreeMap<Name, u64>,
    last: u64,
    occasion: Option<Occasion>,
    // Kept between calls for their memory.
    actions: Vec<NotifyAction<Object, script::Command>>,
    finished: Vec<Finished<Run>>,
}

impl<K: Copy> Scripts<K> {
    /// Scripts that run as `default_user` where they name nobody; their descriptor becomes readable under `key`.
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
            tracked: BTreeMap::new(),
            last: 0,
            occasion: None,
            actions: Vec::new(),
            finished: Vec::new(),
        })
    }

    /// After a reload: another default user.
    pub fn reconfigure(&mut self, default_user: Option<UserName>) {
        self.runner.reconfigure(default_user);
    }

    /// Runs a tracked script. Its end becomes an event, also when it does not begin.
    pub fn run(&mut self, name: &Name, command: &Command, now: Instant, out: &mut Vec<Event<'static>>) {
        // A run of before that is still ending is no longer waited for.
        self.stop(name, now);
        self.last += 1;
        let started = to_run(command, script::Command::probe)
            .map_err(Outcome::NotStarted)
            .and_then(|command| self.runner.start(Run::Tracked(self.last), &command, now));
        match started {
            Ok(()) => {
                self.tracked.insert(name.clone(), self.last);
            }
            Err(outcome) => {
                self.tracked.remove(name);
                out.push(finished(name, outcome));
            }
        }
    }

    /// Ends a tracked script.
    pub fn stop(&mut self, name: &Name, now: Instant) {
        if let Some(number) = self.tracked.get(name) {
            self.runner.stop(Run::Tracked(*number), now);
        }
    }

    /// Takes a notify command. Those that come one after the other for one change of state are one notice: a newer
    /// state replaces all of them or none.
    pub fn notify(&mut self, notification: &Notification, run: &Command, now: Instant) {
        let Notification { object, state, priority, reason, .. } = notification;
        let command = match to_run(run, script::Command::notify) {
            Ok(command) => command,
            Err(why) => return log::warn!("notify command not started: {why} object=\"{object}\""),
        };
        let (kind, name) = match object {
            Object::Instance(name) => ("INSTANCE", name),
            Object::Group(name) => ("GROUP", name),
        };
        let command = command
            .with("HOLDFAST_KIND", kind)
            .with("HOLDFAST_NAME", name.as_str())
            .with("HOLDFAST_STATE", state.word())
            .with("HOLDFAST_PRIORITY", priority.to_string())
            .with("HOLDFAST_REASON", reason.as_str());
        let job = (command, run.timeout);
        match &mut self.occasion {
            Some((whose, when, jobs)) if whose == object && when == state => jobs.push(job),
            _ => {
                self.flush(now);
                self.occasion = Some((object.clone(), *state, vec![job]));
            }
        }
    }

    /// Queues what [`Self::notify`] gathered. To be called when a batch of actions is through.
    pub fn flush(&mut self, now: Instant) {
        let Some((object, state, jobs)) = self.occasion.take() else { return };
        let class = match state {
            NotifyState::Master | NotifyState::Backup | NotifyState::Fault => Some(Class::State),
            NotifyState::LowerPriority => Some(Class::Event(1)),
            NotifyState::MasterPriority | NotifyState::BackupPriority => Some(Class::Event(2)),
            NotifyState::Stop | NotifyState::Deleted => None,
        };
        let Some(class) = class else {
            self.queue.stop(&object, jobs, STOP_LIMIT, now, &mut self.actions);
            return self.start_jobs(now);
        };
        if !self.queue.push(&object, Notice { class, jobs }, now, &mut self.actions) {
            log::warn!(
                "notification dropped: it was stopped before object=\"{object}\" state={}",
                state.word()
            );
        }
        self.start_jobs(now);
    }

    /// The process stops: what still runs has as long as a last notification has.
    pub fn close(&mut self, now: Instant) {
        self.flush(now);
        self.queue.close(STOP_LIMIT, now, &mut self.actions);
        self.start_jobs(now);
    }

    /// Starts and ends what the queue says.
    fn start_jobs(&mut self, now: Instant) {
        // A job that cannot be started is finished, which may make the queue start another.
        while let Some(action) = (!self.actions.is_empty()).then(|| self.actions.remove(0)) {
            match action {
                NotifyAction::Start { number, object, job, time_limit } => {
                    let command = script::Command { time_limit, ..job };
                    if let Err(outcome) = self.runner.start(Run::Notify(number), &command, now) {
                        log::warn!(
                            "notify command failed: {outcome} object=\"{object}\" command={}",
                            command.line
                        );
                        self.queue.finished(number, now, &mut self.actions);
                    }
                }
                NotifyAction::Terminate { number } => self.runner.stop(Run::Notify(number), now),
            }
        }
    }

    /// The descriptor is readable.
    pub fn ready(&mut self, now: Instant, out: &mut Vec<Event<'static>>) -> Drained {
        let drained = self.runner.ready(now, &mut self.finished);
        self.settle(now, out);
        drained
    }

    /// When [`Self::timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.runner.poll_timeout(), self.queue.poll_timeout()].into_iter().flatten().min()
    }

    /// Time limits.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Event<'static>>) {
        self.runner.timeout(now, &mut self.finished);
        self.queue.timeout(now, &mut self.actions);
        self.settle(now, out);
    }

    fn settle(&mut self, now: Instant, out: &mut Vec<Event<'static>>) {
        for Finished { id, outcome, program, .. } in std::mem::take(&mut self.finished) {
            match id {
                Run::Tracked(number) => {
                    let known = self.tracked.iter().find(|(_, known)| **known == number);
                    if let Some(name) = known.map(|(name, _)| name.clone()) {
                        self.tracked.remove(&name);
                        out.push(finished(&name, outcome));
                    }
                }
                Run::Notify(number) => {
                    if !outcome.success() {
                        log::warn!("notify command failed: {outcome} command={program}");
                    }
                    self.queue.finished(number, now, &mut self.actions);
                }
            }
        }
        self.start_jobs(now);
    }

    /// Whether every notification is through.
    pub fn is_idle(&self) -> bool {
        self.occasion.is_none() && self.queue.is_idle()
    }
}

/// The core's command as the runner wants it.
fn to_run(
    command: &Command,
    make: fn(CommandLine, Option<UserName>, Duration) -> script::Command,
) -> Result<script::Command, String> {
    let line = CommandLine::new(command.argv.clone()).ok_or("the command names no program")?;
    let user = command.user.as_deref().map(str::parse).transpose()?;
    Ok(make(line, user, command.timeout))
}

/// The core's event for a script's end.
fn finished(name: &Name, outcome: Outcome) -> Event<'static> {
    let outcome = match outcome {
        Outcome::Exited(code) => ScriptOutcome::Exited(i32::from(code)),
        Outcome::Signalled(number) => ScriptOutcome::Killed(number),
        Outcome::Stopped => ScriptOutcome::Killed(nix::libc::SIGTERM),
        Outcome::TimedOut(_) => ScriptOutcome::TimedOut,
        Outcome::Lost(why) | Outcome::NotStarted(why) => ScriptOutcome::NotStarted(why),
    };
    Event::ScriptFinished { script: name.clone(), outcome }
}
