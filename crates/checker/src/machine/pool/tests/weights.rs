//! How checks are joined, and how a weight grows back.

use super::*;

/// One server with three checks, against 10.0.0.1, 10.9.9.1 and 10.9.9.2.
fn three(needed: &str) -> String {
    let check =
        |address: &str| format!("{{ type = \"tcp\", {address}warm_up = 0, retries = 0, interval = 1 }}");
    let checks = ["", "address = \"10.9.9.1\", ", "address = \"10.9.9.2\", "].map(check).join(", ");
    text("", &[&format!("10.0.0.1 weight = 6\n{needed}\ncheck = [{checks}]")])
}

#[test]
fn any_check_is_enough_where_that_is_said() {
    let mut lab = Lab::new(&three("checks_needed = \"any\""));
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.fails("10.9.9.1");
    assert_eq!(lab.table(), "10.0.0.1=6");
    lab.fails("10.9.9.2");
    assert_eq!(lab.table(), "");
    lab.at(1000);
    lab.passes("10.9.9.1");
    assert_eq!(lab.table(), "10.0.0.1=6");
}

#[test]
fn so_many_checks_are_enough_as_are_said() {
    let mut lab = Lab::new(&three("checks_needed = 2"));
    lab.at(0);
    lab.fails("10.9.9.1");
    assert_eq!(lab.table(), "10.0.0.1=6");
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "");
    let words = lab.load(&three("checks_needed = 1"));
    assert_eq!(words[0], "10.0.0.1 up: its checks were changed by a reload");
    assert_eq!(lab.table(), "10.0.0.1=6", "counts at once");
}

#[test]
fn a_check_that_fails_has_no_say_in_the_weight() {
    let mut lab = Lab::new(&three("checks_needed = \"any\""));
    lab.at(0);
    lab.verdict("10.0.0.1", &Verdict::Pass { words: "low".into(), weight: Some(Weight::Set(2)) });
    assert_eq!(lab.table(), "10.0.0.1=2");
    lab.at(1000);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=6");
}

const SLOW: &str = "slow_start = \"10s\"\nweight = 50";
const PAIR: &[&str] = &["10.0.0.1", "10.0.0.2"];

fn recovered() -> Lab {
    let mut lab = Lab::new(&text(SLOW, PAIR));
    assert_eq!(lab.table(), "10.0.0.1=50 10.0.0.2=50", "a start is no recovery");
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.at(1000);
    lab.passes("10.0.0.1");
    lab
}

fn tables(lab: &mut Lab, from: u64, to: u64) -> Vec<String> {
    let mut tables: Vec<String> = Vec::new();
    for ms in (from..=to).step_by(500) {
        lab.at(ms);
        if lab.now >= lab.zero && tables.last() != Some(&lab.table()) {
            tables.push(lab.table());
        }
    }
    tables
}

#[test]
fn a_weight_grows_back_in_a_few_steps_after_a_recovery() {
    let mut lab = recovered();
    let status = lab.pool.status(lab.now);
    assert!(status[0].servers[0].slow_start);
    assert_eq!(
        (status[0].alive_weight, status[0].servers[0].effective_weight),
        (100, 5),
        "the quorum counts it whole"
    );
    let seen: Vec<String> = tables(&mut lab, 1000, 12_000);
    let expected: Vec<String> =
        [5, 10, 15, 20, 25, 30, 35, 40, 45, 50].iter().map(|w| format!("10.0.0.1={w} 10.0.0.2=50")).collect();
    assert_eq!(seen, expected);
    assert!(!lab.pool.status(lab.now)[0].servers[0].slow_start);
    assert_eq!(lab.pool.alarms.len(), 0);
}

#[test]
fn a_failure_ends_it_and_the_next_recovery_begins_anew() {
    let mut lab = recovered();
    lab.at(6000);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=50");
    lab.at(7000);
    lab.passes("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=5 10.0.0.2=50");
}

#[test]
fn a_server_that_was_never_up_starts_with_its_whole_weight() {
    let down = text(SLOW, PAIR).replace("retries = 0", "retries = 0, initial = \"down\"");
    let mut lab = Lab::new(&down);
    lab.at(0);
    lab.passes("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=50");
    let mut next = lab.restarted(&down);
    next.at(1000);
    next.passes("10.0.0.2");
    assert_eq!(next.table(), "10.0.0.1=50 10.0.0.2=50", "that is known over a crash");
    next.fails("10.0.0.1");
    let mut next = next.restarted(&down);
    next.at(2000);
    next.passes("10.0.0.1");
    assert_eq!(next.table(), "10.0.0.1=5 10.0.0.2=50");
}

#[test]
fn a_crash_does_not_begin_it_anew() {
    let mut lab = recovered();
    lab.at(6000);
    assert_eq!(lab.table(), "10.0.0.1=25 10.0.0.2=50");
    let mut next = lab.restarted(&text(SLOW, PAIR));
    assert_eq!(next.table(), "10.0.0.1=25 10.0.0.2=50");
    next.at(11_000);
    assert_eq!(next.table(), "10.0.0.1=50 10.0.0.2=50");
}

#[test]
fn a_reload_changes_its_length_and_its_weight_and_ends_it() {
    let mut lab = recovered();
    lab.at(3000);
    assert_eq!(lab.table(), "10.0.0.1=10 10.0.0.2=50");
    lab.load(&text("slow_start = \"4s\"\nweight = 100", PAIR));
    assert_eq!(lab.table(), "10.0.0.1=50 10.0.0.2=100");
    lab.at(5000);
    assert_eq!(lab.table(), "10.0.0.1=100 10.0.0.2=100");
    let mut lab = recovered();
    lab.load(&text("weight = 50", PAIR));
    assert_eq!(lab.table(), "10.0.0.1=50 10.0.0.2=50");
}

#[test]
fn a_dynamic_weight_grows_back_too() {
    let mut lab = recovered();
    lab.at(6000);
    lab.verdict("10.0.0.1", &Verdict::Pass { words: "said so".into(), weight: Some(Weight::Set(20)) });
    assert_eq!(lab.table(), "10.0.0.1=10 10.0.0.2=50");
}
