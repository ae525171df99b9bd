//! `vrrp_instance`.

use std::net::IpAddr;

use super::address;
use super::auth;
use super::keyword::{Context, How, Keyword, Target, lost, misread, note, read};
use super::place::Kind;
use super::site::Site;
use super::toml::{Table, Value};
use super::tree::Item;
use super::{values, vmac};

/// One instance while it is read.
pub(super) struct Instance {
    pub(super) table: Table,
    /// Whether its addresses are of IPv6; unknown without addresses.
    pub(super) v6: Option<bool>,
    pub(super) wants_master: bool,
    user: Option<String>,
    pub(super) wish: vmac::Wish,
}

impl Target for Instance {
    fn set(&mut self, key: &str, value: Value) {
        match (key.split_once('.'), value) {
            (Some(("notify", "user")), value) => self.user(value),
            (Some((table, key)), value) => self.table.set_in(table, key, value),
            (None, value) => self.table.set(key, value),
        }
    }

    fn remark(&mut self, text: String) {
        self.table.remarks.push(text);
    }
}

impl Instance {
    fn user(&mut self, value: Value) {
        if let Value::Text(name) = &value {
            if self.user.as_ref().is_some_and(|user| user != name) {
                self.remark(format!(
                    "NOT CARRIED OVER: a user of its own, {name}: one user runs all of them"
                ));
                return;
            }
            self.user = Some(name.clone());
        }
        self.table.set_in("notify", "user", value);
    }
}

