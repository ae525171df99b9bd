//! One test per rule of `docs/reload.md`.

use super::*;

fn check_state(lab: &Lab, address: &str) -> (u64, Option<Instant>) {
    let check =
        lab.pool.checks.values().find(|check| check.plan.target().ip().to_string() == address).unwrap();
    (check.attempts, check.schedule.deadline().map(|at| lab.pool.beat.instant(at)))
}

#[test]
fn a_reload_of_the_same_text_touches_nothing() {
    let text = text("", TWO);
    let mut lab = Lab::new(&text);
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.passes("10.0.0.2");
    let before = check_state(&lab, "10.0.0.1");
    assert!(lab.load(&text).is_empty());
    assert_eq!(check_state(&lab, "10.0.0.1"), before);
    assert_eq!(lab.table(), "10.0.0.2=1");
}

#[test]
fn an_unchanged_check_keeps_result_counters_and_timers() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    lab.fails("10.0.0.1");
    let before = check_state(&lab, "10.0.0.1");
    lab.load(&text("scheduler = \"rr\"\nquorum = 2", &["10.0.0.2", "10.0.0.3", "10.0.0.1 weight = 3"]));
    assert_eq!(check_state(&lab, "10.0.0.1"), before);
    assert_eq!(lab.table(), "10.0.0.2=1 10.0.0.3=1");
}

#[test]
fn retries_used_up_are_kept() {
    let with = |keys: &str| text(keys, TWO).replace("retries = 0", "retries = 2, retry_delay = 1");
    let mut lab = Lab::new(&with(""));
    lab.at(0);
    lab.passes("10.0.0.1");
    lab.at(1000);
    lab.fails("10.0.0.1");
    lab.at(2000);
    lab.fails("10.0.0.1");
    lab.load(&with("scheduler = \"rr\""));
    lab.at(3000);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1");
}

#[test]
fn a_changed_check_inherits_the_servers_verdict_until_its_own() {
    let before = text("", TWO);
    let mut lab = Lab::new(&before);
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.passes("10.0.0.2");
    let words = lab.load(&before.replace("interval = 1", "interval = 5"));
    assert!(words.is_empty(), "{words:?}");
    assert_eq!(lab.table(), "10.0.0.2=1");
    lab.at(1000);
    lab.passes("10.0.0.1");
    lab.fails("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.1=3");
}

#[test]
fn a_check_changed_while_its_attempt_runs_gives_it_up() {
    let before = text("", TWO);
    let mut lab = Lab::new(&before);
    lab.at(0);
    let words = lab.load(&before.replace("interval = 1", "interval = 5"));
    assert_eq!(words, ["cancel", "cancel"]);
}

#[test]
fn a_new_server_begins_afresh_and_a_removed_one_is_gone() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.passes("10.0.0.2");
    assert_eq!(
        lab.load(&text("", &["10.0.0.2", "10.0.0.3"])),
        ["reconcile tcp 192.0.2.1:80: 10.0.0.2=1 10.0.0.3=1"]
    );
    assert_eq!(lab.pool.checks.len(), 2);
    // Back again: nothing is remembered of it.
    lab.load(&text("", TWO));
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn a_weight_is_changed_in_place() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    lab.fails("10.0.0.2");
    let words = lab.load(&text("", &["10.0.0.1 weight = 8", "10.0.0.2 weight = 9"]));
    assert_eq!(words, ["reconcile tcp 192.0.2.1:80: 10.0.0.1=8"]);
    lab.at(1000);
    lab.passes("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.1=8 10.0.0.2=9");
}

#[test]
fn a_removed_virtual_server_goes_and_a_new_one_comes() {
    let first = text("", TWO);
    let second = first.replace("192.0.2.1:80", "192.0.2.2:80");
    let mut lab = Lab::new(&first);
    lab.at(0);
    lab.fails("10.0.0.1");
    let words = lab.load(&second);
    // The servers are new ones there; their checks are known, and so is that one of them fails.
    assert_eq!(words, ["reconcile tcp 192.0.2.2:80: 10.0.0.2=1", "reconcile tcp 192.0.2.1:80: none"]);
}

