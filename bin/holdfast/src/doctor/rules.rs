//! The rules: what is wanted, what is there, what is wrong. Each is one function and knows nothing of the others.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::facts::{Facts, LinkFact, Manager, Place};
use super::wants::{Instance, Wants};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Something cannot work.
    Error,
    /// Something may not work, or not when it matters.
    Warning,
    /// Good to know; nothing is wrong.
    Note,
}

impl Severity {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What a rule has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: &'static str,
    pub(super) severity: Severity,
    /// One sentence.
    pub(super) what: String,
    /// The command that mends it, or what to do.
    pub(super) mend: String,
}

impl Finding {
    /// Whether something is wrong.
    pub(super) fn counts(&self) -> bool {
        self.severity != Severity::Note
    }
}

/// Where a rule leaves what it has found.
struct Found<'a> {
    rule: &'static str,
    all: &'a mut Vec<Finding>,
}

impl Found<'_> {
    fn add(&mut self, severity: Severity, what: impl Into<String>, mend: impl Into<String>) {
        self.all.push(Finding { rule: self.rule, severity, what: what.into(), mend: mend.into() });
    }
}

type Rule = fn(&Wants, &Facts, &mut Found<'_>);

/// Every rule with its name.
const RULES: &[(&str, Rule)] = &[
    ("capabilities", capabilities),
    ("interfaces", interfaces),
    ("multicast", multicast),
    ("modules", modules),
    ("forwarding", forwarding),
    ("rp_filter", rp_filter),
    ("arp", arp),
    ("conntrack", conntrack),
    ("duplicates", duplicates),
    ("virtual_mac", virtual_mac),
    ("manager", manager),
    ("clock", clock),
    ("scripts", scripts),
    ("secrets", secrets),
    ("firewall", firewall),
];

/// Everything that is wrong, the worst first.
pub(super) fn judge(wants: &Wants, facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    for (rule, look) in RULES {
        look(wants, facts, &mut Found { rule, all: &mut all });
    }
    all.sort_by_key(|finding| finding.severity);
    all.dedup_by(|a, b| a.what == b.what);
    all
}

fn capabilities(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    let needed = [
        ("CAP_NET_ADMIN", !wants.instances.is_empty() || wants.ipvs, "addresses and IPVS cannot be changed"),
        ("CAP_NET_RAW", !wants.instances.is_empty(), "adverts cannot be sent"),
    ];
    for (name, _, otherwise) in
        needed.into_iter().filter(|(name, needed, _)| *needed && facts.lacking.contains(name))
    {
        let mend = "give it to the service: CapabilityBoundingSet of the unit, or --cap-add of the container";
        found.add(Severity::Error, format!("root has no {name} here: {otherwise}"), mend);
    }
}

fn interfaces(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    for (name, by) in &wants.links {
        let by = by.iter().cloned().collect::<Vec<_>>().join(", ");
        match facts.links.get(name) {
            None => found.add(
                Severity::Error,
                format!("there is no interface {name}, which {by} needs"),
                "ip -br link",
            ),
            Some(LinkFact { up: false, .. }) => {
                found.add(
                    Severity::Error,
                    format!("{name} is down, which {by} needs"),
                    format!("ip link set {name} up"),
                );
            }
            Some(LinkFact { carrier: false, .. }) => {
                found.add(
                    Severity::Error,
                    format!("{name} has no carrier, which {by} needs"),
                    format!("ethtool {name}"),
                );
            }
            Some(_) => {}
        }
    }
}

fn multicast(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    for Instance { name, link, .. } in wants.instances.iter().filter(|instance| instance.multicast) {
        if facts.links.get(link).is_some_and(|link| !link.multicast) {
            found.add(
                Severity::Error,
                format!("{link} carries no multicast: adverts of instance {name} reach nobody"),
                format!("ip link set {link} multicast on"),
            );
        }
    }
}

fn modules(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    let missing = |name: &str| facts.modules.get(name) == Some(&false);
    if wants.ipvs && missing("ip_vs") {
        let what = "the kernel has no IPVS: no virtual server can be programmed";
        found.add(Severity::Error, what, "modprobe ip_vs");
        return;
    }
    for scheduler in wants.schedulers.iter().filter(|_| wants.ipvs) {
        let name = format!("ip_vs_{scheduler}");
        if missing(&name) {
            let what = format!("the kernel has no scheduler {scheduler}");
            found.add(Severity::Error, what, format!("modprobe {name}"));
        }
    }
    if wants.instances.iter().any(|instance| instance.virtual_mac) && missing("macvlan") {
        found.add(
            Severity::Error,
            "the kernel has no macvlan, which `virtual_mac` needs",
            "modprobe macvlan",
        );
    }
    if wants.instances.iter().any(|instance| !instance.accept && !instance.addresses.is_empty())
        && missing("nf_tables")
    {
        found.add(
            Severity::Error,
            "the kernel has no nf_tables, which `accept = false` needs",
            "modprobe nf_tables",
        );
    }
}

fn forwarding(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    let families = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];
    for (path, _) in families.into_iter().zip(wants.nat).filter(|(_, nat)| *nat && wants.ipvs) {
        if facts.settings.get(path) == Some(&0) {
            let name = path.replace('/', ".");
            found.add(
                Severity::Error,
                format!("{name} is 0: answers of servers with `forward = \"nat\"` do not reach the clients"),
                format!("sysctl -w {name}=1"),
            );
        }
    }
}

