//! The answers for a status as the daemon gives it.

use std::path::Path;

use serde_json::json;

use super::*;

fn site(status: Value) -> Site {
    let mut site = Site::new(PathBuf::from("/nowhere"), true);
    site.asked = Some(clock::now() + Duration::from_secs(3600));
    site.status = status;
    site
}

fn sample() -> Value {
    json!({
        "version": "9.9", "router_id": "lb-1",
        "watchdog": { "pid": 1, "uptime_s": 7.5, "config": { "generation": 3, "last_reload": { "ok": false, "error": "x" } },
            "children": [{ "name": "vrrp", "state": "up", "restarts": 2, "hello": { "last_rtt_us": 150 } }] },
        "vrrp": { "instances": [{ "name": "VI_1", "interface": "eth0", "virtual_router_id": 51, "family": "ipv4", "state": "master",
            "priority": 100, "effective_priority": 80, "addresses": ["192.0.2.1/24"], "transitions": 2,
            "advertisements": { "sent": 10, "received": 4, "rejected": { "ttl": 2, "interval": 1 } } }],
            "scripts": [{ "name": "chk", "up": true, "runs": 5 }] },
        "checker": { "virtual_servers": [{ "address": "192.0.2.1:80", "protocol": "tcp", "quorum_met": true,
            "real_servers": [{ "address": "192.0.2.2:80", "alive": true, "effective_weight": 1, "active_connections": 7,
                "traffic": { "connections": 9, "packets_in": 1, "packets_out": 2, "bytes_in": 3, "bytes_out": 4 },
                "checks": [{ "type": "tcp", "up": true, "last_duration_us": 500, "failures": 1 }] }] }] },
    })
}

#[test]
fn metrics_have_one_series_for_each_state() {
    let (code, kind, text) = site(sample()).get("/metrics");
    assert_eq!((code, kind), (200, openmetrics::CONTENT_TYPE));
    for line in [
        "holdfast_build_info{version=\"9.9\"} 1",
        "holdfast_vrrp_state{instance=\"VI_1\",vrid=\"51\",interface=\"eth0\",family=\"ipv4\",state=\"master\"} 1",
        "holdfast_vrrp_state{instance=\"VI_1\",vrid=\"51\",interface=\"eth0\",family=\"ipv4\",state=\"backup\"} 0",
        "holdfast_vrrp_rejected_total{instance=\"VI_1\",vrid=\"51\",interface=\"eth0\",family=\"ipv4\",reason=\"ttl\"} 2",
        "holdfast_config_last_reload_successful 0",
        "holdfast_rs_active_connections{vs=\"192.0.2.1:80\",protocol=\"tcp\",rs=\"192.0.2.2:80\"} 7",
        "holdfast_rs_connections_total{vs=\"192.0.2.1:80\",protocol=\"tcp\",rs=\"192.0.2.2:80\"} 9",
        "holdfast_rs_bytes_out_total{vs=\"192.0.2.1:80\",protocol=\"tcp\",rs=\"192.0.2.2:80\"} 4",
        "holdfast_check_duration_seconds{vs=\"192.0.2.1:80\",protocol=\"tcp\",rs=\"192.0.2.2:80\",check=\"tcp\",place=\"0\"} 0.0005",
        "holdfast_up{process=\"vrrp\"} 1",
        "keepalived_vrrp_state{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\",ip_address=\"192.0.2.1/24\"} 2",
        "keepalived_ip_ttl_errors_total{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\"} 2",
        "# EOF",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    // A family is announced once, and its samples follow.
    let mut families: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let all = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), all);
}

#[test]
fn a_daemon_that_does_not_answer_is_told() {
    let mut site = Site::new(PathBuf::from("/nowhere"), false);
    assert!(site.get("/metrics").2.contains("holdfast_up{process=\"watchdog\"} 0"));
    assert_eq!(site.get("/status.json").0, 503);
    assert_eq!(site.get("/health").0, 503);
    assert!(site.get("/").2.contains("the daemon does not answer"));
}

#[test]
fn json_csv_and_the_page() {
    let mut site = site(sample());
    let (_, kind, text) = site.get("/status.json");
    assert_eq!(kind, "application/json");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), sample());
    assert!(site.get("/stats;csv").2.contains("192.0.2.1:80,BACKEND,"));
    let page = site.get("/").2;
    assert!(page.contains("80 of 100") && page.contains("the last reload was refused: x"), "{page}");
    assert_eq!(site.get("/etc/passwd").0, 404);
}

