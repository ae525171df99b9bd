use super::*;

fn holds(lab: &mut Lab, addresses: &[&str]) -> Vec<String> {
    let held = addresses.iter().map(|address| address.parse().unwrap()).collect();
    lab.event(Event::Holds(held))
}

const VIP: &str = "192.0.2.1";

#[test]
fn checks_run_only_while_this_machine_holds_the_address() {
    let mut lab = Lab::empty();
    assert_eq!(
        lab.load(&text("ha_suspend = true", TWO)),
        ["suspended", "reconcile tcp 192.0.2.1:80: 10.0.0.1=3 10.0.0.2=1"]
    );
    assert_eq!(lab.pool.watched().into_iter().map(|a| a.to_string()).collect::<Vec<_>>(), [VIP]);
    assert!(lab.at(5000).is_empty());
    assert!(lab.pool.status(lab.now)[0].suspended);
    assert_eq!(holds(&mut lab, &[VIP]), ["resumed"]);
    assert_eq!(lab.at(5000), ["start 10.0.0.1", "start 10.0.0.2"]);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1", "the first outcome decides");
    assert!(holds(&mut lab, &[VIP]).is_empty());
}

#[test]
fn what_was_known_stays_while_they_rest_and_counts_as_old_afterwards() {
    let text = text("ha_suspend = true", TWO).replace("retries = 0", "retries = 3, retry_delay = 1");
    let mut lab = Lab::new(&text);
    holds(&mut lab, &[VIP]);
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.passes("10.0.0.2");
    lab.at(1000);
    assert_eq!(holds(&mut lab, &[]), ["suspended", "cancel", "cancel"]);
    assert_eq!(lab.table(), "10.0.0.2=1");
    assert_eq!(lab.pool.poll_timeout(), None, "nothing to do at all");
    let mut next = lab.restarted(&text);
    assert_eq!(next.table(), "10.0.0.2=1", "a crash changes nothing");
    for lab in [&mut lab, &mut next] {
        holds(lab, &[VIP]);
        lab.at(1000);
        lab.fails("10.0.0.2");
        assert_eq!(lab.table(), "", "no retries: what was known is old");
        lab.passes("10.0.0.1");
        assert_eq!(lab.table(), "10.0.0.1=3");
    }
}

#[test]
fn what_is_old_is_so_over_a_crash_too() {
    let text = text("ha_suspend = true", TWO);
    let mut lab = Lab::new(&text);
    holds(&mut lab, &[VIP]);
    lab.at(0);
    lab.fails("10.0.0.1");
    holds(&mut lab, &[]);
    holds(&mut lab, &[VIP]);
    let mut next = lab.restarted(&text);
    assert_eq!(next.table(), "10.0.0.2=1");
    next.at(1000);
    next.passes("10.0.0.1");
    next.fails("10.0.0.2");
    assert_eq!(next.table(), "10.0.0.1=3");
}

#[test]
fn a_crash_while_the_address_is_here_makes_nothing_old() {
    let text = text("ha_suspend = true", TWO).replace("retries = 0", "retries = 3, retry_delay = 1");
    let mut lab = Lab::new(&text);
    holds(&mut lab, &[VIP]);
    lab.at(0);
    lab.passes("10.0.0.1");
    let mut next = lab.restarted(&text);
    next.at(1000);
    next.fails("10.0.0.1");
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1", "it is tried again first");
}

#[test]
fn the_first_attempts_after_the_address_has_come_are_soon() {
    let slow = text("ha_suspend = true", TWO).replace("interval = 1, warm_up = 0", "interval = 60");
    let mut lab = Lab::new(&slow);
    lab.at(10_000);
    holds(&mut lab, &[VIP]);
    assert_eq!(lab.at(11_000).len(), 2);
}

#[test]
fn a_check_that_another_service_asks_for_goes_on() {
    let other = text("", TWO).replace("192.0.2.1:80", "192.0.2.2:80");
    let mut lab = Lab::new(&format!("{}{other}", text("ha_suspend = true", TWO)));
    assert_eq!(lab.at(0), ["start 10.0.0.1", "start 10.0.0.2"]);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.2=1", "what is known counts for all");
    // When nobody else asks, it rests.
    let words = lab.load(&text("ha_suspend = true", TWO));
    assert_eq!(words, ["cancel", "reconcile tcp 192.0.2.2:80: none"]);
}

#[test]
fn groups_need_one_of_their_addresses_and_marks_name_theirs() {
    let group = text("ha_suspend = true", TWO)
        .replace("address = \"192.0.2.1:80\"", "addresses = [\"192.0.2.1-3:80\", \"[2001:db8::1]:80\"]");
    let group = group.replace("check =", "forward = \"tun\"\ncheck =");
    let mut lab = Lab::new(&group);
    assert_eq!(lab.pool.watched().len(), 4);
    assert_eq!(holds(&mut lab, &["2001:db8::1"]), ["resumed"]);
    assert!(holds(&mut lab, &["192.0.2.2"]).is_empty());
    assert_eq!(holds(&mut lab, &[]), ["suspended"]);
    let mark = text("ha_suspend = [\"192.0.2.7\"]", TWO)
        .replace("address = \"192.0.2.1:80\"", "fwmark = 4")
        .replace("type = \"tcp\"", "type = \"tcp\", port = 80");
    let mut lab = Lab::new(&mark);
    assert_eq!(holds(&mut lab, &["192.0.2.7"]), ["resumed"]);
}

#[test]
fn a_reload_suspends_and_resumes() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    let words = lab.load(&text("ha_suspend = true", TWO));
    assert_eq!(words, ["suspended", "cancel", "cancel"]);
    assert_eq!(lab.load(&text("", TWO)), ["resumed"]);
    assert_eq!(lab.at(0), ["start 10.0.0.1", "start 10.0.0.2"]);
}
