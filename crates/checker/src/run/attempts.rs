//! The attempts under way: which check each belongs to, and how it reaches its end.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use common::child::ChildKey;
use common::config::UserName;
use common::event_loop::{Drained, Readiness, Registry};
use common::script;

use super::{Key, LoopKey};
use crate::checks::{Exited, Verdict};
use crate::effects::scripts::{Ended, Scripts};
use crate::machine::{CheckId, Event};
use crate::plan;
use crate::transport::{Outcome, Slot, Transport};

/// An attempt under way.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    slot: Slot,
    started: Instant,
    /// Whether a program of it runs.
    program: bool,
}

/// All of them, with what performs them.
#[derive(Debug)]
pub(super) struct Attempts {
    transport: Transport<LoopKey>,
    pub(super) scripts: Scripts<LoopKey>,
    by_check: BTreeMap<CheckId, Attempt>,
    by_slot: BTreeMap<Slot, CheckId>,
    ended: Vec<Ended>,
}

fn attempt_key(slot: Slot) -> LoopKey {
    ChildKey::App(Key::Attempt(slot))
}

impl Attempts {
    pub(super) fn new(script_user: Option<UserName>, registry: &Registry<LoopKey>) -> io::Result<Self> {
        Ok(Self {
            transport: Transport::new(attempt_key),
            scripts: Scripts::new(script_user, ChildKey::App(Key::Scripts), registry)?,
            by_check: BTreeMap::new(),
            by_slot: BTreeMap::new(),
            ended: Vec::new(),
        })
    }

    /// How many attempts are under way.
    pub(super) fn len(&self) -> usize {
        self.by_check.len()
    }

    pub(super) fn begin(
        &mut self,
        id: CheckId,
        check: &plan::Check,
        now: Instant,
        registry: &Registry<LoopKey>,
        news: &mut Vec<Event>,
    ) {
        let settings = &check.settings;
        let probe = settings.kind.probe(check.target());
        let (slot, outcome) = self.transport.begin(probe, check.target(), &settings.dial, registry);
        match outcome {
            Outcome::Pending => self.note(id, Attempt { slot, started: now, program: false }),
            Outcome::Done(verdict) => news.push(finished(id, verdict, now, now)),
            Outcome::Program(program) => {
                match self.scripts.check(id, program, settings.timing.timeout, now) {
                    Ok(()) => self.note(id, Attempt { slot, started: now, program: true }),
                    Err(outcome) => {
                        self.transport.cancel(slot);
                        news.push(finished(id, Verdict::Unknown(outcome.to_string().into()), now, now));
                    }
                }
            }
        }
    }

    fn note(&mut self, id: CheckId, attempt: Attempt) {
        self.by_slot.insert(attempt.slot, id);
        self.by_check.insert(id, attempt);
    }

    fn forget(&mut self, id: CheckId) -> Option<Attempt> {
        let attempt = self.by_check.remove(&id)?;
        self.by_slot.remove(&attempt.slot);
        Some(attempt)
    }

    pub(super) fn ready(
        &mut self,
        slot: Slot,
        readiness: Readiness,
        now: Instant,
        registry: &Registry<LoopKey>,
        news: &mut Vec<Event>,
    ) -> Drained {
        let Some(id) = self.by_slot.get(&slot).copied() else { return Drained::Yes };
        let (outcome, drained) = self.transport.ready(slot, readiness, registry);
        for (_, seen) in self.transport.take_seen() {
            news.push(Event::Certificate { check: id, left: seen.left, short: seen.short });
        }
        self.follow(id, outcome, now, news);
        drained
    }

    /// The time limit of a check has passed.
    pub(super) fn expire(
        &mut self,
        id: CheckId,
        now: Instant,
        registry: &Registry<LoopKey>,
        news: &mut Vec<Event>,
    ) {
        let Some(attempt) = self.forget(id) else {
            // Cannot be; but a check without an answer would never run again.
            return news.push(finished(id, Verdict::Unknown("the attempt is lost".into()), now, now));
        };
        if attempt.program {
            self.scripts.stop(id, now);
        }
        let verdict = self.transport.expire(attempt.slot, registry);
        news.push(finished(id, verdict, attempt.started, now));
    }

    pub(super) fn cancel(&mut self, id: CheckId, now: Instant) {
        let Some(attempt) = self.forget(id) else { return };
        if attempt.program {
            self.scripts.stop(id, now);
        }
        self.transport.cancel(attempt.slot);
    }

    pub(super) fn scripts_ready(
        &mut self,
        now: Instant,
        registry: &Registry<LoopKey>,
        news: &mut Vec<Event>,
    ) -> Drained {
        let drained = self.scripts.ready(now, &mut self.ended);
        self.programs_ended(now, registry, news);
        drained
    }

    pub(super) fn timeout(&mut self, now: Instant, registry: &Registry<LoopKey>, news: &mut Vec<Event>) {
        if self.scripts.poll_timeout().is_some_and(|due| due <= now) {
            self.scripts.timeout(now, &mut self.ended);
            self.programs_ended(now, registry, news);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.scripts.poll_timeout()
    }

    fn programs_ended(&mut self, now: Instant, registry: &Registry<LoopKey>, news: &mut Vec<Event>) {
        for Ended { check, outcome } in std::mem::take(&mut self.ended) {
            // One that was given up ends all the same; nobody waits for it.
            let Some(attempt) = self.by_check.get(&check).filter(|attempt| attempt.program).copied() else {
                continue;
            };
            let exited = match outcome {
                script::Outcome::Exited(code) => Exited::Code(code),
                script::Outcome::Signalled(number) => Exited::Signal(number),
                outcome @ (script::Outcome::TimedOut(_)
                | script::Outcome::Stopped
                | script::Outcome::Lost(_)
                | script::Outcome::NotStarted(_)) => {
                    self.transport.cancel(attempt.slot);
                    let verdict = Verdict::Unknown(outcome.to_string().into());
                    self.follow(check, Outcome::Done(verdict), now, news);
                    continue;
                }
            };
            let outcome = self.transport.exited(attempt.slot, exited, registry);
            self.follow(check, outcome, now, news);
        }
    }

    fn follow(&mut self, id: CheckId, outcome: Outcome, now: Instant, news: &mut Vec<Event>) {
        let verdict = match outcome {
            Outcome::Pending => return,
            Outcome::Done(verdict) => verdict,
            Outcome::Program(program) => {
                // No kind runs a program after having talked; if one ever does, this says so.
                let words = format!("cannot run {} in the middle of an attempt", program.command);
                if let Some(attempt) = self.by_check.get(&id) {
                    self.transport.cancel(attempt.slot);
                }
                Verdict::Unknown(words.into())
            }
        };
        if let Some(attempt) = self.forget(id) {
            news.push(finished(id, verdict, attempt.started, now));
        }
    }
}

fn finished(check: CheckId, verdict: Verdict, started: Instant, now: Instant) -> Event {
    Event::Finished { check, verdict, took: now.saturating_duration_since(started) }
}
