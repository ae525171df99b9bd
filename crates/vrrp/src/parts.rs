//! What of this process's log may have a level of its own (`--log-level vrrp.adverts=trace`).

use common::log::{CONTROL, Part};

use crate::machine::action::Action;

/// All of them. What belongs to none has the level of the process.
pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "states",
        targets: &[
            "state_changed",
            "handing_over",
            "priority_changed",
            "fault",
            "unserved",
            "stalled",
            "override_",
        ],
    },
    Part {
        name: "adverts",
        targets: &["packet_dropped", "inferior_advert", "master_heard", "incompatible_peer", "path_"],
    },
    Part {
        name: "addresses",
        targets: &[
            "address_repaired",
            "lease_ran_out",
            "foreign_address",
            "interface_repaired",
            "object_",
            "effect_failed",
            "vrrp::effects::kernel",
            "vrrp::effects::leftovers",
            "vrrp::effects::objects",
            "vrrp::effects::refusals",
            "vrrp::effects::tuning",
            "vrrp::effects::virtual_links",
        ],
    },
    Part {
        name: "scripts",
        targets: &[
            "script_changed",
            "process_changed",
            "vrrp::effects::scripts",
            "vrrp::io::files",
            "vrrp::io::processes",
        ],
    },
    Part { name: "ipvs_sync", targets: &["vrrp::effects::ipvs_sync"] },
    CONTROL,
];

/// The part that an action in the trace belongs to.
pub(crate) const fn of(action: &Action) -> &'static str {
    match action {
        Action::OpenListener(_) | Action::CloseListener { .. } | Action::SendAdvert { .. } => "vrrp.adverts",
        Action::InstallAddresses { .. }
        | Action::RefreshAddresses { .. }
        | Action::RemoveAddresses { .. }
        | Action::EnsureLink { .. }
        | Action::RemoveLink { .. }
        | Action::Objects(_)
        | Action::Guard { .. }
        | Action::Announce { .. } => "vrrp.addresses",
        Action::IpvsSync(_) => "vrrp.ipvs_sync",
        Action::RunScript { .. } | Action::StopScript { .. } | Action::Notify(_) => "vrrp.scripts",
        Action::Report(_) => "vrrp.states",
    }
}
