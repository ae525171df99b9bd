use super::*;
use crate::plan::tests::plan;

const BASE: &str = "[[virtual_server]]\naddress = \"192.0.2.1:80\"\ncheck = { type = \"tcp\" }\nreal_servers = [\"10.0.0.1\", \"10.0.0.2\"]\n";

fn lines(old: &str, new: &str) -> Vec<String> {
    let changes = changes(&plan(old), &plan(new));
    let changes = changes.iter().filter(|change| change.kind != ChangeKind::Kept);
    changes.map(|c| format!("{} {}: {}", c.kind.word(), c.object, c.detail)).collect()
}

/// Word, object and traffic of every change, those that are none among them.
fn noticed(old: &str, new: &str) -> Vec<String> {
    let changes = changes(&plan(old), &plan(new));
    changes.iter().map(|c| format!("{} {}: {}", c.kind.word(), c.object, c.traffic.word())).collect()
}

#[test]
fn the_same_text_changes_nothing() {
    assert!(lines(BASE, BASE).is_empty());
    assert!(lines(BASE, &format!("# a comment\n{BASE}")).is_empty());
}

#[test]
fn what_is_different_is_named() {
    assert_eq!(
        lines(
            BASE,
            &BASE.replace("check =", "scheduler = \"rr\"\nquorum = 2\nsorry_server = \"10.0.0.9\"\ncheck =")
        ),
        ["changed tcp 192.0.2.1:80: scheduler: wlc -> rr, quorum: 1 -> 2, sorry server changed"]
    );
    assert_eq!(
        lines(BASE, &BASE.replace("check =", "weight = 5\nforward = \"dr\"\ncheck =")),
        [
            "changed tcp 192.0.2.1:80 server 10.0.0.1:80: weight: 1 -> 5, forward: nat -> dr",
            "changed tcp 192.0.2.1:80 server 10.0.0.2:80: weight: 1 -> 5, forward: nat -> dr",
        ]
    );
    assert_eq!(
        lines(BASE, &BASE.replace("\"10.0.0.2\"", "\"10.0.0.3\"")),
        [
            "added tcp 192.0.2.1:80 server 10.0.0.3:80: weight 1",
            "removed tcp 192.0.2.1:80 server 10.0.0.2:80: ",
        ]
    );
    assert_eq!(
        lines(BASE, &BASE.replace("192.0.2.1", "192.0.2.2")),
        ["added tcp 192.0.2.2:80: 2 real servers", "removed tcp 192.0.2.1:80: 2 real servers"]
    );
    assert_eq!(
        lines(BASE, &BASE.replace("\"tcp\" }", "\"tcp\", interval = 3 }")),
        [
            "changed tcp 192.0.2.1:80 server 10.0.0.1:80: checks changed",
            "changed tcp 192.0.2.1:80 server 10.0.0.2:80: checks changed",
        ]
    );
    assert_eq!(
        lines(BASE, &format!("[checker]\nipvs = false\n{BASE}")),
        ["changed checker: ipvs: true -> false"]
    );
}

#[test]
fn what_is_kept_is_told_with_its_virtual_server_or_by_itself() {
    assert_eq!(noticed(BASE, BASE), ["kept tcp 192.0.2.1:80: untouched"]);
    let other = BASE.replace("192.0.2.1:80", "192.0.2.2:80");
    assert_eq!(
        noticed(&format!("{BASE}{other}"), &BASE.replace("\"10.0.0.2\"", "\"10.0.0.3\"")),
        [
            "added tcp 192.0.2.1:80 server 10.0.0.3:80: new",
            "removed tcp 192.0.2.1:80 server 10.0.0.2:80: all",
            "kept tcp 192.0.2.1:80 server 10.0.0.1:80: untouched",
            "removed tcp 192.0.2.2:80: all",
        ]
    );
    let turned = BASE.replace("\"10.0.0.1\", \"10.0.0.2\"", "\"10.0.0.2\", \"10.0.0.1\"");
    assert_eq!(noticed(BASE, &turned), ["kept tcp 192.0.2.1:80: untouched"], "another order is no change");
}

