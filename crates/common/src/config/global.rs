//! The plan of `[global]` and `[watchdog]`: what every process knows.

use std::path::PathBuf;
use std::time::Duration;

use super::diagnostic::Diagnostics;
use super::table::Table;
use super::value::UserName;
use crate::fifo;
use crate::surroundings::{self, Resources, Surroundings};

/// What every process knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Global {
    /// `global.router_id`; the host name, asked for at run time, when not given.
    pub router_id: Option<String>,
    /// `global.script_user`; found out at run time when not given.
    pub script_user: Option<UserName>,
    /// What every process lives in unless its own table says otherwise: `global.network_namespace` and
    /// `global.resources`.
    pub surroundings: Surroundings,
    /// `global.notify_fifo`: every process writes its notifications there.
    pub notify_fifo: Option<PathBuf>,
    /// The section `[watchdog]`.
    pub watchdog: Watchdog,
    /// `watchdog.resources`, and those for all.
    pub resources: Resources,
}

/// How the watchdog watches its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchdog {
    /// How often each child is asked whether it lives.
    pub hello_interval: Duration,
    /// How long an answer may take before the child counts as hung.
    pub hello_timeout: Duration,
    /// How long a child may take from its start to its first answer.
    pub start_timeout: Duration,
    /// How long a child may take to stop in order before it is killed.
    pub stop_timeout: Duration,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            hello_interval: Duration::from_secs(5),
            hello_timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
        }
    }
}

impl Global {
    /// What a reload to `next` changes of it, in words, and nothing that a process tells by itself: of `[global]`, and
    /// of `[watchdog]`.
    #[must_use]
    pub fn changes(&self, next: &Self) -> (String, String) {
        let (a, b) = (&self.watchdog, &next.watchdog);
        let times = [
            ("hello_interval", a.hello_interval, b.hello_interval),
            ("hello_timeout", a.hello_timeout, b.hello_timeout),
            ("start_timeout", a.start_timeout, b.start_timeout),
            ("stop_timeout", a.stop_timeout, b.stop_timeout),
        ];
        let times = times.into_iter().filter(|(_, old, new)| old != new);
        let mut own: Vec<String> = times.map(|(key, old, new)| format!("{key} {old:?} -> {new:?}")).collect();
        own.extend(Some(self.resources.changes(&next.resources)).filter(|words| !words.is_empty()));
        let id = |global: &Self| global.router_id.clone().unwrap_or_else(|| "the host's name".to_owned());
        let (old, new) = (id(self), id(next));
        let global = if old == new { String::new() } else { format!("router_id {old} -> {new}") };
        (global, own.join(", "))
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
        global.notify_fifo = fifo::read(&mut table, d);
        global.surroundings = surroundings::read(&mut table, d);
        global.script_user = table.optional("script_user", d).map(|user| user.value);
        table.finish(d);
    }
    if let Some(mut table) = root.table("watchdog", d) {
        let range = Duration::from_millis(100)..=Duration::from_secs(3600);
        let watchdog = &mut global.watchdog;
        watchdog.hello_interval = table.within_or("hello_interval", &range, watchdog.hello_interval, d);
        watchdog.hello_timeout = table.within_or("hello_timeout", &range, watchdog.hello_timeout, d);
        watchdog.start_timeout = table.within_or("start_timeout", &range, watchdog.start_timeout, d);
        watchdog.stop_timeout = table.within_or("stop_timeout", &range, watchdog.stop_timeout, d);
        global.resources = surroundings::resources(&mut table, d);
        table.finish(d);
    }
    global.resources = global.resources.or(&global.surroundings.resources);
    global
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Sources};

    fn planned(text: &str) -> (Global, Diagnostics) {
        let mut d = Diagnostics::new();
        let sources = Sources::from_text("t.toml", text);
        let document = Document::parse(&sources, &mut d);
        let mut root = document.root();
        let global = plan(&mut root, &mut d);
        (global, d)
    }

    #[test]
    fn the_watchdogs_patience_can_be_set_in_every_respect() {
        let keys = "hello_interval = 1\nhello_timeout = \"200ms\"\nstart_timeout = \"1m\"\nstop_timeout = 20";
        let (global, d) = planned(&format!("[watchdog]\n{keys}\n"));
        assert!(d.is_empty());
        let watchdog = Watchdog {
            hello_interval: Duration::from_secs(1),
            hello_timeout: Duration::from_millis(200),
            start_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(20),
        };
        assert_eq!(global.watchdog, watchdog);
    }

    #[test]
    fn what_a_reload_changes_is_told_in_words() {
        let of = |text: &str| planned(text).0;
        let (old, new) = (
            of(""),
            of("[global]\nrouter_id = \"lb-2\"\n[watchdog]\nhello_interval = 1\nresources = { nice = 1 }"),
        );
        let none = (String::new(), String::new());
        assert_eq!(old.changes(&old), none);
        let (global, own) = old.changes(&new);
        assert_eq!(global, "router_id the host's name -> lb-2");
        assert!(own.starts_with("hello_interval 5s -> 1s, nice "), "{own}");
        // Those tell it themselves.
        assert_eq!(old.changes(&of("[global]\nscript_user = \"nobody\"\nnotify_fifo = \"/run/f\"")), none);
    }

    #[test]
    fn patience_has_bounds() {
        for key in ["hello_interval", "hello_timeout", "start_timeout", "stop_timeout"] {
            let (_, d) = planned(&format!("[watchdog]\n{key} = \"99ms\"\n"));
            assert!(d.has_errors(), "{key}");
        }
    }
}