/// The larger of a setting for all interfaces and of one interface, which is the one that counts.
fn effective(facts: &Facts, setting: &str, link: &str) -> i64 {
    let of =
        |link: &str| facts.settings.get(&format!("net/ipv4/conf/{link}/{setting}")).copied().unwrap_or(0);
    of("all").max(of(link))
}

fn rp_filter(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    let others = facts.links.values().filter(|link| link.up && !link.loopback).count();
    for Instance { link, .. } in wants.instances.iter().filter(|instance| !instance.ipv6) {
        if effective(facts, "rp_filter", link) == 1 && others > 1 {
            found.add(
                Severity::Note,
                format!("{link} drops packets from whom this machine would answer over another interface"),
                format!("sysctl -w net.ipv4.conf.{link}.rp_filter=2"),
            );
        }
    }
}

fn arp(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    for instance in &wants.instances {
        for (address, link) in instance.addresses.iter().filter(|(address, _)| address.is_ipv4()) {
            let quiet = facts.links.get(link).is_some_and(|link| link.loopback || link.kind == "dummy");
            if quiet && *link != instance.link && effective(facts, "arp_ignore", &instance.link) > 0 {
                found.add(
                    Severity::Warning,
                    format!(
                        "{address} is put on {link}, and ARP for it on {} is not answered",
                        instance.link
                    ),
                    format!(
                        "sysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.{}.arp_ignore=0",
                        instance.link
                    ),
                );
            }
        }
    }
}

fn conntrack(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    let off = facts.settings.get("net/ipv4/vs/conntrack") == Some(&0);
    if wants.ipvs && wants.nat.contains(&true) && off && facts.modules.get("nf_conntrack") == Some(&true) {
        found.add(
            Severity::Note,
            "net.ipv4.vs.conntrack is 0: rules of the packet filter by state or with masquerade do not see balanced connections",
            "sysctl -w net.ipv4.vs.conntrack=1",
        );
    }
}

fn duplicates(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    let places = wants.instances.iter().flat_map(|i| i.addresses.iter().map(move |place| (i, place)));
    for (instance, (address, link)) in places {
        let wire = wire(facts, instance, link);
        let answers = facts.answers.get(&(*address, wire.to_owned()));
        let Some(answers) = answers.filter(|answers| !answers.is_empty()) else { continue };
        let who: Vec<String> = answers.iter().map(ToString::to_string).collect();
        let who = who.join(" and ");
        let look = match address {
            IpAddr::V4(_) => format!("arping -I {wire} {address}"),
            IpAddr::V6(_) => format!("ping -c 1 {address}%{wire}; ip -6 neigh show {address}"),
        };
        let mend = format!("find who it is: {look}; take the address away there");
        if is_here(facts, *address, [link, wire]) {
            found.add(Severity::Error, format!("{address} is here and {who} answers for it too"), mend);
        } else if answers.len() > 1 {
            found.add(Severity::Error, format!("{address} is answered for by several: {who}"), mend);
        } else if facts.states.get(&instance.name).is_none_or(|state| state != "backup") && !is_router(&who) {
            // A backup's master answers.
            let what = format!(
                "{address} is answered for by {who}: if that is no other director, it is a duplicate"
            );
            found.add(Severity::Warning, what, mend);
        }
    }
}

/// Where the wire is asked for an address: where it is put, if that is a wire. (Not with a virtual router's own hardware
/// address: switches would look for the router here.)
fn wire<'a>(facts: &Facts, instance: &'a Instance, link: &'a str) -> &'a str {
    let is_wire = facts.links.get(link).is_some_and(|link| !link.loopback && link.kind != "dummy");
    if is_wire && !instance.virtual_mac { link } else { &instance.link }
}

