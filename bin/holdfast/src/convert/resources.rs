//! What processes ask of the kernel: priorities, real time, memory, processors; and the network namespace.

use super::keyword::{Context, How, Keyword, Target as _, misread, note};
use super::site::Site;
use super::toml::{Table, Value};
use super::tree::Item;
use super::values;

/// Its keywords in `global_defs`.
pub(super) const KEYWORDS: &[Keyword<Site>] = &[
    Keyword { names: &["vrrp_priority"], key: "vrrp.resources.nice", how: How::Number },
    Keyword { names: &["checker_priority"], key: "checker.resources.nice", how: How::Number },
    Keyword { names: &["vrrp_rt_priority"], key: "vrrp.resources.realtime_priority", how: How::By(realtime) },
    Keyword {
        names: &["checker_rt_priority"],
        key: "checker.resources.realtime_priority",
        how: How::By(realtime),
    },
    Keyword {
        names: &["vrrp_rlimit_rttime", "vrrp_rlimit_rtime"],
        key: "vrrp.resources.realtime_limit",
        how: How::By(limit),
    },
    Keyword {
        names: &["checker_rlimit_rttime", "checker_rlimit_rtime"],
        key: "checker.resources.realtime_limit",
        how: How::By(limit),
    },
    Keyword { names: &["vrrp_no_swap"], key: "vrrp.resources.lock_memory", how: How::Flag(true) },
    Keyword { names: &["checker_no_swap"], key: "checker.resources.lock_memory", how: How::Flag(true) },
    Keyword { names: &["vrrp_cpu_affinity"], key: "vrrp.resources.processors", how: How::By(processors) },
    Keyword {
        names: &["checker_cpu_affinity"],
        key: "checker.resources.processors",
        how: How::By(processors),
    },
];

/// The shortest `realtime_limit`, in microseconds; it is keepalived's default.
const LEAST: u64 = 10_000;

/// The key of a keyword, under the table of its process.
fn key(item: &Item, key: &str) -> String {
    let process = if item.name().starts_with("vrrp") { "vrrp" } else { "checker" };
    format!("{process}.resources.{key}")
}

fn realtime(site: &mut Site, item: &Item, cx: &mut Context) {
    match item.word(1).and_then(|word| word.parse::<i64>().ok()) {
        // keepalived leaves the scheduler alone then.
        Some(0) => {}
        Some(priority) => {
            site.set(&key(item, "scheduler"), "rr".into());
            site.set(&key(item, "realtime_priority"), priority.into());
        }
        None => misread(site, item, cx),
    }
}

fn limit(site: &mut Site, item: &Item, cx: &mut Context) {
    match item.word(1).and_then(|word| word.parse::<u64>().ok()) {
        Some(micros) => {
            if micros < LEAST {
                note(site, item, "the limit is 10ms at least here", cx);
            }
            site.set(&key(item, "realtime_limit"), values::duration(micros.max(LEAST)).into());
        }
        None => misread(site, item, cx),
    }
}

fn processors(site: &mut Site, item: &Item, cx: &mut Context) {
    let numbers: Result<Vec<i64>, _> = item.values().map(str::parse).collect();
    match numbers {
        Ok(numbers) if !numbers.is_empty() => {
            site.set(&key(item, "processors"), numbers.into_iter().collect());
        }
        Ok(_) | Err(_) => misread(site, item, cx),
    }
}

/// keepalived ignores a limit without real time; here it would be a fault.
pub(super) fn drop_idle_limit(table: &mut Table) {
    if let Some(Value::Table(pairs)) = table.get("resources")
        && !pairs.iter().any(|(key, _)| key == "scheduler")
    {
        let mut pairs = pairs.clone();
        pairs.retain(|(key, _)| key != "realtime_limit");
        match pairs.is_empty() {
            true => drop(table.take("resources")),
            false => table.set("resources", Value::Table(pairs)),
        }
    }
}

/// `net_namespace`
pub(super) fn namespace(site: &mut Site, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(name) => site.set("network_namespace", name.into()),
        None => misread(site, item, cx),
    }
}
