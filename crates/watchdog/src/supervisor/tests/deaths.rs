//! Who dies is started again: when, how often, and with what state.

use super::*;

#[test]
fn a_child_that_keeps_dying_is_started_less_and_less_often() {
    let mut story = Story::new(&[true]);
    story.supervisor.phase = Phase::Running;
    let mut waits = Vec::new();
    for _ in 0..9 {
        story.tick();
        story.spawned(A);
        let dead = story.now;
        story.died(A, 11);
        story.now = story.supervisor.poll_timeout().unwrap();
        waits.push((story.now - dead).as_secs());
    }
    assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
}

/// How each of ten deaths in a row is answered: by whom it was killed, whether it was ready by then, the waits in
/// milliseconds.
const DEATHS: &[(&str, bool, [u64; 10])] = &[
    ("stray kill", true, [0; 10]),
    ("stray kill", false, [0; 10]),
    ("stray kill, connection first", true, [0; 10]),
    ("stray kill, connection first", false, [0; 10]),
    ("crash", true, [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]),
    ("crash", false, [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]),
    ("exit code", true, [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]),
    ("our kill", true, [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]),
    ("our kill", false, [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]),
];

#[test]
fn who_is_killed_by_a_stranger_comes_back_at_once_and_others_wait() {
    for (how, ready, expected) in DEATHS {
        let mut story = Story::new(&[true]);
        story.supervisor.phase = Phase::Running;
        let mut waits = Vec::new();
        for _ in 0..10 {
            story.tick();
            story.spawned(A);
            if *ready {
                story.answered(A);
            }
            match *how {
                "stray kill" => drop(story.died(A, 9)),
                "stray kill, connection first" => {
                    story.event(Event::ConnectionClosed { child: A });
                    story.died(A, 9);
                }
                "crash" => drop(story.died(A, 11)),
                "exit code" => drop(story.event(Event::Exited { child: A, ended: Ended::Code(101) })),
                "our kill" => {
                    story.event(Event::CommitOverdue { child: A });
                    story.died(A, 9);
                }
                other => panic!("no such death: {other}"),
            }
            let dead = story.now;
            story.now = story.supervisor.poll_timeout().unwrap();
            waits.push(u64::try_from((story.now - dead).as_millis()).unwrap());
        }
        assert_eq!(&waits, expected, "{how}, ready: {ready}");
    }
}

#[test]
fn two_hundred_kills_in_a_row_cost_no_wait_and_no_state() {
    let mut story = Story::up(&[true]);
    for round in 0..200_u32 {
        story.died(A, 9);
        // Every other one is killed before it is ready: its predecessor's state is still good.
        assert_eq!(story.tick(), ["spawn 0"], "round {round}");
        story.spawned(A);
        if round % 2 == 0 {
            story.answered(A);
        }
    }
    // And a crash after that is the first one.
    story.died(A, 11);
    assert_eq!(story.tick(), ["spawn 0"]);
}

#[test]
fn a_killer_without_end_is_no_busy_loop() {
    let mut story = Story::up(&[true]);
    let mut starts = 0;
    while story.now < story.zero + secs(600) {
        story.died(A, 9);
        story.now = story.supervisor.poll_timeout().unwrap();
        story.tick();
        story.spawned(A);
        starts += 1;
    }
    // A full bucket at first and after each long wait, and those waits get as long as a minute.
    assert!((250..=250 * 16).contains(&starts), "{starts} starts in ten minutes");
}

#[test]
fn a_child_that_dies_twice_before_it_is_ready_starts_without_its_old_state() {
    let mut story = Story::up(&[true]);
    story.died(A, 11);
    assert_eq!(story.tick(), ["spawn 0"]);
    story.spawned(A);
    story.died(A, 11);
    assert_eq!(story.at(1.0).tick(), ["spawn 0"]);
    story.spawned(A);
    assert_eq!(
        story.died(A, 11).last().unwrap(),
        "report child dies before it is ready: starting it without the state of its predecessor child=0"
    );
    assert_eq!(story.at(3.0).tick(), ["spawn 0 afresh"]);
    story.spawned(A);
    story.answered(A);
    story.died(A, 11);
    assert_eq!(story.at(10.0).tick(), ["spawn 0"]);
}
