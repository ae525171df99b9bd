//! The roles a configuration is checked for; the same as the daemon runs.

use common::role::Role;

/// Every role, in the order of the daemon.
pub(crate) const ROLES: &[Role] = &[checker::run::ROLE, vrrp::run::ROLE];
