//! What happened: a bounded history in two files of the run directory, one JSON object a line.
//!
//! Whoever has something to tell puts it into an [`Outbox`], which writes it to a pipe and never waits. The watchdog alone
//! reads the pipe ([`Inbox`]) and appends to the files ([`Store`]), which outlive every process. Readers read the files
//! ([`read`], [`Follower`]): they cost the daemon nothing.
//!
//! A line: `{"seq":17,"at":"2026-11-21T09:00:00.123Z","child":"vrrp","pid":4711,"event":"state_changed",…}`. Fields may be
//! added, none renamed. `event` is one of [`KINDS`]; an event that is none of them is kept all the same.

mod follow;
mod inbox;
mod kind;
mod outbox;
mod read;
mod store;

pub use follow::Follower;
pub use inbox::Inbox;
pub use kind::{FAMILIES, Family, KINDS, Kind, kind};
pub use outbox::{Outbox, pipe};
pub use read::{Line, read};
pub use store::Store;

/// The file that is written.
pub const FILE: &str = "events.jsonl";
/// The one before it.
pub const OLDER: &str = "events.jsonl.1";
/// So many bytes of a line: the kernel writes that to a pipe whole or not at all (`PIPE_BUF`).
const LENGTH: usize = 4096;

#[cfg(test)]
mod tests;
