//! The checker's part of the status JSON: fields may be added, none renamed.

use std::collections::BTreeMap;
use std::time::Duration;

use common::event_loop::clock;
use common::ipvs::{Connections, DestinationKey, ListedDestination, ServiceKey, Stats, Transport};
use common::steer;
use serde_json::{Value, json};

use crate::machine::{CheckView, LeavingView, Order, RealServerView, Standing, VirtualServerView};
use crate::plan;

/// The connections that destinations of a service have, and what they have done.
pub type Counts = BTreeMap<DestinationKey, Counted>;

/// What services have done.
pub type Totals = BTreeMap<ServiceKey, Stats>;

/// What the kernel counts for a destination.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    connections: Connections,
    stats: Stats,
}

/// By their places.
pub fn counts(listed: Vec<ListedDestination>) -> Counts {
    let counted = |found: ListedDestination| Counted { connections: found.connections, stats: found.stats };
    listed.into_iter().map(|found| (found.key, counted(found))).collect()
}

/// The virtual servers. `counts` asks the kernel for a service's connections.
pub fn virtual_servers(
    views: &[VirtualServerView],
    totals: &Totals,
    counts: &mut dyn FnMut(ServiceKey) -> Option<Counts>,
) -> Vec<Value> {
    views.iter().map(|view| virtual_server(view, totals, counts)).collect()
}

fn virtual_server(
    view: &VirtualServerView,
    totals: &Totals,
    counts: &mut dyn FnMut(ServiceKey) -> Option<Counts>,
) -> Value {
    let services = &view.plan.services;
    let mut connections = Counts::new();
    let mut counted = false;
    for key in services {
        // A group's servers have connections under each of its services: they are one server's all the same.
        for (at, found) in counts(*key).into_iter().inspect(|_| counted = true).flatten() {
            let counted = connections.entry(at).or_default();
            let (sum, found, done) = (&mut counted.connections, found.connections, found.stats);
            sum.active = sum.active.saturating_add(found.active);
            sum.inactive = sum.inactive.saturating_add(found.inactive);
            sum.persistent = sum.persistent.saturating_add(found.persistent);
            counted.stats = added(counted.stats, done);
        }
    }
    let servers = view.servers.iter().filter_map(|server| {
        let planned = view.plan.real_servers.get(server.place)?;
        let counts = counted.then_some(&connections);
        Some(real_server(server, planned, services, counts))
    });
    let first = services.first();
    let forward = view.plan.real_servers.first().map(|server| server.terms.forward.to_string());
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
        "traffic": traffic(services.iter().filter_map(|key| totals.get(key)).copied().reduce(added)),
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
            keys.into_iter()
                .filter_map(|key| counts.get(key))
                .map(|found| u64::from(of(&found.connections)))
                .sum::<u64>(),
        )
    };
    let done = counts.map(|counts| {
        let mut keys = keys.clone();
        keys.sort_unstable();
        keys.dedup();
        keys.iter().filter_map(|key| counts.get(key)).map(|found| found.stats).fold(Stats::default(), added)
    });
    json!({
        "address": keys.first().map(ToString::to_string),
        "alive": view.alive,
        "weight": planned.weight,
        "effective_weight": view.effective_weight,
        "backup": planned.terms.backup,
        "standby": view.standby,
        "slow_start": view.slow_start,
        "overrides": view.orders.iter().map(|(standing, left)| order(standing, *left)).collect::<Vec<_>>(),
        "forward": planned.terms.forward.to_string(),
        "inhibit_on_failure": planned.terms.inhibit_on_failure,
        "active_connections": sum(|found| found.active),
        "inactive_connections": sum(|found| found.inactive),
        "persistent_connections": sum(|found| found.persistent),
        "traffic": traffic(done),
        "since_s": view.since.as_secs(),
        "checks": view.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

/// What an operator has ordered.
pub fn order(standing: &Standing, left: Option<Duration>) -> Value {
    let mut shown = steer::shown(standing.order.word(), &standing.origin, left, clock::wall());
    if let (Order::Weight(weight), Some(fields)) = (standing.order, shown.as_object_mut()) {
        fields.insert("weight".to_owned(), weight.into());
    }
    shown
}

/// A server that is taken out and keeps its connections for a while.
fn leaving_server(view: &LeavingView, counts: Option<&Counts>) -> Value {
    let found = counts.map(|counts| counts.get(&view.key).copied().unwrap_or_default().connections);
    json!({
        "address": view.key.to_string(),
        "left_s": view.left.as_secs(),
        "active_connections": found.map(|found| found.active),
        "inactive_connections": found.map(|found| found.inactive),
    })
}

/// Both together.
fn added(sum: Stats, more: Stats) -> Stats {
    Stats {
        connections: sum.connections.saturating_add(more.connections),
        packets_in: sum.packets_in.saturating_add(more.packets_in),
        packets_out: sum.packets_out.saturating_add(more.packets_out),
        bytes_in: sum.bytes_in.saturating_add(more.bytes_in),
        bytes_out: sum.bytes_out.saturating_add(more.bytes_out),
        ..sum
    }
}

/// What went through since the kernel's entry was made.
fn traffic(stats: Option<Stats>) -> Option<Value> {
    stats.map(|stats| {
        json!({
            "connections": stats.connections,
            "packets_in": stats.packets_in,
            "packets_out": stats.packets_out,
            "bytes_in": stats.bytes_in,
            "bytes_out": stats.bytes_out,
        })
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
