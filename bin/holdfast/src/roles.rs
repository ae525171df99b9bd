//! The roles a configuration is checked for; the same as the daemon runs.

use common::exit::Exit;
use common::role::{Need, Role};

/// Every role, in the order of the daemon.
pub(crate) const ROLES: &[Role] = &[
    Role {
        name: "vrrp",
        check: |root, _, d| need(vrrp::plan::plan(root, d).is_idle()),
        run: |_| Exit::Failed,
    },
    Role {
        name: "checker",
        check: |root, global, d| need(checker::plan::plan(root, global, d).virtual_servers.is_empty()),
        run: |_| Exit::Failed,
    },
];

fn need(idle: bool) -> Need {
    if idle { Need::Idle } else { Need::Wanted }
}
