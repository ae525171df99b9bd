//! A virtual server: the quorum with its hysteresis, backup servers, the sorry server, those that leave, and the table
//! entries that follow.
//!
//! Who serves: the living servers that are no backup; where they are not enough, backups in their order; where all of
//! them are no quorum, the sorry server alone, if it lives.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use common::ipvs::{Destination, DestinationKey, Entry, ServiceKey};

use super::RealServerId;
use super::leaving::Leaving;
use super::real_server::RealServer;
use super::roster::Roster;
use super::steer::Order;
use crate::plan;

/// A virtual server's state.
#[derive(Clone, Debug)]
pub(super) struct VirtualServer {
    pub(super) plan: Rc<plan::VirtualServer>,
    /// What it is called in a checkpoint.
    pub(super) identity: u64,
    /// Its members: the servers in the order of the plan, then the sorry server.
    pub(super) servers: Vec<RealServerId>,
    /// The weight of the living servers that are no backups.
    pub(super) alive: u64,
    /// The weight of all servers that are no backups.
    pub(super) total: u64,
    /// The weight of the living backups that are called.
    pub(super) helping: u64,
    /// Whether there is a sorry server and it lives.
    pub(super) sorry_up: bool,
    pub(super) quorum_met: bool,
    pub(super) since: Instant,
    /// Whether its checks rest because this machine does not hold its address.
    pub(super) suspended: bool,
    /// Who keeps its connections for a while, by its place under the first service.
    pub(super) leaving: BTreeMap<DestinationKey, Leaving>,
}

impl VirtualServer {
    /// The weight that is alive and called.
    pub(super) fn counted(&self) -> u64 {
        self.alive + self.helping
    }

    /// Whether the quorum is met, given that it was (not) before. Weights that can never be reached are
    /// clamped: with all servers up it is always met, with none never.
    pub(super) fn quorum(&self, before: bool) -> bool {
        if self.counted() == 0 {
            return false;
        }
        let quorum = self.plan.quorum.min(self.total);
        if before {
            self.counted() >= quorum.saturating_sub(self.plan.hysteresis)
        } else {
            self.counted() >= (quorum + self.plan.hysteresis).min(self.total)
        }
    }

    /// Whether the quorum is met at the start: nothing was before, so there is no hysteresis.
    pub(super) fn first_quorum(&self) -> bool {
        self.counted() > 0 && self.counted() >= self.plan.quorum.min(self.total)
    }

    /// Backups are called until there is so much: the configured share of the others, and a quorum.
    pub(super) fn enough(&self) -> u64 {
        let share = (self.total * u64::from(self.plan.backup_below)).div_ceil(100);
        let margin = if self.quorum_met { 0 } else { self.plan.hysteresis };
        let quorum = self.plan.quorum.saturating_add(margin).min(self.total);
        share.max(quorum).max(1)
    }

    /// Calls as many backups as are needed, in their order.
    pub(super) fn call_backups(&mut self, servers: &mut Roster<RealServerId, RealServer>) {
        self.helping = 0;
        if !self.plan.has_backups() {
            return;
        }
        let enough = self.enough();
        for (planned, id) in self.plan.real_servers.iter().zip(&self.servers) {
            let Some(server) = servers.get_mut(id) else { continue };
            server.standby = planned.terms.backup && self.alive + self.helping >= enough;
            if planned.terms.backup && !server.standby {
                self.helping += u64::from(server.share().counted());
            }
        }
    }

    /// Whether the sorry server serves.
    pub(super) fn sorry_active(&self) -> bool {
        !self.quorum_met && self.sorry_up
    }

    /// Whether the member at this place serves those who come.
    pub(super) fn serves(&self, server: &RealServer) -> bool {
        let sorry = server.place >= self.plan.real_servers.len();
        server.alive && !server.standby && !server.away() && sorry == self.sorry_active()
    }

    /// Whether a member is in the table, with whatever weight, because it works.
    pub(super) fn holds(&self, server: &RealServer) -> bool {
        self.serves(server) || server.alive && server.ordered(Order::Drain)
    }

    /// The entry for one of its services.
    pub(super) fn entry(&self, key: ServiceKey, servers: &Roster<RealServerId, RealServer>) -> Entry {
        let mut destinations = BTreeMap::new();
        let states = self.servers.iter().filter_map(|id| servers.get(id));
        for (member, state) in self.plan.members().zip(states) {
            let serves = self.serves(state);
            let stays = member.terms.inhibit_on_failure && !state.ordered(Order::Disable);
            if !self.holds(state) && !stays {
                continue;
            }
            // Nobody shares with the sorry server.
            let sorry = state.place >= self.plan.real_servers.len();
            let weight = match serves {
                true if sorry => 1,
                true => state.share().served(),
                false => 0,
            };
            let destination = Destination {
                forward: member.terms.forward,
                weight,
                upper_threshold: member.terms.upper_threshold,
                lower_threshold: member.terms.lower_threshold,
            };
            // The sorry server may be one of the others too: whoever serves counts.
            let present: &mut Destination = destinations.entry(member.key(key)).or_insert(destination);
            if serves {
                *present = destination;
            }
        }
        for leaving in self.leaving.values() {
            destinations.entry(leaving.key(key)).or_insert(leaving.destination());
        }
        Entry { service: self.plan.service_for(key), destinations }
    }
}
