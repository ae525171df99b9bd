//! Every role of the daemon. The only place that knows them all.

use common::exit::Exit;
use common::role::{Need, Role};

/// In the order in which they are started; they are stopped the other way round, so that the virtual addresses have
/// moved away before the balancing behind them goes.
pub(crate) const ROLES: &[Role] = &[CHECKER, vrrp::run::ROLE];

const CHECKER: Role = Role {
    name: "checker",
    check: |root, global, d| {
        let plan = checker::plan::plan(root, global, d);
        if plan.virtual_servers.is_empty() { Need::Idle } else { Need::Wanted }
    },
    run: |_| Exit::Failed,
};
