//! `/metrics`: the status as numbers.
//!
//! States are one series for each state with 0 or 1, so that a series does not end when a state changes.

use super::openmetrics::{Kind, Text};
use crate::status::model::{Checker, Instance, Vrrp, Watchdog, Whole};

const STATES: [&str; 4] = ["init", "fault", "backup", "master"];

/// The metrics of a status, under our own names and, if wanted, under those of keepalived's exporter.
pub(super) fn render(whole: &Whole, compatible: bool) -> String {
    let mut text = Text::default();
    text.family("holdfast_build", Kind::Info, "The version that runs.")
        .flag(&[("version", &whole.version)], true);
    let watchdog: Option<Watchdog> = whole.watchdog();
    let mut up = text.family("holdfast_up", Kind::Gauge, "Whether a process answers.");
    up.flag(&[("process", "watchdog")], watchdog.is_some());
    for (name, part) in [("vrrp", &whole.vrrp), ("checker", &whole.checker)] {
        let wanted = watchdog.iter().flat_map(|watchdog| &watchdog.children).any(|child| child.name == name);
        if wanted {
            up.flag(&[("process", name)], part.as_ref().is_some_and(|part| !part.is_null()));
        }
    }
    if let Some(watchdog) = &watchdog {
        self::watchdog(&mut text, watchdog);
    }
    let vrrp: Vrrp = whole.vrrp();
    routers(&mut text, &vrrp);
    scripts(&mut text, &vrrp);
    let checker: Checker = whole.checker();
    servers(&mut text, &checker);
    overrides(&mut text, &checker);
    checks(&mut text, &checker);
    if compatible {
        keepalived(&mut text, &vrrp, watchdog.is_some());
    }
    text.finish()
}

fn watchdog(text: &mut Text, watchdog: &Watchdog) {
    text.family("holdfast_uptime_seconds", Kind::Gauge, "Seconds since the daemon was started.")
        .sample(&[], watchdog.uptime_s);
    text.family(
        "holdfast_config_generation",
        Kind::Gauge,
        "Which configuration runs, counted from the start.",
    )
    .count(&[], watchdog.config.generation);
    let reloaded = watchdog.config.last_reload.as_ref().is_none_or(|reload| reload.ok);
    text.family("holdfast_config_last_reload_successful", Kind::Gauge, "Whether the last reload was taken.")
        .flag(&[], reloaded);
    let mut restarts = text.family("holdfast_watchdog_restarts", Kind::Counter, "Restarts of a process.");
    for child in &watchdog.children {
        restarts.count(&[("process", &child.name)], child.restarts);
    }
    let mut latency =
        text.family("holdfast_watchdog_hello_latency_seconds", Kind::Gauge, "How long the last hello took.");
    for child in &watchdog.children {
        if let Some(us) = child.hello.last_rtt_us {
            latency.sample(&[("process", &child.name)], us / 1e6);
        }
    }
}

