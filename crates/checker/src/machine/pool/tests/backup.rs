use super::*;

const POOL: &[&str] =
    &["10.0.0.1", "10.0.0.2", "10.0.0.3 backup = true", "10.0.0.4 backup = true", "10.0.0.5 backup = true"];

#[test]
fn backups_stay_out_until_nobody_else_is_alive_and_then_serve_in_their_order() {
    let mut lab = Lab::new(&text("", POOL));
    assert_eq!(lab.table(), "10.0.0.1=1 10.0.0.2=1");
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1");
    lab.fails("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.3=1", "as many as are needed");
    lab.fails("10.0.0.3");
    assert_eq!(lab.table(), "10.0.0.4=1");
    lab.at(1000);
    lab.passes("10.0.0.3");
    assert_eq!(lab.table(), "10.0.0.3=1", "the first in order, not the one that happens to serve");
    lab.passes("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.2=1");
}

#[test]
fn backups_fill_up_the_share_that_is_asked_for() {
    let mut lab = Lab::new(&text("backup_below = 100", POOL));
    assert_eq!(lab.table(), "10.0.0.1=1 10.0.0.2=1");
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1 10.0.0.3=1");
    lab.fails("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.3=1 10.0.0.4=1");
    let status = lab.pool.status(lab.now);
    let standby: Vec<bool> = status[0].servers.iter().map(|server| server.standby).collect();
    assert_eq!(standby, [false, false, false, false, true]);
    assert_eq!(status[0].alive_weight, 2, "those that are called count");
}

#[test]
fn backups_keep_the_quorum_and_the_sorry_server_comes_last() {
    let keys = "quorum = 2\nsorry_server = \"10.0.0.9\"";
    let mut lab = Lab::new(&text(keys, POOL));
    lab.at(0);
    let words = lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1 10.0.0.3=1");
    assert!(!words.iter().any(|word| word.contains("quorum")), "{words:?}");
    for address in ["10.0.0.2", "10.0.0.3"] {
        lab.fails(address);
    }
    assert_eq!(lab.table(), "10.0.0.4=1 10.0.0.5=1");
    let words = lab.fails("10.0.0.4");
    assert!(words.iter().any(|word| word == "quorum down: weight 1 of 2 alive, quorum 2"), "{words:?}");
    assert_eq!(lab.table(), "10.0.0.9=1");
}

#[test]
fn a_quorum_that_was_lost_is_won_back_with_the_help_of_backups() {
    let keys = "quorum = 2\nhysteresis = 1\nsorry_server = \"10.0.0.9\"";
    let pool = &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4 backup = true"];
    let mut lab = Lab::new(&text(keys, pool));
    lab.at(0);
    for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"] {
        lab.fails(address);
    }
    assert_eq!(lab.table(), "10.0.0.9=1");
    lab.at(1000);
    lab.passes("10.0.0.1");
    lab.passes("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.9=1", "2 do not win it back");
    lab.passes("10.0.0.4");
    assert_eq!(lab.table(), "10.0.0.1=1 10.0.0.2=1", "3 do; then 2 hold it, and the backup is not needed");
}

#[test]
fn a_backup_is_called_for_servers_that_are_alive_with_weight_zero() {
    let mut lab = Lab::new(&text("", &["10.0.0.1 weight = 0", "10.0.0.3 backup = true"]));
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.3=1");
    lab.load(&text("", &["10.0.0.1 weight = 1", "10.0.0.3 backup = true"]));
    assert_eq!(lab.table(), "10.0.0.1=1");
}

#[test]
fn a_reload_makes_a_backup_of_a_server_and_a_server_of_a_backup() {
    let mut lab = Lab::new(&text("", &["10.0.0.1", "10.0.0.2 backup = true"]));
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1");
    lab.load(&text("", &["10.0.0.1 backup = true", "10.0.0.2"]));
    assert_eq!(lab.table(), "10.0.0.2=1", "it keeps its verdict");
    lab.load(&text("", &["10.0.0.1", "10.0.0.2"]));
    lab.at(1000);
    lab.passes("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=1 10.0.0.2=1");
}

#[test]
fn who_is_called_outlives_a_crash() {
    let text = text("backup_below = 60", POOL);
    let mut lab = Lab::new(&text);
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.fails("10.0.0.3");
    assert_eq!(lab.table(), "10.0.0.2=1 10.0.0.4=1");
    assert_eq!(lab.restarted(&text).table(), "10.0.0.2=1 10.0.0.4=1");
}

#[test]
fn a_backup_that_does_not_serve_in_the_kernel_is_no_less_alive() {
    let text = text("", POOL);
    let mut lab = Lab::new(&text);
    lab.at(0);
    for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"] {
        lab.passes(address);
    }
    let table = lab.pool.wanted().clone();
    let mut next = lab.restarted(&text);
    next.pool.adopt(|key| Some(table.services[&key].destinations.clone()));
    next.at(1000);
    next.fails("10.0.0.1");
    next.fails("10.0.0.2");
    assert_eq!(next.table(), "10.0.0.3=1");
}

const SORRY: &str = "sorry_server = { address = \"10.0.0.9\", check = { type = \"tcp\", interval = 1, warm_up = 0, retries = 0 }, notify_down = \"/sorry\" }";

#[test]
fn a_sorry_server_that_is_down_does_not_serve() {
    let mut lab = Lab::new(&text(&format!("quorum = 2\n{SORRY}"), &["10.0.0.1", "10.0.0.2"]));
    lab.at(0);
    let words = lab.fails("10.0.0.9");
    assert_eq!(words, ["10.0.0.9 down: tcp check: connection refused", "notify 10.0.0.9 down"]);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1", "the living serve on");
    let status = lab.pool.status(lab.now);
    assert!(!status[0].quorum_met && !status[0].sorry_active);
    let sorry = status[0].sorry.as_ref().unwrap();
    assert_eq!((sorry.alive, sorry.checks.len()), (false, 1));
    lab.at(1000);
    lab.passes("10.0.0.9");
    assert_eq!(lab.table(), "10.0.0.9=1");
}

#[test]
fn a_dead_sorry_server_stays_out_over_a_crash_and_a_reload() {
    let text = text(&format!("quorum = 2\n{SORRY}"), &["10.0.0.1", "10.0.0.2"]);
    let mut lab = Lab::new(&text);
    lab.at(0);
    lab.fails("10.0.0.9");
    lab.fails("10.0.0.1");
    let table = lab.pool.wanted().clone();
    let mut next = lab.restarted(&text);
    next.pool.adopt(|key| Some(table.services[&key].destinations.clone()));
    assert_eq!(next.table(), "10.0.0.2=1");
    assert!(!next.pool.status(next.now)[0].quorum_met);
    next.load(&text.replace("scheduler", "").replace("weight", ""));
    assert_eq!(next.table(), "10.0.0.2=1");
    // Another one is a new one.
    next.load(&text.replace("10.0.0.9", "10.0.0.8"));
    assert_eq!(next.table(), "10.0.0.8=1");
}

#[test]
fn an_inhibited_sorry_server_waits_with_weight_zero() {
    let keys = "sorry_server = { address = \"10.0.0.9\", inhibit_on_failure = true }";
    let mut lab = Lab::new(&text(keys, &["10.0.0.1"]));
    assert_eq!(lab.table(), "10.0.0.1=1 10.0.0.9=0");
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.9=1");
}

#[test]
fn the_sorry_server_may_be_one_of_the_others() {
    let mut lab = Lab::new(&text("quorum = 2\nsorry_server = \"10.0.0.1\"", TWO));
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=1");
}
