//! What is only wrong beside something else: services and servers that stand twice, ports and families that
//! do not go together, a quorum nobody can reach.

use std::collections::BTreeMap;

use common::config::{Diagnostics, Span};
use common::ipvs::ServiceKey;

use super::server::{Placed, forward_fault};
use super::{RealServer, VirtualServer};

/// The services of all virtual servers so far.
#[derive(Debug, Default)]
pub(super) struct Services {
    first: BTreeMap<ServiceKey, Span>,
}

impl Services {
    /// Notes a service; false and a fault if it stood before.
    pub(super) fn note(&mut self, key: ServiceKey, span: Span, d: &mut Diagnostics) -> bool {
        if let Some(first) = self.first.get(&key) {
            d.error(span, format!("{key} stands twice")).note(*first, "first here");
            return false;
        }
        self.first.insert(key, span);
        true
    }
}

/// The servers of one virtual server against each other and against its services.
pub(super) fn servers(servers: &[Placed], services: &[ServiceKey], d: &mut Diagnostics) {
    let mut first = BTreeMap::new();
    for Placed { server, span, .. } in servers {
        // Under every service the same pairs collide, unless ports are left out.
        let clash = services.iter().find_map(|service| first.get(&(*service, server.key(*service))));
        if let Some(first) = clash {
            let at =
                services.first().map_or_else(|| server.address.to_string(), |s| server.key(*s).to_string());
            d.error(*span, format!("real server {at} stands twice in this virtual server"))
                .note(*first, "first here");
            continue;
        }
        for service in services {
            first.insert((*service, server.key(*service)), *span);
        }
        let fault = services
            .iter()
            .find_map(|service| forward_fault(*service, server.address, server.port, server.terms.forward));
        if let Some((fault, hint)) = fault {
            d.error(*span, fault).hint(hint);
        }
    }
}

/// The sorry server against the services.
pub(super) fn sorry(sorry: &Placed, services: &[ServiceKey], d: &mut Diagnostics) {
    let RealServer { address, port, terms, .. } = &sorry.server;
    let forward = terms.forward;
    for service in services {
        if let Some((fault, hint)) = forward_fault(*service, *address, None, forward) {
            d.error(sorry.span, fault).hint(hint);
            return;
        }
        if let Some((fault, hint)) = forward_fault(*service, *address, *port, forward) {
            d.warning(sorry.span, fault).hint(hint);
            return;
        }
    }
}

/// The quorum against the weights.
pub(super) fn quorum(server: &VirtualServer, at: Option<Span>, d: &mut Diagnostics) {
    let primaries = server.real_servers.iter().filter(|server| !server.terms.backup);
    let total: u64 = primaries.map(|server| u64::from(server.weight)).sum();
    if let Some(at) = at
        && server.quorum > total
    {
        d.warning(
            at,
            format!("`quorum` {} is above the weight of all servers together, {total}", server.quorum),
        )
        .hint("it is met when all servers are up");
    }
}
