//! The kernel's daemons for connections (`ip_vs_sync`): of each role one in a network namespace, and nobody's mark on them.
//!
//! What runs is listed before anything is done and looked at again every `AUDIT`. A daemon that runs as wanted is left
//! alone, whoever started it, so a process that was killed interrupts nothing. What we started is written down in the run
//! directory first: that alone is taken away where none is wanted, and it tells what the kernel does not show (the length
//! that was asked for, and the number of the interface, which may have been made anew since).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use common::ipvs::{Client, SyncDaemon, SyncRole};
use serde_json::{Value, json};

use super::leftovers::List;
use crate::machine::ipvs_sync::WantedSync;

/// How often the daemons are looked at.
const AUDIT: Duration = Duration::from_secs(10);
/// What failed is tried again after 1, 2, 4 … 60 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const ROLES: [SyncRole; 2] = [SyncRole::Master, SyncRole::Backup];

/// What is asked of the kernel.
pub trait Daemons: Sized {
    /// Reaches the kernel.
    ///
    /// # Errors
    /// It has no IPVS, or cannot be asked.
    fn open() -> Result<Self, String>;
    /// Those that run.
    ///
    /// # Errors
    /// The kernel could not be asked.
    fn list(&mut self) -> Result<Vec<SyncDaemon>, String>;
    /// Starts one.
    ///
    /// # Errors
    /// It was refused.
    fn start(&mut self, daemon: &SyncDaemon) -> Result<(), String>;
    /// Stops one.
    ///
    /// # Errors
    /// It was refused.
    fn stop(&mut self, role: SyncRole) -> Result<(), String>;
}

impl Daemons for Client {
    fn open() -> Result<Self, String> {
        let client = Self::open().map_err(|error| error.to_string())?;
        client.ok_or_else(|| "this kernel has no IPVS".to_owned())
    }

    fn list(&mut self) -> Result<Vec<SyncDaemon>, String> {
        self.sync_daemons().map_err(|error| error.to_string())
    }

    fn start(&mut self, daemon: &SyncDaemon) -> Result<(), String> {
        self.start_sync_daemon(daemon).map_err(|error| error.to_string())
    }

    fn stop(&mut self, role: SyncRole) -> Result<(), String> {
        self.stop_sync_daemon(role).map_err(|error| error.to_string())
    }
}

/// Keeps the daemons as wanted.
#[derive(Debug)]
pub struct IpvsSync<K = Client> {
    kernel: Option<K>,
    wanted: Option<WantedSync>,
    record: List,
    /// What we started, as it is written down.
    started: BTreeMap<String, String>,
    /// Those that ran when last looked at.
    running: Vec<SyncRole>,
    next: Option<Instant>,
    failures: u32,
    error: Option<String>,
}

impl<K: Daemons> IpvsSync<K> {
    /// Nothing is asked of the kernel yet.
    pub fn new(run_dir: &Path) -> Self {
        let record = List::new(run_dir, "vrrp.ipvs_sync");
        let started = record.read();
        let started = started.lines().filter_map(|line| line.split_once(' '));
        Self {
            kernel: None,
            wanted: None,
            started: started.map(|(role, rest)| (role.to_owned(), rest.to_owned())).collect(),
            record,
            running: Vec::new(),
            next: None,
            failures: 0,
            error: None,
        }
    }

    /// These are to run from now on.
    pub fn want(&mut self, wanted: Option<WantedSync>, now: Instant) {
        self.wanted = wanted;
        self.failures = 0;
        self.settle(now);
    }

    /// Takes away what an earlier run left, where none is configured.
    pub fn clean(&mut self, configured: bool, now: Instant) {
        if !configured && !self.started.is_empty() {
            self.settle(now);
        }
    }

    /// When [`Self::timeout`] has something to do.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Looks at the daemons again.
    pub fn timeout(&mut self, now: Instant) {
        if self.next.is_some_and(|at| at <= now) {
            self.settle(now);
        }
    }

    /// For the status; nothing where there is nothing to say.
    pub fn status(&self) -> Value {
        let Some(wanted) = &self.wanted else { return Value::Null };
        let running: Vec<String> = self.running.iter().map(ToString::to_string).collect();
        json!({
            "interface": wanted.settings.link.as_str(),
            "id": wanted.settings.id,
            "running": running,
            "error": self.error,
        })
    }

