//! The status JSON of design.md 1.6 as types, lenient: what a part does not say is shown as empty.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Whole {
    pub(super) version: String,
    pub(super) router_id: Option<String>,
    /// The parts are read one by one, so that a surprise in one leaves the others readable.
    pub(super) watchdog: Option<Value>,
    pub(super) vrrp: Option<Value>,
    pub(super) checker: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Watchdog {
    pub(super) pid: u32,
    pub(super) uptime_s: f64,
    pub(super) config: Config,
    pub(super) children: Vec<Child>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) path: String,
    pub(super) generation: u64,
    pub(super) loaded_at: Value,
    pub(super) last_reload: Option<Reload>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reload {
    pub(super) ok: bool,
    pub(super) error: Option<String>,
    pub(super) at: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) pid: Option<u32>,
    pub(super) state: String,
    pub(super) uptime_s: Option<f64>,
    pub(super) restarts: u64,
    pub(super) last_restart_reason: Option<String>,
    pub(super) hello: Hello,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Hello {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) last_rtt_us: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Vrrp {
    pub(super) instances: Vec<Instance>,
    pub(super) sync_groups: Vec<SyncGroup>,
    pub(super) scripts: Vec<Script>,
    pub(super) files: Vec<File>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) interface: String,
    pub(super) virtual_router_id: u8,
    pub(super) version: u8,
    pub(super) state: String,
    pub(super) priority: u8,
    pub(super) effective_priority: u8,
    pub(super) addresses: Vec<Value>,
    pub(super) master: Option<String>,
    pub(super) since_s: Option<f64>,
    pub(super) faults: Vec<String>,
    pub(super) handing_over: bool,
    pub(super) incompatible_peers: Vec<IncompatiblePeer>,
    pub(super) advertisements: Advertisements,
    pub(super) transitions: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IncompatiblePeer {
    pub(super) peer: String,
    pub(super) field: String,
    pub(super) mine: String,
    pub(super) theirs: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Advertisements {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) send_failed: u64,
    pub(super) rejected: std::collections::BTreeMap<String, u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SyncGroup {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) instances: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) up: Option<bool>,
    pub(super) last_exit: Value,
    pub(super) runs: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) number: i32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Checker {
    pub(super) ipvs: Option<Ipvs>,
    pub(super) virtual_servers: Vec<VirtualServer>,
}

/// What the checker knows of the kernel's table.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ipvs {
    pub(super) services: u64,
    pub(super) destinations: u64,
    pub(super) repairs: u64,
    pub(super) refused: Vec<String>,
    pub(super) reachable: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VirtualServer {
    pub(super) address: String,
    pub(super) addresses: Vec<String>,
    pub(super) protocol: String,
    pub(super) scheduler: String,
    pub(super) forward: String,
    pub(super) quorum: u64,
    pub(super) quorum_met: bool,
    pub(super) sorry_active: bool,
    pub(super) sorry_server: Option<String>,
    pub(super) real_servers: Vec<RealServer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RealServer {
    pub(super) address: String,
    pub(super) alive: bool,
    pub(super) weight: i64,
    pub(super) effective_weight: i64,
    pub(super) active_connections: Option<u64>,
    pub(super) inactive_connections: Option<u64>,
    pub(super) checks: Vec<Check>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Check {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) up: Option<bool>,
    pub(super) last_result: Option<String>,
    pub(super) last_duration_us: Option<f64>,
    pub(super) since_s: Option<f64>,
    pub(super) failures: u64,
}
