//! The quantities of RFC 9568 6.1 and RFC 3768 6.1, in whole nanoseconds and without early rounding.

use std::time::Duration;

use crate::wire::advert::Version;

/// How long a stopping master waits beyond the longest skew a successor can have.
const HAND_OVER_MARGIN: Duration = Duration::from_millis(50);
/// Nobody waits longer than this for an orderly stop; it matters for intervals of several seconds only.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(3);

/// Skew_Time: the lower the priority, the longer. `interval` is the master's.
#[must_use]
pub fn skew_time(version: Version, priority: u8, interval: Duration) -> Duration {
    let base = match version {
        // RFC 3768 6.1: seconds, whatever the interval.
        Version::V2 => Duration::from_secs(1),
        // RFC 9568 6.1.
        Version::V3 => interval,
    };
    base * (256 - u32::from(priority)) / 256
}

/// Master_Down_Interval (Active_Down_Interval): silence that makes a master dead.
#[must_use]
pub fn master_down_interval(version: Version, priority: u8, interval: Duration, adverts: u8) -> Duration {
    interval * u32::from(adverts) + skew_time(version, priority, interval)
}

/// How long a master that is leaving keeps the addresses after its successor was heard: keepalived sends its first advert
/// before it takes the addresses and announces them, and until then clients ask the old master.
pub const HAND_OVER_LINGER: Duration = Duration::from_millis(20);

/// How long a master that said it is leaving keeps the addresses, if nobody is heard taking over: the skew of the
/// least of all priorities, and a margin.
#[must_use]
pub fn hand_over_bound(version: Version, interval: Duration) -> Duration {
    (skew_time(version, 1, interval) + HAND_OVER_MARGIN).min(HAND_OVER_LIMIT)
}
