//! What the command says.

use serde_json::json;

use super::servers::told;
use super::*;
use crate::cli::{Arguments, Command};
use clap::Parser as _;

#[test]
fn the_answer_tells_what_came_of_it_for_each_service() {
    let order = json!({ "kind": "drain", "uid": 0, "user": "root", "since": "S", "until": "U", "left_s": 600, "reason": "" });
    let weight = json!({ "kind": "weight", "weight": 7, "uid": 0, "user": null, "since": "S", "until": null, "left_s": null, "reason": "r" });
    let one = |more: Value| {
        let mut one = json!({
            "service": "tcp 192.0.2.1:80", "server": "10.0.0.1:80", "alive": true, "weight_before": 3, "weight": 3,
            "quorum_met_before": true, "quorum_met": true, "sorry_active": false, "overrides_before": [], "overrides": [],
        });
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    let reply = json!({ "servers": [
        one(json!({ "overrides": [order], "weight": 0, "quorum_met": false, "sorry_active": true })),
        one(json!({ "overrides": [weight], "alive": false, "quorum_met_before": false })),
        one(json!({ "overrides_before": ["drain"], "weight_before": 0 })),
        one(json!({})),
    ] });
    assert_eq!(
        told(reply),
        "10.0.0.1:80 in tcp 192.0.2.1:80: drained until U (for 10m00s), weight 3 -> 0
  tcp 192.0.2.1:80 has lost its quorum by this: the sorry server answers
10.0.0.1:80 in tcp 192.0.2.1:80: weight 7 until released, weight 3 as before; its checks fail
  tcp 192.0.2.1:80 has its quorum again
10.0.0.1:80 in tcp 192.0.2.1:80: as configured again, weight 0 -> 3
10.0.0.1:80 in tcp 192.0.2.1:80: nothing was in force
"
    );
    assert_eq!(told(json!({ "servers": [] })), "");
}

#[test]
fn the_answer_tells_who_took_over_and_that_nobody_did() {
    let instance = |name: &str, state: &str, more: Value| {
        let mut instance = json!({ "name": name, "state": state });
        instance.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value::<status::model::Instance>(instance).unwrap()
    };
    let over = instance("A", "backup", json!({ "master": "10.0.0.2" }));
    let nowhere = instance("B", "backup", json!({}));
    let kept = instance("C", "master", json!({ "master": "10.0.0.1" }));
    let late = instance("D", "master", json!({ "handing_over": true }));
    let told = routers::told;
    assert_eq!(told(&[over]), ("A: handed over to 10.0.0.2\n".to_owned(), true));
    let (text, _) = told(&[nowhere]);
    assert_eq!(text, "B: given up, and nobody was heard to take over: ITS ADDRESSES MAY BE NOWHERE\n");
    let expected = "C: nobody came forward to take over: it stays master here\nD: still handing over\n";
    assert_eq!(told(&[kept, late]), (expected.to_owned(), false));
}

#[test]
fn terms_are_read_and_what_makes_no_sense_is_a_usage_fault() {
    let line = ["holdfast", "drain", "10.0.0.1:80", "--for", "1h30m", "--reason", "new disk"];
    let Command::Drain(Server { server, terms }) = Arguments::parse_from(line).command else {
        panic!("no drain")
    };
    assert_eq!((server.as_str(), terms.lasting), ("10.0.0.1:80", Some(Duration::from_secs(5400))));
    assert_eq!(terms.reason.as_deref(), Some("new disk"));
    let faulty: [&[&str]; 13] = [
        &["drain"],
        &["drain", "a", "--for", "soon"],
        &["drain", "a", "--for", "0s"],
        &["drain", "a", "--for", "4000d"],
        &["weight", "a"],
        &["weight", "a", "-1"],
        &["weight", "a", "2147483648"],
        &["enable", "a", "--for", "1m"],
        &["failover"],
        &["maintenance"],
        &["maintenance", "perhaps"],
        &["release"],
        &["release", "--all", "a"],
    ];
    for line in faulty {
        let line: Vec<&str> = ["holdfast"].into_iter().chain(line.iter().copied()).collect();
        assert_eq!(Arguments::try_parse_from(&line).unwrap_err().exit_code(), 2, "{line:?}");
    }
    let long = "x".repeat(MAX_REASON + 1);
    Arguments::try_parse_from(["holdfast", "drain", "a", "--reason", &long]).unwrap_err();
    Arguments::try_parse_from(["holdfast", "drain", "a", "--for", "90"]).unwrap();
}
