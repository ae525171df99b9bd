//! Restarts that are not held against a child: somebody else's SIGKILL, be it an operator's or the kernel's when
//! memory runs out, says nothing about the child's health.
//!
//! Such a death is followed by a new start at once, so that the successor is there before a peer misses it. There are
//! [`BURST`] of these starts and one more for every [`REFILL`] that passes; a child that is killed faster than that
//! waits as if it had died by itself, so that no killer can make the watchdog burn the machine.

use std::time::{Duration, Instant};

/// So many immediate starts in a row.
pub const BURST: u32 = 250;
/// After this long there is one more.
pub const REFILL: Duration = Duration::from_millis(100);

/// The immediate starts that one child has left: a token bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mercy {
    /// When all of them are there again; `None` as long as none was used.
    full_at: Option<Instant>,
}

impl Mercy {
    /// Uses one, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.unwrap_or(now).max(now) + REFILL;
        let granted = full_at <= now + REFILL * BURST;
        if granted {
            self.full_at = Some(full_at);
        }
        granted
    }

    /// Gives all of them back.
    pub fn refill(&mut self) {
        self.full_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::event_loop::clock;

    #[test]
    fn a_burst_and_then_one_for_every_refill() {
        // Milliseconds since the start, how many are asked for, how many are granted.
        let table =
            [(0, 300, 250), (99, 1, 0), (100, 2, 1), (1100, 20, 10), (1150, 1, 0), (61_000, 300, 250)];
        let (start, mut mercy) = (clock::now(), Mercy::default());
        for (at, asked, granted) in table {
            let now = start + Duration::from_millis(at);
            let count = (0..asked).filter(|_| mercy.take(now)).count();
            assert_eq!(count, granted, "after {at} ms");
        }
        mercy.refill();
        assert!(mercy.take(start + Duration::from_secs(61)));
    }
}