/// Whether this machine has an address. One of a link is another one on another link.
fn is_here(facts: &Facts, address: IpAddr, links: [&str; 2]) -> bool {
    let of_link = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    facts.held.iter().any(|(held, link)| *held == address && (!of_link || links.contains(&link.as_str())))
}

/// The hardware address of a virtual router (RFC 9568 section 7.3).
fn is_router(mac: &str) -> bool {
    mac.starts_with("00:00:5e:00:0")
}

fn virtual_mac(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    const VIRTUAL: [&str; 5] = ["virtio_net", "vmxnet3", "hv_netvsc", "xen_netfront", "ena"];
    for Instance { name, link, .. } in wants.instances.iter().filter(|instance| instance.virtual_mac) {
        let Some(fact) = facts.links.get(link) else { continue };
        if VIRTUAL.contains(&fact.driver.as_str()) {
            found.add(
                Severity::Note,
                format!("{link} is of a virtual machine: its host must let in the further hardware address of instance {name}"),
                "allow MAC address changes, forged transmits and promiscuous mode for its port on the host",
            );
        }
        if fact.loopback || fact.kind == "wireguard" || fact.kind == "ipip" {
            found.add(
                Severity::Error,
                format!("{link} has no hardware addresses: `virtual_mac` of instance {name} cannot work"),
                "choose an Ethernet interface",
            );
        }
    }
}

fn manager(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    for link in wants.instances.iter().flat_map(|i| i.addresses.iter().map(|(_, link)| link)) {
        let Some(manager) = facts.links.get(link).and_then(|link| link.manager) else { continue };
        let (what, mend) = match manager {
            Manager::Networkd => (
                format!(
                    "systemd-networkd configures {link} and removes addresses of others when it is restarted"
                ),
                format!(
                    "set KeepConfiguration=yes under [Network] in the .network file of {link}, and networkctl reload"
                ),
            ),
            Manager::NetworkManager => (
                format!(
                    "NetworkManager configures {link} and removes addresses of others when it activates it again"
                ),
                format!("nmcli device set {link} managed no"),
            ),
        };
        found.add(Severity::Note, what, mend);
    }
}

fn clock(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    if facts.clock_in_step != Some(false) {
        return;
    }
    let signed = wants.instances.iter().find(|instance| instance.signed);
    let (severity, what) = match signed {
        Some(Instance { name, .. }) => (
            Severity::Warning,
            format!(
                "the clock is not in step with others, and the signatures of instance {name} go by the time"
            ),
        ),
        None => (
            Severity::Note,
            "the clock is not in step with others: logs of two machines do not fit".to_owned(),
        ),
    };
    found.add(severity, what, "timedatectl set-ntp true");
}

fn scripts(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    for script in &wants.scripts {
        if let Some(why) = facts.scripts.get(&script.program) {
            let mend = if why.starts_with("unsafe: ") {
                format!("chown root: {0} && chmod go-w {0}, and so for every folder above it", script.program)
            } else {
                format!("ls -l {}", script.program)
            };
            found.add(Severity::Error, format!("a script will not be run: {why}"), mend);
        }
    }
}

fn secrets(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    for file in &wants.files {
        let Some(mode) = facts.modes.get(file) else { continue };
        let path = file.display();
        if mode & 0o022 != 0 {
            let what = format!(
                "{path} can be written by others (mode {:o}): who writes it is root here",
                mode & 0o777
            );
            found.add(Severity::Error, what, format!("chmod go-w {path}"));
        }
        if wants.secrets && mode & 0o004 != 0 {
            let what = format!(
                "{path} has passwords or keys and can be read by everybody (mode {:o})",
                mode & 0o777
            );
            found.add(Severity::Warning, what, format!("chmod o-r {path}"));
        }
    }
}

fn firewall(wants: &Wants, facts: &Facts, found: &mut Found<'_>) {
    for chain in facts.closed_chains.iter().filter(|_| !wants.instances.is_empty()) {
        found.add(
            Severity::Warning,
            format!("the packet filter's chain {chain} drops what no rule allows, and names no VRRP: adverts may not get in"),
            format!("nft insert rule {chain} meta l4proto 112 accept"),
        );
    }
}

/// The addresses that the wire is asked for, and where.
pub(super) fn probed(wants: &Wants, facts: &Facts) -> BTreeSet<Place> {
    let places = wants.instances.iter().flat_map(|i| i.addresses.iter().map(move |place| (i, place)));
    places.map(|(i, (address, link))| (*address, wire(facts, i, link).to_owned())).collect()
}

#[cfg(test)]
mod tests;
