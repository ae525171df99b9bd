//! Keeps what a peer can provoke from flooding whoever is told.

use std::time::{Duration, Instant};

/// One stream of reports.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    last: Option<Instant>,
    suppressed: u64,
}

impl Limiter {
    /// Whether to report now; if so, how many reports were left out since the last one.
    pub(super) fn allow(&mut self, every: Duration, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + every) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }

    /// When the last report was let through.
    pub(super) const fn last(&self) -> Option<Instant> {
        self.last
    }
}
