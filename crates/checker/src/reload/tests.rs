use super::*;
use crate::plan::tests::plan;

const BASE: &str = "[[virtual_server]]\naddress = \"192.0.2.1:80\"\ncheck = { type = \"tcp\" }\nreal_servers = [\"10.0.0.1\", \"10.0.0.2\"]\n";

fn lines(old: &str, new: &str) -> Vec<String> {
    let changes = changes(&plan(old), &plan(new));
    changes.iter().map(|c| format!("{} {}: {}", c.kind.word(), c.object, c.detail)).collect()
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
fn a_port_left_out_is_the_port_of_the_service() {
    assert!(
        lines(BASE, &BASE.replace("\"10.0.0.1\"", "\"10.0.0.1:80\"")).is_empty(),
        "the same server, written differently"
    );
}