#[test]
fn what_the_traffic_notices_is_told_for_every_kind_of_change() {
    let server = |keys: &str| {
        let servers = "\n[[virtual_server.real_server]]\naddress = \"10.0.0.1\"\nweight = 5\n";
        format!(
            "[[virtual_server]]\naddress = \"192.0.2.1:80\"\ncheck = {{ type = \"tcp\" }}{servers}{keys}\n"
        )
    };
    let (of_server, drained) = ("tcp 192.0.2.1:80 server 10.0.0.1:80", server("drain = \"1m\""));
    for (key, traffic) in [
        ("backup = true", "new"),
        ("forward = \"tun\"", "all"),
        ("upper_threshold = 7", "new"),
        ("upper_threshold = 7\nlower_threshold = 3", "new"),
        ("inhibit_on_failure = true", "untouched"),
        ("slow_start = \"1m\"", "new"),
        ("drain = \"1m\"", "untouched"),
        ("notify_up = \"/bin/true\"", "untouched"),
        ("check = { type = \"ping\" }", "new"),
    ] {
        let told = noticed(&server(""), &server(key));
        assert_eq!(told, [format!("changed {of_server}: {traffic}")], "{key}");
    }
    let weight = noticed(&server(""), &server("").replace("weight = 5", "weight = 7"));
    assert_eq!(weight, [format!("changed {of_server}: new")]);
    let gone = noticed(&drained, &drained.replace("10.0.0.1", "10.0.0.9"));
    assert!(
        gone.contains(&format!("removed {of_server}: new")),
        "one that drains keeps connections: {gone:?}"
    );
    for (key, traffic) in [
        ("scheduler = \"rr\"", "new"),
        ("persistence = \"1m\"", "new"),
        ("quorum = 2", "new"),
        ("sorry_server = \"10.0.0.9\"", "new"),
        ("quorum_up = \"/bin/true\"", "untouched"),
        ("ha_suspend = true", "new"),
    ] {
        let told = noticed(BASE, &BASE.replace("check =", &format!("{key}\ncheck =")));
        assert_eq!(told, [format!("changed tcp 192.0.2.1:80: {traffic}")], "{key}");
    }
    let sorry = BASE.replace("check =", "sorry_server = \"10.0.0.9\"\ncheck =");
    assert_eq!(noticed(&sorry, BASE), ["changed tcp 192.0.2.1:80: all"], "it may serve");
    for (section, detail, traffic) in [
        ("[checker]\ntimeouts = { tcp = 60 }", "timeouts changed", "new"),
        ("[checker]\nflush_at_start = true", "flush_at_start changed", "untouched"),
        ("[checker]\nflush_at_stop = true", "flush_at_stop changed", "untouched"),
        ("[checker]\nnotify_fifo = \"/run/f\"", "notify_fifo changed", "untouched"),
        ("[global]\nscript_user = \"nobody\"", "script_user changed", "untouched"),
        ("[checker]\nipvs = false", "ipvs: true -> false", "all"),
    ] {
        let new = format!("{section}\n{BASE}");
        assert_eq!(lines(BASE, &new), [format!("changed checker: {detail}")]);
        assert_eq!(noticed(BASE, &new)[0], format!("changed checker: {traffic}"), "{section}");
    }
}

#[test]
fn a_change_is_told_with_what_the_traffic_notices() {
    let change = &changes(&plan(BASE), &plan(&BASE.replace("192.0.2.1", "192.0.2.2")))[1];
    assert_eq!(
        change.told().to_string(),
        r#"{"change":"removed","detail":"2 real servers","object":"tcp 192.0.2.1:80","traffic":"all"}"#
    );
}

#[test]
fn a_port_left_out_is_the_port_of_the_service() {
    assert!(
        lines(BASE, &BASE.replace("\"10.0.0.1\"", "\"10.0.0.1:80\"")).is_empty(),
        "the same server, written differently"
    );
}
