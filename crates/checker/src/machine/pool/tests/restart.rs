use super::*;

fn restarted(text: &str, checkpoint: &[u8]) -> Lab {
    let mut lab = Lab::empty();
    let mut out = Vec::new();
    lab.pool.reconfigure(&plan(text), lab.now, &mut out);
    assert!(lab.pool.restore(checkpoint, lab.now));
    lab.words(out);
    lab
}

#[test]
fn a_restart_puts_no_dead_server_back_and_takes_no_living_one_out() {
    let text = text("", TWO);
    let mut lab = Lab::new(&text);
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.passes("10.0.0.2");
    let mut next = restarted(&text, &lab.pool.checkpoint().unwrap());
    assert_eq!(next.table(), "10.0.0.2=1");
    next.at(0);
    assert!(next.fails("10.0.0.1").is_empty(), "nothing new");
    next.at(1000);
    next.passes("10.0.0.1");
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn after_a_restart_failures_are_retried_as_before() {
    let text = text("", TWO).replace("retries = 0", "retries = 1");
    let mut lab = Lab::new(&text);
    lab.at(0);
    lab.passes("10.0.0.1");
    let mut next = restarted(&text, &lab.pool.checkpoint().unwrap());
    next.at(0);
    assert_eq!(next.fails("10.0.0.1"), ["failed 10.0.0.1: connection refused"]);
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn the_quorum_is_kept_within_its_hysteresis() {
    let servers = &["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    let text = text("quorum = 2\nhysteresis = 1\nsorry_server = \"10.0.0.9\"", servers);
    let mut lab = Lab::new(&text);
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.fails("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.3=1");
    let next = restarted(&text, &lab.pool.checkpoint().unwrap());
    assert_eq!(next.table(), "10.0.0.3=1", "weight 1 keeps a quorum of 2 with hysteresis 1");
    lab.fails("10.0.0.3");
    lab.at(1000);
    lab.passes("10.0.0.1");
    lab.passes("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.9=1");
    let next = restarted(&text, &lab.pool.checkpoint().unwrap());
    assert_eq!(next.table(), "10.0.0.9=1", "weight 2 does not win it back");
}

#[test]
fn dynamic_weights_are_kept() {
    let text = text("", TWO);
    let mut lab = Lab::new(&text);
    lab.at(0);
    lab.verdict("10.0.0.1", &Verdict::Pass { words: "said so".into(), weight: Some(Weight::Set(7)) });
    assert_eq!(restarted(&text, &lab.pool.checkpoint().unwrap()).table(), "10.0.0.1=7 10.0.0.2=1");
}

#[test]
fn a_changed_check_inherits_over_a_restart_too() {
    let before = text("", TWO);
    let mut lab = Lab::new(&before);
    lab.at(0);
    lab.fails("10.0.0.1");
    let after = before.replace("interval = 1", "interval = 2");
    let mut next = restarted(&after, &lab.pool.checkpoint().unwrap());
    assert_eq!(next.table(), "10.0.0.2=1");
    next.at(0);
    next.passes("10.0.0.1");
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn a_checkpoint_is_taken_only_when_something_changed() {
    let mut lab = Lab::new(&text("", TWO));
    assert!(lab.pool.checkpoint().is_some());
    assert!(lab.pool.checkpoint().is_none());
    lab.at(0);
    lab.passes("10.0.0.1");
    assert!(lab.pool.checkpoint().is_some(), "the first verdict");
    lab.at(1000);
    lab.passes("10.0.0.1");
    assert!(lab.pool.checkpoint().is_none(), "the same verdict");
    lab.at(2000);
    lab.fails("10.0.0.1");
    assert!(lab.pool.checkpoint().is_some());
}

/// Killed between the kernel's table and the checkpoint.
#[test]
fn the_kernels_table_is_the_last_word() {
    let text = text("", TWO);
    let mut lab = Lab::new(&text);
    lab.at(0);
    lab.passes("10.0.0.1");
    lab.passes("10.0.0.2");
    let stale = lab.pool.checkpoint().unwrap();
    lab.at(1000);
    lab.fails("10.0.0.1");
    let mut next = Lab::empty();
    let mut out = Vec::new();
    next.pool.reconfigure(&plan(&text), next.now, &mut out);
    assert!(next.pool.restore(&stale, next.now));
    next.pool.adopt(|key| Some(lab.pool.wanted().services[&key].destinations.clone()));
    next.words(out);
    assert_eq!(next.table(), "10.0.0.2=1");
    next.at(0);
    next.passes("10.0.0.1");
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1");
}

/// A successor of `lab` with another text, killed before the kernel heard of that.
fn adopted(lab: &mut Lab, text: &str) -> Lab {
    let mut next = Lab::empty();
    let mut out = Vec::new();
    next.pool.reconfigure(&plan(text), next.now, &mut out);
    assert!(next.pool.restore(&lab.pool.checkpoint().unwrap(), next.now));
    next.pool.adopt(|key| Some(lab.pool.wanted().services.get(&key)?.destinations.clone()));
    next.words(out);
    next
}

/// Killed between a reload that gives another service a server and the kernel's table: the check is shared.
#[test]
fn a_server_that_is_new_to_one_service_leaves_no_other() {
    let second = |servers: &[&str]| text("", servers).replace("192.0.2.1", "192.0.2.2");
    let other = "tcp 192.0.2.2:80".parse().unwrap();
    let after = [text("", TWO), second(&["10.0.0.1", "10.0.0.2"])].concat();
    for passes in [true, false] {
        let mut lab = Lab::new(&[text("", TWO), second(&["10.0.0.1"])].concat());
        lab.at(0);
        lab.passes("10.0.0.1");
        lab.passes("10.0.0.2");
        let mut next = adopted(&mut lab, &after);
        let both = |lab: &Lab| (lab.table(), lab.destinations(other));
        let (first, second) = both(&next);
        assert_eq!((&*first, &*second), ("10.0.0.1=3 10.0.0.2=1", "10.0.0.1=1"));
        next.at(0);
        next.passes("10.0.0.1");
        let expected = if passes {
            next.passes("10.0.0.2");
            ("10.0.0.1=3 10.0.0.2=1", "10.0.0.1=1 10.0.0.2=1")
        } else {
            next.fails("10.0.0.2");
            ("10.0.0.1=3", "10.0.0.1=1")
        };
        let (first, second) = both(&next);
        assert_eq!((&*first, &*second), expected);
    }
}

/// The same for a server that is new altogether: its first outcome decides at once, as always.
#[test]
fn a_server_the_kernel_has_not_heard_of_serves_after_its_first_pass() {
    let before = text("", TWO);
    let after = text("", &["10.0.0.1 weight = 3", "10.0.0.2", "10.0.0.3"]);
    let mut lab = Lab::new(&before);
    lab.at(0);
    lab.passes("10.0.0.1");
    lab.passes("10.0.0.2");
    let mut next = adopted(&mut lab, &after);
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1");
    next.at(0);
    next.passes("10.0.0.3");
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1 10.0.0.3=1");
}

/// Killed between a server's return to the kernel's table and the checkpoint, with other checks since.
#[test]
fn a_server_in_the_kernel_serves_whatever_was_held_of_it() {
    let before = text("", TWO);
    let mut lab = Lab::new(&before);
    lab.at(0);
    lab.fails("10.0.0.1");
    let stale = lab.pool.checkpoint().unwrap();
    lab.at(1000);
    lab.passes("10.0.0.1");
    let mut next = Lab::empty();
    let mut out = Vec::new();
    next.pool.reconfigure(&plan(&before.replace("interval = 1", "interval = 2")), next.now, &mut out);
    assert!(next.pool.restore(&stale, next.now));
    next.pool.adopt(|key| Some(lab.pool.wanted().services[&key].destinations.clone()));
    next.words(out);
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn a_sorry_server_in_the_kernel_is_no_verdict_on_the_others() {
    let text = text("quorum = 4\nsorry_server = \"10.0.0.9\"", TWO);
    let mut lab = Lab::new(&text);
    lab.at(0);
    lab.fails("10.0.0.2");
    let mut next = Lab::empty();
    let mut out = Vec::new();
    next.pool.reconfigure(&plan(&text), next.now, &mut out);
    assert!(next.pool.restore(&lab.pool.checkpoint().unwrap(), next.now));
    next.pool.adopt(|key| Some(lab.pool.wanted().services[&key].destinations.clone()));
    next.words(out);
    assert_eq!(next.table(), "10.0.0.9=1");
    next.at(0);
    next.passes("10.0.0.2");
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn foreign_bytes_are_no_checkpoint() {
    let mut lab = Lab::new(&text("", TWO));
    assert!(!lab.pool.restore(b"", lab.now));
    assert!(!lab.pool.restore(b"nonsense", lab.now));
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
}
