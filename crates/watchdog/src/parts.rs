//! What of this process's log may have a level of its own (`--log-level watchdog.mail=debug`).

use common::log::{CONTROL, Part};

/// All of them. What belongs to none has the level of the process.
pub const PARTS: &[Part] = &[
    Part { name: "children", targets: &["child_", "watchdog::incarnation"] },
    Part {
        name: "reload",
        targets: &["reloaded", "reload_refused", "watchdog::text", "watchdog::watchdog::requests"],
    },
    Part { name: "mail", targets: &["watchdog::mail"] },
    CONTROL,
];
