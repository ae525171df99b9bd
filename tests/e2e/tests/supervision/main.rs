//! The watchdog over the real children: they hang, they are killed, it is killed; the service around it, and several of them.

mod children;
mod service;
mod several;
mod stalls;
mod surroundings;

use lab::{Holdfast, Netns, Result};

/// An impatient watchdog, so that a hang is noticed within a second.
const IMPATIENT: &str = "[watchdog]\nhello_interval = \"200ms\"\nhello_timeout = \"800ms\"\n";
const VIP: &str = "192.168.152.200";

/// A virtual router at a tenth of a second.
fn router(priority: u8) -> String {
    format!(
        "{IMPATIENT}[[vrrp.instance]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
         priority = {priority}\nadvert_interval = \"100ms\"\nvirtual_addresses = [\"{VIP}\"]\n"
    )
}

/// How often the watchdog has started a child again.
fn restarts(holdfast: &Holdfast, child: &str) -> Result<u64> {
    let status = holdfast.status()?;
    let children = status.pointer("/watchdog/children").and_then(serde_json::Value::as_array);
    let child = children.into_iter().flatten().find(|found| found["name"] == child);
    Ok(child.and_then(|child| child["restarts"].as_u64()).unwrap_or_default())
}

/// The processes of Holdfast in a host.
fn processes(host: &Netns) -> Vec<String> {
    let title = |pid: i32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(command.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
    };
    host.pids().into_iter().map(title).filter(|title| title.starts_with("holdfastd: ")).collect()
}