#[test]
fn a_check_that_another_virtual_server_takes_over_goes_on() {
    let first = text("", TWO);
    let both = format!("{first}{}", first.replace("192.0.2.1:80", "192.0.2.2:80"));
    let mut lab = Lab::new(&both);
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.passes("10.0.0.2");
    let before = check_state(&lab, "10.0.0.1");
    lab.load(&first);
    assert_eq!(check_state(&lab, "10.0.0.1"), before);
    assert_eq!(lab.table(), "10.0.0.2=1");
}

#[test]
fn order_means_nothing() {
    let first = text("", TWO);
    let second = text("", &["10.0.0.5"]).replace("192.0.2.1:80", "192.0.2.2:80");
    let mut lab = Lab::new(&format!("{first}{second}"));
    lab.at(0);
    lab.fails("10.0.0.1");
    let words = lab.load(&format!("{second}{}", text("", &["10.0.0.2", "10.0.0.1 weight = 3"])));
    assert!(words.is_empty(), "{words:?}");
}

#[test]
fn a_group_is_the_same_while_it_keeps_one_of_its_services() {
    let group = |addresses: &str| {
        text("", TWO).replace("address = \"192.0.2.1:80\"", &format!("addresses = [{addresses}]"))
    };
    let mut lab = Lab::new(&group("\"192.0.2.7:80\", \"192.0.2.1:80\""));
    lab.at(0);
    lab.fails("10.0.0.1");
    let words = lab.load(&group("\"192.0.2.1:80\", \"192.0.2.8:80\""));
    assert_eq!(words, ["reconcile tcp 192.0.2.8:80: 10.0.0.2=1", "reconcile tcp 192.0.2.7:80: none"]);
}

#[test]
fn a_service_may_move_to_another_virtual_server() {
    let two = |first: &str, second: &str| {
        let of = |addresses: &str, server: &str| {
            text("", &[server]).replace("address = \"192.0.2.1:80\"", &format!("addresses = [{addresses}]"))
        };
        format!("{}{}", of(first, "10.0.0.1"), of(second, "10.0.0.2"))
    };
    let mut lab = Lab::new(&two("\"192.0.2.1:80\", \"192.0.2.2:80\"", "\"192.0.2.3:80\""));
    lab.load(&two("\"192.0.2.1:80\"", "\"192.0.2.3:80\", \"192.0.2.2:80\""));
    assert_eq!(lab.destinations("tcp 192.0.2.2:80".parse().unwrap()), "10.0.0.2=1");
    assert_eq!(lab.table(), "10.0.0.1=1");
}

#[test]
fn dropping_the_failing_check_brings_the_server_back_and_says_so() {
    let mut lab = Lab::new(&text("notify_up = \"/up\"", &["10.0.0.1"]));
    lab.at(0);
    lab.fails("10.0.0.1");
    let words = lab.load(&text("notify_up = \"/up\"", &["10.0.0.1 check = []"]));
    assert_eq!(
        words,
        [
            "10.0.0.1 up: its checks were changed by a reload",
            "quorum up: weight 1 of 1 alive, quorum 1",
            "reconcile tcp 192.0.2.1:80: 10.0.0.1=1",
            "notify 10.0.0.1 up",
        ]
    );
}

#[test]
fn a_changed_quorum_counts_at_once() {
    let mut lab = Lab::new(&text("sorry_server = \"10.0.0.9\"", TWO));
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1");
    lab.load(&text("sorry_server = \"10.0.0.9\"\nquorum = 2", TWO));
    assert_eq!(lab.table(), "10.0.0.9=1");
}

#[test]
fn everything_can_go() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    assert_eq!(lab.load(""), ["cancel", "cancel", "reconcile tcp 192.0.2.1:80: none"]);
    assert_eq!(lab.pool.poll_timeout(), None);
    assert!(lab.pool.checks.is_empty() && lab.pool.servers.is_empty() && lab.pool.by_identity.is_empty());
}
