use serde_json::json;

use super::*;

fn whole() -> Value {
    json!({
        "version": "0.1.0", "router_id": "lb-1",
        "watchdog": {
            "pid": 100, "uptime_s": 97_500.5,
            "config": { "path": "/etc/holdfast/holdfast.toml", "generation": 3, "loaded_at": "2026-11-21T09:00:00Z",
                        "last_reload": { "ok": false, "error": "holdfast.toml:1:1: error: x\nmore", "at": "2026-11-21T10:00:00Z" } },
            "children": [
                { "name": "vrrp", "pid": 101, "state": "up", "uptime_s": 65, "restarts": 1, "last_restart_reason": "signal 9",
                  "hello": { "sent": 10, "answered": 10, "last_rtt_us": 250 } },
                { "name": "checker", "pid": null, "state": "starting", "uptime_s": null, "restarts": 0, "last_restart_reason": null,
                  "hello": { "sent": 0, "answered": 0, "last_rtt_us": null } },
            ],
        },
        "vrrp": {
            "instances": [
                { "name": "VI_1", "interface": "eth0", "virtual_router_id": 51, "version": 2, "family": "ipv4", "state": "master",
                  "priority": 100, "effective_priority": 80, "addresses": ["192.168.152.200/32"], "master": "10.0.0.1", "since_s": 4000,
                  "why": "it took over: master left", "priority_reasons": ["-20 script chk_nginx fails"],
                  "last_transitions": [{ "ago_s": 4000, "from": "backup", "to": "master", "priority": 100, "reason": "master left" },
                                       { "ago_s": 4010, "from": "init", "to": "backup", "priority": 100, "reason": "started" }],
                  "faults": [], "advertisements": { "sent": 7, "received": 2, "rejected": { "wrong password": 2 } }, "transitions": 1,
                  "paths": [{ "path": "eth0", "lost": null, "last_heard_ms": null },
                            { "path": "eth1", "lost": "interface eth1 has no carrier", "last_heard_ms": 4000, "last_heard_from": "10.1.0.2" }] },
                { "name": "VI_2", "interface": "eth1", "virtual_router_id": 52, "version": 3, "family": "ipv4", "state": "fault",
                  "priority": 100, "effective_priority": 100, "addresses": [], "master": null, "since_s": 3,
                  "why": "interface eth1 is missing", "faults": ["interface eth1 is missing"], "advertisements": { "sent": 0, "received": 0, "rejected": {} }, "transitions": 3, "handing_over": true,
                  "incompatible_peers": [{ "peer": "10.0.0.3", "field": "advert_interval", "mine": "1s", "theirs": "2s" }] },
            ],
            "sync_groups": [{ "name": "G1", "state": "fault", "instances": ["VI_1", "VI_2"] }],
            "scripts": [{ "name": "chk_nginx", "up": false, "last_exit": 1, "runs": 9 }],
            "lateness": { "last_us": 100, "worst_us": 1_250_000, "stalls": 3, "last_stall_s": 61.5 },
            "resources_refused": ["resources: the kernel refuses nice -5: EPERM (CAP_SYS_NICE is missing)"],
            "files": [{ "name": "drain", "path": "/run/holdfast/drain", "number": -30 }],
            "ipvs_sync": { "interface": "eth1", "id": 51, "running": [], "error": "this kernel has no IPVS" },
            "objects": [
                { "kind": "route", "object": "route 10.0.0.0/8 via 10.0.0.1", "instance": "VI_1", "installed": false,
                  "error": "there is another" },
                { "kind": "rule", "object": "rule 1000: from all lookup 100", "instance": null, "installed": true, "error": null },
            ],
        },
        "checker": { "lateness": { "last_us": 100, "worst_us": 200_000, "stalls": 1, "last_stall_s": 3601 }, "ipvs": { "services": 1, "destinations": 2, "repairs": 3, "refused": ["add tcp 192.0.2.1:80: no such scheduler"], "reachable": false }, "virtual_servers": [
            { "address": "192.168.1.100:80", "protocol": "tcp", "scheduler": "wrr", "forward": "dr", "quorum": 1, "quorum_met": true,
              "sorry_active": false, "real_servers": [
                { "address": "192.168.1.11:80", "alive": true, "weight": 1, "effective_weight": 1, "active_connections": 12,
                  "inactive_connections": 40, "checks": [{ "type": "http", "up": true, "last_result": "200 OK", "last_duration_us": 3400,
                                                           "since_s": 100, "failures": 0 }] },
                { "address": "192.168.1.12:80", "alive": false, "since_s": 61, "weight": 2, "effective_weight": 0, "active_connections": null,
                  "inactive_connections": null, "checks": [
                    { "type": "tcp", "up": false, "last_result": "connection refused", "last_duration_us": 90, "since_s": 61, "failures": 4 },
                    { "type": "script", "up": null, "last_result": null, "last_duration_us": null, "since_s": null, "failures": 0 }] },
            ] },
            { "address": "fwmark 10", "addresses": ["fwmark 10"], "protocol": null, "scheduler": "rr", "forward": null, "quorum": 1,
              "quorum_met": false, "sorry_active": true, "sorry_server": "127.0.0.1:8080", "real_servers": [] },
            { "address": "192.0.2.1:80", "addresses": ["192.0.2.1:80", "192.0.2.1:443"], "protocol": "tcp", "scheduler": "rr",
              "forward": "dr", "quorum": 1, "quorum_met": true, "sorry_active": false, "sorry_server": "127.0.0.1", "real_servers": [] },
        ] },
    })
}

