//! The watchdog's part of the status, and the status of everybody as a file (USR1).

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::child::lateness;
use common::event_loop::Cx;
use common::log::timestamp;
use serde_json::{Map, Value, json};

use super::{Key, Watchdog};
use crate::incarnation::Asked;
use crate::supervisor::{Child, ChildId, State, Wanted};
use crate::upgrade;

/// Who has not told his part of the status by then is left out of the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// A status file in the making.
#[derive(Debug)]
pub(super) struct Dump {
    until: Instant,
    waiting: Vec<ChildId>,
    parts: Map<String, Value>,
}

impl Dump {
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

impl Watchdog {
    /// `{"version","router_id","watchdog":{…}}`: the head of the whole status.
    pub(super) fn status(&self, now: Instant) -> Value {
        let config = &self.config;
        let last_reload = self
            .last_reload
            .as_ref()
            .map(|last| json!({ "ok": last.error.is_none(), "error": last.error, "at": timestamp(last.at) }));
        let children = self.supervisor.children().filter(|child| *child.state() != State::Idle);
        let children: Vec<Value> = children.map(|child| self.child_status(child, now)).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "router_id": config.text.router_id(),
            "watchdog": {
                "pid": std::process::id(),
                "incarnation": self.incarnation,
                "executable": upgrade::executable().ok(),
                "uptime_s": now.saturating_duration_since(self.began).as_secs_f64(),
                "config": {
                    "path": self.options.config,
                    "generation": config.generation,
                    "loaded_at": timestamp(config.loaded_at),
                    "last_reload": last_reload,
                },
                "children": children,
                "lateness": lateness::status(self.lateness, now),
                "resources_refused": self.favour.refused(),
                "history_error": self.history.error(),
                "mail": self.post.status(now),
            },
        })
    }

    fn child_status(&self, child: &Child, now: Instant) -> Value {
        let since = match child.state() {
            State::Starting { since, .. } | State::Up { since, .. } => Some(*since),
            State::Idle
            | State::Down { .. }
            | State::Spawning { .. }
            | State::Stopping { .. }
            | State::Killed { .. } => None,
        };
        let hellos = child.hellos();
        json!({
            "name": self.name(child.id()),
            "pid": child.pid().map(|pid| pid.0),
            "state": child.state().name(),
            "uptime_s": since.map(|since| now.saturating_duration_since(since).as_secs_f64()),
            "restarts": child.restarts(),
            "last_restart_reason": child.last_reason().map(ToString::to_string),
            "hello": {
                "sent": hellos.sent,
                "answered": hellos.answered,
                "last_rtt_us": hellos.last_rtt.map(lateness::micros),
            },
        })
    }

    /// One line for systemd.
    pub(super) fn summary(&self) -> String {
        let children: Vec<&str> = self
            .supervisor
            .children()
            .filter(|child| child.wanted() != Wanted::No)
            .map(|child| self.name(child.id()))
            .collect();
        format!("generation {}, running {}", self.config.generation, children.join(" and "))
    }

    pub(super) fn hello_answer(&self, cx: &Cx<'_, Key>) -> Value {
        let restarts: u64 = self.supervisor.children().map(Child::restarts).sum();
        json!({
            "pid": std::process::id(),
            "progress": { "generation": self.config.generation, "restarts": restarts },
            "lateness_us": lateness::micros(cx.lateness().last),
            "lateness_worst_us": lateness::micros(cx.lateness().worst),
            "checkpoint": null,
        })
    }

    /// Asks everybody for his part of `status.json`.
    pub(super) fn begin_dump(&mut self, now: Instant) {
        let up = |child: &&Child| matches!(child.state(), State::Up { .. });
        let asked: Vec<ChildId> = self.supervisor.children().filter(up).map(Child::id).collect();
        let waiting =
            asked.into_iter().filter(|child| self.ask(*child, Asked::Status, Value::Null, &[]).is_ok());
        let waiting = waiting.collect();
        self.dump = Some(Dump { until: now + PATIENCE, waiting, parts: Map::new() });
        self.finish_dump(now);
    }

    /// A child has told its part, or never will.
    pub(super) fn dumped(&mut self, child: ChildId, part: Option<Value>) {
        let name = self.name(child);
        if let Some(dump) = &mut self.dump
            && let Some(at) = dump.waiting.iter().position(|waiting| *waiting == child)
        {
            dump.waiting.remove(at);
            dump.parts.extend(part.map(|part| (name.to_owned(), part)));
            if dump.waiting.is_empty() {
                // It is written with the next deadline, which is now.
                dump.until = self.began;
            }
        }
    }

    /// Writes the file if everybody has told his part or time is up.
    pub(super) fn finish_dump(&mut self, now: Instant) {
        let Some(dump) = self.dump.take_if(|dump| dump.waiting.is_empty() || dump.until <= now) else {
            return;
        };
        let mut whole = self.status(now);
        if let Value::Object(whole) = &mut whole {
            whole.extend(dump.parts);
        }
        for child in dump.waiting {
            log::warn!("status without a part: it was not told in time child={}", self.name(child));
        }
        match self.write_status(&whole) {
            Ok(()) => log::info!("status written to {}", self.options.run_dir.join("status.json").display()),
            Err(error) => log::warn!("cannot write the status: {error}"),
        }
    }

    /// Whole or not at all: a reader never sees half a file.
    fn write_status(&self, whole: &Value) -> io::Result<()> {
        let path = self.options.run_dir.join("status.json");
        let new = self.options.run_dir.join("status.json.new");
        let mut file = File::create(&new)?;
        file.set_permissions(Permissions::from_mode(0o640))?;
        serde_json::to_writer_pretty(&file, whole)?;
        file.write_all(b"\n")?;
        std::fs::rename(&new, &path)
    }
}
