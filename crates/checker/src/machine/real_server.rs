//! A real server of a virtual server: its checks joined to one verdict, and the weight that follows.

use std::time::Instant;

use super::{CheckId, VirtualServerId};
use crate::checks::Weight;

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
    /// Its place in the plan of its virtual server.
    pub(super) place: usize,
    pub(super) links: Vec<Link>,
    pub(super) alive: bool,
    pub(super) since: Instant,
    /// What its checks make of the configured weight.
    pub(super) weight: u32,
}

impl RealServer {
    /// The weight that counts now.
    pub(super) fn effective_weight(&self) -> u32 {
        if self.alive { self.weight } else { 0 }
    }
}

/// The verdict of all checks together: all must pass.
pub(super) fn alive(mut links: impl Iterator<Item = bool>) -> bool {
    links.all(|up| up)
}

/// The kernel takes weights as signed numbers.
const MAX_WEIGHT: i64 = 0x7fff_ffff;

/// The configured weight as checks change it: the least of what they set instead, and all that they add.
pub(super) fn weight(configured: u32, wanted: impl Iterator<Item = Option<Weight>>) -> u32 {
    let (mut set, mut added) = (None, 0_i64);
    for wanted in wanted.flatten() {
        match wanted {
            Weight::Set(weight) => set = Some(set.map_or(weight, |least: u32| least.min(weight))),
            Weight::Add(more) => added = added.saturating_add(more),
        }
    }
    let weight = i64::from(set.unwrap_or(configured)).saturating_add(added).clamp(0, MAX_WEIGHT);
    u32::try_from(weight).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_set_to_the_least_and_added_up_within_bounds() {
        use Weight::{Add, Set};
        let cases: [(&[Option<Weight>], u32); 8] = [
            (&[], 10),
            (&[None, None], 10),
            (&[Some(Set(7)), None, Some(Set(3))], 3),
            (&[Some(Add(5)), Some(Add(-2))], 13),
            (&[Some(Set(0)), Some(Add(4))], 4),
            (&[Some(Add(-11))], 0),
            (&[Some(Add(i64::MIN)), Some(Add(i64::MIN))], 0),
            (&[Some(Add(i64::MAX)), Some(Add(i64::MAX))], 0x7fff_ffff),
        ];
        for (wanted, expected) in cases {
            assert_eq!(weight(10, wanted.iter().copied()), expected, "{wanted:?}");
        }
    }
}
