//! What of this process's log may have a level of its own (`--log-level checker.ipvs=debug`).

use common::log::{CONTROL, Part};

use crate::machine::Action;

/// All of them. What belongs to none has the level of the process.
pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "servers",
        targets: &["server_changed", "quorum_changed", "server_leaving", "checks_suspended", "override_"],
    },
    Part {
        name: "checks",
        targets: &["checker::effects::descriptors", "checker::effects::journal", "checker::run::held"],
    },
    Part { name: "ipvs", targets: &["checker::effects::ipvs"] },
    Part { name: "scripts", targets: &["checker::effects::scripts", "checker::run::farewell"] },
    CONTROL,
];

/// The part that an action in the trace belongs to.
pub(crate) const fn of(action: &Action) -> &'static str {
    match action {
        Action::Start(_)
        | Action::Expire(_)
        | Action::Cancel(_)
        | Action::Failed(..)
        | Action::Local(..)
        | Action::Warned(..) => "checker.checks",
        Action::Reconcile(_) | Action::Count(_) => "checker.ipvs",
        Action::Notify(..) => "checker.scripts",
        Action::Changed(..) | Action::Leaving(..) | Action::Suspended(..) | Action::Steered(..) => {
            "checker.servers"
        }
    }
}
