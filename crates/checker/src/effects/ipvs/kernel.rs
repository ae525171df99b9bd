//! What the reconciler needs of the kernel, and the kernel itself behind it.

use std::collections::BTreeMap;

use common::ipvs::{
    Client, Destination, DestinationKey, Entry, ListedDestination, Problem, Service, ServiceKey, Stats,
    TableOp, Timeouts,
};
use common::netlink::NetlinkError;

/// An IPVS table that can be read and changed. Any error means that nothing is known of what was asked last.
pub trait Kernel {
    /// Every service of the table, ours or not.
    ///
    /// # Errors
    /// When the table could not be read.
    fn services(&mut self) -> Result<BTreeMap<ServiceKey, Service>, NetlinkError>;

    /// What every service of the table has done.
    ///
    /// # Errors
    /// When the table could not be read.
    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Stats>, NetlinkError>;

    /// One service with its destinations.
    ///
    /// # Errors
    /// When the table could not be read.
    fn entry(&mut self, key: ServiceKey) -> Result<Option<Entry>, NetlinkError>;

    /// The destinations of a service as the kernel lists them; none if there is no such service.
    ///
    /// # Errors
    /// When the table could not be read.
    fn listed(&mut self, key: ServiceKey) -> Result<Vec<ListedDestination>, NetlinkError>;

    /// Carries these requests out in their order and returns those that were refused.
    ///
    /// # Errors
    /// When it is unknown what was carried out.
    fn apply(&mut self, ops: &[TableOp]) -> Result<Vec<Problem>, NetlinkError>;

    /// How long connections are remembered.
    ///
    /// # Errors
    /// When it could not be read.
    fn timeouts(&mut self) -> Result<Timeouts, NetlinkError>;

    /// Sets that.
    ///
    /// # Errors
    /// When it is refused, or unknown what became of it.
    fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), NetlinkError>;

    /// Starts afresh after an error.
    ///
    /// # Errors
    /// In words, where there is still nothing to talk to.
    fn reopen(&mut self) -> Result<(), String>;

    /// The destinations of a service.
    ///
    /// # Errors
    /// When the table could not be read.
    fn destinations(
        &mut self,
        key: ServiceKey,
    ) -> Result<BTreeMap<DestinationKey, Destination>, NetlinkError> {
        Ok(self.listed(key)?.into_iter().map(|found| (found.key, found.destination)).collect())
    }
}

/// IPVS of the current network namespace.
pub(super) fn open() -> Result<Client, String> {
    match Client::open() {
        Ok(Some(client)) => Ok(client),
        Ok(None) => {
            Err("the kernel has no IPVS: load the module ip_vs, or set `ipvs = false` in [checker]".into())
        }
        Err(error) => Err(error.to_string()),
    }
}

impl Kernel for Client {
    fn services(&mut self) -> Result<BTreeMap<ServiceKey, Service>, NetlinkError> {
        Ok(Self::services(self)?.into_iter().map(|found| (found.key, found.service)).collect())
    }

    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Stats>, NetlinkError> {
        Ok(Self::services(self)?.into_iter().map(|found| (found.key, found.stats)).collect())
    }

    fn entry(&mut self, key: ServiceKey) -> Result<Option<Entry>, NetlinkError> {
        Self::entry(self, key)
    }

    fn listed(&mut self, key: ServiceKey) -> Result<Vec<ListedDestination>, NetlinkError> {
        Self::destinations(self, key)
    }

    fn apply(&mut self, ops: &[TableOp]) -> Result<Vec<Problem>, NetlinkError> {
        Self::apply(self, ops)
    }

    fn timeouts(&mut self) -> Result<Timeouts, NetlinkError> {
        Self::timeouts(self)
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), NetlinkError> {
        Self::set_timeouts(self, timeouts)
    }

    fn reopen(&mut self) -> Result<(), String> {
        *self = open()?;
        Ok(())
    }
}
