//! A loop that is late tells it, but does not flood the log; the status has it all.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::event_loop::Lateness;
use crate::log::{Limiter, Verdict};

/// Told at most this often.
const EVERY: Duration = Duration::from_secs(60);

/// What has been seen of a loop's lateness.
#[derive(Debug)]
pub struct Watch {
    seen: u64,
    limiter: Limiter,
}

impl Default for Watch {
    fn default() -> Self {
        Self { seen: 0, limiter: Limiter::new(1, EVERY) }
    }
}

impl Watch {
    /// Tells what is new.
    pub fn look(&mut self, lateness: Lateness, now: Instant) {
        if let Some(suppressed) = self.news(lateness, now) {
            log::warn!(
                "this process was late: the machine is overloaded, or was paused late_ms={} worst_ms={} suppressed={suppressed}",
                lateness.last.as_millis(),
                lateness.worst.as_millis()
            );
        }
    }

    /// How often it was late without a word, if there is one to say now.
    fn news(&mut self, lateness: Lateness, now: Instant) -> Option<u64> {
        if std::mem::replace(&mut self.seen, lateness.often) == lateness.often {
            return None;
        }
        match self.limiter.ask(now) {
            Verdict::Log { suppressed } => Some(suppressed),
            Verdict::Hold => None,
        }
    }
}

/// What the status has of it.
#[must_use]
pub fn status(lateness: Lateness, now: Instant) -> Value {
    json!({
        "last_us": micros(lateness.last),
        "worst_us": micros(lateness.worst),
        "stalls": lateness.often,
        "last_stall_s": lateness.at.map(|at| now.saturating_duration_since(at).as_secs_f64()),
    })
}

/// A duration for the JSON.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_a_minute_and_what_was_not_is_counted() {
        let (mut watch, start) = (Watch::default(), crate::event_loop::clock::now());
        let late = |often| Lateness { often, ..Lateness::default() };
        assert_eq!(watch.news(late(0), start), None);
        assert_eq!(watch.news(late(1), start), Some(0));
        assert_eq!(watch.news(late(1), start), None, "no news");
        assert_eq!(watch.news(late(2), start + EVERY / 2), None);
        assert_eq!(watch.news(late(3), start + EVERY / 2), None);
        assert_eq!(watch.news(late(4), start + EVERY), Some(2));
    }

    #[test]
    fn the_status_says_when_it_was_late_and_how_late() {
        let start = crate::event_loop::clock::now();
        let ms = Duration::from_millis;
        let late = Lateness { last: ms(1), worst: ms(250), often: 2, at: Some(start) };
        let status = status(late, start + ms(1500));
        let wanted = json!({ "last_us": 1000, "worst_us": 250_000, "stalls": 2, "last_stall_s": 1.5 });
        assert_eq!(status, wanted);
    }
}
