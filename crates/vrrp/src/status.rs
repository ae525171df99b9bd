//! The status of the VRRP process, as `holdfast status --json` shows it. Fields may be added, none renamed.

use std::collections::BTreeMap;

use serde::Serialize;

/// The part `vrrp` of the status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The virtual routers.
    pub instances: Vec<InstanceStatus>,
    /// The sync groups.
    pub sync_groups: Vec<GroupStatus>,
    /// The tracked scripts.
    pub scripts: Vec<ScriptStatus>,
    /// The tracked files.
    pub files: Vec<FileStatus>,
    /// The tracked processes.
    pub processes: Vec<ProcessStatus>,
    /// Routes, rules and static addresses that are wanted now.
    pub objects: Vec<ObjectStatus>,
}

/// A route, a rule or a static address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectStatus {
    /// `address`, `route` or `rule`.
    pub kind: &'static str,
    /// What it is, in words.
    pub object: String,
    /// The instance it belongs to; none for a static one.
    pub instance: Option<String>,
    /// It is in the kernel, as far as is known.
    pub installed: bool,
    /// Why it is not.
    pub error: Option<String>,
}

/// A virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: String,
    /// Its interface.
    pub interface: String,
    /// Its identifier.
    pub virtual_router_id: u8,
    /// The protocol version.
    pub version: u8,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// `init`, `fault`, `backup` or `master`.
    pub state: &'static str,
    /// A master that said it is leaving and still answers until its successor is heard.
    pub handing_over: bool,
    /// The configured priority.
    pub priority: u8,
    /// The priority with the trackers' weights.
    pub effective_priority: u8,
    /// The virtual addresses with their prefixes.
    pub addresses: Vec<String>,
    /// The address adverts are sent from.
    pub source: Option<String>,
    /// The address of the current master, if one is known.
    pub master: Option<String>,
    /// Its priority.
    pub master_priority: Option<u8>,
    /// Seconds since the last change of state.
    pub since_s: u64,
    /// What keeps it from its work, in plain words.
    pub faults: Vec<String>,
    /// The sync group it belongs to.
    pub sync_group: Option<String>,
    /// Peers with our identifier and other settings.
    pub incompatible_peers: Vec<IncompatiblePeer>,
    /// Counters of adverts.
    pub advertisements: Adverts,
    /// Changes of state since the start.
    pub transitions: u64,
    /// Why it is in its state, in plain words.
    pub why: String,
    /// What makes the effective priority another than the configured one.
    pub priority_reasons: Vec<String>,
    /// The last changes of state, the newest first.
    pub last_transitions: Vec<TransitionStatus>,
    /// The ways of its adverts, its own interface first, where `also_via` names more than that one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathStatus>,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitionStatus {
    /// Seconds since it.
    pub ago_s: u64,
    /// The state before.
    pub from: &'static str,
    /// The state after.
    pub to: &'static str,
    /// The effective priority then.
    pub priority: u8,
    /// Why, in the words of the log.
    pub reason: String,
}

/// A way of adverts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathStatus {
    /// The interface, and the peers where it has some.
    pub path: String,
    /// The address adverts are sent from.
    pub source: Option<String>,
    /// Why nothing goes or comes by it, in plain words.
    pub lost: Option<String>,
    /// Milliseconds since an advert came by it. A master hears nobody.
    pub last_heard_ms: Option<u64>,
    /// Who sent that.
    pub last_heard_from: Option<String>,
    /// Adverts that came by it and were taken.
    pub received: u64,
}

/// The master of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterStatus {
    /// Its address.
    pub address: String,
    /// Its priority.
    pub priority: u8,
}

/// A peer whose settings differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncompatiblePeer {
    /// Its address.
    pub peer: String,
    /// The key that differs.
    pub field: &'static str,
    /// Our value.
    pub mine: String,
    /// Its value.
    pub theirs: String,
    /// What it looks like, where that is not plain.
    pub hint: Option<String>,
}

/// Counters of adverts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adverts {
    /// Sent, or given to the socket.
    pub sent: u64,
    /// Refused by the socket.
    pub send_failed: u64,
    /// Received and taken.
    pub received: u64,
    /// Received and dropped, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
}

/// A sync group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// `init`, `fault`, `backup` or `master`.
    pub state: &'static str,
    /// Its members.
    pub instances: Vec<String>,
}

/// A tracked file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// The number in it; 0 if it is missing or has none.
    pub number: i32,
}

/// A tracked process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessStatus {
    /// Its name.
    pub name: String,
    /// The program.
    pub program: String,
    /// Its verdict; null until it was counted once.
    pub up: Option<bool>,
    /// How many run.
    pub count: Option<u32>,
    /// How many are wanted, in words.
    pub wanted: String,
}

/// A tracked script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptStatus {
    /// Its name.
    pub name: String,
    /// Its verdict; null until it has ended once.
    pub up: Option<bool>,
    /// How its last run ended, in words.
    pub last_exit: Option<String>,
    /// Finished runs.
    pub runs: u64,
}
