//! When a master's addresses are announced: a burst, a second one later, refreshes, all of it spaced if asked for.
//!
//! Lives inside the master state, so that leaving it ends every announcement that was still to come. The spacing is
//! that of the interface ([`Pace`]), shared by every instance that announces there: a switch or a router that takes so
//! many a second does not care whose they are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::action::Announcement;
use super::id::{Family, LinkName};
use crate::plan::AnnouncePlan;

/// When the next spaced announcement may leave by an interface.
#[derive(Debug, Default)]
pub(super) struct Pace {
    free_at: BTreeMap<(LinkName, Family), Instant>,
}

impl Pace {
    /// Takes the next place in the queue of an interface; first come, first served.
    fn reserve(&mut self, what: &Announcement, spacing: Duration, now: Instant) -> Instant {
        if spacing.is_zero() {
            return now;
        }
        let free_at = self.free_at.entry((what.link, Family::of(what.address))).or_insert(now);
        let at = now.max(*free_at);
        *free_at = at + spacing;
        at
    }
}

/// The announcements still to come.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    // Rounds to be sent now, and where in the current one we are when they are spaced.
    rounds: u8,
    index: usize,
    // These rounds are for the addresses on other interfaces only.
    elsewhere: bool,
    next_at: Option<Instant>,
    // A place was reserved, and its time is `next_at`.
    reserved: bool,
    // Until when the others have their turn: nobody reserves a place before its own spacing is over.
    rest: Option<(Family, Instant)>,
    later: Option<(Instant, u8)>,
    refresh_at: Option<Instant>,
    elsewhere_at: Option<Instant>,
}

/// What to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Burst {
    /// Every address, this many times.
    All(u8),
    /// Every address that is not on the instance's own interface, this many times.
    Elsewhere(u8),
    /// One address, once.
    One(Announcement),
}

/// What there is to announce, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Targets<'a> {
    /// The settings.
    pub(super) plan: &'a AnnouncePlan,
    /// The instance's interface.
    pub(super) own: LinkName,
    /// Every address.
    pub(super) list: &'a [Announcement],
}

impl Targets<'_> {
    fn spacing(&self, target: &Announcement) -> Duration {
        match Family::of(target.address) {
            Family::Ipv4 => self.plan.spacing,
            Family::Ipv6 => self.plan.na_spacing,
        }
    }
}

impl Announcer {
    /// On becoming master.
    pub(super) fn start(plan: &AnnouncePlan, now: Instant) -> Self {
        let mut announcer = Self::default();
        announcer.again(plan, now);
        announcer.rearm(plan, now);
        announcer
    }

    /// On being master again after a restart that nobody noticed: only the regular ones.
    pub(super) fn resume(plan: &AnnouncePlan, now: Instant) -> Self {
        let mut announcer = Self::default();
        announcer.rearm(plan, now);
        announcer
    }

    /// The regular announcements begin, or follow new settings.
    pub(super) fn rearm(&mut self, plan: &AnnouncePlan, now: Instant) {
        let due = |current: Option<Instant>, every: Duration| {
            let at = now + every;
            (!every.is_zero()).then(|| current.map_or(at, |current| current.min(at)))
        };
        self.refresh_at = due(self.refresh_at, plan.refresh);
        self.elsewhere_at = due(self.elsewhere_at, plan.elsewhere_refresh);
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
        if rounds > 0 && std::mem::take(&mut self.elsewhere) {
            // Some become all: from the beginning.
            (self.rounds, self.index) = (0, 0);
        }
        self.rounds = self.rounds.max(rounds);
        if self.rounds > 0 && self.next_at.is_none() {
            self.next_at = Some(now);
        }
    }

    fn request_elsewhere(&mut self, now: Instant) {
        if self.next_at.is_none() {
            (self.rounds, self.index, self.elsewhere, self.next_at) = (1, 0, true, Some(now));
        }
    }

    /// What is due, one thing at a time; to be asked until there is nothing.
    pub(super) fn due(&mut self, targets: Targets<'_>, pace: &mut Pace, now: Instant) -> Option<Burst> {
        let plan = targets.plan;
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
        if self.elsewhere_at.is_some_and(|at| at <= now) {
            self.elsewhere_at = (!plan.elsewhere_refresh.is_zero()).then(|| now + plan.elsewhere_refresh);
            self.request_elsewhere(now);
        }
        if self.next_at.is_none_or(|at| at > now) {
            return None;
        }
        if targets.list.is_empty() {
            self.finish();
            return None;
        }
        if plan.spacing.is_zero() && plan.na_spacing.is_zero() {
            let (rounds, elsewhere) = (self.rounds, self.elsewhere);
            self.finish();
            return Some(if elsewhere { Burst::Elsewhere(rounds) } else { Burst::All(rounds) });
        }
        self.next_spaced(targets, pace, now).map(Burst::One)
    }

    /// The next of a spaced round, if its place in the interface's queue has come.
    fn next_spaced(&mut self, targets: Targets<'_>, pace: &mut Pace, now: Instant) -> Option<Announcement> {
        // A round may have nothing in it; a second look begins the next one.
        while self.rounds > 0 {
            let elsewhere = self.elsewhere;
            let wanted = |(_, a): &(usize, &Announcement)| !elsewhere || a.link != targets.own;
            let next = targets.list.iter().enumerate().skip(self.index).find(wanted);
            let Some((at, target)) = next else {
                self.index = 0;
                self.rounds -= 1;
                continue;
            };
            let family = Family::of(target.address);
            if !std::mem::take(&mut self.reserved) {
                if let Some((of, until)) = self.rest
                    && of == family
                    && until > now
                {
                    self.next_at = Some(until);
                    return None;
                }
                let place = pace.reserve(target, targets.spacing(target), now);
                if place > now {
                    (self.reserved, self.next_at) = (true, Some(place));
                    return None;
                }
            }
            self.index = at + 1;
            self.rest = Some((family, now + targets.spacing(target)));
            self.next_at = Some(now);
            return Some(*target);
        }
        self.finish();
        None
    }

    fn finish(&mut self) {
        (self.rounds, self.index) = (0, 0);
        (self.elsewhere, self.reserved, self.next_at) = (false, false, None);
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let later = self.later.map(|(at, _)| at);
        [self.next_at, later, self.refresh_at, self.elsewhere_at].into_iter().flatten().min()
    }
}
