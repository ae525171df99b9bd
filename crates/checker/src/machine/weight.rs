//! What a server's weight is made of, and what comes of it: for the quorum, and for the kernel's table.
//!
//! [`Share`] names everything that has a say. Whoever else is to have one becomes one more field of it.

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
    /// The configured weight as its checks change it, or the one that an operator has ordered.
    pub(super) judged: u32,
    /// Whether its checks say that it works.
    pub(super) alive: bool,
    /// Whether it is a backup that is not called.
    pub(super) standby: bool,
    /// Whether an operator wants it to serve nobody new.
    pub(super) away: bool,
    /// How much of its weight it has after a recovery, in [`STEPS`]; none for all of it.
    pub(super) step: Option<u32>,
}

impl Share {
    /// What it brings to the quorum. A server that grows back counts whole: it works. One that is drained or disabled
    /// brings nothing: it is not there for who comes.
    pub(super) fn counted(self) -> u32 {
        if self.alive && !self.away { self.judged } else { 0 }
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
mod tests;