    fn settle(&mut self, now: Instant) {
        let done = self.try_settle();
        self.next = match &done {
            Ok(()) if self.wanted.is_some() => Some(now + AUDIT),
            Ok(()) => None,
            Err(_) => Some(now + Duration::from_secs(1 << self.failures.min(6)).min(LONGEST_PAUSE)),
        };
        self.failures = if done.is_err() { self.failures.saturating_add(1) } else { 0 };
        let error = done.err();
        if error != self.error {
            match &error {
                Some(error) => {
                    log::warn!("IPVS synchronisation daemons are not as wanted, trying again: {error}");
                }
                None => log::info!("IPVS synchronisation daemons are as wanted"),
            }
        }
        self.error = error;
    }

    fn try_settle(&mut self) -> Result<(), String> {
        if self.wanted.is_none() && self.started.is_empty() {
            self.running.clear();
            self.kernel = None;
            return Ok(());
        }
        let mut kernel = match self.kernel.take() {
            Some(kernel) => kernel,
            None => K::open()?,
        };
        // One that fails to answer is opened anew.
        let there = kernel.list()?;
        let seen = std::mem::replace(&mut self.running, there.iter().map(|daemon| daemon.role).collect());
        let done = self.bring(&mut kernel, &there, &seen);
        self.kernel = Some(kernel);
        done
    }

    /// Stops first: what leaves one role begins the other. `seen` ran when last looked at.
    fn bring(&mut self, kernel: &mut K, there: &[SyncDaemon], seen: &[SyncRole]) -> Result<(), String> {
        let mut failed = Ok(());
        for role in ROLES {
            let Some(running) = there.iter().find(|daemon| daemon.role == role) else { continue };
            let right = self.target(role).is_some_and(|(daemon, line)| {
                self.started.get(&role.to_string()) == Some(&line) && is_shown_as(&daemon, running)
            });
            // Where none is configured others may have theirs.
            let ours = self.wanted.is_some() || self.started.contains_key(&role.to_string());
            if right || !ours {
                continue;
            }
            match kernel.stop(role) {
                Ok(()) => {
                    log::info!(
                        "IPVS synchronisation daemon stopped role={role} interface={}",
                        running.interface
                    );
                    self.running.retain(|other| *other != role);
                    self.note(role, None);
                }
                Err(error) => failed = Err(error),
            }
        }
        for role in ROLES {
            let Some((daemon, line)) = self.target(role) else {
                // It is gone, by us or by others.
                if !self.running.contains(&role) {
                    self.note(role, None);
                }
                continue;
            };
            if self.running.contains(&role) {
                continue;
            }
            if seen.contains(&role) && self.started.get(&role.to_string()) == Some(&line) {
                log::warn!(
                    "IPVS synchronisation daemon was stopped by somebody: starting it again role={role}"
                );
            }
            self.note(role, Some(line));
            match kernel.start(&daemon) {
                Ok(()) => {
                    self.running.push(role);
                    let (interface, id) = (&daemon.interface, daemon.id);
                    log::info!(
                        "IPVS synchronisation daemon started role={role} interface={interface} id={id}"
                    );
                }
                Err(error) => {
                    self.note(role, None);
                    failed = Err(error);
                }
            }
        }
        if self.wanted.is_some_and(|wanted| wanted.index.is_none() && (wanted.master || wanted.backup)) {
            failed = failed.and(Err("the interface does not exist".to_owned()));
        }
        failed
    }

    /// The daemon of this role that is to run, and how it is written down.
    fn target(&self, role: SyncRole) -> Option<(SyncDaemon, String)> {
        let wanted = self.wanted?;
        let index = wanted.index?;
        let meant = match role {
            SyncRole::Master => wanted.master,
            SyncRole::Backup => wanted.backup,
        };
        let settings = wanted.settings;
        let daemon = SyncDaemon {
            role,
            interface: settings.link.as_str().to_owned(),
            id: settings.id,
            max_length: settings.max_length,
            group: Some(settings.group),
            port: Some(settings.port),
            ttl: Some(settings.ttl),
        };
        meant.then(|| (daemon, format!("index={} {settings}", index.0)))
    }

    /// Writes down, or strikes out, what we started.
    fn note(&mut self, role: SyncRole, line: Option<String>) {
        match line {
            Some(line) => drop(self.started.insert(role.to_string(), line)),
            None => drop(self.started.remove(&role.to_string())),
        }
        let lines = self.started.iter().map(|(role, line)| format!("{role} {line}\n"));
        self.record.write(lines.collect());
    }
}

/// Whether what the kernel shows is what was asked for. It has bounds of its own for the length, other ones for each
/// role, so that one says nothing.
fn is_shown_as(wanted: &SyncDaemon, shown: &SyncDaemon) -> bool {
    SyncDaemon { max_length: wanted.max_length, ..shown.clone() } == *wanted
}

#[cfg(test)]
mod tests;
