use super::*;

fn busy(lab: &mut Lab, addresses: &[&str]) -> Vec<String> {
    let service = *lab.pool.virtual_servers.keys().next().unwrap();
    let key = |address: &&str| DestinationKey { address: address.parse().unwrap(), port: 80 };
    lab.event(Event::Counted { service, busy: addresses.iter().map(key).collect() })
}

const DRAIN: &str = "drain = \"1m\"";

#[test]
fn a_server_that_a_reload_removes_keeps_its_connections_until_it_has_none() {
    let mut lab = Lab::new(&text(DRAIN, TWO));
    lab.at(0);
    lab.passes("10.0.0.1");
    lab.passes("10.0.0.2");
    let words = lab.load(&text(DRAIN, &["10.0.0.2"]));
    assert_eq!(words, ["leaving 10.0.0.1: begun", "reconcile tcp 192.0.2.1:80: 10.0.0.1=0 10.0.0.2=1"]);
    assert_eq!(lab.pool.checks(), 1, "it is not checked any more");
    let left: Vec<Duration> =
        lab.pool.status(lab.now)[0].leaving.iter().map(|leaving| leaving.left).collect();
    assert_eq!(left, [Duration::from_secs(60)]);
    assert_eq!(lab.at(1000), ["start 10.0.0.2", "count"]);
    assert!(busy(&mut lab, &["10.0.0.1", "10.0.0.2"]).is_empty());
    assert!(lab.at(2000).contains(&"count".to_owned()));
    let words = busy(&mut lab, &["10.0.0.2"]);
    assert_eq!(words, ["leaving 10.0.0.1: empty", "reconcile tcp 192.0.2.1:80: 10.0.0.2=1"]);
    assert!(!lab.at(3000).contains(&"count".to_owned()), "nobody is left to count for");
}

#[test]
fn a_server_that_keeps_its_connections_goes_when_its_time_is_over() {
    let mut lab = Lab::new(&text("", &["10.0.0.1 drain = \"2s\"", "10.0.0.2"]));
    lab.load(&text("", &["10.0.0.2"]));
    lab.at(1999);
    busy(&mut lab, &["10.0.0.1"]);
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
    let words = lab.at(2000);
    assert!(words.contains(&"leaving 10.0.0.1: late".to_owned()), "{words:?}");
    assert_eq!(lab.table(), "10.0.0.2=1");
}

#[test]
fn without_drain_it_goes_at_once() {
    let mut lab = Lab::new(&text("", TWO));
    assert_eq!(lab.load(&text("", &["10.0.0.2"])), ["reconcile tcp 192.0.2.1:80: 10.0.0.2=1"]);
}

#[test]
fn a_dead_server_goes_at_once_but_for_one_that_stayed_with_weight_zero() {
    let mut lab = Lab::new(&text(DRAIN, TWO));
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.load(&text(DRAIN, &["10.0.0.2"]));
    assert_eq!(lab.table(), "10.0.0.2=1");
    let inhibit = format!("{DRAIN}\ninhibit_on_failure = true");
    let mut lab = Lab::new(&text(&inhibit, TWO));
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
    assert_eq!(lab.load(&text(&inhibit, &["10.0.0.2"])), ["leaving 10.0.0.1: begun"]);
    lab.at(1000);
    busy(&mut lab, &[]);
    assert_eq!(lab.table(), "10.0.0.2=1");
}

#[test]
fn a_server_that_comes_back_while_it_leaves_is_a_new_one_and_its_entry_is_edited() {
    let mut lab = Lab::new(&text(DRAIN, TWO));
    lab.load(&text(DRAIN, &["10.0.0.2"]));
    let words = lab.load(&text(DRAIN, TWO));
    assert_eq!(words, ["leaving 10.0.0.1: over", "reconcile tcp 192.0.2.1:80: 10.0.0.1=3 10.0.0.2=1"]);
    lab.at(60_000);
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1", "the end of its time means nothing any more");
}

