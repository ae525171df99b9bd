//! The whole file: the top level and `global_defs`.

use super::address;
use super::alerts;
use super::instance;
use super::kernel;
use super::keyword::{Context, How, Keyword, Target, misread, read};
use super::process;
use super::resources;
use super::route;
use super::rule;
use super::service;
use super::toml::{Table, Value};
use super::track;
use super::tree::Item;

/// Everything that is written, while it is read.
#[derive(Default)]
pub(super) struct Site {
    root: Table,
    global: Table,
    pub(super) vrrp: Table,
    checker: Table,
    pub(super) mail: alerts::Mail,
    pub(super) statics: Table,
    pub(super) sync: Table,
    pub(super) vrrp_version: Option<Value>,
    /// `vmac_prefix` and `vrrp_strict`.
    pub(super) vmac_prefix: Option<String>,
    pub(super) strict: bool,
    pub(super) scripts: Vec<Table>,
    pub(super) files: Vec<Table>,
    pub(super) processes: Vec<Table>,
    pub(super) instances: Vec<Table>,
    pub(super) groups: Vec<Table>,
    pub(super) services: Vec<Table>,
}

impl Target for Site {
    fn set(&mut self, key: &str, value: Value) {
        match key.split_once('.') {
            Some(("vrrp", key)) => match key.split_once('.') {
                Some((table, key)) => self.vrrp.set_in(table, key, value),
                None => self.vrrp.set(key, value),
            },
            Some(("checker", key)) => match key.split_once('.') {
                Some((table, key)) => self.checker.set_in(table, key, value),
                None => self.checker.set(key, value),
            },
            Some(("alerts", key)) => self.mail.table.set(key, value),
            Some((table, key)) => self.global.set_in(table, key, value),
            None => self.global.set(key, value),
        }
    }

    fn remark(&mut self, text: String) {
        self.root.remarks.push(text);
    }
}

/// What stands at the top of the file.
pub(super) const TOP: &[Keyword<Site>] = &[
    Keyword { names: &["global_defs"], key: "[global], [vrrp] and [checker]", how: How::By(global_defs) },
    Keyword { names: &["vrrp_script"], key: "[[vrrp.script]]", how: How::By(track::script) },
    Keyword { names: &["track_file", "vrrp_track_file"], key: "[[vrrp.file]]", how: How::By(track::file) },
    Keyword { names: &["vrrp_track_process"], key: "[[vrrp.process]]", how: How::By(process::process) },
    Keyword { names: &["vrrp_instance"], key: "[[vrrp.instance]]", how: How::By(instance::instance) },
    Keyword { names: &["vrrp_sync_group"], key: "[[vrrp.sync_group]]", how: How::By(track::group) },
    Keyword {
        names: &["virtual_server_group"],
        key: "addresses of [[virtual_server]]",
        how: How::By(service::group),
    },
    Keyword { names: &["virtual_server"], key: "[[virtual_server]]", how: How::By(service::virtual_server) },
    Keyword { names: &["instance"], key: "a run directory of its own: holdfastd --run-dir", how: How::Lost },
    Keyword {
        names: &["use_pid_dir", "child_wait_time"],
        key: "the run directory has everything",
        how: How::Needless,
    },
    Keyword {
        names: &["linkbeat_use_polling", "linkbeat_interfaces"],
        key: "the kernel tells of links",
        how: How::Needless,
    },
    Keyword { names: &["bfd_instance"], key: "short intervals of version 3 notice as fast", how: How::Lost },
    Keyword { names: &["interface_up_down_delays"], key: "a fault counts at once", how: How::Lost },
    Keyword {
        names: &["net_namespace"],
        key: "global.network_namespace",
        how: How::By(resources::namespace),
    },
    Keyword {
        names: &["net_namespace_ipvs"],
        key: "checker.network_namespace is that of the checks and of the kernel's table together",
        how: How::Lost,
    },
    Keyword { names: &["namespace_with_ipsets"], key: "there are no ipsets", how: How::Needless },
    Keyword {
        names: &["static_ipaddress"],
        key: "addresses of [vrrp.static]",
        how: How::By(address::static_addresses),
    },
    Keyword { names: &["static_routes"], key: "routes of [vrrp.static]", how: How::By(route::static_routes) },
    Keyword { names: &["static_rules"], key: "rules of [vrrp.static]", how: How::By(rule::static_rules) },
    Keyword {
        names: &["track_group"],
        key: "static objects are put back, and nothing is given up for them",
        how: How::Lost,
    },
    Keyword { names: &["garp_group", "SSL"], key: "it has not been built", how: How::Lost },
];

