//! The status JSON of design.md 1.6 as types, lenient: what a part does not say is shown as empty.

use serde::Deserialize;
use serde_json::Value;

use super::overrides::Override;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Whole {
    pub(crate) version: String,
    pub(crate) router_id: Option<String>,
    /// The parts are read one by one, so that a surprise in one leaves the others readable.
    pub(crate) watchdog: Option<Value>,
    pub(crate) vrrp: Option<Value>,
    pub(crate) checker: Option<Value>,
}

impl Whole {
    /// The part of the watchdog.
    pub(crate) fn watchdog(&self) -> Option<Watchdog> {
        serde_json::from_value(self.watchdog.clone()?).ok()
    }

    /// The part of the VRRP process; empty where there is none.
    pub(crate) fn vrrp(&self) -> Vrrp {
        self.vrrp.clone().and_then(|part| serde_json::from_value(part).ok()).unwrap_or_default()
    }

    /// The part of the checker; empty where there is none.
    pub(crate) fn checker(&self) -> Checker {
        self.checker.clone().and_then(|part| serde_json::from_value(part).ok()).unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Watchdog {
    pub(crate) pid: u32,
    /// Which program since the start; of versions that take each other's place, every one has its own.
    pub(crate) incarnation: u64,
    pub(crate) executable: Option<String>,
    pub(crate) uptime_s: f64,
    pub(crate) config: Config,
    pub(crate) children: Vec<Child>,
    /// Mail, where some is wanted.
    pub(super) mail: Option<super::mail::Mail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) path: String,
    pub(crate) generation: u64,
    pub(crate) loaded_at: Value,
    pub(crate) last_reload: Option<Reload>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reload {
    pub(crate) ok: bool,
    pub(crate) error: Option<String>,
    pub(crate) at: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Child {
    pub(crate) name: String,
    pub(crate) pid: Option<u32>,
    pub(crate) state: String,
    pub(crate) uptime_s: Option<f64>,
    pub(crate) restarts: u64,
    pub(crate) last_restart_reason: Option<String>,
    pub(crate) hello: Hello,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hello {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) last_rtt_us: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Vrrp {
    pub(crate) instances: Vec<Instance>,
    pub(crate) maintenance: Option<Override>,
    pub(crate) sync_groups: Vec<SyncGroup>,
    pub(crate) scripts: Vec<Script>,
    pub(crate) files: Vec<File>,
    pub(crate) processes: Vec<Process>,
    pub(crate) objects: Vec<Object>,
    pub(crate) ipvs_sync: Option<IpvsSync>,
    /// Why the kernel does not report processes.
    pub(crate) process_reports_refused: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) interface: String,
    pub(crate) virtual_router_id: u8,
    pub(crate) version: u8,
    pub(crate) family: String,
    pub(crate) state: String,
    pub(crate) priority: u8,
    pub(crate) effective_priority: u8,
    pub(crate) addresses: Vec<Value>,
    pub(crate) master: Option<String>,
    pub(crate) since_s: Option<f64>,
    pub(crate) faults: Vec<String>,
    pub(crate) handing_over: bool,
    pub(crate) overrides: Vec<Override>,
    pub(crate) incompatible_peers: Vec<IncompatiblePeer>,
    pub(crate) advertisements: Advertisements,
    pub(crate) transitions: u64,
    pub(crate) why: String,
    pub(crate) priority_reasons: Vec<String>,
    pub(crate) last_transitions: Vec<Transition>,
    pub(crate) paths: Vec<Path>,
}

/// A change of state.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Transition {
    pub(crate) ago_s: f64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) priority: u8,
    pub(crate) reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Path {
    pub(crate) path: String,
    pub(crate) lost: Option<String>,
    pub(crate) last_heard_ms: Option<f64>,
    pub(crate) last_heard_from: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IncompatiblePeer {
    pub(crate) peer: String,
    pub(crate) field: String,
    pub(crate) mine: String,
    pub(crate) theirs: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Advertisements {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) send_failed: u64,
    pub(crate) rejected: std::collections::BTreeMap<String, u64>,
}

/// The kernel's daemons for connections.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IpvsSync {
    pub(crate) interface: String,
    pub(crate) id: u8,
    pub(crate) running: Vec<String>,
    pub(crate) error: Option<String>,
}

/// A route, a rule or a static address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Object {
    pub(crate) kind: String,
    pub(crate) object: String,
    pub(crate) instance: Option<String>,
    pub(crate) error: Option<String>,
}

impl Object {
    /// It and whose it is.
    pub(crate) fn named(&self) -> String {
        let owner = self.instance.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        let what = self.object.strip_prefix(&format!("{} ", self.kind)).unwrap_or(&self.object);
        format!("{what}{owner}")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SyncGroup {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) instances: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) up: Option<bool>,
    pub(crate) last_exit: Value,
    pub(crate) runs: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) number: i32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) program: String,
    pub(crate) up: Option<bool>,
    pub(crate) count: Option<u32>,
    pub(crate) wanted: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Checker {
    pub(crate) ipvs: Option<Ipvs>,
    pub(crate) virtual_servers: Vec<VirtualServer>,
}