/// 2026-11-21 12:00:00.
fn view() -> View {
    let now = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_262_400);
    View { colour: false, wide: false, close: false, width: None, now }
}

/// Compares with a file beside this one; `UPDATE=1 cargo test` writes it anew.
#[track_caller]
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/status/golden/{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
}

/// What the command line chooses of the status, and how it is told.
fn chosen(line: &str, status: &Value) -> (Value, usize, Option<String>) {
    use clap::Parser as _;
    let words = wanted::joined(line.split(' ').map(Into::into));
    let arguments =
        Arguments::try_parse_from([vec!["holdfast".into(), "status".into()], words].concat()).unwrap();
    let crate::cli::Command::Status(wanted) = arguments.command else { panic!() };
    let selection = Selection::new(&wanted).unwrap();
    let mut status = status.clone();
    let found = selection.apply(&mut status);
    let fault = health::fault(&status, selection.named());
    (status, found, fault)
}

#[test]
fn everything_reads_at_a_glance_and_begins_with_what_is_wrong() {
    golden("text", &text::render(&whole(), None, view()));
    golden("wide", &text::render(&whole(), None, View { wide: true, ..view() }));
    let narrow = text::render(&whole(), None, View { width: Some(80), ..view() });
    golden("80-columns", &narrow);
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
}

#[test]
fn who_is_named_is_shown_with_all_there_is_to_say() {
    let (status, found, _) = chosen("vrrp VI_1", &whole());
    assert_eq!(found, 1);
    golden("instance", &text::render(&status, Some(What::Vrrp), View { close: true, ..view() }));
    let (status, _, _) = chosen("servers 192.168.1.12", &whole());
    golden("server", &text::render(&status, Some(What::Servers), View { close: true, ..view() }));
}

