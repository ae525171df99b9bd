//! What clients of `watchdog.sock` ask, and how reloads are told: to clients, to the log, to systemd.

use std::time::Instant;

use common::change::{Traffic, told};
use common::control::Incoming;
use common::event_loop::{Cx, clock};
use log::Level;
use serde_json::{Value, json};

use super::{CHANGES_LOGGED, Key, LastReload, Watchdog, seconds};
use crate::reload::{self, Asker, Outcome, Ticket};
use crate::supervisor::ChildId;

impl Watchdog {
    pub(super) fn request(&mut self, incoming: Incoming, cx: &Cx<'_, Key>) {
        let Incoming { client, request, uid, .. } = incoming;
        let now = cx.now();
        let answer = match request.method.as_str() {
            "hello" => Ok(self.hello_answer(cx)),
            "status" => Ok(self.status(now)),
            "stop" => {
                self.stop(&format!("a client asks for it uid={}", uid.map_or(-1, i64::from)), now);
                Ok(json!({}))
            }
            "upgrade" => match self.may_upgrade() {
                Ok(program) => {
                    log::info!(
                        "upgrade: a client asks for it program={} uid={}",
                        program.display(),
                        uid.map_or(-1, i64::from)
                    );
                    // Afterwards there is nobody left to say it.
                    self.control.reply(client, request.id, Ok(json!({})), now);
                    self.begin_upgrade();
                    return;
                }
                Err(why) => Err(why),
            },
            "reload" => {
                let dry_run = request.params.get("dry_run").and_then(Value::as_bool).unwrap_or_default();
                if !dry_run {
                    log::info!("reload: a client asks for it uid={}", uid.map_or(-1, i64::from));
                }
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.clients.insert(ticket, (client, request.id));
                self.reload(reload::Event::Requested { asker: Asker::Client(ticket), dry_run }, now);
                // The answer is the outcome.
                return;
            }
            method => Err(format!("unknown method {method:?}")),
        };
        self.control.reply(client, request.id, answer, now);
    }

    /// A reload is over.
    pub(super) fn outcome(&mut self, asker: Asker, outcome: Outcome, now: Instant) {
        // Those of the text in question, which is in force by now unless it was a dry run.
        let warnings = self.candidate.as_ref().unwrap_or(&self.config.text).warnings.clone();
        if outcome != Outcome::Busy {
            self.candidate = None;
        }
        let answer = match outcome {
            Outcome::Busy => Err("another reload is in flight: try again".to_owned()),
            Outcome::Refused { child, text } => {
                let text =
                    child.map_or_else(|| text.clone(), |child| format!("{}: {text}", self.name(child)));
                if child.is_some() {
                    log::error!("reload refused: {text}");
                }
                let generation = self.config.generation;
                let event = json!({
                    "event": "reload_refused",
                    "refused_by": child.map(|child| self.name(child)),
                    "generation": generation,
                    "error": text,
                });
                let line = format!("reload refused: nothing has changed generation={generation}");
                self.happened(Level::Error, &event, &line, now);
                self.reload_over(Some(text.clone()));
                Err(text)
            }
            Outcome::Done { dry_run, changes, started, stopped } => {
                let changes = self.changes(changes, &started, &stopped);
                if !dry_run {
                    self.log_changes(&changes, now);
                    self.reload_over(None);
                }
                Ok(json!({
                    "ok": true,
                    "dry_run": dry_run,
                    "generation": self.config.generation + u64::from(dry_run),
                    "changes": changes,
                    "warnings": if warnings.is_empty() { Value::Null } else { warnings.into() },
                }))
            }
        };
        if let Asker::Client(ticket) = asker
            && let Some((client, id)) = self.clients.remove(&ticket)
        {
            self.control.reply(client, id, answer, now);
        }
    }

    fn reload_over(&mut self, error: Option<String>) {
        self.last_reload = Some(LastReload { error, at: clock::wall() });
        let summary = self.summary();
        self.announcer.reloaded(&summary);
    }

    /// The changes of all children as one list, and the children themselves.
    fn changes(&mut self, of: Vec<(ChildId, Value)>, started: &[ChildId], stopped: &[ChildId]) -> Vec<Value> {
        let mut all = std::mem::take(&mut self.own_changes);
        for (_, changes) in of {
            if let Value::Array(changes) = changes {
                all.extend(changes);
            }
        }
        let process = |child: &ChildId, change: &str, of: &str| {
            told(&format!("{} process", self.name(*child)), change, of, Traffic::All)
        };
        all.extend(started.iter().map(|child| process(child, "added", "with everything it is to do")));
        all.extend(stopped.iter().map(|child| process(child, "removed", "with everything it does")));
        all
    }

    fn log_changes(&mut self, changes: &[Value], now: Instant) {
        let word = |change: &Value, key: &str| {
            change.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (kept, changed): (Vec<&Value>, Vec<&Value>) =
            changes.iter().partition(|change| word(change, "change") == "kept");
        for change in changed.iter().take(CHANGES_LOGGED) {
            let detail = word(change, "detail");
            let detail = if detail.is_empty() { detail } else { format!(" detail=\"{detail}\"") };
            log::info!("reload: {} object=\"{}\"{detail}", word(change, "change"), word(change, "object"));
        }
        if changed.len() > CHANGES_LOGGED {
            log::info!("reload: {} more objects", changed.len() - CHANGES_LOGGED);
        }
        let (generation, changed, kept) = (self.config.generation, changed.len(), kept.len());
        let took = seconds(now.saturating_duration_since(self.reload_began));
        let event = json!({
            "event": "reloaded", "generation": generation, "changed": changed, "kept": kept,
        });
        let line = format!("reloaded generation={generation} changed={changed} kept={kept} took={took}");
        self.happened(Level::Info, &event, &line, now);
    }
}