/// The labels of an instance.
fn labels(instance: &Instance) -> [(&'static str, String); 4] {
    [
        ("instance", instance.name.clone()),
        ("vrid", instance.virtual_router_id.to_string()),
        ("interface", instance.interface.clone()),
        ("family", instance.family.clone()),
    ]
}

fn routers(text: &mut Text, vrrp: &Vrrp) {
    let mut family = text.family("holdfast_vrrp_state", Kind::Gauge, "1 for the state a router is in.");
    for instance in &vrrp.instances {
        let of = labels(instance);
        for state in STATES {
            let mut all = borrowed(&of);
            all.push(("state", state));
            family.flag(&all, instance.state == state);
        }
    }
    type Number = fn(&Instance) -> f64;
    let gauges: [(&'static str, &str, Number); 3] = [
        ("holdfast_vrrp_priority", "The configured priority.", |i| i.priority.into()),
        ("holdfast_vrrp_effective_priority", "The priority with the weights of its trackers.", |i| {
            i.effective_priority.into()
        }),
        ("holdfast_vrrp_incompatible_peers", "Peers with our number and other settings.", |i| {
            f64::from(u32::try_from(i.incompatible_peers.len()).unwrap_or(u32::MAX))
        }),
    ];
    for (name, help, number) in gauges {
        let mut family = text.family(name, Kind::Gauge, help);
        for instance in &vrrp.instances {
            family.sample(&borrowed(&labels(instance)), number(instance));
        }
    }
    type Count = fn(&Instance) -> u64;
    let counters: [(&'static str, &str, Count); 4] = [
        ("holdfast_vrrp_transitions", "Changes of state.", |i| i.transitions),
        ("holdfast_vrrp_adverts_sent", "Advertisements sent.", |i| i.advertisements.sent),
        ("holdfast_vrrp_adverts_received", "Advertisements taken.", |i| i.advertisements.received),
        ("holdfast_vrrp_adverts_send_failed", "Advertisements that could not be sent.", |i| {
            i.advertisements.send_failed
        }),
    ];
    for (name, help, count) in counters {
        let mut family = text.family(name, Kind::Counter, help);
        for instance in &vrrp.instances {
            family.count(&borrowed(&labels(instance)), count(instance));
        }
    }
    let mut rejected = text.family("holdfast_vrrp_rejected", Kind::Counter, "Advertisements dropped.");
    for instance in &vrrp.instances {
        let of = labels(instance);
        for (reason, count) in &instance.advertisements.rejected {
            let mut all = borrowed(&of);
            all.push(("reason", reason));
            rejected.count(&all, *count);
        }
    }
}

/// What the kernel counts since its entries were made.
fn traffic(text: &mut Text, checker: &Checker) {
    type Count = fn(&crate::status::model::Traffic) -> u64;
    let counters: [(&'static str, &'static str, &str, Count); 5] = [
        ("holdfast_vs_connections", "holdfast_rs_connections", "Connections scheduled.", |t| t.connections),
        ("holdfast_vs_packets_in", "holdfast_rs_packets_in", "Packets from clients.", |t| t.packets_in),
        ("holdfast_vs_packets_out", "holdfast_rs_packets_out", "Packets to clients.", |t| t.packets_out),
        ("holdfast_vs_bytes_in", "holdfast_rs_bytes_in", "Bytes from clients.", |t| t.bytes_in),
        ("holdfast_vs_bytes_out", "holdfast_rs_bytes_out", "Bytes to clients.", |t| t.bytes_out),
    ];
    for (of_service, of_server, help, count) in counters {
        let mut family = text.family(of_service, Kind::Counter, help);
        for service in &checker.virtual_servers {
            if let Some(traffic) = &service.traffic {
                family.count(&[("vs", &service.name()), ("protocol", &service.protocol)], count(traffic));
            }
        }
        let mut family = text.family(of_server, Kind::Counter, help);
        for service in &checker.virtual_servers {
            let vs = service.name();
            for server in &service.real_servers {
                if let Some(traffic) = &server.traffic {
                    let labels =
                        [("vs", vs.as_str()), ("protocol", &service.protocol), ("rs", &server.address)];
                    family.count(&labels, count(traffic));
                }
            }
        }
    }
}

fn borrowed<'l>(labels: &'l [(&'static str, String)]) -> Vec<(&'static str, &'l str)> {
    labels.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn scripts(text: &mut Text, vrrp: &Vrrp) {
    let mut up = text.family("holdfast_script_up", Kind::Gauge, "Whether a tracked script is good.");
    for script in &vrrp.scripts {
        up.flag(&[("script", &script.name)], script.up == Some(true));
    }
    let mut runs = text.family("holdfast_script_runs", Kind::Counter, "Finished runs of a tracked script.");
    for script in &vrrp.scripts {
        runs.count(&[("script", &script.name)], script.runs);
    }
}

fn servers(text: &mut Text, checker: &Checker) {
    let mut quorum = text.family("holdfast_vs_quorum_up", Kind::Gauge, "Whether a service has its quorum.");
    for service in &checker.virtual_servers {
        quorum.flag(&[("vs", &service.name()), ("protocol", &service.protocol)], service.quorum_met);
    }
    let mut sorry = text.family("holdfast_vs_sorry_active", Kind::Gauge, "Whether the sorry server serves.");
    for service in &checker.virtual_servers {
        sorry.flag(&[("vs", &service.name()), ("protocol", &service.protocol)], service.sorry_active);
    }
    traffic(text, checker);
    type Number = fn(&crate::status::model::RealServer) -> Option<f64>;
    let gauges: [(&'static str, &str, Number); 4] = [
        ("holdfast_rs_up", "Whether a server is alive.", |rs| Some(f64::from(u8::from(rs.alive)))),
        ("holdfast_rs_weight", "Its weight in the kernel.", |rs| Some(small(rs.effective_weight))),
        ("holdfast_rs_active_connections", "Its open connections.", |rs| {
            rs.active_connections.map(|count| small(i64::try_from(count).unwrap_or(i64::MAX)))
        }),
        ("holdfast_rs_inactive_connections", "Its connections that are closing.", |rs| {
            rs.inactive_connections.map(|count| small(i64::try_from(count).unwrap_or(i64::MAX)))
        }),
    ];
    for (name, help, number) in gauges {
        let mut family = text.family(name, Kind::Gauge, help);
        for service in &checker.virtual_servers {
            let vs = service.name();
            for server in &service.real_servers {
                if let Some(value) = number(server) {
                    let labels =
                        [("vs", vs.as_str()), ("protocol", &service.protocol), ("rs", &server.address)];
                    family.sample(&labels, value);
                }
            }
        }
    }
}

/// What operators have ordered: a series for as long as the order is in force.
fn overrides(text: &mut Text, checker: &Checker) {
    let mut family = text.family("holdfast_rs_override", Kind::Gauge, "1 for an operator's order in force.");
    for service in &checker.virtual_servers {
        let vs = service.name();
        for server in &service.real_servers {
            for order in &server.overrides {
                let labels = [
                    ("vs", vs.as_str()),
                    ("protocol", &service.protocol),
                    ("rs", &server.address),
                    ("kind", &order.kind),
                ];
                family.flag(&labels, true);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "samples are floating point numbers in this format")]
fn small(number: i64) -> f64 {
    number as f64
}

fn checks(text: &mut Text, checker: &Checker) {
    type Number = fn(&crate::status::model::Check) -> Option<f64>;
    let families: [(&'static str, Kind, &str, Number); 3] = [
        ("holdfast_check_up", Kind::Gauge, "Whether a check is passed.", |check| {
            check.up.map(|up| f64::from(u8::from(up)))
        }),
        ("holdfast_check_duration_seconds", Kind::Gauge, "How long its last attempt took.", |check| {
            check.last_duration_us.map(|us| us / 1e6)
        }),
        ("holdfast_check_failures", Kind::Counter, "Its failed attempts.", |check| {
            Some(small(i64::try_from(check.failures).unwrap_or(i64::MAX)))
        }),
    ];
    for (name, kind, help, number) in families {
        let mut family = text.family(name, kind, help);
        for service in &checker.virtual_servers {
            let vs = service.name();
            for server in &service.real_servers {
                for (place, check) in server.checks.iter().enumerate() {
                    let place = place.to_string();
                    if let Some(value) = number(check) {
                        let labels = [
                            ("vs", vs.as_str()),
                            ("protocol", &service.protocol),
                            ("rs", &server.address),
                            ("check", &check.kind),
                            ("place", &place),
                        ];
                        family.sample(&labels, value);
                    }
                }
            }
        }
    }
}

/// The names that dashboards for keepalived use, as far as they say something that exists here. The state is no
/// label: it would end every series at a fail-over.
fn keepalived(text: &mut Text, vrrp: &Vrrp, up: bool) {
    text.family("keepalived_up", Kind::Gauge, "Whether the daemon answers.").flag(&[], up);
    let mut state = text.family("keepalived_vrrp_state", Kind::Gauge, "0 init, 1 backup, 2 master, 3 fault.");
    for instance in &vrrp.instances {
        let number = match instance.state.as_str() {
            "backup" => 1.0,
            "master" => 2.0,
            "fault" => 3.0,
            _ => 0.0,
        };
        let vrid = instance.virtual_router_id.to_string();
        for address in instance.addresses.iter().filter_map(serde_json::Value::as_str) {
            let labels = [
                ("iname", instance.name.as_str()),
                ("intf", &instance.interface),
                ("vrid", &vrid),
                ("ip_address", address),
            ];
            state.sample(&labels, number);
        }
    }
    type Count = fn(&Instance) -> u64;
    let reason = |instance: &Instance, names: &[&str]| -> u64 {
        names.iter().filter_map(|name| instance.advertisements.rejected.get(*name)).sum()
    };
    let plain: [(&'static str, Count); 2] = [
        ("keepalived_advertisements_received", |i| i.advertisements.received),
        ("keepalived_advertisements_sent", |i| i.advertisements.sent),
    ];
    for (name, count) in plain {
        let mut family = text.family(name, Kind::Counter, "As keepalived's exporter has it.");
        for instance in &vrrp.instances {
            let vrid = instance.virtual_router_id.to_string();
            family.count(
                &[("iname", &instance.name), ("intf", &instance.interface), ("vrid", &vrid)],
                count(instance),
            );
        }
    }
    let rejected: [(&'static str, &[&str]); 7] = [
        ("keepalived_packet_length_errors", &["short"]),
        ("keepalived_advertisements_interval_errors", &["interval", "zero_interval"]),
        ("keepalived_ip_ttl_errors", &["ttl"]),
        ("keepalived_invalid_type_received", &["type"]),
        ("keepalived_address_list_errors", &["addresses", "no_addresses"]),
        ("keepalived_authentication_mismatch", &["auth_type"]),
        ("keepalived_authentication_failure", &["password"]),
    ];
    for (name, reasons) in rejected {
        let mut family = text.family(name, Kind::Counter, "As keepalived's exporter has it.");
        for instance in &vrrp.instances {
            let vrid = instance.virtual_router_id.to_string();
            family.count(
                &[("iname", &instance.name), ("intf", &instance.interface), ("vrid", &vrid)],
                reason(instance, reasons),
            );
        }
    }
    let mut script = text.family("keepalived_script_status", Kind::Gauge, "1 for a good script.");
    for found in &vrrp.scripts {
        script.flag(&[("name", &found.name)], found.up == Some(true));
    }
}