/// What the checker knows of the kernel's table.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ipvs {
    pub(crate) services: u64,
    pub(crate) destinations: u64,
    pub(crate) repairs: u64,
    pub(crate) refused: Vec<String>,
    pub(crate) reachable: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VirtualServer {
    pub(crate) address: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) protocol: String,
    pub(crate) scheduler: String,
    pub(crate) forward: String,
    pub(crate) quorum: u64,
    pub(crate) quorum_met: bool,
    pub(crate) sorry_active: bool,
    pub(crate) sorry_server: Option<String>,
    pub(crate) sorry_alive: Option<bool>,
    pub(crate) suspended: bool,
    pub(crate) leaving: Vec<Leaving>,
    pub(crate) traffic: Option<Traffic>,
    pub(crate) since_s: Option<f64>,
    pub(crate) real_servers: Vec<RealServer>,
    /// How many servers there are and how many of them live, where not all are selected.
    pub(crate) real_servers_all: Option<usize>,
    pub(crate) real_servers_alive: Option<usize>,
}

impl VirtualServer {
    /// What it is called: its address, and how many more it has.
    pub(crate) fn name(&self) -> String {
        match self.addresses.len() {
            0 | 1 => self.address.clone(),
            many => format!("{} and {} more", self.address, many - 1),
        }
    }

    /// How many servers it has, shown or not.
    pub(crate) fn all(&self) -> usize {
        self.real_servers_all.unwrap_or(self.real_servers.len())
    }

    /// How many of them live.
    pub(crate) fn alive(&self) -> usize {
        self.real_servers_alive.unwrap_or_else(|| self.real_servers.iter().filter(|real| real.alive).count())
    }

    /// What no other service has.
    pub(crate) fn key(&self) -> String {
        format!("{} {}", self.protocol, self.address)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RealServer {
    pub(crate) address: String,
    pub(crate) alive: bool,
    pub(crate) weight: i64,
    pub(crate) effective_weight: i64,
    pub(crate) backup: bool,
    pub(crate) standby: bool,
    pub(crate) slow_start: bool,
    pub(crate) overrides: Vec<Override>,
    pub(crate) active_connections: Option<u64>,
    pub(crate) inactive_connections: Option<u64>,
    pub(crate) traffic: Option<Traffic>,
    pub(crate) since_s: Option<f64>,
    pub(crate) checks: Vec<Check>,
}

/// What went through a service or a server since the kernel's entry was made.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Traffic {
    pub(crate) connections: u64,
    pub(crate) packets_in: u64,
    pub(crate) packets_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Check {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) up: Option<bool>,
    pub(crate) last_result: Option<String>,
    pub(crate) last_duration_us: Option<f64>,
    pub(crate) since_s: Option<f64>,
    pub(crate) failures: u64,
    pub(crate) local_errors: u64,
    pub(crate) warning: Option<String>,
}

/// A server that keeps its connections for a while.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Leaving {
    pub(crate) address: String,
    pub(crate) left_s: f64,
    pub(crate) active_connections: Option<u64>,
    pub(crate) inactive_connections: Option<u64>,
}
