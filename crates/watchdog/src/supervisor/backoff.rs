//! How long to wait before a dead child is started again: at once the first time, then 1, 2, 4 … 60 s.
//!
//! All is forgiven once a child has been healthy for a minute, so that one crash a day always means an
//! immediate restart, and a crash in every second means one start a minute. What a child cannot help does not come
//! here: see [`mercy`](super::mercy).

use std::time::Duration;

/// The longest wait between two starts.
pub const LONGEST: Duration = Duration::from_secs(60);
/// A child that was healthy this long starts again with a clean slate.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// The deaths of one child that are not forgiven yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackOff {
    deaths: u32,
}

impl BackOff {
    /// Counts a death after `healthy` of good health and tells how long to wait before the next start.
    pub fn died(&mut self, healthy: Duration) -> Duration {
        if healthy >= FORGIVEN_AFTER {
            self.deaths = 0;
        }
        let wait = match self.deaths {
            0 => Duration::ZERO,
            n => Duration::from_secs(1_u64.checked_shl(n - 1).unwrap_or(u64::MAX)).min(LONGEST),
        };
        // The wait stops growing after seven deaths: counting on would only overflow one day.
        self.deaths = (self.deaths + 1).min(16);
        wait
    }

    /// Forgets the deaths so far: the configuration has changed, so the cause may be gone.
    pub fn forgive(&mut self) {
        self.deaths = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_stay_there() {
        let mut backoff = BackOff::default();
        let waits: Vec<u64> = (0..20).map(|_| backoff.died(Duration::ZERO).as_secs()).collect();
        assert_eq!(&waits[..9], &[0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(waits[9..].iter().all(|&wait| wait == 60));
    }

    #[test]
    fn a_healthy_minute_is_a_clean_slate_and_a_second_less_is_not() {
        let mut backoff = BackOff::default();
        backoff.died(Duration::ZERO);
        backoff.died(Duration::ZERO);
        assert_eq!(backoff.died(Duration::from_secs(59)), Duration::from_secs(2));
        assert_eq!(backoff.died(FORGIVEN_AFTER), Duration::ZERO);
        assert_eq!(backoff.died(Duration::ZERO), Duration::from_secs(1));
    }

    #[test]
    fn forgiving_starts_over() {
        let mut backoff = BackOff::default();
        backoff.died(Duration::ZERO);
        backoff.died(Duration::ZERO);
        backoff.forgive();
        assert_eq!(backoff.died(Duration::ZERO), Duration::ZERO);
    }
}
