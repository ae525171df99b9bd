//! The log: one line an event, message first, then `key=value` pairs.
//!
//! Levels: error = a part is dead; warn = the operator should look; info = a state changed; debug = decisions;
//! trace = packets and actions. Per-packet and per-peer faults go through a [`Limiter`].

mod event;
mod journal;
mod levels;
mod limiter;
mod part;
mod sink;
mod target;

use std::io;

pub use event::event;
pub use levels::Levels;
pub use limiter::{Limiter, Verdict};
pub use part::{CONTROL, Part};
pub use sink::{flush, reopen};
pub use target::{Target, timestamp};

/// Sets the log up for this process. `ident` names it in every line (`watchdog`, `vrrp`, `checker`); `parts` may have
/// levels of their own. Later calls have no effect.
///
/// # Errors
/// The log file cannot be opened, or no system log listens.
pub fn init(ident: &'static str, parts: &[Part], levels: &Levels, target: &Target) -> io::Result<()> {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(levels.of(ident));
    // The longest beginning that fits counts.
    for (beginning, level) in levels.of_parts(ident, parts) {
        builder.filter_module(&beginning, level);
    }
    target.attach(ident, &mut builder)?;
    // Fails where a logger is set already, as in tests.
    let _set_before = builder.try_init();
    Ok(())
}
