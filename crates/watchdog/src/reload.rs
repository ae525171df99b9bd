//! A reload over all children: everyone prepares, then everyone commits, or nothing happens. Pure.
//!
//! ```text
//!          requested        checked             all prepared          new ones ready            all committed
//!   Idle ─────────► Loading ───────► Preparing ─────────────► Launching ─────────────► Committing ───────► Idle
//!                      │ faulty          │ refused, late,         │ died, late              │ late: kill it, its
//!                      ▼                 ▼ died: abort all        ▼ abort all               ▼ successor has the text
//!                    Idle              Idle                     Idle
//! ```
//! The point of no return is [`Action::Adopt`]: before it nothing has changed anywhere, after it the new text is the
//! one that every child runs or is started with. One reload is in flight at a time; a second one by signal is done
//! afterwards, however many signals came, and a client that asks for a second one is told to ask again.

mod message;

#[cfg(test)]
mod tests;

pub use message::{Action, Asker, Event, Outcome, Part, Round, Ticket};

use crate::supervisor::ChildId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// For planning the new text and opening what can fail.
const PREPARE_LIMIT: Duration = Duration::from_secs(10);
/// For putting a prepared plan in force, which cannot fail but may take its time.
const COMMIT_LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
struct Job {
    asker: Asker,
    dry_run: bool,
    /// Those who prepare and commit, with what they said they would change.
    members: BTreeMap<ChildId, Option<Value>>,
    coming: BTreeSet<ChildId>,
    new: BTreeSet<ChildId>,
    leaving: BTreeSet<ChildId>,
}

#[derive(Clone, Debug)]
enum State {
    Idle,
    Loading { asker: Asker, dry_run: bool },
    Preparing { job: Job, by: Instant },
    Launching { job: Job, waiting: BTreeSet<ChildId>, by: Instant },
    Committing { job: Job, waiting: BTreeSet<ChildId>, by: Instant },
}

/// The reloads of a daemon, one after the other.
#[derive(Clone, Debug)]
pub struct Reload {
    state: State,
    round: Round,
    /// A signal came while a reload was in flight.
    again: bool,
    stopping: bool,
    start_limit: Duration,
}

impl Reload {
    /// Nothing in flight. New children get `start_limit` to become ready.
    #[must_use]
    pub fn new(start_limit: Duration) -> Self {
        Self { state: State::Idle, round: Round(0), again: false, stopping: false, start_limit }
    }

    /// From now on new children get this long.
    pub fn set_start_limit(&mut self, start_limit: Duration) {
        self.start_limit = start_limit;
    }

    /// Is one in flight?
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// Is the new text already in force where it can be?
    #[must_use]
    pub fn is_committing(&self) -> bool {
        matches!(self.state, State::Committing { .. })
    }

    /// Takes in what happened.
    pub fn handle(&mut self, event: Event, now: Instant, out: &mut Vec<Action>) {
        match event {
            Event::Requested { asker, dry_run } => self.requested(asker, dry_run, out),
            Event::Checked { parts } => self.checked(parts, now, out),
            Event::Faulty { text } => {
                if let State::Loading { asker, .. } = self.state {
                    self.end(asker, Outcome::Refused { child: None, text }, out);
                }
            }
            Event::Prepared { child, round, changes } if round == self.round => {
                if let State::Preparing { job, .. } = &mut self.state
                    && let Some(answer) = job.members.get_mut(&child)
                {
                    *answer = Some(changes);
                }
            }
            Event::Refused { child, round, text } if round == self.round => {
                if let State::Preparing { job, .. } = &mut self.state
                    && job.members.contains_key(&child)
                {
                    self.abort(Some(child), &text, out);
                } else {
                    // A commit cannot be refused: a child that does so is replaced.
                    self.commit_refused(child, out);
                }
            }
            Event::Committed { child, round } if round == self.round => self.committed(child),
            Event::Prepared { .. } | Event::Refused { .. } | Event::Committed { .. } => {}
            Event::Ready { child } => self.ready(child, out),
            Event::Gone { child } => self.gone(child, out),
            Event::Stopping => {
                self.stopping = true;
                self.again = false;
                self.abort(None, "the daemon is stopping", out);
            }
        }
        self.advance(now, out);
    }

