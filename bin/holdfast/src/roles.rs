//! The roles a configuration is checked for; the same as the daemon runs.

use common::exit::Exit;
use common::role::{Need, Role};

/// Every role, in the order of the daemon.
pub(crate) const ROLES: &[Role] = &[CHECKER, vrrp::run::ROLE];

const CHECKER: Role = Role {
    name: "checker",
    check: |root, global, d| {
        let plan = checker::plan::plan(root, global, d);
        if plan.virtual_servers.is_empty() { Need::Idle } else { Need::Wanted }
    },
    run: |_| Exit::Failed,
};