#[test]
fn a_thousand_services_take_a_row_each() {
    let server = |place: usize, at: usize| {
        json!({ "address": format!("10.{}.{}.{at}:80", place / 256, place % 256), "alive": (place, at) != (7, 3),
                "weight": 1, "effective_weight": 1, "since_s": 90, "active_connections": 5, "inactive_connections": 0,
                "checks": [{ "type": "tcp", "up": (place, at) != (7, 3), "last_result": "connection refused",
                             "since_s": 90, "failures": 2 }] })
    };
    let service = |place: usize| {
        let servers: Vec<Value> = (0..10).map(|at| server(place, at)).collect();
        json!({ "address": format!("192.0.{}.{}:80", place / 256, place % 256), "protocol": "tcp", "scheduler": "rr",
                "forward": "dr", "quorum": 1, "quorum_met": true, "since_s": 4000, "real_servers": servers })
    };
    let services: Vec<Value> = (0..1000).map(service).collect();
    let status = json!({ "checker": { "ipvs": { "services": 1000 }, "virtual_servers": services } });
    let text = text::render(&status, Some(What::Servers), View { width: Some(80), ..view() });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2 + 2 + 1 + 1000 + 2 + 2, "{}", lines[..20].join("\n"));
    assert_eq!(lines[2], "1000 services: 1000 with quorum, 0 without; 10000 servers: 9999 up, 1 down");
    let at = lines.iter().position(|line| line.starts_with("tcp 192.0.0.7:80 ")).unwrap();
    assert_eq!(
        lines[at].split_whitespace().collect::<Vec<_>>(),
        "tcp 192.0.0.7:80 met 9/10 1h06m 50 rr".split(' ').collect::<Vec<_>>()
    );
    assert_eq!(lines[at + 1], "  10.0.7.3:80 is DOWN for 1m30s: tcp: connection refused (2 failures, down");
    assert_eq!(lines[at + 2], "      1m30s)");
    // What is down, alone.
    let (status, found, _) = chosen("servers --down", &status);
    assert_eq!(found, 1);
    let text = text::render(&status, Some(What::Servers), view());
    assert!(text.contains("VIRTUAL SERVER tcp 192.0.0.7:80  rr dr  9 of 10 alive"), "{text}");
    assert!(!text.contains("10.0.7.4"), "{text}");
}

