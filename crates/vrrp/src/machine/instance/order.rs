//! What operators' orders make of an instance: it hands over, it lets a worse master be, or it is never master.

use std::time::Instant;

use super::{Cx, Instance, Master, Releasing, State, Then};
use crate::machine::action::Action;
use crate::machine::announce::Announcer;
use crate::machine::fact::{Fact, Reason};

/// What an order keeps an instance from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::machine) enum Restraint {
    /// Nothing.
    #[default]
    None,
    /// Taking the addresses back from who has them.
    Preemption,
    /// Being master.
    Mastership,
}

impl Instance {
    /// Whether no order keeps it from being master.
    pub(in crate::machine) fn may_be_master(&self) -> bool {
        self.restraint != Restraint::Mastership
    }

    /// Whether it is master without waiting for anybody: its priority says so, and no order says otherwise.
    pub(in crate::machine) fn owns(&self) -> bool {
        self.plan.is_owner() && self.restraint == Restraint::None
    }

    /// Whether it takes the addresses from a master with a lower priority.
    pub(super) fn preempts(&self) -> bool {
        self.plan.preempt && self.restraint == Restraint::None
    }

    /// Another order is in force, or none.
    pub(in crate::machine) fn restrain(&mut self, restraint: Restraint, cx: &mut Cx<'_>) {
        let before = std::mem::replace(&mut self.restraint, restraint);
        if before == restraint {
            return;
        }
        let (owns, grouped) = (self.owns(), self.grouped);
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        if restraint != Restraint::None {
            backup.preempt_at = None;
            backup.silent = false;
        }
        if owns {
            // It waits for nobody; in a group for the others.
            backup.silent = grouped;
            if !grouped {
                self.enter_master(Reason::Owner, cx);
            }
        }
    }

    /// Until when an order to hand over leaves it the addresses.
    pub(in crate::machine) fn give_way_until(&self, now: Instant) -> Option<Instant> {
        self.is_master().then(|| self.hand_over_until(now))
    }

    /// The timer ran out under an order never to be master: it goes on listening. True where that is so.
    pub(super) fn silence_kept(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.may_be_master() {
            return false;
        }
        let down_interval = self.own_down_interval();
        if let State::Backup(backup) = &mut self.state {
            backup.down_at = cx.now + down_interval;
            if backup.master.take().is_some() {
                cx.out.push(Action::Report(Fact::Unserved { instance: self.tag.clone() }));
            }
        }
        true
    }

    /// Nobody took over: it is master as before, and says so.
    pub(super) fn take_back(&mut self, cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.state, State::Init) {
            State::Releasing(Releasing { holder, .. }) => {
                self.state = State::Master(Master {
                    advert_at: cx.now + self.plan.interval,
                    answered_at: None,
                    announcer: Announcer::start(&self.plan.announce, cx.now),
                    holder,
                });
                self.advertise(cx);
                self.announce_due(cx);
            }
            other @ (State::Init | State::Fault | State::Backup(_) | State::Master(_)) => self.state = other,
        }
    }

    /// It hands over by order, and would be master again if nobody comes forward.
    pub(in crate::machine) fn is_offering(&self) -> bool {
        matches!(&self.state, State::Releasing(Releasing { then: Then::Return, .. }))
    }

    /// Its group has handed over: it does so whatever comes.
    pub(in crate::machine) fn follow(&mut self, reason: Reason) {
        if let State::Releasing(Releasing { then, .. }) = &mut self.state
            && *then == Then::Return
        {
            *then = Then::Backup(reason);
        }
    }

    /// Whether it is backup, whoever is master.
    pub(in crate::machine) const fn is_backup(&self) -> bool {
        matches!(self.state, State::Backup(_))
    }
}
