//! How often a command looks again, where nobody can tell it.

use std::time::Duration;

/// Between two looks.
const PACE: Duration = Duration::from_millis(50);

/// Waits until it is time to look again.
#[expect(clippy::disallowed_methods, reason = "a command has nothing else to do, and nothing to wait on")]
pub(crate) fn pause() {
    std::thread::sleep(PACE);
}