/// Its keywords.
pub(super) const KEYWORDS: &[Keyword<Instance>] = &[
    Keyword { names: &["interface"], key: "interface", how: How::Word },
    Keyword { names: &["virtual_router_id"], key: "virtual_router_id", how: How::Number },
    Keyword { names: &["priority"], key: "priority", how: How::Number },
    Keyword { names: &["state"], key: "state", how: How::By(state) },
    Keyword { names: &["version"], key: "version", how: How::Number },
    Keyword { names: &["advert_int"], key: "advert_interval", how: How::Seconds },
    Keyword { names: &["nopreempt"], key: "preempt", how: How::Flag(false) },
    Keyword { names: &["preempt"], key: "preempt", how: How::Flag(true) },
    Keyword { names: &["preempt_delay"], key: "preempt_delay", how: How::Seconds },
    Keyword { names: &["down_timer_adverts"], key: "down_timer_adverts", how: How::Number },
    Keyword { names: &["authentication"], key: "auth", how: How::By(auth::password) },
    Keyword { names: &["auth_hmac"], key: "auth", how: How::By(auth::keys) },
    Keyword {
        names: &["virtual_ipaddress"],
        key: "virtual_addresses",
        how: How::By(address::virtual_addresses),
    },
    Keyword {
        names: &["virtual_ipaddress_excluded"],
        key: "excluded_addresses",
        how: How::By(address::excluded_addresses),
    },
    Keyword { names: &["virtual_routes"], key: "virtual_routes", how: How::By(super::route::virtual_routes) },
    Keyword { names: &["virtual_rules"], key: "virtual_rules", how: How::By(super::rule::virtual_rules) },
    Keyword { names: &["no_virtual_ipaddress"], key: "no_vip", how: How::Flag(true) },
    Keyword { names: &["unicast_peer"], key: "unicast_peers", how: How::By(unicast_peer) },
    Keyword { names: &["unicast_src_ip", "mcast_src_ip"], key: "source_address", how: How::Word },
    Keyword { names: &["unicast_ttl"], key: "unicast_ttl", how: How::Number },
    Keyword { names: &["check_unicast_src"], key: "unicast_check_source", how: How::Flag(true) },
    Keyword { names: &["track_interface"], key: "track_interfaces", how: How::By(super::track::interfaces) },
    Keyword { names: &["track_script"], key: "track_scripts", how: How::By(super::track::scripts) },
    Keyword { names: &["track_file"], key: "track_files", how: How::By(super::track::files) },
    Keyword { names: &["track_process"], key: "track_processes", how: How::By(super::track::processes) },
    Keyword { names: &["notify_master"], key: "notify.master", how: How::Command("notify.user") },
    Keyword { names: &["notify_backup"], key: "notify.backup", how: How::Command("notify.user") },
    Keyword { names: &["notify_fault"], key: "notify.fault", how: How::Command("notify.user") },
    Keyword { names: &["notify_stop"], key: "notify.stop", how: How::Command("notify.user") },
    Keyword { names: &["notify"], key: "notify.any", how: How::Command("notify.user") },
    Keyword { names: &["garp_master_delay"], key: "announce.delay", how: How::Seconds },
    Keyword { names: &["garp_master_repeat"], key: "announce.repeat", how: How::Number },
    Keyword { names: &["garp_master_refresh"], key: "announce.refresh", how: How::Seconds },
    Keyword { names: &["garp_master_refresh_repeat"], key: "announce.refresh_repeat", how: How::Number },
    Keyword { names: &["garp_lower_prio_delay"], key: "announce.inferior_delay", how: How::Seconds },
    Keyword { names: &["garp_lower_prio_repeat"], key: "announce.inferior_repeat", how: How::Number },
    Keyword { names: &["lower_prio_no_advert"], key: "answer_inferior", how: How::Flag(false) },
    Keyword { names: &["higher_prio_send_advert"], key: "answer_better", how: How::Flag(true) },
    Keyword { names: &["v3_checksum_as_v2"], key: "v3_checksum", how: How::By(v3_checksum) },
    Keyword { names: &["skip_check_adv_addr"], key: "address_mismatch", how: How::By(skip_check) },
    Keyword {
        names: &["dont_track_primary", "track_src_ip"],
        key: "an instance is in FAULT while its own interface is down",
        how: How::Needless,
    },
    Keyword { names: &["native_ipv6"], key: "family", how: How::By(native_ipv6) },
    Keyword {
        names: &["debug", "kernel_rx_buf_size", "timer_expired_backup", "thread_timer_expired"],
        key: "an advertisement that waits is read before a late timer counts",
        how: How::Needless,
    },
    Keyword { names: &["old_unicast_checksum"], key: "checksums of keepalived before 1.3.7", how: How::Lost },
    Keyword {
        names: &["linkbeat_use_polling"],
        key: "the kernel tells when a link goes",
        how: How::Needless,
    },
    Keyword { names: &["accept"], key: "accept", how: How::Flag(true) },
    Keyword { names: &["no_accept"], key: "accept", how: How::Flag(false) },
    Keyword { names: &["strict_mode"], key: "accept", how: How::By(vmac::strict_mode) },
    Keyword { names: &["promote_secondaries"], key: "promote_secondaries", how: How::Flag(true) },
    Keyword { names: &["use_vmac"], key: "virtual_mac", how: How::By(vmac::use_vmac) },
    Keyword { names: &["vmac_xmit_base"], key: "virtual_mac.adverts_from", how: How::By(vmac::xmit_base) },
    Keyword { names: &["mcast_dst_ip"], key: "the group is that of the RFC", how: How::Lost },
    Keyword { names: &["notify_deleted"], key: "notify.deleted", how: How::Command("notify.user") },
    Keyword {
        names: &["notify_master_rx_lower_pri"],
        key: "notify.lower_priority",
        how: How::Command("notify.user"),
    },
    Keyword { names: &["notify_priority_changes"], key: "notify.priority_changes", how: How::Flag(true) },
    Keyword { names: &["owner_ignore_adverts"], key: "an owner that hears another tells it", how: How::Lost },
    Keyword {
        names: &["vmac_garp_intvl", "garp_extra_if"],
        key: "`refresh` of announce keeps switches knowing a virtual MAC",
        how: How::Lost,
    },
    Keyword {
        names: &["use_vmac_addr", "use_ipvlan"],
        key: "one virtual MAC for the instance",
        how: How::Lost,
    },
    Keyword {
        names: &["unicast_fault_no_peer"],
        key: "an instance with unicast_peers names one at least",
        how: How::Needless,
    },
    Keyword { names: &["vrf"], key: "name the interface", how: How::Lost },
    Keyword {
        names: &["track_bfd"],
        key: "there is no BFD: short intervals of version 3 notice as fast",
        how: How::Lost,
    },
    Keyword { names: &["smtp_alert"], key: "alert", how: How::Flag(true) },
    Keyword {
        names: &["lvs_sync_daemon_interface"],
        key: "[vrrp.ipvs_sync]",
        how: How::By(super::sync::interface),
    },
];

/// Reads `vrrp_instance NAME { … }`.
pub(super) fn instance(site: &mut Site, item: &Item, cx: &mut Context) {
    let mut table = Table::new("[[vrrp.instance]]");
    table.comments.clone_from(&item.comments);
    let Some(name) = item.word(1) else { return misread(site, item, cx) };
    table.set("name", name);
    let mut instance =
        Instance { table, v6: None, wants_master: false, user: None, wish: vmac::Wish::default() };
    read("vrrp_instance", KEYWORDS, &mut instance, item.items(), cx);
    instance.finish(site, item, cx);
    super::sync::of_instance(&mut instance, site);
    site.instances.push(instance.table);
}

