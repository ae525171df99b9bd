//! A real server of a virtual server: its checks joined to one verdict, and the share that follows.

use super::few::Few;
use super::schedule::Moment;
use super::steer::{Order, Standing, Steering};
use super::weight::{Ramp, Share};
use super::{CheckId, VirtualServerId};

/// One check of a server.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) check: CheckId,
    /// What holds for this server until the check's own first outcome: the verdict of the checks it had
    /// before a reload.
    pub(super) held: Option<bool>,
}

/// A server's state. What it is configured as stands in the plan of its virtual server.
#[derive(Clone, Debug)]
pub(super) struct RealServer {
    pub(super) service: VirtualServerId,
    /// What it is called in a checkpoint.
    pub(super) identity: u64,
    /// Its place among the members of its virtual server.
    pub(super) place: usize,
    pub(super) links: Few<Link>,
    pub(super) alive: bool,
    pub(super) since: Moment,
    /// What its checks make of the configured weight.
    pub(super) weight: u32,
    /// It was never alive so far: when it is, that is no recovery.
    pub(super) fresh: bool,
    /// Its way back to its whole weight.
    pub(super) ramp: Option<Box<Ramp>>,
    /// A backup that is not called.
    pub(super) standby: bool,
    /// Whether the wanted table, as it was last settled, has it serve.
    pub(super) serving: bool,
    /// What an operator has ordered; none where nothing is in force.
    pub(super) steering: Option<Box<Steering>>,
}

impl RealServer {
    /// It lives from here on, or does not.
    pub(super) fn turn(&mut self, alive: bool, now: Moment) {
        self.alive = alive;
        self.since = now;
        if !alive {
            self.set_ramp(None);
        }
    }

    /// Its way back to its whole weight.
    pub(super) fn ramp(&self) -> Option<Ramp> {
        self.ramp.as_deref().copied()
    }

    pub(super) fn set_ramp(&mut self, ramp: Option<Ramp>) {
        self.ramp = ramp.map(Box::new);
    }

    /// What has a say in its weight.
    pub(super) fn share(&self) -> Share {
        let step = self.ramp().map(|ramp| ramp.step);
        Share { judged: self.weight, alive: self.alive, standby: self.standby, away: self.away(), step }
    }

    /// It serves nobody new, by an operator's order.
    pub(super) fn away(&self) -> bool {
        self.steering.as_ref().is_some_and(|steering| steering.away())
    }

    /// Whether this is what an operator has ordered.
    pub(super) fn ordered(&self, order: Order) -> bool {
        self.steering.as_ref().is_some_and(|steering| steering.is(order))
    }

    /// What is in force for it.
    pub(super) fn standing(&self) -> Vec<Standing> {
        self.steering.iter().flat_map(|steering| steering.standing().cloned()).collect()
    }
}
