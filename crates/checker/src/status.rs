//! The checker's part of the status JSON: fields may be added, none renamed.

mod shown;

use std::collections::BTreeMap;
use std::time::Duration;

use common::event_loop::clock;
use common::ipvs::{Connections, DestinationKey, ListedDestination, ServiceKey, Stats, Transport};
use common::steer;
use serde_json::Value;

use crate::machine::{CheckView, LeavingView, Order, RealServerView, Standing, VirtualServerView};
use crate::plan;
use shown::{Check, Leaving, RealServer, VirtualServer};

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

/// A virtual server. `counts` asks the kernel for a service's connections.
pub fn virtual_server<'a>(
    view: &'a VirtualServerView,
    totals: &Totals,
    counts: &mut dyn FnMut(ServiceKey) -> Option<Counts>,
) -> VirtualServer<'a> {
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
    let counts = counted.then_some(&connections);
    let servers = view.servers.iter().filter_map(|server| {
        Some(real_server(server, view.plan.real_servers.get(server.place)?, services, counts))
    });
    let first = services.first();
    VirtualServer {
        address: first.map(address),
        addresses: services.iter().map(address).collect(),
        protocol: first.and_then(protocol),
        fwmark: first.and_then(mark),
        scheduler: view.plan.service.scheduler.as_str(),
        forward: view.plan.real_servers.first().map(|server| server.terms.forward.to_string()),
        persistence_s: view.plan.service.persistence.map(|persistence| persistence.timeout),
        quorum: view.plan.quorum,
        hysteresis: view.plan.hysteresis,
        quorum_met: view.quorum_met,
        alive_weight: view.alive_weight,
        sorry_server: view.plan.sorry.as_ref().zip(first).map(|(sorry, first)| sorry.key(*first).to_string()),
        sorry_active: view.sorry_active,
        sorry_alive: view.sorry.as_ref().map(|sorry| sorry.alive),
        sorry_checks: view.sorry.iter().flat_map(|sorry| &sorry.checks).map(check).collect(),
        suspended: view.suspended,
        leaving: view.leaving.iter().map(|leaving| leaving_server(leaving, counts)).collect(),
        since_s: view.since.as_secs(),
        traffic: services.iter().filter_map(|key| totals.get(key)).copied().reduce(added).map(Into::into),
        real_servers: servers.collect(),
    }
}

fn real_server<'a>(
    view: &'a RealServerView,
    planned: &'a plan::RealServer,
    services: &[ServiceKey],
    counts: Option<&Counts>,
) -> RealServer<'a> {
    let mut keys: Vec<DestinationKey> = services.iter().map(|service| planned.key(*service)).collect();
    let address = keys.first().map(ToString::to_string);
    keys.sort_unstable();
    keys.dedup();
    let found = counts.map(|counts| keys.iter().filter_map(|key| counts.get(key)).copied());
    let sum = |of: fn(&Connections) -> u32| {
        found.clone().map(|found| found.map(|found| u64::from(of(&found.connections))).sum())
    };
    let done = found.clone().map(|found| found.map(|found| found.stats).fold(Stats::default(), added));
    RealServer {
        address,
        alive: view.alive,
        weight: planned.weight,
        effective_weight: view.effective_weight,
        backup: planned.terms.backup,
        standby: view.standby,
        slow_start: view.slow_start,
        overrides: view.orders.iter().map(|(standing, left)| order(standing, *left)).collect(),
        forward: &planned.terms.forward,
        inhibit_on_failure: planned.terms.inhibit_on_failure,
        active_connections: sum(|found| found.active),
        inactive_connections: sum(|found| found.inactive),
        persistent_connections: sum(|found| found.persistent),
        traffic: done.map(Into::into),
        since_s: view.since.as_secs(),
        checks: view.checks.iter().map(check).collect(),
    }
}

/// What an operator has ordered.
pub fn order(standing: &Standing, left: Option<Duration>) -> Value {
    let mut shown = steer::shown(standing.order.word(), &standing.origin, left, clock::wall());
    if let (Order::Weight(weight), Some(fields)) = (standing.order, shown.as_object_mut()) {
        fields.insert("weight".to_owned(), weight.into());
    }
    shown
}

fn leaving_server(view: &LeavingView, counts: Option<&Counts>) -> Leaving {
    let found = counts.map(|counts| counts.get(&view.key).copied().unwrap_or_default().connections);
    Leaving {
        address: view.key.to_string(),
        left_s: view.left.as_secs(),
        active_connections: found.map(|found| found.active),
        inactive_connections: found.map(|found| found.inactive),
    }
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

fn check(view: &CheckView) -> Check<'_> {
    Check {
        kind: view.kind,
        up: view.up,
        last_result: view.last_words.as_deref().unwrap_or("not checked yet"),
        last_duration_us: view.last_took.map(micros),
        since_s: view.since.as_secs(),
        attempts: view.attempts,
        failures: view.failures,
        local_errors: view.local_errors,
        certificate_left_s: view.certificate_left,
        warning: view.warning.as_deref(),
    }
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
