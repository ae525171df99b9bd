//! A real server of a virtual server: its checks joined to one verdict, and the weight that follows.

use std::time::Instant;

use super::{CheckId, VirtualServerId};

/// One check of a server.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) check: CheckId,
    /// What holds for this server until the check's own first outcome: the verdict of the checks it had
    /// before a reload.
    pub(super) held: Option<bool>,
}

/// A server's state. What it is configured as stands in the plan of its virtual server.
#[derive(Clone, Debug)]
pub(super) struct RealServer {
    pub(super) service: VirtualServerId,
    /// Its place in the plan of its virtual server.
    pub(super) place: usize,
    pub(super) links: Vec<Link>,
    pub(super) alive: bool,
    pub(super) since: Instant,
    /// What its checks make of the configured weight.
    pub(super) weight: u32,
}

impl RealServer {
    /// The weight that counts now.
    pub(super) fn effective_weight(&self) -> u32 {
        if self.alive { self.weight } else { 0 }
    }
}

/// The verdict of all checks together: all must pass.
pub(super) fn alive(mut links: impl Iterator<Item = bool>) -> bool {
    links.all(|up| up)
}

/// The configured weight, unless checks that can tell want less or more: then the least of what they want.
pub(super) fn weight(configured: u32, wanted: impl Iterator<Item = Option<u32>>) -> u32 {
    wanted.flatten().min().unwrap_or(configured)
}