    /// Acts on what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        match &self.state {
            State::Preparing { job, by } if *by <= now => {
                let late = job.members.iter().find(|(_, answer)| answer.is_none()).map(|(child, _)| *child);
                let late = late.or_else(|| job.coming.first().copied());
                self.abort(late, "no answer in time", out);
            }
            State::Launching { waiting, by, .. } if *by <= now => {
                let late = waiting.first().copied();
                self.abort(late, "not ready in time", out);
            }
            State::Committing { waiting, by, .. } if *by <= now => {
                for child in waiting.clone() {
                    self.commit_refused(child, out);
                }
            }
            State::Idle
            | State::Loading { .. }
            | State::Preparing { .. }
            | State::Launching { .. }
            | State::Committing { .. } => {}
        }
        self.advance(now, out);
    }

    /// When it wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle | State::Loading { .. } => None,
            State::Preparing { by, .. } | State::Launching { by, .. } | State::Committing { by, .. } => {
                Some(*by)
            }
        }
    }

    fn requested(&mut self, asker: Asker, dry_run: bool, out: &mut Vec<Action>) {
        if self.stopping {
            let text = "the daemon is stopping".to_owned();
            out.push(Action::Answer { asker, outcome: Outcome::Refused { child: None, text } });
        } else if !self.is_busy() {
            self.state = State::Loading { asker, dry_run };
            out.push(Action::Load);
        } else if asker == Asker::Signal {
            self.again = true;
        } else {
            out.push(Action::Answer { asker, outcome: Outcome::Busy });
        }
    }

    fn checked(&mut self, parts: Vec<(ChildId, Part)>, now: Instant, out: &mut Vec<Action>) {
        let State::Loading { asker, dry_run } = self.state else {
            return;
        };
        self.round = Round(self.round.0 + 1);
        let mut job = Job {
            asker,
            dry_run,
            members: BTreeMap::new(),
            coming: BTreeSet::new(),
            new: BTreeSet::new(),
            leaving: BTreeSet::new(),
        };
        for (child, part) in parts {
            match part {
                Part::Member => {
                    job.members.insert(child, None);
                    out.push(Action::Prepare { child, round: self.round });
                }
                Part::Coming => drop(job.coming.insert(child)),
                Part::New => drop(job.new.insert(child)),
                Part::Leaving => drop(job.leaving.insert(child)),
                Part::Absent => {}
            }
        }
        self.state = State::Preparing { job, by: now + PREPARE_LIMIT };
    }

    fn ready(&mut self, child: ChildId, out: &mut Vec<Action>) {
        match &mut self.state {
            State::Preparing { job, .. } => {
                if job.coming.remove(&child) {
                    job.members.insert(child, None);
                    out.push(Action::Prepare { child, round: self.round });
                }
            }
            State::Launching { waiting, .. } => drop(waiting.remove(&child)),
            State::Idle | State::Loading { .. } | State::Committing { .. } => {}
        }
    }

    fn gone(&mut self, child: ChildId, out: &mut Vec<Action>) {
        match &mut self.state {
            State::Preparing { job, .. } => {
                // One that dies while it starts is down now, and gets the new text with its next start.
                if !job.coming.remove(&child) && job.members.contains_key(&child) {
                    self.abort(Some(child), "it died", out);
                }
            }
            State::Launching { job, .. } => {
                if job.new.contains(&child) {
                    self.abort(Some(child), "it does not start with this configuration", out);
                } else if job.members.contains_key(&child) {
                    self.abort(Some(child), "it died", out);
                }
            }
            // Its successor starts with the new text, which is as good as a commit.
            State::Committing { waiting, .. } => drop(waiting.remove(&child)),
            State::Idle | State::Loading { .. } => {}
        }
    }

    fn committed(&mut self, child: ChildId) {
        if let State::Committing { waiting, .. } = &mut self.state {
            waiting.remove(&child);
        }
    }

    fn commit_refused(&mut self, child: ChildId, out: &mut Vec<Action>) {
        if let State::Committing { waiting, .. } = &mut self.state
            && waiting.remove(&child)
        {
            out.push(Action::GiveUp { child });
        }
    }

    /// Moves on as far as the answers allow.
    fn advance(&mut self, now: Instant, out: &mut Vec<Action>) {
        loop {
            match std::mem::replace(&mut self.state, State::Idle) {
                State::Preparing { job, .. } if job.is_prepared() => {
                    if job.dry_run {
                        self.forget(&job, out);
                        self.end(job.asker, job.outcome(), out);
                        continue;
                    }
                    for child in job.new.iter().copied() {
                        out.push(Action::Launch { child });
                    }
                    let waiting = job.new.clone();
                    self.state = State::Launching { job, waiting, by: now + self.start_limit };
                }
                State::Launching { job, waiting, .. } if waiting.is_empty() => {
                    out.push(Action::Adopt);
                    let waiting: BTreeSet<ChildId> = job.members.keys().copied().collect();
                    for child in waiting.iter().copied() {
                        out.push(Action::Commit { child, round: self.round });
                    }
                    self.state = State::Committing { job, waiting, by: now + COMMIT_LIMIT };
                }
                State::Committing { job, waiting, .. } if waiting.is_empty() => {
                    for child in job.leaving.iter().copied() {
                        out.push(Action::Retire { child });
                    }
                    self.end(job.asker, job.outcome(), out);
                }
                State::Idle if self.again => {
                    self.again = false;
                    self.requested(Asker::Signal, false, out);
                    return;
                }
                unfinished @ (State::Idle
                | State::Loading { .. }
                | State::Preparing { .. }
                | State::Launching { .. }
                | State::Committing { .. }) => {
                    self.state = unfinished;
                    return;
                }
            }
        }
    }

    /// Ends a reload that is not decided yet as if it had never been asked for.
    fn abort(&mut self, child: Option<ChildId>, why: &str, out: &mut Vec<Action>) {
        let job = match std::mem::replace(&mut self.state, State::Idle) {
            State::Preparing { job, .. } => job,
            State::Launching { job, .. } => {
                for child in job.new.iter().copied() {
                    out.push(Action::Retire { child });
                }
                job
            }
            // Decided: it is seen through, even on the way out, for the client's sake.
            other @ (State::Idle | State::Loading { .. } | State::Committing { .. }) => {
                self.state = other;
                return;
            }
        };
        self.forget(&job, out);
        self.end(job.asker, Outcome::Refused { child, text: why.to_owned() }, out);
    }

    fn forget(&self, job: &Job, out: &mut Vec<Action>) {
        for child in job.members.keys().copied() {
            out.push(Action::Abort { child, round: self.round });
        }
    }

    fn end(&mut self, asker: Asker, outcome: Outcome, out: &mut Vec<Action>) {
        self.state = State::Idle;
        out.push(Action::Answer { asker, outcome });
    }
}

impl Job {
    fn is_prepared(&self) -> bool {
        self.coming.is_empty() && self.members.values().all(Option::is_some)
    }

    fn outcome(&self) -> Outcome {
        let changes = self.members.iter();
        Outcome::Done {
            dry_run: self.dry_run,
            changes: changes.map(|(child, changes)| (*child, changes.clone().unwrap_or_default())).collect(),
            started: self.new.iter().copied().collect(),
            stopped: self.leaving.iter().copied().collect(),
        }
    }
}
