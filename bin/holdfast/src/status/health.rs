//! `holdfast status --quiet`: whether all is well, as a probe wants to know it. What counts stands in holdfast(1).

use serde::Deserialize as _;
use serde_json::Value;

use super::model::Whole;
use super::text::without_nulls;

/// The first thing that is wrong with what is selected. `named` says that it was selected by name: then a server
/// that is down counts for itself, and not only by the quorum of its service.
pub(super) fn fault(status: &Value, named: bool) -> Option<String> {
    let Ok(whole) = Whole::deserialize(without_nulls(status)) else {
        return Some("the status cannot be read".to_owned());
    };
    if let Some(watchdog) = whole.watchdog()
        && let Some(child) = watchdog.children.iter().find(|child| child.state != "up")
    {
        return Some(format!("the {} process is {}", child.name, child.state));
    }
    let vrrp = whole.vrrp();
    if let Some(instance) = vrrp.instances.iter().find(|instance| instance.state == "fault") {
        return Some(format!("{} is in fault", instance.name));
    }
    if let Some(group) = vrrp.sync_groups.iter().find(|group| group.state == "fault") {
        return Some(format!("{} is in fault", group.name));
    }
    let checker = whole.checker();
    if checker.ipvs.as_ref().is_some_and(|ipvs| ipvs.reachable == Some(false)) {
        return Some("the kernel's IPVS table cannot be reached".to_owned());
    }
    for service in &checker.virtual_servers {
        if !service.quorum_met {
            return Some(format!("{} has no quorum", service.key()));
        }
        let picked = named && service.real_servers_all.is_some();
        if let Some(server) = service.real_servers.iter().find(|server| picked && !server.alive) {
            return Some(format!("{} is down", server.address));
        }
    }
    None
}
