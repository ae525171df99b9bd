//! Tracked processes: quorum, delays, reverse, restart and reload.

use super::restart::restart;
use super::*;

fn tracked(process: &str, tracker: &str) -> String {
    format!(
        "[[vrrp.process]]\nname = \"p\"\nprogram = \"nginx\"\n{process}\n{}",
        instance(&format!("track_processes = [{tracker}]"))
    )
}

fn counted(m: &mut Machine, count: u32) -> Vec<String> {
    m.handle(Event::ProcessesCounted { process: "p".into(), count })
}

fn priority(m: &Machine) -> u8 {
    m.router.status(m.now).instances[0].effective_priority
}

fn faults(m: &Machine) -> Vec<String> {
    m.router.status(m.now).instances[0].faults.clone()
}

/// Counted before the start, as the shell does.
fn running(text: &str, count: u32) -> Machine {
    let mut m = Machine::new(text);
    counted(&mut m, count);
    m.begin();
    m
}

#[test]
fn a_process_that_does_not_run_is_a_fault_until_it_does() {
    let mut m = running(&tracked("", "\"p\""), 0);
    assert_eq!(m.state(), StateName::Fault);
    assert_eq!(faults(&m), ["process p does not run in the number wanted"]);
    let lines = counted(&mut m, 3);
    assert_eq!(m.state(), StateName::Backup);
    assert_eq!(
        only(&lines, &["report process"]),
        ["report process runs process=p count=3 wanted=\"1 or more\""]
    );
    assert_eq!(counted(&mut m, 2), Vec::<String>::new(), "enough is enough");
    counted(&mut m, 0);
    assert_eq!(m.state(), StateName::Fault);
}

#[test]
fn one_that_nobody_counted_yet_is_waited_for() {
    let mut m = Machine::started(&tracked("", "\"p\""));
    assert_eq!((m.state(), faults(&m)), (StateName::Init, vec!["process p has not been counted yet".into()]));
    counted(&mut m, 1);
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn the_number_has_a_lower_and_an_upper_bound() {
    for (process, wanted, right) in [
        ("quorum = 2", "2 or more", [false, false, true, true]),
        ("quorum_max = 1", "exactly 1", [false, true, false, false]),
        ("quorum = 1\nquorum_max = 2", "1 to 2", [false, true, true, false]),
        ("quorum = 0\nquorum_max = 0", "exactly 0", [true, false, false, false]),
    ] {
        for (count, right) in (0..).zip(right) {
            let m = running(&tracked(process, "\"p\""), count);
            assert_eq!(m.state() == StateName::Backup, right, "{process} {count}");
            assert_eq!(m.router.status(m.now).processes[0].wanted, wanted);
        }
    }
}

#[test]
fn weights_and_reverse_are_those_of_every_tracker() {
    for (process, tracker, there, gone) in [
        ("weight = 20", "\"p\"", 120, 100),
        ("weight = -20", "\"p\"", 100, 80),
        ("weight = -20", "{ name = \"p\", weight = -30 }", 100, 70),
        ("weight = 20", "{ name = \"p\", reverse = true }", 100, 120),
    ] {
        let mut m = running(&tracked(process, tracker), 1);
        assert_eq!(priority(&m), there, "{process} {tracker}");
        counted(&mut m, 0);
        assert_eq!(priority(&m), gone, "{process} {tracker}");
    }
    let m = running(&tracked("", "{ name = \"p\", reverse = true }"), 1);
    assert_eq!(faults(&m), ["process p runs"]);
}

#[test]
fn a_number_has_to_stay_for_as_long_as_the_delay() {
    let mut m = running(&tracked("fork_delay = \"3s\"\nterminate_delay = \"2s\"", "\"p\""), 1);
    let moves = |lines: Vec<(Duration, String)>| -> Vec<Duration> {
        timed(&lines, &["report process"]).into_iter().map(|(at, _)| at).collect()
    };
    counted(&mut m, 0);
    assert_eq!(moves(m.pass(SECOND)), []);
    counted(&mut m, 1);
    assert_eq!(moves(m.pass(10 * SECOND)), [], "a restart is not seen");
    let begin = m.now - m.start;
    counted(&mut m, 0);
    m.pass(SECOND);
    counted(&mut m, 0);
    assert_eq!(moves(m.pass(10 * SECOND)), [begin + 2 * SECOND], "from the first wrong number on");
    assert_eq!(m.state(), StateName::Fault);
    let begin = m.now - m.start;
    counted(&mut m, 2);
    assert_eq!(moves(m.pass(10 * SECOND)), [begin + 3 * SECOND]);
    assert_eq!(m.state(), StateName::Master);
}

#[test]
fn a_delay_for_both_is_the_default_of_each() {
    let plan = |text: &str| parse(&tracked(text, "\"p\"")).processes[0].clone();
    let both = plan("delay = 4");
    assert_eq!((both.fork_delay, both.terminate_delay), (4 * SECOND, 4 * SECOND));
    let one = plan("delay = 4\nfork_delay = 1");
    assert_eq!((one.fork_delay, one.terminate_delay), (SECOND, 4 * SECOND));
}

#[test]
fn a_member_s_process_is_its_group_s() {
    let text = format!(
        "{}{}[[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\"]\n",
        tracked("", "\"p\""),
        instance("").replace("\"A\"", "\"B\"").replace("51", "52").replace("192.0.2.1", "192.0.2.2"),
    );
    let mut m = running(&text, 1);
    let states = |m: &Machine| -> Vec<StateName> { m.router.states().map(|(_, state)| state).collect() };
    assert_eq!(states(&m), [StateName::Backup; 2]);
    counted(&mut m, 0);
    assert_eq!(states(&m), [StateName::Fault; 2]);
    let on_the_group = text.replace("track_processes = [\"p\"]", "") + "track_processes = [\"p\"]\n";
    let mut m = running(&on_the_group, 1);
    assert_eq!(states(&m), [StateName::Backup; 2]);
    counted(&mut m, 0);
    assert_eq!(states(&m), [StateName::Fault; 2]);
}

#[test]
fn a_successor_keeps_the_verdict_while_the_delay_lasts() {
    let text = tracked("terminate_delay = \"5s\"", "\"p\"");
    let mut m = running(&text, 1);
    m.pass(10 * SECOND);
    assert_eq!(m.state(), StateName::Master);
    counted(&mut m, 0);
    let (mut n, _) = restart(&m, &text, 15 * MS, &["192.0.2.1"], &[("p", 0)]);
    assert_eq!(n.state(), StateName::Master);
    n.pass(4 * SECOND);
    assert_eq!(n.state(), StateName::Master);
    n.pass(2 * SECOND);
    assert_eq!(n.state(), StateName::Fault);
}

#[test]
fn r14_another_program_is_counted_before_it_counts_and_a_new_quorum_counts_at_once() {
    let mut m = running(&tracked("", "\"p\""), 2);
    m.pass(10 * SECOND);
    m.reload(&tracked("", "\"p\"").replace("nginx", "haproxy"));
    assert_eq!(m.state(), StateName::Master, "the verdict stands");
    counted(&mut m, 0);
    assert_eq!(m.state(), StateName::Fault);
    let mut m = running(&tracked("", "\"p\""), 2);
    m.pass(10 * SECOND);
    m.reload(&tracked("quorum = 3", "\"p\""));
    assert_eq!(m.state(), StateName::Fault);
    m.reload(&instance(""));
    assert_eq!(m.state(), StateName::Backup, "nobody tracks it any more");
}
