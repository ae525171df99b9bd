//! The only reader of the clock.
#![expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]

use std::time::{Instant, SystemTime};

/// The monotonic time, for every deadline.
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, for log lines and status only.
pub fn wall() -> SystemTime {
    SystemTime::now()
}
