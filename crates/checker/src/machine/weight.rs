//! What a server's weight is made of, and what comes of it: for the quorum, and for the kernel's table.
//!
//! [`Share`] names everything that has a say. Whoever else is to have one (an operator's override) becomes
//! one more field of it.

use std::time::{Duration, Instant};

use crate::checks::Weight;

/// The kernel takes weights as signed numbers.
const MAX_WEIGHT: i64 = 0x7fff_ffff;
/// A weight grows back in so many steps.
const STEPS: u32 = 10;

/// The configured weight as checks change it: the least of what they set instead, and all that they add.
pub(super) fn judged(configured: u32, wanted: impl Iterator<Item = Option<Weight>>) -> u32 {
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

/// Everything that has a say in a server's weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// The configured weight as its checks change it.
    pub(super) judged: u32,
    /// Whether its checks say that it works.
    pub(super) alive: bool,
    /// Whether it is a backup that is not called.
    pub(super) standby: bool,
    /// How much of its weight it has after a recovery, in [`STEPS`]; none for all of it.
    pub(super) step: Option<u32>,
}

impl Share {
    /// What it brings to the quorum. A server that grows back counts whole: it works.
    pub(super) fn counted(self) -> u32 {
        if self.alive { self.judged } else { 0 }
    }

    /// What it has in the kernel's table where it serves.
    pub(super) fn served(self) -> u32 {
        let whole = if self.standby { 0 } else { self.counted() };
        match self.step {
            Some(step) if whole > 0 => {
                let part = u64::from(whole) * u64::from(step.min(STEPS)) / u64::from(STEPS);
                u32::try_from(part).unwrap_or(whole).max(1)
            }
            Some(_) | None => whole,
        }
    }
}

/// A server's way back to its whole weight: a tenth at once, two after two tenths of the time, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ramp {
    /// When it came back.
    pub(super) since: Instant,
    /// How far it is.
    pub(super) step: u32,
}

impl Ramp {
    /// The way of a server that came back then, as far as it is now; none at its end.
    pub(super) fn at(since: Instant, length: Duration, now: Instant) -> Option<Self> {
        let gone = now.saturating_duration_since(since);
        let step = (2..=STEPS).rev().find(|step| length * *step / STEPS <= gone).unwrap_or(1);
        (step < STEPS && !length.is_zero()).then_some(Self { since, step })
    }

    /// When the next step is due.
    pub(super) fn next(self, length: Duration) -> Instant {
        self.since + length * (self.step + 1) / STEPS
    }
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
            assert_eq!(judged(10, wanted.iter().copied()), expected, "{wanted:?}");
        }
    }

    #[test]
    fn a_share_is_what_all_inputs_leave_of_it() {
        let whole = Share { judged: 30, alive: true, standby: false, step: None };
        let both = |share: Share| (share.counted(), share.served());
        assert_eq!(both(whole), (30, 30));
        assert_eq!(both(Share { alive: false, ..whole }), (0, 0));
        assert_eq!(both(Share { standby: true, ..whole }), (30, 0), "it counts when it is called");
        assert_eq!(both(Share { step: Some(3), ..whole }), (30, 9), "a growing server counts whole");
        assert_eq!(both(Share { step: Some(1), judged: 5, ..whole }), (5, 1), "never nothing");
        assert_eq!(
            both(Share { step: Some(1), judged: 0, ..whole }),
            (0, 0),
            "unless it is meant to have none"
        );
        assert_eq!(both(Share { step: Some(9), judged: u32::MAX, ..whole }).1, 3_865_470_565);
    }

    #[test]
    fn a_ramp_has_nine_steps_at_even_distances_and_then_ends() {
        #[expect(clippy::disallowed_methods, reason = "tests need one moment to count from")]
        let zero = Instant::now();
        let length = Duration::from_secs(60);
        let mut at = zero;
        let mut steps = Vec::new();
        while let Some(ramp) = Ramp::at(zero, length, at) {
            steps.push((at.duration_since(zero).as_secs(), ramp.step));
            at = ramp.next(length);
        }
        let expected = [(0, 1), (12, 2), (18, 3), (24, 4), (30, 5), (36, 6), (42, 7), (48, 8), (54, 9)];
        assert_eq!(steps, expected);
        assert_eq!(at, zero + length);
        assert_eq!(Ramp::at(zero, Duration::ZERO, zero), None);
    }
}
