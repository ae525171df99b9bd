//! A tracked script: when it runs, and what its results amount to.

use std::sync::Arc;
use std::time::Instant;

use super::action::Action;
use super::event::ScriptOutcome;
use super::fact::Fact;
use super::track::Reading;
use crate::plan::ScriptPlan;

/// A script with its verdict.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) plan: ScriptPlan,
    /// `None` while its first end is waited for.
    pub(super) up: Option<bool>,
    /// No run has been judged.
    pub(super) fresh: bool,
    /// Results in a row against the verdict.
    pub(super) streak: u8,
    pub(super) last: Option<ScriptOutcome>,
    pub(super) runs: u64,
    running: bool,
    // A run of an older command: its result says nothing.
    stale: bool,
    next_at: Instant,
}

impl Script {
    pub(super) const fn new(plan: ScriptPlan, now: Instant) -> Self {
        let up = plan.initial;
        Self {
            plan,
            up,
            fresh: true,
            streak: 0,
            last: None,
            runs: 0,
            running: false,
            stale: false,
            next_at: now,
        }
    }

    pub(super) fn reading(&self) -> Reading {
        self.up.map_or(Reading::Pending, Reading::of)
    }

    /// When it is to be started next; never while it runs.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.running).then_some(self.next_at)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.running || self.next_at > now {
            return;
        }
        self.running = true;
        self.next_at = now + self.plan.interval;
        out.push(Action::RunScript { script: self.plan.name.clone(), run: Arc::clone(&self.plan.run) });
    }

    /// A run ended; says whether the verdict changed.
    pub(super) fn finished(&mut self, outcome: ScriptOutcome, out: &mut Vec<Action>) -> bool {
        if !self.running {
            return false;
        }
        self.running = false;
        if std::mem::take(&mut self.stale) {
            return false;
        }
        self.runs += 1;
        let good = outcome == ScriptOutcome::Exited(0);
        let words = outcome.to_string();
        self.last = Some(outcome);
        let needed = if good { self.plan.rise } else { self.plan.fall };
        let fresh = std::mem::take(&mut self.fresh);
        if self.up == Some(good) {
            self.streak = 0;
            return false;
        }
        self.streak = self.streak.saturating_add(1);
        // The first result of all is believed at once.
        if !fresh && self.streak < needed {
            return false;
        }
        self.streak = 0;
        self.up = Some(good);
        out.push(Action::Report(Fact::Script { script: self.plan.name.clone(), up: good, outcome: words }));
        true
    }

    /// The plan changed. The verdict stands until the new command has its own.
    pub(super) fn reconfigure(&mut self, plan: ScriptPlan, now: Instant, out: &mut Vec<Action>) {
        if plan.run != self.plan.run {
            self.streak = 0;
            self.next_at = now;
            if self.running {
                self.stale = true;
                out.push(Action::StopScript { script: self.plan.name.clone() });
            }
        }
        self.next_at = self.next_at.min(now + plan.interval);
        self.plan = plan;
    }

    /// It is no longer wanted.
    pub(super) fn stop(&self, out: &mut Vec<Action>) {
        if self.running {
            out.push(Action::StopScript { script: self.plan.name.clone() });
        }
    }
}
