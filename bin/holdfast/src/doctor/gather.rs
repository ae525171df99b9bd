//! Gathers the facts: the thin part. What cannot be had without root is named, not guessed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::config::UserName;
use common::netlink::{Protocol, Socket, address, link};
use common::script::Identity;
use common::script::path::judge;
use nix::unistd::{Uid, geteuid};
use serde_json::Value;

use super::facts::{Facts, LinkFact, Manager};
use super::wants::Wants;
use super::{rules, wire};

/// Who owns nothing.
const NOBODY: u32 = 65534;

/// Looks at the machine.
pub(super) fn gather(wants: &Wants, run_dir: &Path) -> Facts {
    let root = geteuid().is_root();
    let mut facts = Facts { clock_in_step: clock_in_step(), ..Facts::default() };
    links(&mut facts);
    settings(wants, &mut facts);
    modules(wants, &mut facts);
    states(run_dir, &mut facts);
    for script in &wants.scripts {
        if let Some(why) = script_fault(&script.program, script.user.as_deref()) {
            facts.scripts.insert(script.program.clone(), why);
        }
    }
    for file in &wants.files {
        if let Ok(metadata) = fs::metadata(file) {
            facts.modes.insert(file.clone(), metadata.permissions().mode());
        }
    }
    if root {
        facts.lacking = lacking();
        facts.closed_chains = closed_chains();
        match wire::ask(&rules::probed(wants, &facts)) {
            Ok(heard) => {
                facts.answers = heard.answers;
                facts.skipped.extend(heard.skipped);
            }
            Err(error) => facts.skipped.push(format!("duplicate addresses on the wire: {error}")),
        }
    } else {
        for what in ["duplicate addresses on the wire", "the packet filter", "capabilities"] {
            facts.skipped.push(format!("{what}: needs root"));
        }
    }
    facts
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn links(facts: &mut Facts) {
    let Ok(mut socket) = Socket::open(Protocol::Route) else {
        facts.skipped.push("interfaces: no netlink".to_owned());
        return;
    };
    let held = address::list(&mut socket).unwrap_or_default();
    for link in link::list(&mut socket).unwrap_or_default() {
        let own = held.iter().filter(|held| held.interface == link.index);
        facts.held.extend(own.map(|held| (held.address, link.name.clone())));
        let driver = fs::read_link(format!("/sys/class/net/{}/device/driver", link.name)).ok();
        let driver = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        let fact = LinkFact {
            up: link.up,
            carrier: link.running,
            multicast: link.multicast,
            loopback: link.loopback,
            kind: link.kind.clone().unwrap_or_default(),
            driver: driver.unwrap_or_default(),
            manager: manager(link.index.0),
        };
        facts.links.insert(link.name, fact);
    }
}

/// Who says in its run directory that it configures the interface. (Of another network namespace these say nothing.)
fn manager(index: u32) -> Option<Manager> {
    let says = |path: String, lines: &[&str]| {
        read(path).is_some_and(|text| text.lines().any(|line| lines.contains(&line)))
    };
    let networkd = ["ADMIN_STATE=configured", "ADMIN_STATE=configuring"];
    if says(format!("/run/systemd/netif/links/{index}"), &networkd) {
        return Some(Manager::Networkd);
    }
    let managed = says(format!("/run/NetworkManager/devices/{index}"), &["managed=true", "managed=full"]);
    managed.then_some(Manager::NetworkManager)
}

fn settings(wants: &Wants, facts: &mut Facts) {
    let fixed = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/vs/conntrack"];
    let mut paths: BTreeSet<String> = fixed.into_iter().map(ToOwned::to_owned).collect();
    for link in wants.links.keys().map(String::as_str).chain(["all"]) {
        paths.extend(["rp_filter", "arp_ignore"].map(|setting| format!("net/ipv4/conf/{link}/{setting}")));
    }
    let values = paths.into_iter().filter_map(|path| {
        let value = read(Path::new("/proc/sys").join(&path))?.parse().ok()?;
        Some((path, value))
    });
    facts.settings = values.collect();
}

fn modules(wants: &Wants, facts: &mut Facts) {
    let schedulers = wants.schedulers.iter().map(|scheduler| format!("ip_vs_{scheduler}"));
    let names = ["ip_vs", "macvlan", "nf_tables", "nf_conntrack"].map(ToOwned::to_owned);
    facts.modules =
        names.into_iter().chain(schedulers).map(|name| (name.clone(), has_module(&name))).collect();
}

/// Loaded, built in, or there to be loaded.
fn has_module(name: &str) -> bool {
    let traces = [("ip_vs", "/proc/net/ip_vs"), ("nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_max")];
    Path::new("/sys/module").join(name).exists()
        || traces.iter().any(|(of, trace)| *of == name && Path::new(trace).exists())
        || config_says(name)
        || said(&["modprobe", "-n", "-q", name]).is_some()
}

/// Whether the kernel's own configuration has it built in.
fn config_says(name: &str) -> bool {
    let option = format!("CONFIG_{}=y", name.to_uppercase());
    said(&["zcat", "/proc/config.gz"]).is_some_and(|text| text.lines().any(|line| line == option))
}

/// What a program says that succeeds.
fn said(argv: &[&str]) -> Option<String> {
    let (program, arguments) = argv.split_first()?;
    let done =
        Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

fn states(run_dir: &Path, facts: &mut Facts) {
    let Ok(status) = crate::status::ask(run_dir, "vrrp") else { return };
    let part = status.get("vrrp").unwrap_or(&status);
    for instance in part.get("instances").and_then(Value::as_array).into_iter().flatten() {
        let word = |key: &str| instance.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        facts.states.insert(word("name"), word("state"));
    }
}

fn script_fault(program: &str, user: Option<&str>) -> Option<String> {
    let name: Option<UserName> = user.and_then(|user| user.parse().ok());
    let uid = Identity::find(name.as_ref()).map_or(Uid::from_raw(NOBODY), |identity| identity.uid);
    match judge(Path::new(program), uid) {
        Err(error) => Some(error.to_string()),
        Ok(_) => {
            let mode = fs::metadata(program).ok()?.permissions().mode();
            (mode & 0o111 == 0).then(|| format!("{program} is not executable"))
        }
    }
}

/// What the kernel says of its clock, as systemd passes it on.
fn clock_in_step() -> Option<bool> {
    match said(&["timedatectl", "show", "--property=NTPSynchronized", "--value"])?.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// What root lacks in this container.
fn lacking() -> BTreeSet<&'static str> {
    let status = read("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let Some(mask) = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) else {
        return BTreeSet::new();
    };
    let known = [("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13)];
    known.into_iter().filter(|(_, bit)| (mask >> bit) & 1 == 0).map(|(name, _)| name).collect()
}

/// Chains behind the hook for what comes in, that drop by default and have no word for VRRP.
fn closed_chains() -> Vec<String> {
    closed(&said(&["nft", "list", "ruleset"]).unwrap_or_default())
}

fn closed(ruleset: &str) -> Vec<String> {
    let (mut table, mut chain) = ("", String::new());
    let (mut drops, mut named) = (false, false);
    let mut found = Vec::new();
    for line in ruleset.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["table", .., "{"] => {
                table = line.trim().trim_start_matches("table ").trim_end_matches(" {");
            }
            ["chain", name, "{"] => {
                chain = format!("{table} {name}");
                (drops, named) = (false, false);
            }
            ["}"] => {
                if drops && !named {
                    found.push(std::mem::take(&mut chain));
                }
                drops = false;
            }
            words => {
                drops |= words.windows(2).any(|pair| pair == ["hook", "input"])
                    && words.windows(2).any(|pair| pair == ["policy", "drop;"]);
                named |= words.iter().any(|word| ["112", "vrrp", "jump", "goto"].contains(word));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::closed;

    #[test]
    fn a_chain_that_drops_by_default_and_names_no_vrrp_is_found() {
        let with = |rules: &str, policy: &str| {
            format!(
                "table inet filter {{\n\tchain input {{\n\t\ttype filter hook input priority filter; policy {policy};\n{rules}\t}}\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy drop;\n\t}}\n}}\n"
            )
        };
        assert_eq!(closed(&with("\t\ttcp dport 22 accept\n", "drop")), ["inet filter input"]);
        assert_eq!(closed(&with("\t\tmeta l4proto vrrp accept\n", "drop")), Vec::<String>::new());
        assert_eq!(closed(&with("\t\tip protocol 112 accept\n", "drop")), Vec::<String>::new());
        assert_eq!(
            closed(&with("\t\tjump others\n", "drop")),
            Vec::<String>::new(),
            "not followed, so not judged"
        );
        assert_eq!(closed(&with("", "accept")), Vec::<String>::new());
        assert_eq!(closed(""), Vec::<String>::new());
    }
}
