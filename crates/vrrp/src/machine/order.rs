//! What operators order for virtual routers at run time: to hand over, or to stay away altogether.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::steer::Origin;

use super::id::{InstanceId, Tag};

/// An order that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// When it ends by itself.
    pub until: Option<Instant>,
    /// Who gave it.
    pub origin: Origin,
}

/// What an order is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The instance handed over, and does not take the addresses back.
    Failover,
    /// No instance is master here.
    Maintenance,
}

/// What becomes of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// It is in force, for so long or until it is released.
    Begun(Option<Duration>),
    /// Its time is over.
    Expired,
    /// An operator has ended it, or put another in its place.
    Released,
    /// Its instance has left the configuration.
    Dropped,
    /// Nobody else is master: this machine is again.
    Alone,
}

/// What is to be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// Everything.
    All,
    /// The maintenance.
    Maintenance,
    /// The orders of some instances.
    Instances(Vec<InstanceId>),
}

/// What is in force.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) maintenance: Option<Standing>,
    /// With what their instances were called then: one may be gone when the order ends.
    pub(super) failovers: BTreeMap<InstanceId, (Tag, Standing)>,
}

impl Orders {
    /// When something ends next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let failovers = self.failovers.values().map(|(_, standing)| standing);
        self.maintenance.iter().chain(failovers).filter_map(|standing| standing.until).min()
    }
}

impl Order {
    /// The word for it, of the command and of the status.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Maintenance => "maintenance",
        }
    }
}

impl Turned {
    /// The word for it, in events.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Begun(_) => "begun",
            Self::Expired => "expired",
            Self::Released => "released",
            Self::Dropped => "dropped",
            Self::Alone => "alone",
        }
    }
}

impl Turned {
    /// The kind of the event that tells of it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Begun(_) => "override_set",
            Self::Released | Self::Dropped => "override_released",
            Self::Expired | Self::Alone => "override_expired",
        }
    }
}

impl Standing {
    /// For how long it is still in force, where there is an end.
    #[must_use]
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now))
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}