#[test]
fn filters_choose_by_name_address_and_state() {
    let kept = |line: &str| {
        // As it is when only a part is asked for.
        let mut whole = whole();
        match line.split(' ').next() {
            Some("vrrp") => whole["checker"] = Value::Null,
            Some("servers") => whole["vrrp"] = Value::Null,
            Some(_) | None => {}
        }
        if line.starts_with(['v', 's']) {
            whole["watchdog"] = Value::Null;
        }
        let (status, found, _) = chosen(line, &whole);
        let list = |pointer: &str, key: &str| {
            let things = status.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
            things.iter().map(|thing| thing[key].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let servers: Vec<String> = status["checker"]["virtual_servers"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|service| service["real_servers"].as_array().cloned().unwrap_or_default())
            .map(|server| server["address"].as_str().unwrap().to_owned())
            .collect();
        let all = [
            list("/vrrp/instances", "name"),
            list("/vrrp/sync_groups", "name"),
            list("/vrrp/scripts", "name"),
            list("/checker/virtual_servers", "address"),
            servers,
        ]
        .concat();
        (all.join(" "), found > 0)
    };
    for (line, wanted) in [
        ("vrrp VI_1", "VI_1"),
        ("vrrp VI_*", "VI_1 VI_2"),
        ("vrrp G1", "VI_1 VI_2 G1"),
        ("vrrp 192.168.152.200", "VI_1"),
        ("vrrp chk_nginx", "chk_nginx"),
        ("vrrp --state master", "VI_1"),
        ("vrrp --state master,fault", "VI_1 VI_2 G1"),
        ("servers 192.168.1.100:80", "192.168.1.100:80 192.168.1.11:80 192.168.1.12:80"),
        ("servers 192.168.1.12", "192.168.1.100:80 192.168.1.12:80"),
        ("servers --down", "192.168.1.100:80 fwmark?10 192.168.1.12:80"),
        ("servers --down 192.168.1.11", ""),
        ("servers nobody", ""),
        ("--down", "VI_2 G1 chk_nginx 192.168.1.100:80 fwmark?10 192.168.1.12:80"),
    ] {
        let (found, any) = kept(line);
        assert_eq!(found.replace("fwmark 10", "fwmark?10"), wanted, "{line}");
        assert_eq!(any, !wanted.is_empty(), "{line}");
    }
}

#[test]
fn a_probe_sees_faults_and_missing_quorums_and_of_the_named_every_server() {
    let mut good = whole();
    good["watchdog"]["children"][1]["state"] = "up".into();
    good["vrrp"]["instances"][1]["state"] = "backup".into();
    good["vrrp"]["sync_groups"][0]["state"] = "backup".into();
    good["checker"]["ipvs"]["reachable"] = true.into();
    good["checker"]["virtual_servers"][1]["quorum_met"] = true.into();
    let fault = |line: &str, status: &Value| chosen(line, status).2;
    assert_eq!(fault("--quiet", &good), None, "a server that is down leaves a quorum");
    assert_eq!(fault("-q servers 192.168.1.100:80", &good), None);
    assert_eq!(fault("-q servers 192.168.1.11:80", &good), None);
    assert_eq!(fault("-q servers 192.168.1.12:80", &good), Some("192.168.1.12:80 is down".to_owned()));
    assert_eq!(chosen("-q vrrp VI_1 --state backup", &good).1, 0, "nothing is found, which is a fault");
    for (pointer, value, wanted) in [
        ("/watchdog/children/0/state", "restarting", "the vrrp process is restarting"),
        ("/vrrp/instances/0/state", "fault", "VI_1 is in fault"),
        ("/vrrp/sync_groups/0/state", "fault", "G1 is in fault"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value.into();
        assert_eq!(fault("-q", &bad).as_deref(), Some(wanted));
    }
    for (pointer, wanted) in [
        ("/checker/ipvs/reachable", "the kernel's IPVS table cannot be reached"),
        ("/checker/virtual_servers/0/quorum_met", "tcp 192.168.1.100:80 has no quorum"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = false.into();
        assert_eq!(fault("-q", &bad).as_deref(), Some(wanted));
    }
}

#[test]
fn one_part_alone_shows_only_its_problems() {
    let text = text::render(&whole(), Some(What::Vrrp), view());
    assert!(text.starts_with("! the vrrp process: resources"), "{text}");
    assert!(!text.contains("checker"), "{text}");
    assert_eq!(text::render(&json!({}), Some(What::Servers), view()), "no virtual server is configured\n");
}

#[test]
fn parts_that_say_less_or_more_are_shown_all_the_same() {
    let text = text::render(
        &json!({"version": "9", "new": 1, "vrrp": {"instances": [{"name": "A", "later": []}]}}),
        None,
        view(),
    );
    assert!(text.contains("\nA "), "{text}");
    assert!(text::render(&json!(3), None, view()).contains("try --json"));
    let text =
        text::render(&json!({"vrrp": 3, "checker": {"virtual_servers": [{"address": "a"}]}}), None, view());
    assert!(
        text.contains("! the status of vrrp cannot be shown") && text.contains("VIRTUAL SERVER a"),
        "{text}"
    );
}

#[test]
fn times_are_told_by_their_two_largest_units() {
    for (seconds, expected) in
        [(0.0, "0s"), (59.9, "59s"), (60.0, "1m00s"), (3600.0, "1h00m"), (90_000.0, "1d1h"), (-1.0, "?")]
    {
        assert_eq!(text::ago(seconds), expected);
    }
    for (micros, expected) in [(7.0, "7 us"), (1500.0, "1.5 ms"), (2_500_000.0, "2.5 s")] {
        assert_eq!(text::took(micros), expected);
    }
}

#[test]
fn what_operators_have_ordered_is_told_with_who_and_until_when() {
    let order = |kind: &str, more: Value| {
        let mut order = json!({ "kind": kind, "user": "alice", "uid": 1000, "since": "2026-11-21T18:00:00Z", "reason": "" });
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order
    };
    let server = |alive: bool, overrides: Value| json!({ "address": "10.0.0.1:80", "alive": alive, "weight": 1, "overrides": overrides });
    let timed = json!({ "until": "2026-11-21T19:00:00Z", "left_s": 600, "reason": "new disk" });
    let status = json!({ "checker": { "virtual_servers": [{ "address": "a", "quorum_met": true, "real_servers": [
        server(true, json!([order("drain", timed)])),
        server(false, json!([order("drain", json!({}))])),
        server(true, json!([order("disable", json!({ "user": null })), order("weight", json!({ "weight": 7 }))])),
        server(true, json!([order("force", json!({ "user": "root", "uid": 0, "sudo_user": "alice" }))])),
    ] }] } });
    let text = text::render(&status, Some(What::Servers), view());
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("10.0.0.1") || line.contains(" by "))
        .collect();
    let states: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("10.0.0.1:80  "))
        .map(|rest| rest.split("  ").next().unwrap())
        .collect();
    assert_eq!(states, ["drained", "drained, DOWN", "disabled", "forced"], "{text}");
    let orders: Vec<&str> = lines.iter().copied().filter(|line| line.contains(" by ")).collect();
    assert_eq!(
        orders,
        [
            "drained until 2026-11-21T19:00:00Z (for 10m00s), by alice (uid 1000) at 2026-11-21T18:00:00Z: new disk",
            "drained until released, by alice (uid 1000) at 2026-11-21T18:00:00Z",
            "disabled until released, by uid 1000 at 2026-11-21T18:00:00Z",
            "weight 7 until released, by alice (uid 1000) at 2026-11-21T18:00:00Z",
            "forced to serve until released, by root (uid 0, claims sudo by alice) at 2026-11-21T18:00:00Z",
        ]
    );
}

#[test]
fn a_failover_and_maintenance_are_told() {
    let order = |kind: &str| json!({ "kind": kind, "user": "alice", "uid": 1000, "since": "S", "until": "U", "left_s": 600, "reason": "why" });
    let status = json!({ "vrrp": { "maintenance": order("maintenance"), "instances": [
        { "name": "A", "state": "backup", "overrides": [order("failover"), order("maintenance")] },
    ] } });
    let text = text::render(&status, Some(What::Vrrp), view());
    assert!(
        text.starts_with("! under maintenance until U (for 10m00s), by alice (uid 1000) at S: why\n"),
        "{text}"
    );
    let remark = "\n  handed over, and not taken back until U (for 10m00s), by alice (uid 1000) at S: why\n";
    assert!(text.contains(remark) && text.matches("maintenance").count() == 1, "{text}");
}

#[test]
fn backups_leaving_and_resting_are_told() {
    let check = |more: Value| {
        let mut check =
            json!({ "type": "https", "up": true, "last_result": "status 200", "since_s": 5, "failures": 0 });
        for (key, value) in more.as_object().into_iter().flatten() {
            check[key] = value.clone();
        }
        check
    };
    let status = json!({ "checker": { "ipvs": { "services": 1 }, "virtual_servers": [
        { "address": "192.0.2.1:443", "protocol": "tcp", "scheduler": "wrr", "forward": "nat", "quorum": 1, "quorum_met": true,
          "sorry_server": "10.0.0.9:443", "sorry_active": false, "sorry_alive": false, "suspended": true,
          "leaving": [{ "address": "10.0.0.7:443", "left_s": 297, "active_connections": 3, "inactive_connections": 1 },
                      { "address": "10.0.0.8:443", "left_s": 5, "active_connections": null, "inactive_connections": null }],
          "real_servers": [
            { "address": "10.0.0.1:443", "alive": true, "weight": 100, "effective_weight": 20, "slow_start": true,
              "checks": [check(json!({ "warning": "certificate expires in 3 days", "certificate_left_s": 260_000 }))] },
            { "address": "10.0.0.2:443", "alive": true, "weight": 1, "effective_weight": 1, "backup": true, "standby": false,
              "checks": [check(json!({ "local_errors": 2 }))] },
            { "address": "10.0.0.3:443", "alive": true, "weight": 1, "effective_weight": 0, "backup": true, "standby": true,
              "checks": [] } ] } ] } });
    golden("backups", &text::render(&status, Some(What::Servers), view()));
    golden("backups-wide", &text::render(&status, Some(What::Servers), View { wide: true, ..view() }));
}
