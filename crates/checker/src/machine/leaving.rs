//! A server that is taken out though it works, and keeps its connections for a while: it has weight 0, and no place in
//! any count.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::ipvs::{Destination, DestinationKey, Forward, ServiceKey};

use crate::plan;

/// How often its connections are counted.
pub(super) const COUNTED_EVERY: Duration = Duration::from_secs(1);

/// What is needed to keep it in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
    pub(super) forward: Forward,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    /// Then it goes, whatever connections it has.
    pub(super) until: Instant,
}

impl Leaving {
    pub(super) fn new(server: &plan::RealServer, now: Instant) -> Self {
        Self {
            address: server.address,
            port: server.port,
            forward: server.terms.forward,
            upper_threshold: server.terms.upper_threshold,
            lower_threshold: server.terms.lower_threshold,
            until: now + server.terms.drain,
        }
    }

    /// Its place under this service.
    pub(super) fn key(&self, service: ServiceKey) -> DestinationKey {
        plan::destination(self.address, self.port, service)
    }

    pub(super) fn destination(&self) -> Destination {
        Destination {
            forward: self.forward,
            weight: 0,
            upper_threshold: self.upper_threshold,
            lower_threshold: self.lower_threshold,
        }
    }
}
