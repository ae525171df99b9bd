//! How late this machine itself lets somebody be: a thread that does nothing but sleep. What an advert is later than
//! that is its sender's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Stopwatch, wait};

/// A thread that wakes up every interval until it is dropped.
#[derive(Debug)]
pub struct Sleeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The longest time between two wake-ups since it was last asked, in nanoseconds.
    longest: AtomicU64,
    over: AtomicBool,
}

impl Sleeper {
    /// Starts the thread.
    #[must_use]
    pub fn start(interval: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                while !shared.over.load(Ordering::Relaxed) {
                    let gap = Stopwatch::start();
                    wait::pause(interval);
                    let nanos = u64::try_from(gap.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    shared.longest.fetch_max(nanos, Ordering::Relaxed);
                }
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// The longest time between two wake-ups since this was last asked.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.shared.longest.swap(0, Ordering::Relaxed))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}
