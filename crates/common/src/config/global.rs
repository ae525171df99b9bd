//! The plan of `[global]` and `[watchdog]`: what every process knows.

use std::time::Duration;

use super::diagnostic::Diagnostics;
use super::table::Table;
use super::value::UserName;

/// What every process knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Global {
    /// `global.router_id`; the host name, asked for at run time, when not given.
    pub router_id: Option<String>,
    /// `global.script_user`; found out at run time when not given.
    pub script_user: Option<UserName>,
    /// The section `[watchdog]`.
    pub watchdog: Watchdog,
}

/// How the watchdog watches its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchdog {
    /// How often each child is asked whether it lives.
    pub hello_interval: Duration,
    /// How long an answer may take before the child counts as hung.
    pub hello_timeout: Duration,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { hello_interval: Duration::from_secs(5), hello_timeout: Duration::from_secs(5) }
    }
}

/// Reads `[global]` and `[watchdog]` from the root table.
pub fn plan(root: &mut Table<'_>, d: &mut Diagnostics) -> Global {
    let mut global = Global::default();
    if let Some(mut table) = root.table("global", d) {
        if let Some(router_id) = table.optional::<String>("router_id", d) {
            if router_id.value.is_empty() || router_id.value.contains(char::is_control) {
                d.error(router_id.span, "`router_id` is empty or has control characters");
            }
            global.router_id = Some(router_id.value);
        }
        global.script_user = table.optional("script_user", d).map(|user| user.value);
        table.finish(d);
    }
    if let Some(mut table) = root.table("watchdog", d) {
        let range = Duration::from_millis(100)..=Duration::from_secs(3600);
        let watchdog = &mut global.watchdog;
        watchdog.hello_interval = table.within_or("hello_interval", &range, watchdog.hello_interval, d);
        watchdog.hello_timeout = table.within_or("hello_timeout", &range, watchdog.hello_timeout, d);
        table.finish(d);
    }
    global
}