#[test]
fn one_that_comes_back_but_is_not_up_yet_goes_on_leaving() {
    let mut lab = Lab::new(&text(DRAIN, TWO));
    lab.load(&text(DRAIN, &["10.0.0.2"]));
    let down = text(DRAIN, TWO).replace("retries = 0", "retries = 0, initial = \"down\"");
    lab.load(&down);
    lab.at(0);
    lab.passes("10.0.0.1");
    lab.passes("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn a_sorry_server_and_a_backup_that_step_down_keep_their_connections_too() {
    let keys = format!("{DRAIN}\nsorry_server = \"10.0.0.9\"");
    let servers = &["10.0.0.1", "10.0.0.2 backup = true"];
    let mut lab = Lab::new(&text(&keys, servers));
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1", "the dead one is gone at once");
    lab.fails("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.9=1");
    lab.at(1000);
    lab.passes("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.2=1 10.0.0.9=0");
    lab.passes("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=1 10.0.0.2=0 10.0.0.9=0");
    let words = lab.at(2000);
    assert_eq!(words.iter().filter(|word| *word == "count").count(), 1, "{words:?}");
    lab.fails("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.1=1 10.0.0.9=0", "one that fails meanwhile has nothing to keep");
    busy(&mut lab, &[]);
    assert_eq!(lab.table(), "10.0.0.1=1");
}

#[test]
fn servers_that_make_way_for_the_sorry_server_keep_their_connections() {
    let keys = format!("{DRAIN}\nquorum = 2\nsorry_server = \"10.0.0.9\"");
    let mut lab = Lab::new(&text(&keys, &["10.0.0.1", "10.0.0.2"]));
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=0 10.0.0.9=1");
}

#[test]
fn who_leaves_does_so_over_a_crash() {
    let after = text(DRAIN, &["10.0.0.2"]);
    let mut lab = Lab::new(&text(DRAIN, TWO));
    lab.load(&after);
    lab.at(30_000);
    let table = lab.pool.wanted().clone();
    let mut next = lab.restarted(&after);
    next.pool.adopt(|key| Some(table.services[&key].destinations.clone()));
    next.pool.settle(next.now, &mut Vec::new());
    assert_eq!(next.table(), "10.0.0.1=0 10.0.0.2=1");
    let left: Vec<Duration> =
        next.pool.status(next.now)[0].leaving.iter().map(|leaving| leaving.left).collect();
    assert_eq!(left, [Duration::from_secs(30)]);
    next.at(60_000);
    assert_eq!(next.table(), "10.0.0.2=1");
}

#[test]
fn a_virtual_server_that_goes_takes_those_that_leave_it_along() {
    let mut lab = Lab::new(&text(DRAIN, TWO));
    lab.load(&text(DRAIN, &["10.0.0.2"]));
    lab.load("");
    assert_eq!(lab.table(), "none");
    assert!(!lab.at(1000).contains(&"count".to_owned()));
    assert_eq!(lab.pool.poll_timeout(), None);
}

const TOLD: &str = "notify_on_stop = true\nnotify_down = \"/down\"\nquorum_down = \"/quorum\"";

#[test]
fn a_removal_and_a_stop_are_told_where_that_is_wanted() {
    let mut lab = Lab::new(&text(TOLD, TWO));
    lab.at(0);
    lab.passes("10.0.0.1");
    let words = lab.load(&text(TOLD, &["10.0.0.2"]));
    assert_eq!(words, ["reconcile tcp 192.0.2.1:80: 10.0.0.2=1", "notify 10.0.0.1 down"]);
    let mut out = Vec::new();
    lab.pool.farewell(&mut out);
    let words: Vec<String> = out.iter().map(|action| lab.word(action)).collect();
    assert_eq!(words, ["notify 10.0.0.2 down", "notify quorum down"]);
    let mut out = Vec::new();
    lab.pool.reconfigure(&plan(""), lab.now, &mut out);
    lab.pool.settle(lab.now, &mut out);
    let told: Vec<_> = out
        .iter()
        .filter_map(
            |action| if let Action::Notify(subject, turn) = action { Some((*subject, *turn)) } else { None },
        )
        .collect();
    assert_eq!(told.len(), 2, "{out:?}");
    for (subject, turn) in told {
        assert!(lab.pool.names(subject).is_some() && lab.pool.notify_command(subject, turn).is_some());
    }
}

#[test]
fn what_was_down_before_it_goes_is_not_told_again() {
    let mut lab = Lab::new(&text(TOLD, &["10.0.0.1"]));
    lab.at(0);
    lab.fails("10.0.0.1");
    let mut out = Vec::new();
    lab.pool.farewell(&mut out);
    assert_eq!(out, []);
    assert_eq!(lab.load(""), ["reconcile tcp 192.0.2.1:80: none"]);
    let mut quiet = Lab::new(&text("notify_down = \"/down\"", &["10.0.0.1"]));
    quiet.pool.farewell(&mut out);
    assert_eq!(out, [], "only where it is wanted");
    assert_eq!(quiet.load(""), ["reconcile tcp 192.0.2.1:80: none"]);
}
