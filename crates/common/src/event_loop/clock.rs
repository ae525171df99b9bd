//! The only reader of the clock.
#![expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]

use std::time::{Duration, Instant, SystemTime};

/// The monotonic time, for every deadline.
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day: for log lines, status, and what is said to others in it; never for a deadline.
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// The time since boot by the same clock as [`now`]: what a successor process understands.
pub fn uptime() -> Duration {
    // The kernel always has this clock.
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}
