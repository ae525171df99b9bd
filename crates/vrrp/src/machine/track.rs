//! Trackers: what is watched becomes weights and causes of fault.
//!
//! A new kind of tracker is a variant of [`Tracked`], an arm in each of the two functions here, and its causes of fault.

use super::fact::Cause;
use super::id::Name;
use super::links::Links;
use crate::plan::{Tracked, Tracker};

/// What a watched thing says at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing yet.
    Pending,
    Up,
    Down,
    /// The number in a file.
    Number(i32),
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
            Self::Number(number) => Self::Number(number.saturating_neg()),
        }
    }
}

/// A file that takes away so much forces the fault: the whole range of priorities, and keepalived's number.
const FORCED: i32 = -254;

/// What trackers amount to for an instance.
#[derive(Debug, Default)]
pub(super) struct Assessment {
    pub(super) weight: i32,
    pub(super) causes: Vec<Cause>,
}

/// Adds up trackers. `script` and `process` read these by name, `file` the number in a file.
pub(super) fn assess<'t>(
    trackers: impl IntoIterator<Item = &'t Tracker>,
    links: &Links,
    script: impl Fn(&Name) -> Reading,
    file: impl Fn(&Name) -> i32,
    process: impl Fn(&Name) -> Reading,
) -> Assessment {
    let mut sum = Assessment::default();
    for tracker in trackers {
        let reading = match &tracker.what {
            Tracked::Script(name) => script(name),
            Tracked::Process(name) => process(name),
            Tracked::Link(link) => Reading::of(links.check(*link).is_ok()),
            // Whether 0 or anything else is the fault, or what is added, depends on the weight.
            Tracked::File(name) if tracker.weight == 0 => Reading::of(file(name) == 0),
            Tracked::File(name) => Reading::Number(file(name)),
        };
        let reading = if tracker.reverse { reading.reversed() } else { reading };
        match (tracker.weight, reading) {
            (0, Reading::Up) => {}
            (0, Reading::Pending | Reading::Down) => sum.causes.extend(cause(tracker, reading, links)),
            (1.., Reading::Up) | (..0, Reading::Down) => sum.weight += i32::from(tracker.weight),
            (weight, Reading::Number(number)) => {
                let product = number.saturating_mul(weight.into());
                if product <= FORCED {
                    sum.causes.extend(cause(tracker, reading, links));
                }
                // More than a whole priority makes no difference, and a sum of many must not overflow.
                sum.weight += product.clamp(-255, 255);
            }
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
        Tracked::Process(name) if reading == Reading::Pending => Some(Cause::ProcessPending(name.clone())),
        Tracked::Process(name) if tracker.reverse => Some(Cause::ProcessRuns(name.clone())),
        Tracked::Process(name) => Some(Cause::ProcessMissing(name.clone())),
        Tracked::Link(link) if tracker.reverse => Some(Cause::LinkUp(*link)),
        Tracked::Link(link) => links.check(*link).err(),
        Tracked::File(name) if tracker.weight != 0 => Some(Cause::FileForces(name.clone())),
        Tracked::File(name) if tracker.reverse => Some(Cause::FileIsZero(name.clone())),
        Tracked::File(name) => Some(Cause::FileIsNotZero(name.clone())),
    }
}

/// The effective priority: an owner's never changes, all others stay between 1 and 254.
pub(super) fn effective_priority(base: u8, weight: i32) -> u8 {
    if base == 255 {
        return base;
    }
    u8::try_from((i32::from(base) + weight).clamp(1, 254)).unwrap_or(base)
}
