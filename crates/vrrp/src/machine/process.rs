//! A tracked process: whether the right number of it runs, for long enough to count.

use std::time::{Duration, Instant};

use super::action::Action;
use super::fact::Fact;
use super::track::Reading;
use crate::plan::ProcessPlan;

/// A process with its verdict.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) plan: ProcessPlan,
    /// How many there are; `None` until they were counted.
    pub(super) count: Option<u32>,
    pub(super) up: Option<bool>,
    /// When the verdict turns, if the number stays as it is.
    turn_at: Option<Instant>,
}

impl Process {
    pub(super) const fn new(plan: ProcessPlan) -> Self {
        Self { plan, count: None, up: None, turn_at: None }
    }

    pub(super) fn reading(&self) -> Reading {
        self.up.map_or(Reading::Pending, Reading::of)
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.turn_at
    }

    /// They were counted; says whether the verdict changed.
    pub(super) fn counted(&mut self, count: u32, now: Instant, out: &mut Vec<Action>) -> bool {
        self.count = Some(count);
        self.judge(now, out)
    }

    /// Says whether the verdict changed.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) -> bool {
        self.turn_at.is_some_and(|at| at <= now) && self.turn(out)
    }

    fn judge(&mut self, now: Instant, out: &mut Vec<Action>) -> bool {
        let Some(right) = self.is_right() else { return false };
        match self.up {
            // The first number of all is believed at once.
            None => self.turn(out),
            Some(up) if up == right => {
                self.turn_at = None;
                false
            }
            Some(_) => {
                let turn_at = *self.turn_at.get_or_insert(now + self.delay(right));
                turn_at <= now && self.turn(out)
            }
        }
    }

    fn is_right(&self) -> Option<bool> {
        self.count.map(|count| self.plan.accepts(count))
    }

    const fn delay(&self, right: bool) -> Duration {
        if right { self.plan.fork_delay } else { self.plan.terminate_delay }
    }

    fn turn(&mut self, out: &mut Vec<Action>) -> bool {
        self.turn_at = None;
        let (Some(count), Some(up)) = (self.count, self.is_right()) else { return false };
        self.up = Some(up);
        let (process, wanted) = (self.plan.name.clone(), self.plan.wanted());
        out.push(Action::Report(Fact::Process { process, up, count, wanted }));
        true
    }

    /// The predecessor's verdict stands until the number has been otherwise for long enough.
    pub(super) fn restore(&mut self, up: bool, now: Instant) {
        self.up = Some(up);
        self.turn_at = self.is_right().filter(|right| *right != up).map(|right| now + self.delay(right));
    }

    /// The plan changed. The verdict stands until the number has been otherwise for long enough; what is counted from now
    /// on as something else has no number yet.
    pub(super) fn reconfigure(&mut self, plan: ProcessPlan, now: Instant, out: &mut Vec<Action>) {
        if (&plan.program, &plan.arguments) != (&self.plan.program, &self.plan.arguments) {
            self.count = None;
        }
        self.plan = plan;
        self.turn_at = None;
        self.judge(now, out);
    }
}
