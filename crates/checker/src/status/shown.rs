//! What the checker's part of the status is called. Written out by serde as it stands: by way of a tree of values, ten
//! thousand servers cost three times as much.

use common::ipvs::{Forward, Stats};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A virtual server, with everything below it.
#[derive(Debug, Serialize)]
pub struct VirtualServer<'a> {
    pub(super) address: Option<String>,
    pub(super) addresses: Vec<String>,
    pub(super) protocol: Option<String>,
    pub(super) fwmark: Option<u32>,
    pub(super) scheduler: &'a str,
    pub(super) forward: Option<String>,
    pub(super) persistence_s: Option<u32>,
    pub(super) quorum: u64,
    pub(super) hysteresis: u64,
    pub(super) quorum_met: bool,
    pub(super) alive_weight: u64,
    pub(super) sorry_server: Option<String>,
    pub(super) sorry_active: bool,
    pub(super) sorry_alive: Option<bool>,
    pub(super) sorry_checks: Vec<Check<'a>>,
    pub(super) suspended: bool,
    pub(super) leaving: Vec<Leaving>,
    pub(super) since_s: u64,
    pub(super) traffic: Option<Traffic>,
    pub(super) real_servers: Vec<RealServer<'a>>,
}

/// A real server under a service.
#[derive(Debug, Serialize)]
pub(super) struct RealServer<'a> {
    pub(super) address: Option<String>,
    pub(super) alive: bool,
    pub(super) weight: u32,
    pub(super) effective_weight: u32,
    pub(super) backup: bool,
    pub(super) standby: bool,
    pub(super) slow_start: bool,
    pub(super) overrides: Vec<Value>,
    #[serde(serialize_with = "as_text")]
    pub(super) forward: &'a Forward,
    pub(super) inhibit_on_failure: bool,
    pub(super) active_connections: Option<u64>,
    pub(super) inactive_connections: Option<u64>,
    pub(super) persistent_connections: Option<u64>,
    pub(super) traffic: Option<Traffic>,
    pub(super) since_s: u64,
    pub(super) checks: Vec<Check<'a>>,
}

/// A check of a server, or of a sorry server.
#[derive(Debug, Serialize)]
pub(super) struct Check<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) up: bool,
    pub(super) last_result: &'a str,
    pub(super) last_duration_us: Option<u64>,
    pub(super) since_s: u64,
    pub(super) attempts: u64,
    pub(super) failures: u64,
    pub(super) local_errors: u64,
    pub(super) certificate_left_s: Option<i64>,
    pub(super) warning: Option<&'a str>,
}

/// A server that is taken out and keeps its connections for a while.
#[derive(Debug, Serialize)]
pub(super) struct Leaving {
    pub(super) address: String,
    pub(super) left_s: u64,
    pub(super) active_connections: Option<u32>,
    pub(super) inactive_connections: Option<u32>,
}

/// What went through since the kernel's entry was made.
#[derive(Debug, Serialize)]
pub(super) struct Traffic {
    connections: u64,
    packets_in: u64,
    packets_out: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl From<Stats> for Traffic {
    fn from(stats: Stats) -> Self {
        Self {
            connections: stats.connections,
            packets_in: stats.packets_in,
            packets_out: stats.packets_out,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
        }
    }
}

fn as_text<S: Serializer>(shown: &Forward, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(shown)
}
