//! What a director costs that has nothing to do but its adverts: wake-ups, processor time, memory.

use std::time::Duration;

use lab::{Lan, Result, wait};

use crate::director::{Director, MAKES, Make, Router};
use crate::table::Table;

/// Seconds of watching.
const SPAN: u32 = 30;
const SECOND: Duration = Duration::from_secs(1);

/// What processes have used so far, and hold now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) wakeups: f64,
    pub(crate) cpu_ms: f64,
    pub(crate) pss_kib: f64,
    pub(crate) rss_kib: f64,
}

pub(crate) fn measure(table: &mut Table) -> Result {
    let small = [Router::new(51, 0, SECOND, "192.168.152.200"), Router::new(52, 0, SECOND, "fe80::200")];
    rows(table, "one instance per family", &small)?;
    let many: Vec<Router> =
        (1..=255).map(|vrid| Router::new(vrid, 0, SECOND, &format!("192.168.200.{vrid}"))).collect();
    rows(table, "255 instances", &many)
}

fn rows(table: &mut Table, name: &str, routers: &[Router]) -> Result {
    let [ours, theirs] = MAKES.map(|make| pair(make, routers));
    let (ours, theirs) = (ours?, theirs?);
    for (role, ours, theirs) in [("master", ours[0], theirs[0]), ("backup", ours[1], theirs[1])] {
        let name = format!("{name}, 1 s, {role}");
        table.add(&format!("{name}: wake-ups in {SPAN} s"), "", ours.wakeups, theirs.wakeups);
        table.add(&format!("{name}: processor time in {SPAN} s"), "ms", ours.cpu_ms, theirs.cpu_ms);
        table.add(
            &format!("{name}: memory of its own and shared in part (PSS)"),
            "KiB",
            ours.pss_kib,
            theirs.pss_kib,
        );
        table.add(
            &format!("{name}: resident memory (RSS, all processes)"),
            "KiB",
            ours.rss_kib,
            theirs.rss_kib,
        );
    }
    Ok(())
}

fn pair(make: Make, routers: &[Router]) -> Result<[Cost; 2]> {
    let lan = Lan::new()?;
    let host = |label, number| {
        lan.host(label, &[&format!("192.168.152.{number}/16"), &format!("fe80::{number}/64")])
    };
    let (a, b) = (host("a", 11)?, host("b", 12)?);
    let with = |priority| -> Vec<Router> {
        routers.iter().map(|router| Router { priority, ..router.clone() }).collect()
    };
    let mut master = Director::start(make, &a, &with(200))?;
    for router in routers {
        Director::wait_address(&a, &router.address, true)?;
    }
    let mut backup = Director::start(make, &b, &with(100))?;
    // What follows a start (delayed announcements, first hellos) is over by then.
    wait::pause(Duration::from_secs(12));

    let pids = [master.pids(), backup.pids()];
    let before = pids.each_ref().map(|pids| sum(pids));
    wait::pause(Duration::from_secs(SPAN.into()));
    let after = pids.each_ref().map(|pids| sum(pids));
    let [master_cost, backup_cost] = [0, 1].map(|side: usize| Cost {
        wakeups: after[side].wakeups - before[side].wakeups,
        cpu_ms: after[side].cpu_ms - before[side].cpu_ms,
        ..after[side]
    });
    if b.has_address(&routers[0].address)? {
        return Err("the backup became master while it was measured".into());
    }
    Ok([master_cost, backup_cost])
}

/// The processor time of these processes so far. Disturbs nobody, unlike a walk through their memory.
pub(crate) fn cpu_ms(pids: &[i32]) -> f64 {
    pids.iter().map(|pid| field(&read(*pid, "schedstat"), "") / 1e6).sum()
}

fn read(pid: i32, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

fn field(text: &str, key: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

pub(crate) fn sum(pids: &[i32]) -> Cost {
    let mut cost = Cost { cpu_ms: cpu_ms(pids), ..Cost::default() };
    for pid in pids {
        let read = |name: &str| read(*pid, name);
        cost.wakeups += field(&read("status"), "voluntary_ctxt_switches:");
        let rollup = read("smaps_rollup");
        cost.pss_kib += field(&rollup, "Pss:");
        cost.rss_kib += field(&rollup, "Rss:");
    }
    cost
}
