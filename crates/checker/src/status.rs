//! The checker's part of the status JSON: fields may be added, none renamed.

use std::collections::BTreeMap;
use std::time::Duration;

use common::ipvs::{Connections, DestinationKey, ServiceKey, Transport};
use serde_json::{Value, json};

use crate::machine::{CheckView, LeavingView, RealServerView, VirtualServerView};
use crate::plan;

/// The connections that destinations of a service have.
pub type Counts = BTreeMap<DestinationKey, Connections>;

/// The virtual servers. `counts` asks the kernel for a service's connections.
pub fn virtual_servers(
    views: &[VirtualServerView],
    counts: &mut dyn FnMut(ServiceKey) -> Option<Counts>,
) -> Vec<Value> {
    views.iter().map(|view| virtual_server(view, counts)).collect()
}

fn virtual_server(view: &VirtualServerView, counts: &mut dyn FnMut(ServiceKey) -> Option<Counts>) -> Value {
    let services = &view.plan.services;
    let mut connections = Counts::new();
    let mut counted = false;
    for key in services {
        // A group's servers have connections under each of its services: they are one server's all the same.
        for (at, found) in counts(*key).into_iter().inspect(|_| counted = true).flatten() {
            let sum = connections.entry(at).or_default();
            sum.active = sum.active.saturating_add(found.active);
            sum.inactive = sum.inactive.saturating_add(found.inactive);
            sum.persistent = sum.persistent.saturating_add(found.persistent);
        }
    }
    let servers = view.servers.iter().filter_map(|server| {
        let planned = view.plan.real_servers.get(server.place)?;
        let counts = counted.then_some(&connections);
        Some(real_server(server, planned, services, counts))
    });
    let first = services.first();
    let forward = view.plan.real_servers.first().map(|server| server.forward.to_string());
    json!({
        "address": first.map(address),
        "addresses": services.iter().map(address).collect::<Vec<_>>(),
        "protocol": first.and_then(protocol),
        "fwmark": first.and_then(mark),
        "scheduler": view.plan.service.scheduler.as_str(),
        "forward": forward,
        "persistence_s": view.plan.service.persistence.map(|persistence| persistence.timeout),
        "quorum": view.plan.quorum,
        "hysteresis": view.plan.hysteresis,
        "quorum_met": view.quorum_met,
        "alive_weight": view.alive_weight,
        "sorry_server": view.plan.sorry.as_ref().zip(first).map(|(sorry, first)| sorry.key(*first).to_string()),
        "sorry_active": view.sorry_active,
        "sorry_alive": view.sorry.as_ref().map(|sorry| sorry.alive),
        "sorry_checks": view.sorry.iter().flat_map(|sorry| &sorry.checks).map(check).collect::<Vec<_>>(),
        "suspended": view.suspended,
        "leaving": view.leaving.iter().map(|leaving| leaving_server(leaving, counted.then_some(&connections))).collect::<Vec<_>>(),
        "since_s": view.since.as_secs(),
        "real_servers": servers.collect::<Vec<_>>(),
    })
}

fn real_server(
    view: &RealServerView,
    planned: &plan::RealServer,
    services: &[ServiceKey],
    counts: Option<&Counts>,
) -> Value {
    let keys: Vec<DestinationKey> = services.iter().map(|service| planned.key(*service)).collect();
    let sum = |of: fn(&Connections) -> u32| {
        let counts = counts?;
        let mut keys: Vec<&DestinationKey> = keys.iter().collect();
        keys.sort_unstable();
        keys.dedup();
        Some(
            keys.into_iter().filter_map(|key| counts.get(key)).map(|found| u64::from(of(found))).sum::<u64>(),
        )
    };
    json!({
        "address": keys.first().map(ToString::to_string),
        "alive": view.alive,
        "weight": planned.weight,
        "effective_weight": view.effective_weight,
        "backup": planned.backup,
        "standby": view.standby,
        "slow_start": view.slow_start,
        "forward": planned.forward.to_string(),
        "inhibit_on_failure": planned.inhibit_on_failure,
        "active_connections": sum(|found| found.active),
        "inactive_connections": sum(|found| found.inactive),
        "persistent_connections": sum(|found| found.persistent),
        "since_s": view.since.as_secs(),
        "checks": view.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

/// A server that is taken out and keeps its connections for a while.
fn leaving_server(view: &LeavingView, counts: Option<&Counts>) -> Value {
    let found = counts.map(|counts| counts.get(&view.key).copied().unwrap_or_default());
    json!({
        "address": view.key.to_string(),
        "left_s": view.left.as_secs(),
        "active_connections": found.map(|found| found.active),
        "inactive_connections": found.map(|found| found.inactive),
    })
}

fn check(view: &CheckView) -> Value {
    json!({
        "type": view.kind,
        "up": view.up,
        "last_result": view.last_words.as_deref().unwrap_or("not checked yet"),
        "last_duration_us": view.last_took.map(micros),
        "since_s": view.since.as_secs(),
        "attempts": view.attempts,
        "failures": view.failures,
        "local_errors": view.local_errors,
        "certificate_left_s": view.certificate_left,
        "warning": view.warning,
    })
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

fn address(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { address, port, .. } => std::net::SocketAddr::new(*address, *port).to_string(),
        ServiceKey::Mark { .. } => key.to_string(),
    }
}

fn protocol(key: &ServiceKey) -> Option<String> {
    match key {
        ServiceKey::Address { transport, .. } => Some(Transport::to_string(transport)),
        ServiceKey::Mark { .. } => None,
    }
}

fn mark(key: &ServiceKey) -> Option<u32> {
    match key {
        ServiceKey::Address { .. } => None,
        ServiceKey::Mark { mark, .. } => Some(*mark),
    }
}
