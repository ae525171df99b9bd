//! Trackers: what is watched becomes weights and causes of fault.
//!
//! A new kind of tracker is a variant of [`Tracked`] and an arm in each of the two functions here.

use super::fact::Cause;
use super::links::Links;
use crate::plan::{Tracked, Tracker};

/// What a watched thing says at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing yet.
    Pending,
    Up,
    Down,
}

impl Reading {
    pub(super) const fn of(up: bool) -> Self {
        if up { Self::Up } else { Self::Down }
    }

    const fn reversed(self) -> Self {
        match self {
            Self::Pending => Self::Pending,
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// What trackers amount to for an instance.
#[derive(Debug, Default)]
pub(super) struct Assessment {
    pub(super) weight: i32,
    pub(super) causes: Vec<Cause>,
}

/// Adds up trackers. `script` reads a script by name.
pub(super) fn assess<'t>(
    trackers: impl IntoIterator<Item = &'t Tracker>,
    links: &Links,
    script: impl Fn(&super::id::Name) -> Reading,
) -> Assessment {
    let mut sum = Assessment::default();
    for tracker in trackers {
        let reading = match &tracker.what {
            Tracked::Script(name) => script(name),
            Tracked::Link(link) => Reading::of(links.check(*link).is_ok()),
        };
        let reading = if tracker.reverse { reading.reversed() } else { reading };
        match (tracker.weight, reading) {
            (0, Reading::Up) => {}
            (0, Reading::Pending | Reading::Down) => sum.causes.extend(cause(tracker, reading, links)),
            (1.., Reading::Up) | (..0, Reading::Down) => sum.weight += i32::from(tracker.weight),
            (1.., Reading::Down | Reading::Pending) | (..0, Reading::Up | Reading::Pending) => {}
        }
    }
    sum
}

fn cause(tracker: &Tracker, reading: Reading, links: &Links) -> Option<Cause> {
    match &tracker.what {
        Tracked::Script(name) if reading == Reading::Pending => Some(Cause::ScriptPending(name.clone())),
        Tracked::Script(name) if tracker.reverse => Some(Cause::ScriptSucceeds(name.clone())),
        Tracked::Script(name) => Some(Cause::ScriptFailed(name.clone())),
        Tracked::Link(link) if tracker.reverse => Some(Cause::LinkUp(*link)),
        Tracked::Link(link) => links.check(*link).err(),
    }
}

/// The effective priority: an owner's never changes, all others stay between 1 and 254.
pub(super) fn effective_priority(base: u8, weight: i32) -> u8 {
    if base == 255 {
        return base;
    }
    u8::try_from((i32::from(base) + weight).clamp(1, 254)).unwrap_or(base)
}
