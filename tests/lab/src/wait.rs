//! Waiting for a condition with a limit: the only place of the tests that sleeps.

use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How long the first polls are apart; later ones are further apart, so that a wait does not eat the machine.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(40);

/// Polls `probe` until it gives a value. `what` completes the sentence "waited in vain for …".
#[track_caller]
pub fn value<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    let mut pause = SHORTEST;
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        let now = Instant::now();
        if now >= end {
            return Err(Error::new(format!("waited {limit:?} in vain for {what}")));
        }
        std::thread::sleep(pause.min(end - now));
        pause = (pause * 2).min(LONGEST);
    }
}

/// Polls `probe` until it says true.
#[track_caller]
pub fn until(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<bool>) -> Result {
    value(what, limit, || Ok(probe()?.then_some(())))
}

/// Watches for `span` that `probe` stays true: for what must *not* happen. Fails at the first false.
#[track_caller]
pub fn stays(what: &str, span: Duration, mut probe: impl FnMut() -> Result<bool>) -> Result {
    let end = Instant::now() + span;
    loop {
        if !probe()? {
            return Err(Error::new(format!("{what} did not stay true for {span:?}")));
        }
        let now = Instant::now();
        if now >= end {
            return Ok(());
        }
        std::thread::sleep(LONGEST.min(end - now));
    }
}

/// Lets time pass where the pace itself is what is tested (so many reloads a second). Never to wait for something.
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Measures how long something took: for telling it, not for failing on it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The same in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