/// Keywords inside of blocks whose own keyword tells what becomes of them.
pub(super) const INSIDE: &[Keyword<Site>] = &[
    Keyword { names: &["auth_type", "auth_pass"], key: "auth", how: How::Needless },
    Keyword {
        names: &["garp_interval", "gna_interval", "interface", "interfaces"],
        key: "garp_group",
        how: How::Needless,
    },
    Keyword { names: &["password", "ca", "certificate", "key"], key: "SSL", how: How::Needless },
    Keyword { names: &["host"], key: "an old form of the options of a connection", how: How::Needless },
];

/// Keywords of blocks that are not carried over.
pub(super) const BFD: &[Keyword<Site>] = &[Keyword {
    names: &[
        "neighbor_ip",
        "neighbour_ip",
        "source_ip",
        "min_rx",
        "min_tx",
        "idle_tx",
        "multiplier",
        "passive",
        "ttl",
        "hoplimit",
        "max_hops",
        "multihop",
        "weight",
        "vrrp",
        "checker",
    ],
    key: "BFD: short intervals of version 3 notice as fast",
    how: How::Lost,
}];

/// `global_defs`.
pub(super) const GLOBAL: &[Keyword<Site>] = &[
    Keyword { names: &["router_id"], key: "router_id", how: How::Word },
    Keyword { names: &["script_user"], key: "script_user", how: How::By(script_user) },
    Keyword {
        names: &["enable_script_security", "use_symlink_paths", "set_supplementary_groups"],
        key: "scripts that others could change are never run",
        how: How::Needless,
    },
    Keyword { names: &["vrrp_version"], key: "vrrp.version", how: How::By(vrrp_version) },
    Keyword { names: &["vrrp_garp_master_delay"], key: "vrrp.announce.delay", how: How::Seconds },
    Keyword { names: &["vrrp_garp_master_repeat"], key: "vrrp.announce.repeat", how: How::Number },
    Keyword { names: &["vrrp_garp_master_refresh"], key: "vrrp.announce.refresh", how: How::Seconds },
    Keyword {
        names: &["vrrp_garp_master_refresh_repeat"],
        key: "vrrp.announce.refresh_repeat",
        how: How::Number,
    },
    Keyword {
        names: &["vrrp_garp_lower_prio_delay"],
        key: "vrrp.announce.inferior_delay",
        how: How::Seconds,
    },
    Keyword {
        names: &["vrrp_garp_lower_prio_repeat"],
        key: "vrrp.announce.inferior_repeat",
        how: How::Number,
    },
    Keyword { names: &["vrrp_garp_interval"], key: "vrrp.announce.spacing", how: How::Seconds },
    Keyword { names: &["vrrp_gna_interval"], key: "vrrp.announce.na_spacing", how: How::Seconds },
    Keyword { names: &["vrrp_min_garp"], key: "vrrp.announce.repeat = 1, delay = 0", how: How::By(min_garp) },
    Keyword { names: &["vrrp_down_timer_adverts"], key: "vrrp.down_timer_adverts", how: How::Number },
    Keyword { names: &["vrrp_lower_prio_no_advert"], key: "vrrp.answer_inferior", how: How::Flag(false) },
    Keyword { names: &["vrrp_higher_prio_send_advert"], key: "vrrp.answer_better", how: How::Flag(true) },
    Keyword { names: &["vrrp_startup_delay"], key: "vrrp.startup_delay", how: How::Seconds },
    Keyword { names: &["v3_checksum_as_v2"], key: "vrrp.v3_checksum = \"plain\"", how: How::By(v3_checksum) },
    Keyword {
        names: &["vrrp_skip_check_adv_addr"],
        key: "vrrp.address_mismatch = \"ignore\"",
        how: How::By(skip_check),
    },
    Keyword { names: &["vrrp_check_unicast_src"], key: "vrrp.unicast_check_source", how: How::Flag(true) },
    Keyword {
        names: &["default_interface"],
        key: "interface of a static address",
        how: How::By(default_interface),
    },
    Keyword {
        names: &["lvs_sync_daemon"],
        key: "[vrrp.ipvs_sync]",
        how: How::By(super::sync::lvs_sync_daemon),
    },
    Keyword { names: &["notify_fifo"], key: "notify_fifo", how: How::Word },
    Keyword { names: &["vrrp_notify_fifo"], key: "vrrp.notify_fifo", how: How::Word },
    Keyword { names: &["lvs_notify_fifo"], key: "checker.notify_fifo", how: How::Word },
    Keyword {
        names: &["vrrp_notify_priority_changes"],
        key: "vrrp.notify.priority_changes",
        how: How::Flag(true),
    },
    Keyword { names: &["checker_log_all_failures"], key: "log_all_failures of a check", how: How::Lost },
    Keyword {
        names: &["dynamic_interfaces"],
        key: "an interface may appear later, always",
        how: How::Needless,
    },
    Keyword {
        names: &[
            "reload_check_config",
            "reload_file",
            "tmp_config_directory",
            "config_save_dir",
            "include_check",
            "umask",
            "random_seed",
            "process_names",
            "process_name",
            "vrrp_process_name",
            "checker_process_name",
            "bfd_process_name",
            "lvs_process_name",
            "data_use_instance",
            "json_version",
            "state_dump_file",
            "stats_dump_file",
            "json_dump_file",
            "log_unknown_vrids",
            "vrrp_rx_bufs_policy",
            "vrrp_rx_bufs_multiplier",
            "vrrp_netlink_cmd_rcv_bufs",
            "vrrp_netlink_cmd_rcv_bufs_force",
            "vrrp_netlink_monitor_rcv_bufs",
            "vrrp_netlink_monitor_rcv_bufs_force",
            "lvs_netlink_cmd_rcv_bufs",
            "lvs_netlink_cmd_rcv_bufs_force",
            "lvs_netlink_monitor_rcv_bufs",
            "lvs_netlink_monitor_rcv_bufs_force",
            "process_monitor_rcv_bufs",
            "process_monitor_rcv_bufs_force",
            "max_auto_priority",
            "min_auto_priority_delay",
            "iproute_usr_dir",
            "iproute_etc_dir",
            "vrrp_iptables",
            "vrrp_ipsets",
            "nftables",
            "nftables_priority",
            "nftables_counters",
            "nftables_ifindex",
            "disable_local_igmp",
        ],
        key: "a matter of keepalived's own works",
        how: How::Needless,
    },
    Keyword {
        names: &[
            "snmp_socket",
            "enable_snmp_vrrp",
            "enable_snmp_checker",
            "enable_snmp_rfc",
            "enable_snmp_rfcv2",
            "enable_snmp_rfcv3",
            "enable_snmp_keepalived",
            "enable_traps",
            "snmp_vs_stats_update_interval",
            "snmp_rs_stats_update_interval",
            "enable_dbus",
            "dbus_service_name",
            "dbus_no_interface_name",
        ],
        key: "holdfast status --json tells all of it",
        how: How::Lost,
    },
    Keyword {
        names: &["bfd_priority", "bfd_rt_priority", "bfd_no_swap", "bfd_cpu_affinity", "bfd_rlimit_rttime"],
        key: "there is no process for BFD",
        how: How::Needless,
    },
    Keyword {
        names: &["reload_time_file", "reload_repeat"],
        key: "holdfast reload from a timer of the system",
        how: How::Lost,
    },
    Keyword {
        names: &["startup_script", "shutdown_script", "startup_script_timeout", "shutdown_script_timeout"],
        key: "ExecStartPre and ExecStopPost of the unit",
        how: How::Lost,
    },
    Keyword { names: &["notification_email"], key: "alerts.to", how: How::By(alerts::recipients) },
    Keyword { names: &["notification_email_from"], key: "alerts.from", how: How::By(alerts::sender) },
    Keyword { names: &["smtp_server"], key: "alerts.server", how: How::By(alerts::server) },
    Keyword { names: &["smtp_helo_name"], key: "alerts.helo", how: How::Word },
    Keyword { names: &["smtp_connect_timeout"], key: "alerts.timeout", how: How::Seconds },
    Keyword {
        names: &["smtp_alert"],
        key: "alerts.instances, sync_groups, virtual_servers, real_servers",
        how: How::By(alerts::all),
    },
    Keyword {
        names: &["smtp_alert_vrrp"],
        key: "alerts.instances, sync_groups",
        how: How::By(alerts::of_vrrp),
    },
    Keyword {
        names: &["smtp_alert_checker"],
        key: "alerts.virtual_servers, real_servers",
        how: How::By(alerts::of_checker),
    },
    Keyword { names: &["no_email_faults"], key: "alerts.faults", how: How::Flag(false) },
    Keyword {
        names: &["no_checker_emails"],
        key: "mail is about servers, not about single checks",
        how: How::Needless,
    },
    Keyword { names: &["bfd_rlimit_rtime"], key: "there is no process for BFD", how: How::Needless },
    Keyword {
        names: &["vrrp_mcast_group4", "vrrp_mcast_group6"],
        key: "the group is that of the RFC",
        how: How::Lost,
    },
    Keyword {
        names: &["vrrp_garp_extra_if", "vrrp_vmac_garp_intvl"],
        key: "`refresh` of announce keeps switches knowing a virtual MAC",
        how: How::Lost,
    },
    Keyword { names: &["vmac_prefix"], key: "virtual_mac.interface", how: How::By(vmac_prefix) },
    Keyword { names: &["vmac_addr_prefix"], key: "one virtual MAC for the instance", how: How::Lost },
    Keyword { names: &["vrrp_strict"], key: "accept", how: How::By(strict) },
    Keyword {
        names: &["vrrp_owner_ignore_adverts"],
        key: "an owner that hears another tells it",
        how: How::Lost,
    },
    Keyword {
        names: &["vrrp_delay_after_boot"],
        key: "startup_delay holds at every start, and ends with the first advertisement",
        how: How::Lost,
    },
    Keyword {
        names: &["nftables_ipvs", "nftables_ipvs_priority", "nftables_ipvs_start_fwmark"],
        key: "every address is a service of its own",
        how: How::Lost,
    },
    Keyword {
        names: &["notify_fifo_script", "vrrp_notify_fifo_script", "lvs_notify_fifo_script"],
        key: "who reads the pipe is started by the system",
        how: How::Lost,
    },
    Keyword { names: &["lvs_flush"], key: "checker.flush_at_start", how: How::Flag(true) },
    Keyword {
        names: &["fifo_write_vrrp_states_on_reload"],
        key: "holdfast status --json tells them at any time",
        how: How::Lost,
    },
    Keyword { names: &["rs_init_notifies"], key: "it has not been built", how: How::Lost },
    Keyword {
        names: &["lvs_flush_on_stop", "lvs_flush_onstop"],
        key: "checker.flush_at_stop",
        how: How::By(kernel::flush_at_stop),
    },
    Keyword { names: &["lvs_timeouts"], key: "checker.timeouts", how: How::By(kernel::timeouts) },
];

