//! A virtual server: the quorum with its hysteresis, the sorry server, and the table entries that follow.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use common::ipvs::{Destination, Entry, ServiceKey};

use super::RealServerId;
use super::real_server::RealServer;
use crate::plan;

/// A virtual server's state.
#[derive(Clone, Debug)]
pub(super) struct VirtualServer {
    pub(super) plan: Rc<plan::VirtualServer>,
    /// In the order of the plan.
    pub(super) servers: Vec<RealServerId>,
    /// The weight of the living servers.
    pub(super) alive: u64,
    /// The weight of all servers.
    pub(super) total: u64,
    pub(super) quorum_met: bool,
    pub(super) since: Instant,
}

impl VirtualServer {
    /// Whether the quorum is met, given that it was (not) before. Weights that can never be reached are
    /// clamped: with all servers up it is always met, with none never.
    pub(super) fn quorum(&self, before: bool) -> bool {
        if self.alive == 0 {
            return false;
        }
        let quorum = self.plan.quorum.min(self.total);
        if before {
            self.alive >= quorum.saturating_sub(self.plan.hysteresis)
        } else {
            self.alive >= (quorum + self.plan.hysteresis).min(self.total)
        }
    }

    /// Whether the quorum is met at the start: nothing was before, so there is no hysteresis.
    pub(super) fn first_quorum(&self) -> bool {
        self.alive > 0 && self.alive >= self.plan.quorum.min(self.total)
    }

    /// Whether the sorry server serves.
    pub(super) fn sorry_active(&self) -> bool {
        !self.quorum_met && self.plan.sorry.is_some()
    }

    /// The entry for one of its services.
    pub(super) fn entry(&self, key: ServiceKey, servers: &BTreeMap<RealServerId, RealServer>) -> Entry {
        let mut destinations = BTreeMap::new();
        let sorry = self.plan.sorry.as_ref().filter(|_| self.sorry_active());
        let states = self.servers.iter().map(|id| servers.get(id));
        for (real, state) in self.plan.real_servers.iter().zip(states) {
            let serves = sorry.is_none() && state.is_some_and(|state| state.alive);
            if !serves && !real.inhibit_on_failure {
                continue;
            }
            let weight = state.filter(|_| serves).map_or(0, RealServer::effective_weight);
            let destination = Destination {
                forward: real.forward,
                weight,
                upper_threshold: real.upper_threshold,
                lower_threshold: real.lower_threshold,
            };
            destinations.insert(real.key(key), destination);
        }
        if let Some(sorry) = sorry {
            let destination =
                Destination { forward: sorry.forward, weight: 1, upper_threshold: 0, lower_threshold: 0 };
            destinations.insert(sorry.key(key), destination);
        }
        Entry { service: self.plan.service_for(key), destinations }
    }
}
