//! Scripts and interfaces: weights, faults, rise and fall.

use super::*;
use crate::machine::event::ScriptOutcome;

fn scripted(script: &str, lines: &str) -> String {
    format!(
        "[[vrrp.script]]\nname = \"s\"\ncommand = \"/bin/check\"\n{script}\n{}",
        instance(&format!("track_scripts = [\"s\"]\n{lines}"))
    )
}

fn finish(m: &mut Machine, outcome: ScriptOutcome) -> Vec<String> {
    m.handle(Event::ScriptFinished { script: "s".into(), outcome })
}

fn good(m: &mut Machine) -> Vec<String> {
    finish(m, ScriptOutcome::Exited(0))
}

fn bad(m: &mut Machine) -> Vec<String> {
    finish(m, ScriptOutcome::Exited(1))
}

/// Lets the script start once more.
fn next_run(m: &mut Machine) {
    while timed(&m.pass(100 * MS), &["run script"]).is_empty() {}
}

fn priority(m: &Machine) -> u8 {
    m.router.status(m.now).instances[0].effective_priority
}

#[test]
fn an_instance_waits_for_the_first_result_of_a_script_without_weight() {
    let mut m = Machine::new(&scripted("", ""));
    let lines = m.begin();
    assert_eq!(only(&lines, &["run script"]), ["run script s"]);
    assert_eq!(m.state(), StateName::Init, "not a fault, and nothing is notified");
    assert_eq!(m.router.status(m.now).instances[0].faults, ["script s has not finished yet"]);
    good(&mut m);
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn a_first_failure_is_a_fault() {
    let mut m = Machine::started(&scripted("fall = 3", ""));
    bad(&mut m);
    assert_eq!(m.state(), StateName::Fault);
    next_run(&mut m);
    good(&mut m);
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn rise_and_fall_count_results_in_a_row() {
    let mut m = Machine::started(&scripted("rise = 2\nfall = 3", ""));
    good(&mut m);
    let run = |m: &mut Machine, ok| {
        next_run(m);
        let _ = if ok { good(m) } else { bad(m) };
        m.state() == StateName::Fault
    };
    assert!(!run(&mut m, false));
    assert!(!run(&mut m, false));
    assert!(!run(&mut m, true), "the count begins anew");
    assert!(!run(&mut m, false));
    assert!(!run(&mut m, false));
    assert!(run(&mut m, false), "three in a row");
    assert!(run(&mut m, true));
    assert!(!run(&mut m, true), "two in a row");
}

#[test]
fn what_a_script_counts_as_before_its_first_end_can_be_said() {
    let mut m = Machine::started(&scripted("initial = \"up\"\nfall = 3", ""));
    assert_eq!(m.state(), StateName::Backup, "it is not waited for");
    bad(&mut m);
    assert_eq!(m.state(), StateName::Fault, "the first result of all is believed at once");
    let mut m = Machine::started(&scripted("initial = \"down\"\nrise = 3", ""));
    assert_eq!((m.state(), m.router.status(m.now).scripts[0].up), (StateName::Fault, Some(false)));
    good(&mut m);
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn a_script_runs_from_start_to_start_and_never_twice_at_once() {
    let mut m = Machine::started(&scripted("interval = \"2s\"", ""));
    assert_eq!(timed(&m.pass(10 * SECOND), &["run script"]), [], "it has not ended");
    good(&mut m);
    let lines = m.wake();
    assert_eq!(only(&lines, &["run script"]).len(), 1, "overdue");
    m.pass(SECOND / 2);
    good(&mut m);
    let lines = m.pass(2 * SECOND);
    assert_eq!(timed(&lines, &["run script"]).len(), 1);
}

#[test]
fn every_end_but_exit_0_is_a_failure() {
    for outcome in [
        ScriptOutcome::Exited(2),
        ScriptOutcome::Killed(9),
        ScriptOutcome::TimedOut,
        ScriptOutcome::NotStarted("no such file".to_owned()),
    ] {
        let mut m = Machine::started(&scripted("", ""));
        let lines = finish(&mut m, outcome.clone());
        assert_eq!(m.state(), StateName::Fault, "{outcome}");
        assert!(lines[0].contains(&format!("outcome=\"{outcome}\"")), "{lines:?}");
    }
}

#[test]
fn weights_move_the_priority() {
    for (weight, reverse, when_good, when_bad) in
        [(20, false, 120, 100), (-20, false, 100, 80), (20, true, 100, 120), (-20, true, 80, 100)]
    {
        let lines = format!("track_scripts = [{{ name = \"s\", weight = {weight}, reverse = {reverse} }}]");
        let text = scripted("", "").replace("track_scripts = [\"s\"]", &lines);
        let mut m = Machine::started(&text);
        assert_eq!(m.state(), StateName::Backup, "a weight is not waited for");
        assert_eq!(priority(&m), 100);
        good(&mut m);
        assert_eq!(priority(&m), when_good, "{weight} {reverse}");
        next_run(&mut m);
        bad(&mut m);
        assert_eq!(priority(&m), when_bad, "{weight} {reverse}");
    }
}

#[test]
fn the_priority_stays_between_1_and_254() {
    let mut m = Machine::started(&scripted("weight = -253", ""));
    bad(&mut m);
    assert_eq!(priority(&m), 1);
    let mut m = Machine::started(&scripted("weight = 253", ""));
    good(&mut m);
    assert_eq!(priority(&m), 254);
}

#[test]
fn a_master_tells_a_new_priority_at_once() {
    let mut m = Machine::started(&scripted("weight = -20", ""));
    good(&mut m);
    m.pass(10 * SECOND);
    m.pass(SECOND / 3);
    next_run_or_ended(&mut m);
    let lines = bad(&mut m);
    assert_eq!(
        effects(&lines),
        ["advert A priority=80"],
        "and keeps the addresses until a better one is heard"
    );
    assert_eq!(only(&lines, &["report priority"]), ["report priority changed instance=A from=100 to=80"]);
    assert_eq!(m.state(), StateName::Master);
    assert_eq!(effects(&m.hear("10.0.0.9", 90)), ["remove A 192.0.2.1/24@eth0"]);
}

fn next_run_or_ended(m: &mut Machine) {
    // It was started again after the first result and runs since.
    assert!(m.router.status(m.now).scripts[0].runs > 0);
}

#[test]
fn a_backup_s_timer_moves_by_the_difference_in_skew_only() {
    let mut m = Machine::started(&scripted("weight = -50\ninterval = \"1h\"", ""));
    m.pass(SECOND / 2);
    let before = m.next().unwrap();
    bad(&mut m);
    assert_eq!(m.next().unwrap(), before + SECOND * 50 / 256);
}

#[test]
fn a_tracked_interface_without_weight_is_a_fault_when_down() {
    let mut m = Machine::master(&instance("track_interfaces = [\"eth1\"]"));
    let lines = m.change("eth1", |f| f.carrier = false);
    assert_eq!(effects(&lines), ["advert A priority=0", "remove A 192.0.2.1/24@eth0"]);
    assert_eq!(m.state(), StateName::Fault);
    assert_eq!(m.router.status(m.now).instances[0].faults, ["interface eth1 has no carrier"]);
    m.change("eth1", |_| ());
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn a_missing_interface_is_a_fault_that_ends_when_it_comes() {
    let text = instance("").replace("eth0", "eth7");
    let mut m = Machine::new(&text);
    let lines = m.begin();
    assert_eq!(effects(&lines), Vec::<String>::new());
    assert_eq!(m.router.status(m.now).instances[0].faults, ["interface eth7 does not exist"]);
    m.handle(Event::LinkChanged { link: link("eth7"), facts: facts(9) });
    assert_eq!(
        m.router.status(m.now).instances[0].faults,
        ["interface eth7 has no address to send adverts from"]
    );
    m.handle(Event::AddressAppeared { link: link("eth7"), address: observed("10.7.0.2", false) });
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn a_recreated_interface_gets_a_new_listener() {
    let mut m = Machine::master(&instance(""));
    let lines = m.handle(Event::LinkVanished { link: link("eth0") });
    assert_eq!(effects(&lines), ["close eth0 ipv4", "remove A 192.0.2.1/24@eth0"], "nothing can be sent");
    let lines = m.handle(Event::LinkChanged { link: link("eth0"), facts: facts(12) });
    assert_eq!(effects(&lines), ["listen eth0 ipv4 vrids=51 multicast"]);
    m.handle(Event::AddressAppeared { link: link("eth0"), address: observed("10.0.0.2", false) });
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn a_listener_that_cannot_be_had_is_a_fault_until_it_is() {
    let mut m = Machine::started(&instance(""));
    let family = crate::machine::id::Family::Ipv4;
    let failed = |m: &mut Machine| {
        m.handle(Event::ListenerFailed { link: link("eth0"), family, error: "not permitted".to_owned() })
    };
    failed(&mut m);
    assert_eq!(m.state(), StateName::Fault);
    for _ in 0..5 {
        let lines = m.pass(SECOND);
        assert_eq!(timed(&lines, &["listen"]).len(), 1, "asked again every second");
        assert_eq!(failed(&mut m), Vec::<String>::new(), "which is no news");
    }
    m.handle(Event::ListenerOpened { link: link("eth0"), family });
    assert_eq!(m.state(), StateName::Backup);
    assert_eq!(timed(&m.pass(3 * SECOND), &["listen"]), []);
}

#[test]
fn a_source_address_that_is_missing_is_a_fault() {
    let mut m = Machine::started(&instance("source_address = \"10.0.0.77\""));
    assert_eq!(
        m.router.status(m.now).instances[0].faults,
        ["source address 10.0.0.77 is not on interface eth0"]
    );
    m.handle(Event::AddressAppeared { link: link("eth0"), address: observed("10.0.0.77", false) });
    assert_eq!(m.state(), StateName::Backup);
    assert_eq!(m.packets(4 * SECOND)[0].copies[0].source, ip("10.0.0.77"));
}

#[test]
fn an_ipv6_address_that_is_tentative_is_not_used_yet() {
    let text = instance("").replace("192.0.2.1/24", "fe80::5");
    let mut links = links();
    links[0].addresses[1].usable = false;
    let mut m = Machine::with_links(&text, links);
    m.begin();
    assert_eq!(m.state(), StateName::Fault);
    m.handle(Event::AddressAppeared { link: link("eth0"), address: observed("fe80::2", false) });
    assert_eq!(m.state(), StateName::Backup);
}

fn filed(file: &str, tracker: &str) -> String {
    format!(
        "[[vrrp.file]]\nname = \"f\"\npath = \"/run/f\"\n{file}\n{}",
        instance(&format!("track_files = [{tracker}]"))
    )
}

fn says(m: &mut Machine, number: i32) -> Vec<String> {
    m.handle(Event::FileRead { file: "f".into(), number })
}

#[test]
fn the_number_in_a_file_times_its_weight_is_added() {
    for (file, tracker, number, expected) in [
        ("", "\"f\"", 20, 120),
        ("", "\"f\"", -20, 80),
        ("weight = -3", "\"f\"", 10, 70),
        ("weight = 2", "{ name = \"f\", weight = 5 }", 4, 120),
        ("", "{ name = \"f\", reverse = true }", 20, 80),
        ("weight = 253", "\"f\"", i32::MAX, 254),
        ("weight = -253", "\"f\"", i32::MAX, 1),
        ("weight = -253", "\"f\"", i32::MIN, 254),
    ] {
        let mut m = Machine::started(&filed(file, tracker));
        assert_eq!(priority(&m), 100, "what was not read says 0");
        says(&mut m, number);
        assert_eq!(priority(&m), expected, "{file} {tracker} {number}");
        says(&mut m, 0);
        assert_eq!(priority(&m), 100);
    }
}

#[test]
fn a_number_that_takes_away_more_than_any_priority_is_a_fault() {
    let mut m = Machine::started(&filed("weight = 2", "\"f\""));
    says(&mut m, -126);
    assert_eq!((m.state(), priority(&m)), (StateName::Backup, 1));
    says(&mut m, -127);
    assert_eq!(m.state(), StateName::Fault);
    assert_eq!(m.router.status(m.now).instances[0].faults, ["file f takes away the whole priority"]);
    says(&mut m, 0);
    assert_eq!(m.state(), StateName::Backup);
    let mut m = Machine::started(&filed("", "{ name = \"f\", reverse = true }"));
    says(&mut m, 254);
    assert_eq!(m.state(), StateName::Fault);
}

#[test]
fn a_file_without_weight_is_a_fault_unless_it_says_0() {
    let mut m = Machine::started(&filed("weight = 0", "\"f\""));
    assert_eq!(m.state(), StateName::Backup);
    says(&mut m, -1);
    assert_eq!(m.state(), StateName::Fault);
    assert_eq!(m.router.status(m.now).instances[0].faults, ["file f says other than 0"]);
    assert_eq!(m.router.status(m.now).files[0].number, -1);
    says(&mut m, 0);
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn a_file_in_reverse_without_weight_is_a_fault_while_it_says_0() {
    let mut m = Machine::started(&filed("weight = 0", "{ name = \"f\", reverse = true }"));
    assert_eq!(m.state(), StateName::Fault);
    assert_eq!(m.router.status(m.now).instances[0].faults, ["file f says 0, or nothing"]);
    says(&mut m, 1);
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn a_number_that_a_reload_brings_counts_with_the_new_plan_only() {
    let mut m = Machine::started(&filed("weight = 0", "\"f\""));
    m.router.remember(Event::FileRead { file: "f".into(), number: 30 });
    m.reload(&filed("weight = 1", "\"f\""));
    assert_eq!((m.state(), priority(&m)), (StateName::Backup, 130));
}