impl Instance {
    /// What depends on several keywords.
    fn finish(&mut self, site: &Site, item: &Item, cx: &mut Context) {
        self.version(site, item, cx);
        if self.wants_master && self.table.get("priority").is_none() {
            note(self, item, "keepalived takes `state MASTER` without a priority for the owner, 255", cx);
            self.table.set("priority", 255);
        }
        if self.table.get("priority") == Some(&Value::Number(100)) {
            self.table.take("priority");
        }
        if self.wants_master
            && self.table.take("preempt").is_some_and(|preempt| preempt == Value::Flag(false))
        {
            note(self, item, "keepalived drops `nopreempt` because of `state MASTER`", cx);
        }
        if self.wants_master && self.table.take("preempt_delay").is_some() {
            note(self, item, "keepalived drops `preempt_delay` because of `state MASTER`", cx);
        }
        drop_default(&mut self.table, "advert_interval", "1s");
        drop_default(&mut self.table, "preempt_delay", "0s");
        if self.table.get("preempt") == Some(&Value::Flag(true)) {
            self.table.take("preempt");
        }
        inferior_like_master(&mut self.table);
        vmac::finish(self, site, item, cx);
        if self.table.get("interface").is_none() && site.vrrp.get("interface").is_none() {
            let text = "interface: keepalived finds it by unicast_src_ip; Holdfast wants it named";
            self.remark(format!("NOT CARRIED OVER: {text} ({})", item.place));
            cx.report.add(&item.place, Kind::Lost, text);
        }
        if self.v6.is_none()
            && self.table.get("no_vip").is_none()
            && self.table.get("virtual_addresses").is_none()
        {
            note(self, item, "an instance without addresses", cx);
            self.table.set("no_vip", true);
        }
        self.table.order(&[
            "name",
            "interface",
            "virtual_router_id",
            "version",
            "priority",
            "state",
            "advert_interval",
            "preempt",
            "preempt_delay",
            "accept",
            "virtual_mac",
            "auth",
            "unicast_peers",
            "source_address",
            "virtual_addresses",
            "excluded_addresses",
            "virtual_routes",
            "virtual_rules",
        ]);
    }

    /// keepalived speaks version 2 for IPv4 and 3 for IPv6 unless it is told; Holdfast 3, and 2 where there is a
    /// password.
    fn version(&mut self, site: &Site, item: &Item, cx: &mut Context) {
        let given = match self.table.take("version").or_else(|| site.vrrp_version.clone()) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        };
        let version = given.unwrap_or(if self.v6 == Some(true) { 3 } else { 2 });
        let password = auth::is_password(self.table.get("auth"));
        if version == 3 && password {
            self.table.take("auth");
            lost(self, item, "authentication: version 3 has none, and keepalived ignores it too", cx);
        }
        if version == 2 && !password {
            self.table.set("version", 2);
        }
    }
}

/// keepalived announces as often after an inferior advertisement as after becoming master, unless told otherwise.
pub(super) fn inferior_like_master(table: &mut Table) {
    let Some(Value::Table(pairs)) = table.get("announce").cloned() else { return };
    let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    for (own, other) in [("repeat", "inferior_repeat"), ("delay", "inferior_delay")] {
        if let (Some(value), None) = (find(own), find(other)) {
            table.set_in("announce", other, value);
        }
    }
}

/// Leaves a key out that only says the default.
pub(super) fn drop_default(table: &mut Table, key: &str, default: &str) {
    if table.get(key) == Some(&Value::from(default)) {
        table.take(key);
    }
}

fn state(instance: &mut Instance, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some("MASTER") => {
            instance.wants_master = true;
            instance.table.set("state", "master");
        }
        Some("BACKUP") => {
            instance.wants_master = false;
            instance.table.take("state");
        }
        _ => misread(instance, item, cx),
    }
}

fn unicast_peer(instance: &mut Instance, item: &Item, cx: &mut Context) {
    for peer in item.items() {
        let Ok(address) = peer.name().parse::<IpAddr>() else {
            misread(instance, peer, cx);
            continue;
        };
        let mut pairs = vec![("address".to_owned(), Value::from(address.to_string()))];
        for pair in peer.words.get(1..).unwrap_or_default().chunks(2) {
            let ttl = pair.get(1).and_then(|word| word.text.parse::<i64>().ok());
            match (pair.first().map(|word| word.text.as_str()), ttl) {
                (Some(name @ ("min_ttl" | "max_ttl")), Some(ttl)) => {
                    pairs.push((name.to_owned(), ttl.into()));
                }
                _ => misread(instance, peer, cx),
            }
        }
        let value = if pairs.len() == 1 { address.to_string().into() } else { Value::Table(pairs) };
        instance.table.push("unicast_peers", value);
    }
}

fn v3_checksum(instance: &mut Instance, item: &Item, _: &mut Context) {
    if item.word(1).and_then(values::flag) != Some(false) {
        instance.table.set("v3_checksum", "plain");
    }
}

fn skip_check(instance: &mut Instance, _: &Item, _: &mut Context) {
    instance.table.set("address_mismatch", "ignore");
}

fn native_ipv6(instance: &mut Instance, _: &Item, _: &mut Context) {
    instance.v6 = Some(true);
    instance.table.set("family", "ipv6");
}
