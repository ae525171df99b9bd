//! What an operator has ordered for a real server, beside its configuration.
//!
//! Two things can be ordered, each of them once at a time: where the server stands (drained, disabled, forced into
//! service), and its weight. They go on until they are released, their time is over, or the server leaves the
//! configuration.

use std::time::{Duration, Instant};

use common::steer::Origin;

/// What can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// No new connections; those it has go on.
    Drain,
    /// Out of the table.
    Disable,
    /// In service whatever its checks say.
    Force,
    /// No longer drained, disabled or forced.
    Enable,
    /// This weight instead of the configured one and of what checks make of it.
    Weight(u32),
    /// As configured.
    Release,
}

/// An order that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What was ordered: no [`Order::Enable`] and no [`Order::Release`].
    pub order: Order,
    /// When it ends by itself.
    pub until: Option<Instant>,
    /// Who gave it.
    pub origin: Origin,
}

/// What is in force for one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Steering {
    /// [`Order::Drain`], [`Order::Disable`] or [`Order::Force`].
    state: Option<Standing>,
    /// [`Order::Weight`].
    weight: Option<Standing>,
}

/// What becomes of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It is in force.
    Begun(Standing),
    /// Its time is over.
    Expired(Standing),
    /// An operator has ended it, or put another in its place.
    Ended(Standing, Origin),
    /// Its server has left the configuration.
    Dropped(Standing),
}

impl Order {
    /// The word for it, of the command and of the status.
    pub fn word(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Disable => "disable",
            Self::Force => "force",
            Self::Enable => "enable",
            Self::Weight(_) => "weight",
            Self::Release => "release",
        }
    }
}

impl Steering {
    /// It serves nobody new, by order.
    pub(super) fn away(&self) -> bool {
        self.is(Order::Drain) || self.is(Order::Disable)
    }

    pub(super) fn is(&self, order: Order) -> bool {
        self.state.as_ref().is_some_and(|standing| standing.order == order)
    }

    /// The ordered weight.
    pub(super) fn weight(&self) -> Option<u32> {
        match self.weight.as_ref()?.order {
            Order::Weight(weight) => Some(weight),
            Order::Drain | Order::Disable | Order::Force | Order::Enable | Order::Release => None,
        }
    }

    /// Takes an order; says what becomes of those before, and of itself.
    pub(super) fn take(&mut self, order: Order, until: Option<Instant>, origin: &Origin) -> Vec<Turned> {
        let ended = |standing: Option<Standing>| standing.map(|was| Turned::Ended(was, origin.clone()));
        let standing = Standing { order, until, origin: origin.clone() };
        let mut turned = Vec::new();
        match order {
            Order::Drain | Order::Disable | Order::Force => {
                turned.extend(ended(self.state.replace(standing.clone())));
                turned.push(Turned::Begun(standing));
            }
            Order::Weight(_) => {
                turned.extend(ended(self.weight.replace(standing.clone())));
                turned.push(Turned::Begun(standing));
            }
            Order::Enable => turned.extend(ended(self.state.take())),
            Order::Release => {
                turned.extend(ended(self.state.take()));
                turned.extend(ended(self.weight.take()));
            }
        }
        turned
    }

    /// Puts an order of a predecessor in force, without a word.
    pub(super) fn restore(&mut self, standing: Standing) {
        match standing.order {
            Order::Drain | Order::Disable | Order::Force => self.state = Some(standing),
            Order::Weight(_) => self.weight = Some(standing),
            Order::Enable | Order::Release => {}
        }
    }

    /// Ends what is over by now.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Turned> {
        let over = |standing: &mut Standing| standing.until.is_some_and(|until| until <= now);
        [self.state.take_if(over), self.weight.take_if(over)]
            .into_iter()
            .flatten()
            .map(Turned::Expired)
            .collect()
    }

    /// When something ends next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.standing().filter_map(|standing| standing.until).min()
    }

    /// Whether nothing is in force.
    pub(super) fn is_empty(&self) -> bool {
        self.state.is_none() && self.weight.is_none()
    }

    /// Whatever is in force.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Standing> {
        [&self.state, &self.weight].into_iter().flatten()
    }
}

impl Standing {
    /// For how long it is still in force, where there is an end.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now))
    }

    /// `drain`, `weight 5`.
    pub fn words(&self) -> String {
        match self.order {
            Order::Weight(weight) => format!("weight {weight}"),
            Order::Drain | Order::Disable | Order::Force | Order::Enable | Order::Release => {
                self.order.word().to_owned()
            }
        }
    }
}