/// Reads the whole file.
pub(super) fn site(items: &[Item], cx: &mut Context) -> Site {
    let mut site = Site {
        global: Table::new("[global]"),
        vrrp: Table::new("[vrrp]"),
        checker: Table::new("[checker]"),
        mail: alerts::Mail::default(),
        statics: Table::new("[vrrp.static]"),
        sync: Table::new("[vrrp.ipvs_sync]"),
        ..Site::default()
    };
    // keepalived wants some things before others; the order of the file does not matter here.
    let early = |item: &&Item| {
        ["global_defs", "virtual_server_group", "track_file", "vrrp_track_file"].contains(&item.name())
    };
    let (first, then): (Vec<&Item>, Vec<&Item>) = items.iter().partition(early);
    for item in first.into_iter().chain(then) {
        read("the file", TOP, &mut site, std::slice::from_ref(item), cx);
    }
    site.finish(cx);
    site
}

fn global_defs(site: &mut Site, item: &Item, cx: &mut Context) {
    site.global.comments.extend(item.comments.iter().cloned());
    let of_processes = |item: &&Item| resources::KEYWORDS.iter().any(|k| k.names.contains(&item.name()));
    let (processes, others): (Vec<&Item>, Vec<&Item>) = item.items().iter().partition(of_processes);
    for (keywords, items) in [(resources::KEYWORDS, processes), (GLOBAL, others)] {
        for item in items {
            read("global_defs", keywords, site, std::slice::from_ref(item), cx);
        }
    }
}

