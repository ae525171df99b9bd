//! The status says why, and what came before.

use super::restart::restart;
use super::*;
use crate::machine::event::ScriptOutcome;
use crate::status::InstanceStatus;

fn told(m: &Machine) -> InstanceStatus {
    m.router.status(m.now).instances.into_iter().next().unwrap()
}

fn why(m: &Machine) -> String {
    told(m).why
}

/// The last changes, the oldest first.
fn past(m: &Machine) -> Vec<String> {
    let changes = told(m).last_transitions.into_iter().rev();
    changes.map(|c| format!("{}>{} {} {}: {}", c.from, c.to, c.priority, c.ago_s, c.reason)).collect()
}

#[test]
fn a_backup_says_whom_it_waits_for_and_how_long() {
    let mut m = Machine::started(&instance(""));
    assert!(why(&m).starts_with("no master is heard: takes over in "), "{}", why(&m));
    m.hear("10.0.0.9", 200);
    assert_eq!(why(&m), "10.0.0.9 is master with priority 200, above 100 here");
    m.hear("10.0.0.9", 100);
    assert_eq!(why(&m), "10.0.0.9 is master with the same priority, 100: who is master stays it");
    m.hear("10.0.0.9", 50);
    assert!(
        why(&m).starts_with("10.0.0.9 is master with priority 50, below 100 here: takes over in "),
        "{}",
        why(&m)
    );
    m.hear("10.0.0.9", 0);
    assert!(why(&m).starts_with("the master has left: takes over in 0."), "{}", why(&m));
    m.pass(SECOND);
    assert_eq!(why(&m), "it took over: master left");
}

#[test]
fn what_keeps_a_better_backup_from_taking_over_is_named() {
    let mut m = Machine::started(&instance("preempt = false"));
    m.hear("10.0.0.9", 50);
    assert_eq!(
        why(&m),
        "10.0.0.9 is master with priority 50, below 100 here, and is let be (preempt = false)"
    );
    let mut m = Machine::started(&instance("preempt_delay = \"20s\""));
    m.hear("10.0.0.9", 50);
    m.now += SECOND;
    assert_eq!(
        why(&m),
        "10.0.0.9 is master with priority 50, below 100 here, and is let be for 19.0 s more (preempt_delay)"
    );
    let m = Machine::started(&instance("startup_delay = \"20s\""));
    assert!(why(&m).ends_with(" (startup_delay)"), "{}", why(&m));
}

#[test]
fn a_member_that_waits_for_its_group_names_the_others() {
    let text = "[vrrp]\ninterface = \"eth0\"\n\
        [[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1\"]\n\
        [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2\"]\n\
        [[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\"]\n";
    let mut m = Machine::started(text);
    for _ in 0..6 {
        m.hear_from(1, "10.0.0.9", 200, SECOND);
        m.pass(SECOND);
    }
    assert_eq!(why(&m), "no master is heard, but sync group G waits for B");
}

#[test]
fn a_fault_tells_its_causes_and_the_way_there_is_kept_and_bounded() {
    let mut m = Machine::master(&instance(""));
    assert_eq!(why(&m), "it took over: no advert heard");
    let mut down = links();
    down[0].facts.up = false;
    for _ in 0..5 {
        m.handle(Event::LinksObserved(down.clone()));
        assert_eq!(why(&m), "interface eth0 is down");
        m.handle(Event::LinksObserved(links()));
    }
    m.pass(SECOND);
    let past = past(&m);
    assert_eq!(past.len(), 8, "{past:?}");
    assert_eq!(
        past[6..],
        ["backup>fault 100 1: interface eth0 is down", "fault>backup 100 1: fault gone"],
        "{past:?}"
    );
}

#[test]
fn a_successor_knows_the_way_of_its_predecessor() {
    let text = instance("");
    let m = Machine::master(&text);
    let (n, _) = restart(&m, &text, SECOND, &["192.0.2.1"], &[]);
    let known = past(&n);
    assert_eq!(known[..2].len(), 2);
    assert!(known[0].starts_with("init>backup 100 11: started"), "{known:?}");
    assert!(known[1].starts_with("backup>master 100 "), "{known:?}");
    assert_eq!(known[2..], ["init>master 100 0: restored from checkpoint"]);
    assert_eq!(why(&n), "it took over: no advert heard", "the restart is not the reason");
}

#[test]
fn the_way_of_one_in_fault_outlives_a_kill_too() {
    let text = instance("");
    let mut m = Machine::master(&text);
    let mut down = links();
    down[0].facts.up = false;
    m.handle(Event::LinksObserved(down));
    let (n, _) = restart(&m, &text, SECOND, &[], &[]);
    assert!(past(&n).iter().any(|line| line.contains("master>fault 100 1: interface eth0 is down")));
}

#[test]
fn changes_that_another_program_wrote_are_left_out() {
    let mut m = Machine::new(&instance(""));
    let foreign = br#"{"format":1,"scripts":[],"instances":[],"pasts":[
        {"link":"eth0","ipv6":false,"vrid":51,"changes":[
            [1000,"init","flying",100,"x"], [18446744073709551615,"init","backup",100,"started"]]},
        {"link":"eth9","ipv6":true,"vrid":0,"changes":[]}]}"#;
    m.router.restore(foreign, m.now, 777 * SECOND).unwrap();
    assert_eq!(past(&m), ["init>backup 100 0: started"]);
}

#[test]
fn what_changes_the_priority_is_named() {
    let text = format!(
        "[[vrrp.script]]\nname = \"s\"\ncommand = \"/bin/check\"\nweight = -20\n{}",
        instance("track_scripts = [\"s\"]")
    );
    let mut m = Machine::started(&text);
    m.handle(Event::ScriptFinished { script: "s".into(), outcome: ScriptOutcome::Exited(0) });
    assert_eq!(told(&m).priority_reasons, [""; 0]);
    while timed(&m.pass(100 * MS), &["run script"]).is_empty() {}
    m.handle(Event::ScriptFinished { script: "s".into(), outcome: ScriptOutcome::Exited(1) });
    assert_eq!(told(&m).effective_priority, 80);
    assert_eq!(told(&m).priority_reasons, ["-20 script s fails"]);
}