#[test]
fn orders_in_force_are_shown_and_counted() {
    let mut status = sample();
    status["checker"]["virtual_servers"][0]["real_servers"][0]["overrides"] = json!([{ "kind": "drain", "user": "eve",
        "uid": 7, "since": "2026-11-21T09:00:00Z", "reason": "a < b", "until": null }]);
    let mut site = site(status);
    let line =
        "holdfast_rs_override{vs=\"192.0.2.1:80\",protocol=\"tcp\",rs=\"192.0.2.2:80\",kind=\"drain\"} 1";
    assert!(site.get("/metrics").2.lines().any(|have| have == line));
    let shown = "<small>drained until released, by eve (uid 7) at 2026-11-21T09:00:00Z: a &lt; b</small>";
    for path in ["/", "/body"] {
        let page = site.get(path).2;
        assert!(page.contains(shown), "{page}");
        assert!(!page.contains("<button") && !page.contains("<dialog"), "{page}");
    }
}

/// As the daemon says it of a service by a mark.
#[test]
fn a_service_without_a_protocol_is_shown_with_the_others() {
    let mut status = sample();
    let mark = json!({ "address": "fwmark 5", "protocol": null, "forward": null, "quorum_met": true,
        "real_servers": [{ "address": "192.0.2.3:0", "alive": true, "since_s": null }] });
    status["checker"]["virtual_servers"].as_array_mut().unwrap().push(mark);
    let mut site = Site { steerable: true, ..site(status) };
    let text = site.get("/metrics").2;
    for rs in [
        "vs=\"192.0.2.1:80\",protocol=\"tcp\",rs=\"192.0.2.2:80\"",
        "vs=\"fwmark 5\",protocol=\"\",rs=\"192.0.2.3:0\"",
    ] {
        assert!(text.contains(&format!("holdfast_rs_up{{{rs}}} 1")), "{text}");
    }
    assert!(site.get("/body").2.contains("data-server=\"fwmark 5/192.0.2.3:0\">drain<"));
}

#[test]
fn the_buttons_are_for_what_would_change_something() {
    let button = |order: &str| {
        format!("data-order=\"{order}\" data-server=\"tcp 192.0.2.1:80/192.0.2.2:80\">{order}</button>")
    };
    for (standing, wanted) in [
        (json!([]), &["drain"][..]),
        (json!([{ "kind": "drain" }]), &["enable"]),
        (json!([{ "kind": "disable" }]), &["drain", "enable"]),
        (json!([{ "kind": "force" }]), &["drain", "enable"]),
        (json!([{ "kind": "weight", "weight": 5 }]), &["drain", "release"]),
    ] {
        let mut status = sample();
        status["checker"]["virtual_servers"][0]["real_servers"][0]["overrides"] = standing.clone();
        let mut site = Site { steerable: true, ..site(status) };
        let page = site.get("/").2;
        assert!(page.contains("<dialog"));
        let rows = site.get("/body").2;
        assert_eq!(rows.matches("<button").count(), wanted.len(), "{standing}: {rows}");
        for order in wanted {
            assert!(rows.contains(&button(order)), "{standing}: {rows}");
        }
    }
}

/// The dashboard and the alert rules ask for what is there.
#[test]
fn the_dashboard_and_the_rules_know_our_metrics() {
    let (_, _, text) = site(sample()).get("/metrics");
    let known: Vec<&str> =
        text.lines().filter_map(|line| line.split(['{', ' ']).next()).filter(|name| *name != "#").collect();
    let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc");
    for file in ["grafana/holdfast.json", "prometheus/holdfast.rules.yml"] {
        let text = std::fs::read_to_string(etc.join(file)).unwrap();
        let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        let used: Vec<&str> = words.filter(|word| word.starts_with("holdfast_")).collect();
        assert!(used.len() > 5, "{file}");
        for name in used {
            assert!(known.contains(&name), "{file}: {name} is no metric of ours: {known:?}");
        }
        if file.ends_with(".json") {
            let _well_formed: Value = serde_json::from_str(&text).unwrap();
        }
    }
}
