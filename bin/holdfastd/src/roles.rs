//! Every role of the daemon. The only place that knows them all.

use common::role::Role;

/// In the order in which they are started; they are stopped the other way round, so that the virtual addresses have
/// moved away before the balancing behind them goes.
pub(crate) const ROLES: &[Role] = &[checker::run::ROLE, vrrp::run::ROLE];