impl Site {
    fn finish(&mut self, cx: &Context) {
        alerts::finish(self);
        instance::inferior_like_master(&mut self.vrrp);
        for table in [&mut self.vrrp, &mut self.checker] {
            resources::drop_idle_limit(table);
        }
        if cx.uses_scripts && self.global.get("script_user").is_none() {
            let text = "keepalived runs scripts as root where there is no user keepalived_script: \
                        a user of their own is better";
            self.global.remarks.push(text.to_owned());
            self.global.set("script_user", "root");
        }
        for key in ["interface", "version", "advert_interval", "announce", "auth"] {
            hoist(&mut self.instances, &mut self.vrrp, key);
        }
    }

    /// The text of the new file.
    pub(super) fn render(self, from: &str) -> String {
        let mut root = self.root;
        root.comments = vec![format!("Converted from {from} by holdfast convert.")];
        root.children = [self.global, self.mail.table, self.vrrp, self.statics, self.sync, self.checker]
            .into_iter()
            .collect();
        for tables in [self.scripts, self.files, self.processes, self.instances, self.groups, self.services] {
            root.children.extend(tables);
        }
        root.render()
    }
}

/// What all say alike is said once.
pub(super) fn hoist(tables: &mut [Table], to: &mut Table, key: &str) {
    let Some(value) = tables.first().and_then(|first| first.get(key)).cloned() else { return };
    if tables.len() > 1 && to.get(key).is_none() && tables.iter().all(|table| table.get(key) == Some(&value))
    {
        to.set(key, value);
        for table in tables {
            table.take(key);
        }
    }
}

