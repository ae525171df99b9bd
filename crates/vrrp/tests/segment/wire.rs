//! The wires between the machines: who hears whom, and what is lost, doubled and delayed on the way.

use std::time::Duration;

use vrrp::machine::action::AdvertCopy;

use super::{World, eth0};

/// The wire.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wire {
    pub(crate) loss_permille: u64,
    /// Never more than this many adverts lost in a row, from one machine to another; 0 is no bound.
    pub(crate) loss_run: u64,
    pub(crate) duplicate_permille: u64,
    pub(crate) delay_max: Duration,
}

impl World {
    /// Puts an advert on its wire, for each machine that hears it.
    pub(super) fn send(&mut self, n: usize, copy: &AdvertCopy) {
        let own = copy.link == eth0();
        if own && !self.nodes[n].kernel.carrier {
            return;
        }
        let parts = if own { self.part_of.clone() } else { self.second_part_of.clone() };
        for to in 0..self.nodes.len() {
            let there = if own { self.nodes[to].own } else { self.nodes[to].second };
            let addressed = copy.destination.is_multicast() || copy.destination == there;
            if to == n || !addressed || parts[to] != parts[n] {
                continue;
            }
            let copies = 1 + u8::from(self.random.permille(self.wire.duplicate_permille));
            for _ in 0..copies {
                let run = self.lost.entry((n, to, copy.payload[1])).or_default();
                let bound = self.wire.loss_run;
                if self.random.permille(self.wire.loss_permille) && (bound == 0 || *run < bound) {
                    *run += 1;
                    continue;
                }
                *run = 0;
                let delay = self.random.below(u64::try_from(self.wire.delay_max.as_nanos()).unwrap() + 1);
                self.sequence += 1;
                let key = (self.now + Duration::from_nanos(delay), self.sequence);
                self.flying.insert(key, (to, copy.source, copy.clone()));
            }
        }
    }
}
