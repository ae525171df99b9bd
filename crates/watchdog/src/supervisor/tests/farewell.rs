//! A child that dies before it has taken down what it holds is started once more for that.

use super::*;

#[test]
fn a_child_that_is_dead_when_its_turn_to_stop_comes_is_started_once_more_for_its_farewell() {
    let mut story = Story::up(&[true, true]);
    story.event(Event::StopRequested { exit: Exit::Done });
    // Not before the addresses have moved away: that is what the order of the stop is for.
    assert_eq!(story.died(A, 9), ["report child died child=0 pid=100 status=\"signal 9\""]);
    assert_eq!(story.stopped(B), ["report child stopped child=1 pid=101", FAREWELL, "spawn 0"]);
    assert_eq!(story.spawned(A), ["terminate 0"]);
    assert_eq!(story.stopped(A), ["report child stopped child=0 pid=102", "finish exit=0"]);
    assert_eq!(story.supervisor.child(A).unwrap().restarts(), 0);
}

#[test]
fn a_child_that_waits_for_its_restart_when_the_daemon_stops_is_started_at_once_for_its_farewell() {
    let mut story = Story::up(&[true]);
    for _ in 0..3 {
        story.died(A, 11);
        story.now = story.supervisor.poll_timeout().unwrap();
        story.tick();
        story.spawned(A);
        story.answered(A);
    }
    story.died(A, 11);
    assert!(story.supervisor.poll_timeout().unwrap() > story.now, "it waits");
    assert_eq!(story.event(Event::StopRequested { exit: Exit::Done }), [FAREWELL, "spawn 0"]);
    story.spawned(A);
    assert_eq!(story.stopped(A).last().unwrap(), "finish exit=0");
}

#[test]
fn a_child_that_dies_while_it_stops_gets_one_more_farewell_and_no_third() {
    for (how, code) in [("by itself", 9), ("killed, since it is late", 9), ("with a failure", -1)] {
        let mut story = Story::up(&[true]);
        assert_eq!(story.event(Event::StopRequested { exit: Exit::Done }), ["terminate 0"]);
        if how.contains("late") {
            assert!(story.at(10.0).tick().contains(&"kill 0".to_owned()));
        }
        let ended = if code < 0 { Ended::Code(1) } else { Ended::Signal(code) };
        let said = story.event(Event::Exited { child: A, ended });
        assert_eq!(said[1..], [FAREWELL, "spawn 0"], "{how}");
        assert_eq!(story.spawned(A), ["terminate 0"], "{how}");
        // It has as much time as any child that stops, and then that was it.
        assert!(story.at(21.0).tick().contains(&"kill 0".to_owned()), "{how}");
        assert_eq!(story.died(A, 9).last().unwrap(), "finish exit=0", "{how}");
    }
}

#[test]
fn a_farewell_that_cannot_be_started_ends_the_daemon_all_the_same() {
    let mut story = Story::up(&[true]);
    story.died(A, 9);
    assert_eq!(story.event(Event::StopRequested { exit: Exit::Done }), [FAREWELL, "spawn 0"]);
    assert_eq!(story.event(Event::SpawnFailed { child: A }).last().unwrap(), "finish exit=0");
}

#[test]
fn a_child_that_never_was_ready_has_no_farewell() {
    let mut story = Story::new(&[true]);
    story.tick();
    story.spawned(A);
    story.died(A, 9);
    assert_eq!(story.event(Event::StopRequested { exit: Exit::Done }), ["finish exit=0"]);
}

#[test]
fn what_another_watchdog_left_is_taken_down_even_if_nothing_was_started_yet() {
    let mut story = Story::new(&[true]);
    story.supervisor.inherit(A);
    assert_eq!(story.event(Event::StopRequested { exit: Exit::Done }), [FAREWELL, "spawn 0"]);
    // Nor is it forgotten where the new configuration does not ask for it.
    let mut story = Story::new(&[false]);
    story.supervisor.inherit(A);
    assert_eq!(story.tick(), [FAREWELL, "spawn 0", "started-up"]);
}

#[test]
fn a_child_that_a_reload_does_not_want_and_that_is_dead_takes_down_what_it_held() {
    let mut story = Story::up(&[true, true]);
    story.died(A, 9);
    assert_eq!(story.event(Event::Wanted { child: A, wanted: Wanted::No }), [FAREWELL, "spawn 0"]);
    assert_eq!(story.spawned(A), ["terminate 0"]);
    assert_eq!(story.stopped(A), ["report child stopped child=0 pid=102"]);
    assert_eq!(story.state(A), "idle");
}
