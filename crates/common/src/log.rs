//! The log: one line an event, message first, then `key=value` pairs.
//!
//! Levels: error = a part is dead; warn = the operator should look; info = a state changed; debug = decisions;
//! trace = packets and actions. Per-packet and per-peer faults go through a [`Limiter`].

mod event;
mod journal;
mod levels;
mod limiter;
mod sink;
mod target;

use std::io;

pub use event::event;
pub use levels::Levels;
pub use limiter::{Limiter, Verdict};
pub use sink::{flush, reopen};
pub use target::{Target, timestamp};

/// Sets the log up for this process. `ident` names it in every line (`watchdog`, `vrrp`, `checker`). Later calls
/// have no effect.
///
/// # Errors
/// The log file cannot be opened, or no system log listens.
pub fn init(ident: &'static str, levels: &Levels, target: &Target) -> io::Result<()> {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(levels.of(ident));
    target.attach(ident, &mut builder)?;
    // Fails where a logger is set already, as in tests.
    let _set_before = builder.try_init();
    Ok(())
}