fn script_user(site: &mut Site, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(name) => site.global.set("script_user", name),
        None => misread(site, item, cx),
    }
}

fn default_interface(site: &mut Site, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(name) => cx.default_interface = Some(name.to_owned()),
        None => misread(site, item, cx),
    }
}

fn vrrp_version(site: &mut Site, item: &Item, cx: &mut Context) {
    match item.word(1).and_then(|word| word.parse().ok()) {
        Some(version) => site.vrrp_version = Some(Value::Number(version)),
        None => misread(site, item, cx),
    }
}

fn vmac_prefix(site: &mut Site, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(prefix) => site.vmac_prefix = Some(prefix.to_owned()),
        None => misread(site, item, cx),
    }
}

fn strict(site: &mut Site, item: &Item, cx: &mut Context) {
    match item.word(1).map_or(Some(true), super::values::flag) {
        Some(on) => site.strict = on,
        None => misread(site, item, cx),
    }
}

fn min_garp(site: &mut Site, _: &Item, _: &mut Context) {
    site.vrrp.set_in("announce", "repeat", 1);
    site.vrrp.set_in("announce", "delay", "0s");
}

fn v3_checksum(site: &mut Site, _: &Item, _: &mut Context) {
    site.vrrp.set("v3_checksum", "plain");
}

fn skip_check(site: &mut Site, _: &Item, _: &mut Context) {
    site.vrrp.set("address_mismatch", "ignore");
}
