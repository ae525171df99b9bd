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
                  "faults": [], "advertisements": { "sent": 7, "received": 2, "rejected": { "wrong password": 2 } }, "transitions": 1,
                  "paths": [{ "path": "eth0", "lost": null, "last_heard_ms": null },
                            { "path": "eth1", "lost": "interface eth1 has no carrier", "last_heard_ms": 4000, "last_heard_from": "10.1.0.2" }] },
                { "name": "VI_2", "interface": "eth1", "virtual_router_id": 52, "version": 3, "family": "ipv4", "state": "fault",
                  "priority": 100, "effective_priority": 100, "addresses": [], "master": null, "since_s": 3,
                  "faults": ["interface eth1 is missing"], "advertisements": { "sent": 0, "received": 0, "rejected": {} }, "transitions": 3, "handing_over": true,
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
                { "address": "192.168.1.12:80", "alive": false, "weight": 2, "effective_weight": 0, "active_connections": null,
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

#[test]
fn everything_reads_at_a_glance_and_begins_with_what_is_wrong() {
    let expected = "\
! the checker process is starting
! the last reload was refused, generation 3 runs on: holdfast.toml:1:1: error: x
! the vrrp process: resources: the kernel refuses nice -5: EPERM (CAP_SYS_NICE is missing)
! the vrrp process was late 1m01s ago: the machine is overloaded, or was paused
! VI_2 is in FAULT: interface eth1 is missing
! VI_2: peer 10.0.0.3 has another advert_interval: 2s there, 1s here
! VI_1: adverts have lost the path eth1: interface eth1 has no carrier
! script chk_nginx fails: 1
! route 10.0.0.0/8 via 10.0.0.1 of VI_1 is not installed: there is another
! connections are not synchronised: this kernel has no IPVS
! the kernel's IPVS table cannot be reached
! the kernel refuses: add tcp 192.0.2.1:80: no such scheduler
! tcp 192.168.1.100:80: 1 of 2 real servers down
! fwmark 10 has no quorum: 0 of 0 real servers down, the sorry server answers

Holdfast 0.1.0 on lb-1, up 1d3h
/etc/holdfast/holdfast.toml, generation 3, loaded 2026-11-21T09:00:00Z; last reload refused 2026-11-21T10:00:00Z
PROCESS   STATE     PID  UP     RESTARTS  HELLO
watchdog  up        100  1d3h
vrrp      up        101  1m05s  1         250 us
  last restarted: signal 9
  late 3 times, last 1m01s ago, 1.2 s at worst
checker   starting              0
  late 1 times, last 1h00m ago, 200.0 ms at worst

INSTANCE  STATE   FOR    PRIORITY     INTERFACE  VRID  VER  MASTER     SENT  RECEIVED  ADDRESSES
VI_1      MASTER  1h06m  80 (of 100)  eth0       51    2    this node  7     2         192.168.152.200/32
  path eth0: nothing heard yet
  path eth1: LOST, interface eth1 has no carrier; last heard 4s ago from 10.1.0.2
  rejected 2: wrong password
VI_2      FAULT   3s     100          eth1       52    3    -          0     0
  fault: interface eth1 is missing
  handing over: the addresses stay until the successor is heard
  3 transitions since start

GROUP  STATE  INSTANCES
G1     FAULT  VI_1 VI_2

SCRIPT     STATE  LAST EXIT  RUNS
chk_nginx  DOWN   1          9

FILE   NUMBER  PATH
drain  -30     /run/holdfast/drain

ROUTE, RULE                     OF      STATE
route 10.0.0.0/8 via 10.0.0.1   VI_1    MISSING
rule 1000: from all lookup 100  static  installed

IPVS SYNC none on eth1, id 51

VIRTUAL SERVER tcp 192.168.1.100:80  wrr dr  1 of 2 alive, quorum 1 met
  REAL SERVER      STATE  WEIGHT    ACTIVE  INACTIVE  CHECKS
  192.168.1.11:80  up     1         12      40        http: 200 OK in 3.4 ms (for 1m40s)
  192.168.1.12:80  DOWN   0 (of 2)  -       -         tcp: connection refused in 90 us (4 failures, down 1m01s)
    also checked by script: not run yet

VIRTUAL SERVER fwmark 10  rr  0 of 0 alive, quorum 1 NOT MET, sorry server 127.0.0.1:8080 ACTIVE

VIRTUAL SERVER tcp 192.0.2.1:80 192.0.2.1:443  rr dr  0 of 0 alive, quorum 1 met, sorry server 127.0.0.1 waits

IPVS TABLE 1 services, 2 destinations, 3 repairs
";
    assert_eq!(text::render(&whole(), None, false), expected);
}

#[test]
fn one_part_alone_shows_only_its_problems() {
    let text = text::render(&whole(), Some(What::Vrrp), false);
    assert!(text.starts_with("! the vrrp process: resources"), "{text}");
    assert!(!text.contains("checker"), "{text}");
    assert_eq!(text::render(&json!({}), Some(What::Servers), false), "no virtual server is configured\n");
}

#[test]
fn parts_that_say_less_or_more_are_shown_all_the_same() {
    let text = text::render(
        &json!({"version": "9", "new": 1, "vrrp": {"instances": [{"name": "A", "later": []}]}}),
        None,
        false,
    );
    assert!(text.contains("\nA "), "{text}");
    assert!(text::render(&json!(3), None, false).contains("try --json"));
    let text =
        text::render(&json!({"vrrp": 3, "checker": {"virtual_servers": [{"address": "a"}]}}), None, false);
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
    let expected = "\
! tcp 192.0.2.1:443: 10.0.0.1:443: certificate expires in 3 days

VIRTUAL SERVER tcp 192.0.2.1:443  wrr nat  3 of 3 alive, quorum 1 met, sorry server 10.0.0.9:443 DOWN, not checked: its address is not on this machine
  REAL SERVER   STATE           WEIGHT            ACTIVE  INACTIVE  CHECKS
  10.0.0.1:443  up              20 (of 100, grows)  -       -         https: status 200 (for 5s)
  10.0.0.2:443  backup, SERVES  1                 -       -         https: status 200 (2 times not possible here, for 5s)
  10.0.0.3:443  backup, waits   0 (of 1)          -       -         none
  10.0.0.7:443 leaves: 4 connections left, for 4m57s at most
  10.0.0.8:443 leaves: for 5s at most

IPVS TABLE 1 services, 0 destinations, 0 repairs
";
    let squeeze = |text: &str| {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(squeeze(&text::render(&status, Some(What::Servers), false)), squeeze(expected));
}
