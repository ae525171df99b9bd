use super::*;

const THREE: &[&str] = &["10.0.0.1", "10.0.0.2", "10.0.0.3"];

#[test]
fn a_lost_quorum_puts_the_sorry_server_in_and_the_others_out() {
    let keys = "quorum = 2\nsorry_server = \"10.0.0.9\"\nquorum_down = \"/down\"\nquorum_up = \"/up\"";
    let mut lab = Lab::new(&text(keys, THREE));
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1 10.0.0.3=1");
    let words = lab.fails("10.0.0.2");
    assert_eq!(
        words[1..],
        [
            "quorum down: weight 1 of 3 alive, quorum 2",
            "reconcile tcp 192.0.2.1:80: 10.0.0.9=1",
            "notify quorum down",
        ]
    );
    lab.at(1000);
    let words = lab.passes("10.0.0.1");
    assert_eq!(
        words[1..],
        [
            "quorum up: weight 2 of 3 alive, quorum 2",
            "reconcile tcp 192.0.2.1:80: 10.0.0.1=1 10.0.0.3=1",
            "notify quorum up",
        ]
    );
}

#[test]
fn without_a_sorry_server_the_living_serve_on() {
    let mut lab = Lab::new(&text("quorum = 3", THREE));
    lab.at(0);
    assert_eq!(lab.fails("10.0.0.1")[1], "quorum down: weight 2 of 3 alive, quorum 3");
    assert_eq!(lab.table(), "10.0.0.2=1 10.0.0.3=1");
}

#[test]
fn hysteresis_keeps_the_quorum_from_flapping() {
    let keys = "quorum = 3\nhysteresis = 1\nsorry_server = \"10.0.0.9\"";
    let mut lab = Lab::new(&text(keys, &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]));
    lab.at(0);
    for (dead, sorry) in [("10.0.0.1", false), ("10.0.0.2", false), ("10.0.0.3", false), ("10.0.0.4", true)] {
        lab.fails(dead);
        assert_eq!(lab.table() == "10.0.0.9=1", sorry, "after {dead}");
    }
    lab.at(1000);
    for (back, sorry) in [("10.0.0.1", true), ("10.0.0.2", true), ("10.0.0.3", false)] {
        lab.passes(back);
        assert_eq!(lab.table() == "10.0.0.9=1", sorry, "after {back}");
    }
}

#[test]
fn a_quorum_beyond_the_weights_is_met_when_all_are_up() {
    let mut lab = Lab::new(&text("quorum = 9\nsorry_server = \"10.0.0.9\"", &["10.0.0.1", "10.0.0.2"]));
    assert_eq!(lab.table(), "10.0.0.1=1 10.0.0.2=1");
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.9=1");
    lab.at(1000);
    lab.passes("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=1 10.0.0.2=1");
}

#[test]
fn weight_counts_and_not_heads() {
    let mut lab = Lab::new(&text("quorum = 5", &["10.0.0.1 weight = 5", "10.0.0.2 weight = 4"]));
    lab.at(0);
    assert!(!lab.fails("10.0.0.2").iter().any(|word| word.starts_with("quorum")));
    lab.at(1000);
    lab.passes("10.0.0.2");
    assert!(lab.fails("10.0.0.1").iter().any(|word| word.starts_with("quorum down")));
}

#[test]
fn with_all_weights_zero_there_is_no_quorum() {
    let lab = Lab::new(&text("sorry_server = \"10.0.0.9\"", &["10.0.0.1 weight = 0"]));
    assert_eq!(lab.table(), "10.0.0.9=1");
}

#[test]
fn inhibited_servers_stay_beside_the_sorry_server() {
    let keys = "sorry_server = \"10.0.0.9\"\ninhibit_on_failure = true";
    let mut lab = Lab::new(&text(keys, &["10.0.0.1"]));
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.9=1");
}

/// Whoever acts on a quorum (an announced route, say) has to hear of one that begins.
#[test]
fn a_quorum_at_the_start_is_told_once() {
    let commands = "quorum_down = \"/down\"\nquorum_up = \"/up\"";
    let service = |number: u8| {
        let own = text(commands, &[&format!("10.0.0.{number}")]);
        own.replace("192.0.2.1", &format!("192.0.2.{number}"))
    };
    let mut lab = Lab::empty();
    assert_eq!(lab.load(&service(1)), ["reconcile tcp 192.0.2.1:80: 10.0.0.1=1", "notify quorum up"]);
    assert!(lab.load(&service(1)).is_empty(), "a reload of the same");
    let before = lab.pool.checkpoint().unwrap();
    let both = [service(1), service(2)].concat();
    assert_eq!(lab.load(&both), ["reconcile tcp 192.0.2.2:80: 10.0.0.2=1", "notify quorum up"]);
    let after = lab.pool.checkpoint().unwrap();

    // Killed after that, and killed before: a successor says what has not been said.
    for (checkpoint, told) in [(before, &["notify quorum up"][..]), (after, &[])] {
        let mut next = Lab::empty();
        let mut out = Vec::new();
        next.pool.reconfigure(&plan(&both), next.now, &mut out);
        assert!(next.pool.restore(&checkpoint, next.now));
        let words = next.words(out);
        let notices: Vec<_> = words.iter().filter(|word| word.starts_with("notify")).collect();
        assert_eq!(notices, told);
    }

    // None yet is no news.
    let down = service(1).replace("retries = 0", "retries = 0, initial = \"down\"");
    let mut lab = Lab::empty();
    assert_eq!(lab.load(&down), ["reconcile tcp 192.0.2.1:80: "]);
    lab.at(0);
    assert_eq!(lab.passes("10.0.0.1").last().unwrap(), "notify quorum up");
}
