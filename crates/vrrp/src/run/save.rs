//! When the checkpoint is written: at every change of state, and else often enough that a successor finds the deadlines
//! fresh, without a write for each packet.

use std::time::{Duration, Instant};

use crate::machine::router::Router;

/// Written at most this often while no state changes.
const LEAST: Duration = Duration::from_millis(5);
/// A successor trusts a master's deadline for some intervals; half of one is fresh.
const PER_INTERVAL: u32 = 2;

/// What has to be written and when.
#[derive(Debug)]
pub(super) struct Saving {
    boot: (Instant, Duration),
    /// When something last happened that is not written.
    dirty: Option<Instant>,
    moved: bool,
    saved_at: Option<Instant>,
}

impl Saving {
    /// `uptime` is the time since boot at the moment of `now`.
    pub(super) const fn new(now: Instant, uptime: Duration) -> Self {
        Self { boot: (now, uptime), dirty: None, moved: false, saved_at: None }
    }

    /// The time since boot at a later moment.
    pub(super) fn uptime(&self, now: Instant) -> Duration {
        let (then, uptime) = self.boot;
        uptime + now.saturating_duration_since(then)
    }

    /// Something happened; `moved` if a state changed.
    pub(super) const fn touched(&mut self, now: Instant, moved: bool) {
        self.dirty = Some(now);
        self.moved |= moved;
    }

    /// The moment of the state to be written, if it is to be; it counts as written then.
    fn due(&mut self, shortest_interval: Option<Duration>) -> Option<Instant> {
        let now = self.dirty?;
        let spacing = shortest_interval.map_or(LEAST, |interval| (interval / PER_INTERVAL).max(LEAST));
        let rested = self.saved_at.is_none_or(|at| now.saturating_duration_since(at) >= spacing);
        if !self.moved && !rested {
            return None;
        }
        (self.dirty, self.moved, self.saved_at) = (None, false, Some(now));
        Some(now)
    }

    /// The bytes to write, if it is time.
    pub(super) fn save(&mut self, router: &Router) -> Option<Vec<u8>> {
        let shortest = router.plan().instances.iter().map(|instance| instance.interval).min();
        let now = self.due(shortest)?;
        Some(router.checkpoint(now, self.uptime(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_change_of_state_is_written_at_once_and_the_rest_twice_per_interval() {
        let start = common::event_loop::clock::now();
        let mut saving = Saving::new(start, SECOND);
        assert_eq!(saving.due(Some(SECOND)), None, "nothing happened");
        saving.touched(start, false);
        assert_eq!(saving.due(Some(SECOND)), Some(start), "the first time");
        let soon = start + SECOND / 4;
        saving.touched(soon, false);
        assert_eq!(saving.due(Some(SECOND)), None);
        saving.touched(soon, true);
        assert_eq!(saving.due(Some(SECOND)), Some(soon), "a state changed");
        assert_eq!(saving.due(Some(SECOND)), None, "it is written");
        saving.touched(soon + SECOND / 4, false);
        assert_eq!(saving.due(Some(SECOND)), None);
        saving.touched(soon + SECOND / 2, false);
        assert_eq!(saving.due(Some(SECOND)), Some(soon + SECOND / 2));
    }

    #[test]
    fn the_time_since_boot_goes_on_from_the_start() {
        let start = common::event_loop::clock::now();
        assert_eq!(Saving::new(start, SECOND).uptime(start + SECOND), SECOND * 2);
    }
}
