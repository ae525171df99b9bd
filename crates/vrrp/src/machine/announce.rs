//! When a master's addresses are announced: a burst, a second one later, refreshes, all of it spaced if asked for.
//!
//! Lives inside the master state, so that leaving it ends every announcement that was still to come.

use std::time::Instant;

use crate::plan::AnnouncePlan;

/// The announcements still to come.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    // Rounds to be sent now, and where in the current one we are when they are spaced.
    rounds: u8,
    index: usize,
    next_at: Option<Instant>,
    later: Option<(Instant, u8)>,
    refresh_at: Option<Instant>,
}

/// What to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Burst {
    /// Every address, this many times.
    All(u8),
    /// One address, once.
    One(usize),
}

impl Announcer {
    /// On becoming master.
    pub(super) fn start(plan: &AnnouncePlan, now: Instant) -> Self {
        let mut announcer = Self::default();
        announcer.again(plan, now);
        announcer.refresh_at = (!plan.refresh.is_zero()).then(|| now + plan.refresh);
        announcer
    }

    /// The same as on becoming master, for whatever made the network forget.
    pub(super) fn again(&mut self, plan: &AnnouncePlan, now: Instant) {
        self.request(plan.repeat, now);
        self.later = (!plan.delay.is_zero()).then(|| (now + plan.delay, plan.repeat));
    }

    /// Somebody else may have announced the addresses: say again whose they are.
    pub(super) fn inferior_heard(&mut self, plan: &AnnouncePlan, now: Instant) {
        if plan.inferior_repeat == 0 {
            return;
        }
        self.request(plan.inferior_repeat, now);
        if !plan.inferior_delay.is_zero() && self.later.is_none() {
            self.later = Some((now + plan.inferior_delay, plan.inferior_repeat));
        }
    }

    fn request(&mut self, rounds: u8, now: Instant) {
        self.rounds = self.rounds.max(rounds);
        if self.rounds > 0 && self.next_at.is_none() {
            self.next_at = Some(now);
        }
    }

    /// What is due, one thing at a time; to be asked until there is nothing.
    pub(super) fn due(&mut self, plan: &AnnouncePlan, targets: usize, now: Instant) -> Option<Burst> {
        if let Some((at, rounds)) = self.later
            && at <= now
        {
            self.later = None;
            self.request(rounds, now);
        }
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = (!plan.refresh.is_zero()).then(|| now + plan.refresh);
            self.request(plan.refresh_repeat, now);
        }
        if self.next_at.is_none_or(|at| at > now) {
            return None;
        }
        if targets == 0 {
            self.finish();
            return None;
        }
        if plan.spacing.is_zero() {
            let rounds = self.rounds;
            self.finish();
            return Some(Burst::All(rounds));
        }
        let index = self.index.min(targets - 1);
        self.index = index + 1;
        if self.index == targets {
            self.index = 0;
            self.rounds -= 1;
        }
        self.next_at = (self.rounds > 0).then(|| now + plan.spacing);
        Some(Burst::One(index))
    }

    fn finish(&mut self) {
        self.rounds = 0;
        self.index = 0;
        self.next_at = None;
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let later = self.later.map(|(at, _)| at);
        [self.next_at, later, self.refresh_at].into_iter().flatten().min()
    }
}
