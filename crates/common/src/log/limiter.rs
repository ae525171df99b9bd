//! A bound on how often the same complaint is logged (pure).

use std::time::{Duration, Instant};

/// Lets a burst through, then one line a period, and counts what it held back.
#[derive(Debug, Clone)]
pub struct Limiter {
    burst: u32,
    period: Duration,
    used: u32,
    since: Option<Instant>,
    suppressed: u64,
}

/// Whether to log now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Log; this many were held back since the last line.
    Log {
        /// Lines not logged.
        suppressed: u64,
    },
    /// Say nothing.
    Hold,
}

impl Limiter {
    /// At most `burst` lines in every `period`.
    pub fn new(burst: u32, period: Duration) -> Self {
        Self { burst, period, used: 0, since: None, suppressed: 0 }
    }

    /// Asks to log one line.
    pub fn ask(&mut self, now: Instant) -> Verdict {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= self.period) {
            self.since = Some(now);
            self.used = 0;
        }
        if self.used >= self.burst {
            self.suppressed += 1;
            return Verdict::Hold;
        }
        self.used += 1;
        Verdict::Log { suppressed: std::mem::take(&mut self.suppressed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::clock;

    #[test]
    fn a_flood_is_one_line_a_period_and_the_rest_is_counted() {
        let mut limiter = Limiter::new(1, Duration::from_secs(10));
        let start = clock::now();
        assert_eq!(limiter.ask(start), Verdict::Log { suppressed: 0 });
        for _ in 0..1000 {
            assert_eq!(limiter.ask(start + Duration::from_secs(9)), Verdict::Hold);
        }
        assert_eq!(limiter.ask(start + Duration::from_secs(10)), Verdict::Log { suppressed: 1000 });
    }
}
