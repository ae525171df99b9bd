//! The whole behaviour as a table (state x event), a few stories, and what must hold whatever happens.

use super::*;
use common::exit::Exit;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    hello_interval: Duration::from_secs(5),
    hello_timeout: Duration::from_secs(3),
    start: Duration::from_secs(30),
    stop: Duration::from_secs(10),
};
const A: ChildId = ChildId(0);
const B: ChildId = ChildId(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn start() -> Instant {
    common::event_loop::clock::now()
}

/// A supervisor with a clock, and the actions as text.
struct Story {
    zero: Instant,
    now: Instant,
    supervisor: Supervisor,
    next_pid: i32,
}

impl Story {
    fn new(wanted: &[bool]) -> Self {
        let zero = start();
        Self { zero, now: zero, supervisor: Supervisor::new(wanted, LIMITS, zero), next_pid: 100 }
    }

    fn text(actions: &[Action]) -> Vec<String> {
        actions.iter().map(ToString::to_string).collect()
    }

    fn at(&mut self, seconds: f64) -> &mut Self {
        self.now = self.zero + Duration::from_secs_f64(seconds);
        self
    }

    fn tick(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        self.supervisor.handle_timeout(self.now, &mut out);
        Self::text(&out)
    }

    fn event(&mut self, event: Event) -> Vec<String> {
        let mut out = Vec::new();
        self.supervisor.handle(event, self.now, &mut out);
        Self::text(&out)
    }

    fn spawned(&mut self, child: ChildId) -> Vec<String> {
        let pid = Pid(self.next_pid);
        self.next_pid += 1;
        self.event(Event::Spawned { child, pid })
    }

    fn answered(&mut self, child: ChildId) -> Vec<String> {
        self.event(Event::HelloAnswered { child })
    }

    fn died(&mut self, child: ChildId, signal: i32) -> Vec<String> {
        self.event(Event::Exited { child, ended: Ended::Signal(signal) })
    }

    fn stopped(&mut self, child: ChildId) -> Vec<String> {
        self.event(Event::Exited { child, ended: Ended::Code(0) })
    }

    fn up(wanted: &[bool]) -> Self {
        let mut story = Self::new(wanted);
        story.tick();
        for (index, wanted) in wanted.iter().enumerate() {
            if *wanted {
                story.spawned(ChildId(index));
                story.answered(ChildId(index));
            }
        }
        story
    }

    fn state(&self, child: ChildId) -> &'static str {
        self.supervisor.child(child).unwrap().state().name()
    }
}

/// The single child of the table in each of its states; the clock stands at 1 s.
fn in_state(name: &str) -> Story {
    let mut story = match name {
        "idle" => Story::up(&[false]),
        "down" | "spawning" | "starting" => Story::new(&[true]),
        "up" | "awaited" | "stopping" | "closing" | "killed" => Story::up(&[true]),
        other => panic!("no such state: {other}"),
    };
    match name {
        "spawning" => drop(story.tick()),
        "starting" => {
            story.tick();
            story.spawned(A);
        }
        "awaited" => drop(story.at(5.0).tick()),
        "stopping" => drop(story.event(Event::Wanted { child: A, wanted: Wanted::No })),
        "closing" => drop(story.event(Event::ConnectionClosed { child: A })),
        "killed" => {
            story.at(5.0).tick();
            story.at(8.0).tick();
        }
        _ => {}
    }
    story
}

const FAREWELL: &str =
    "report child died before it took down what it held: starting it once more for that child=0";

/// state, event, what the state is called afterwards, what is done. `timeout` is 100 s later.
const TABLE: &[(&str, &str, &str, &[&str])] = &[
    ("idle", "spawned", "idle", &[]),
    ("idle", "spawn failed", "idle", &[]),
    ("idle", "answered", "idle", &[]),
    ("idle", "closed", "idle", &[]),
    ("idle", "exited", "idle", &[]),
    ("idle", "hopeless", "idle", &[]),
    ("idle", "wanted", "down", &[]),
    ("idle", "unwanted", "idle", &[]),
    ("idle", "late commit", "idle", &[]),
    ("idle", "stop", "idle", &["finish exit=0"]),
    ("idle", "timeout", "idle", &[]),
    ("down", "spawned", "down", &[]),
    ("down", "spawn failed", "down", &[]),
    ("down", "answered", "down", &[]),
    ("down", "closed", "down", &[]),
    ("down", "exited", "down", &[]),
    ("down", "hopeless", "down", &[]),
    ("down", "wanted", "down", &[]),
    ("down", "unwanted", "idle", &["started-up"]),
    ("down", "late commit", "down", &[]),
    ("down", "stop", "idle", &["finish exit=0"]),
    ("down", "timeout", "starting", &["spawn 0", "start-up-overdue"]),
    ("spawning", "spawned", "starting", &["send-hello 0"]),
    ("spawning", "spawn failed", "down", &["report child could not be started child=0 retry_in=1.000s"]),
    ("spawning", "answered", "starting", &[]),
    ("spawning", "closed", "starting", &[]),
    ("spawning", "exited", "starting", &[]),
    ("spawning", "hopeless", "starting", &[]),
    ("spawning", "wanted", "starting", &[]),
    ("spawning", "unwanted", "starting", &["started-up"]),
    ("spawning", "late commit", "starting", &[]),
    ("spawning", "stop", "starting", &[]),
    ("spawning", "timeout", "starting", &["start-up-overdue"]),
    ("starting", "spawned", "starting", &[]),
    ("starting", "spawn failed", "starting", &[]),
    ("starting", "not sent", "starting", &[]),
    ("starting", "answered", "up", &["report child ready child=0 pid=100 took=0.000s", "started-up"]),
    ("starting", "closed", "stopping", &[]),
    ("starting", "exited", "down", &["report child died child=0 pid=100 status=\"signal 9\""]),
    (
        "starting",
        "hopeless",
        "idle",
        &["report child died child=0 pid=100 status=\"exit code 2\"", "hopeless 0 exit=2", "finish exit=2"],
    ),
    ("starting", "wanted", "starting", &[]),
    ("starting", "unwanted", "stopping", &["terminate 0", "started-up"]),
    (
        "starting",
        "late commit",
        "killed",
        &["report child did not finish the reload: killing it child=0 pid=100", "kill 0"],
    ),
    ("starting", "stop", "stopping", &["terminate 0"]),
    (
        "starting",
        "timeout",
        "killed",
        &[
            "report child did not become ready: killing it child=0 pid=100 after=100.000s",
            "kill 0",
            "start-up-overdue",
        ],
    ),
    ("up", "spawned", "up", &[]),
    ("up", "spawn failed", "up", &[]),
    ("up", "answered", "up", &[]),
    ("up", "closed", "stopping", &[]),
    ("up", "exited", "down", &["report child died child=0 pid=100 status=\"signal 9\""]),
    (
        "up",
        "hopeless",
        "idle",
        &["report child died child=0 pid=100 status=\"exit code 2\"", "hopeless 0 exit=2", "finish exit=2"],
    ),
    ("up", "wanted", "up", &[]),
    ("up", "unwanted", "stopping", &["terminate 0"]),
    (
        "up",
        "late commit",
        "killed",
        &["report child did not finish the reload: killing it child=0 pid=100", "kill 0"],
    ),
    ("up", "stop", "stopping", &["terminate 0"]),
    ("up", "timeout", "up", &["send-hello 0"]),
    ("awaited", "answered", "up", &[]),
    ("awaited", "closed", "stopping", &[]),
    ("awaited", "exited", "down", &["report child died child=0 pid=100 status=\"signal 9\""]),
    ("awaited", "stop", "stopping", &["terminate 0"]),
    ("stopping", "spawned", "stopping", &[]),
    ("stopping", "spawn failed", "stopping", &[]),
    ("stopping", "answered", "stopping", &[]),
    ("stopping", "closed", "stopping", &[]),
    ("stopping", "done", "idle", &["report child stopped child=0 pid=100"]),
    (
        "stopping",
        "exited",
        "starting",
        &["report child died child=0 pid=100 status=\"signal 9\"", FAREWELL, "spawn 0"],
    ),
    ("stopping", "hopeless", "idle", &["report child died child=0 pid=100 status=\"exit code 2\""]),
    ("stopping", "wanted", "stopping", &[]),
    ("stopping", "unwanted", "stopping", &[]),
    ("stopping", "late commit", "stopping", &[]),
    ("stopping", "stop", "stopping", &[]),
    (
        "stopping",
        "timeout",
        "killed",
        &["report child did not stop in time: killing it child=0 pid=100 after=100.000s", "kill 0"],
    ),
    ("closing", "exited", "down", &["report child died child=0 pid=100 status=\"signal 9\""]),
    ("closing", "answered", "stopping", &[]),
    (
        "closing",
        "timeout",
        "killed",
        &["report child closed its connection: killing it child=0 pid=100", "kill 0"],
    ),
    ("closing", "stop", "stopping", &[]),
    ("killed", "spawned", "killed", &[]),
    ("killed", "spawn failed", "killed", &[]),
    ("killed", "answered", "killed", &[]),
    ("killed", "closed", "killed", &[]),
    ("killed", "exited", "down", &["report child died child=0 pid=100 status=\"signal 9\""]),
    // It was about to be killed anyway: what it said last does not end the daemon.
    ("killed", "hopeless", "down", &["report child died child=0 pid=100 status=\"exit code 2\""]),
    ("killed", "wanted", "killed", &[]),
    ("killed", "unwanted", "killed", &[]),
    ("killed", "late commit", "killed", &[]),
    ("killed", "stop", "killed", &[]),
    (
        "killed",
        "timeout",
        "killed",
        &["report child does not die, it is stuck in the kernel child=0 pid=100"],
    ),
];

#[test]
fn every_state_answers_every_event_as_the_table_says() {
    for (state, event, expected_state, expected) in TABLE {
        let mut story = in_state(state);
        let done = match *event {
            "spawned" => story.spawned(A),
            "spawn failed" => story.event(Event::SpawnFailed { child: A }),
            "not sent" => story.event(Event::HelloNotSent { child: A }),
            "answered" => story.answered(A),
            "closed" => story.event(Event::ConnectionClosed { child: A }),
            "exited" => story.died(A, 9),
            "done" => story.stopped(A),
            "hopeless" => story.event(Event::Exited { child: A, ended: Ended::Code(2) }),
            "wanted" => story.event(Event::Wanted { child: A, wanted: Wanted::Yes }),
            "unwanted" => story.event(Event::Wanted { child: A, wanted: Wanted::No }),
            "late commit" => story.event(Event::CommitOverdue { child: A }),
            "stop" => story.event(Event::StopRequested { exit: Exit::Done }),
            "timeout" => {
                story.now += secs(100);
                story.tick()
            }
            other => panic!("no such event: {other}"),
        };
        assert_eq!(&done, expected, "{state} x {event}");
        assert_eq!(&story.state(A), expected_state, "{state} x {event}");
    }
}

#[test]
fn a_silent_child_is_killed_and_its_successor_says_why() {
    let mut story = Story::up(&[true]);
    assert_eq!(story.at(5.0).tick(), ["send-hello 0"]);
    assert_eq!(story.at(7.999).tick(), Vec::<String>::new());
    assert_eq!(
        story.at(8.0).tick(),
        ["report child did not answer hello: killing it child=0 pid=100 silent_for=8.000s", "kill 0"]
    );
    assert_eq!(story.at(8.001).died(A, 9), ["report child died child=0 pid=100 status=\"signal 9\""]);
    assert_eq!(story.tick(), ["spawn 0"]);
    assert_eq!(
        story.spawned(A),
        ["report child restarted child=0 pid=101 restarts=1 reason=\"no answer to hello\"", "send-hello 0"]
    );
}

#[test]
fn hellos_keep_their_rhythm_however_long_the_answers_take() {
    let mut story = Story::up(&[true]);
    for round in 1..4 {
        let sent = 5.0 * f64::from(round);
        assert_eq!(story.at(sent).tick(), ["send-hello 0"]);
        story.at(sent + 2.9).answered(A);
        assert_eq!(
            story.supervisor.poll_timeout(),
            Some(story.zero + secs(5 * (u64::try_from(round).unwrap() + 1)))
        );
    }
    let hellos = story.supervisor.child(A).unwrap().hellos();
    assert_eq!((hellos.sent, hellos.answered), (4, 4));
    assert_eq!(hellos.last_rtt, Some(Duration::from_millis(2900)));
}

#[test]
fn a_watchdog_that_was_away_does_not_blame_the_child() {
    let mut story = Story::up(&[true]);
    story.at(5.0).tick();
    // The machine was paused for a minute: the answer may not even have been asked for.
    assert_eq!(story.at(68.0).tick(), Vec::<String>::new());
    assert_eq!(story.supervisor.poll_timeout(), Some(story.zero + secs(71)));
    assert_eq!(
        story.at(71.0).tick(),
        ["report child did not answer hello: killing it child=0 pid=100 silent_for=71.000s", "kill 0"]
    );
}

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

#[test]
fn the_last_started_stops_first_and_the_next_waits_for_it() {
    let mut story = Story::up(&[true, true]);
    assert_eq!(story.event(Event::StopRequested { exit: Exit::Done }), ["terminate 1"]);
    assert_eq!((story.state(A), story.state(B)), ("up", "stopping"));
    assert_eq!(
        story.event(Event::Exited { child: B, ended: Ended::Code(0) }),
        ["report child stopped child=1 pid=101", "terminate 0"]
    );
    assert_eq!(
        story.event(Event::Exited { child: A, ended: Ended::Code(0) }),
        ["report child stopped child=0 pid=100", "finish exit=0"]
    );
    assert_eq!(story.supervisor.poll_timeout(), None);
}

#[test]
fn a_stop_takes_no_longer_than_its_limits_even_if_the_kernel_holds_a_child() {
    let mut story = Story::up(&[true, true]);
    story.event(Event::StopRequested { exit: Exit::Done });
    assert!(story.at(10.0).tick().contains(&"kill 1".to_owned()));
    assert!(story.at(15.0).tick().contains(&"terminate 0".to_owned()));
    assert!(story.at(25.0).tick().contains(&"kill 0".to_owned()));
    assert!(story.at(30.0).tick().contains(&"finish exit=0".to_owned()));
}

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

#[test]
fn a_start_up_that_takes_too_long_has_failed() {
    let mut story = Story::new(&[true, true]);
    story.tick();
    story.spawned(A);
    story.spawned(B);
    story.answered(A);
    story.at(29.9);
    story.died(B, 11);
    story.tick();
    story.spawned(B);
    assert_eq!(story.at(30.0).tick(), ["start-up-overdue", "terminate 1"]);
    story.stopped(B);
    assert_eq!(story.stopped(A).last().unwrap(), "finish exit=1");
}

#[test]
fn a_child_on_trial_that_dies_is_not_started_again_and_does_not_end_the_daemon() {
    let mut story = Story::up(&[true, false]);
    story.event(Event::Wanted { child: B, wanted: Wanted::Trial });
    assert_eq!(story.tick(), ["spawn 1"]);
    story.spawned(B);
    assert_eq!(
        story.event(Event::Exited { child: B, ended: Ended::Code(2) }),
        ["report child died child=1 pid=101 status=\"exit code 2\""]
    );
    assert_eq!(story.state(B), "idle");
    assert!(!story.supervisor.is_stopping());
}

#[test]
fn a_child_wanted_again_while_it_stops_is_started_when_it_is_gone() {
    let mut story = Story::up(&[true]);
    story.event(Event::Wanted { child: A, wanted: Wanted::No });
    story.event(Event::Wanted { child: A, wanted: Wanted::Yes });
    story.event(Event::Exited { child: A, ended: Ended::Code(0) });
    // It has undone what it did, so there is no state to hand on; and it is no restart either.
    assert_eq!(story.tick(), ["spawn 0 afresh"]);
    assert_eq!(story.spawned(A), ["send-hello 0"]);
    assert_eq!(story.supervisor.child(A).unwrap().restarts(), 0);
}

#[test]
fn a_new_configuration_ends_the_waiting() {
    let mut story = Story::up(&[true]);
    for _ in 0..5 {
        story.died(A, 11);
        story.now = story.supervisor.poll_timeout().unwrap();
        story.tick();
        story.spawned(A);
    }
    story.died(A, 11);
    assert_eq!(story.tick(), Vec::<String>::new());
    story.event(Event::ConfigChanged { limits: LIMITS });
    assert_eq!(story.tick(), ["spawn 0 afresh"]);
}

#[test]
fn a_crowded_socket_is_tried_again() {
    let mut story = Story::new(&[true]);
    story.tick();
    story.spawned(A);
    story.event(Event::HelloNotSent { child: A });
    assert_eq!(story.at(0.099).tick(), Vec::<String>::new());
    assert_eq!(story.at(0.1).tick(), ["send-hello 0"]);
    assert_eq!(story.supervisor.child(A).unwrap().hellos().sent, 1);
}

/// A world around the supervisor that may do anything a world can do.
#[derive(Clone, Copy, Debug)]
enum Move {
    Wait(u64),
    UntilDue,
    Answer(usize),
    Die(usize, i32),
    Close(usize),
    Want(usize, Wanted),
    NewConfig,
    Stop,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let child = 0..3_usize;
    let one = prop_oneof![
        4 => (0..20_000_u64).prop_map(Move::Wait),
        6 => Just(Move::UntilDue),
        6 => child.clone().prop_map(Move::Answer),
        4 => (child.clone(), prop_oneof![Just(9), Just(11), Just(-1), Just(-2), Just(-5)]).prop_map(|(c, s)| Move::Die(c, s)),
        1 => child.clone().prop_map(Move::Close),
        1 => (child, prop_oneof![Just(Wanted::No), Just(Wanted::Trial), Just(Wanted::Yes)])
            .prop_map(|(c, w)| Move::Want(c, w)),
        1 => Just(Move::NewConfig),
        1 => Just(Move::Stop),
    ];
    prop::collection::vec(one, 1..200)
}

/// What the world knows about processes, and what no supervisor may ever do.
struct World {
    supervisor: Supervisor,
    now: Instant,
    alive: [Option<Pid>; 3],
    next_pid: i32,
    spawns: Vec<(Instant, usize)>,
    /// How often each was killed.
    kills: [usize; 3],
    finished: bool,
}

impl World {
    fn perform(&mut self, mut actions: Vec<Action>) {
        while !actions.is_empty() {
            let mut next = Vec::new();
            for action in actions {
                match action {
                    Action::Spawn { child, .. } => {
                        assert_eq!(self.alive[child.0], None, "two incarnations of {child}");
                        assert!(!self.finished, "{child} is started after the end");
                        let pid = Pid(self.next_pid);
                        self.next_pid += 1;
                        self.alive[child.0] = Some(pid);
                        self.spawns.push((self.now, child.0));
                        self.supervisor.handle(Event::Spawned { child, pid }, self.now, &mut next);
                    }
                    Action::SendHello { child } | Action::Terminate { child } | Action::Kill { child } => {
                        assert!(self.alive[child.0].is_some(), "{action} without a process");
                    }
                    Action::Finish { .. } => assert!(!std::mem::replace(&mut self.finished, true)),
                    Action::Report { .. }
                    | Action::StartedUp
                    | Action::StartUpOverdue
                    | Action::Hopeless { .. } => {}
                }
            }
            actions = next;
        }
    }

    fn make(&mut self, step: Move) {
        let mut out = Vec::new();
        let mut events = Vec::new();
        match step {
            Move::Wait(millis) => self.now += Duration::from_millis(millis),
            Move::UntilDue => {
                if let Some(due) = self.supervisor.poll_timeout() {
                    self.now = self.now.max(due);
                }
            }
            Move::Answer(child) if self.alive[child].is_some() => {
                events.push(Event::HelloAnswered { child: ChildId(child) });
            }
            Move::Die(child, how) if self.alive[child].is_some() => {
                self.alive[child] = None;
                self.kills[child] += usize::from(how == 9);
                let ended = if how < 0 { Ended::Code(-how - 1) } else { Ended::Signal(how) };
                events.push(Event::Exited { child: ChildId(child), ended });
            }
            Move::Close(child) if self.alive[child].is_some() => {
                events.push(Event::ConnectionClosed { child: ChildId(child) });
            }
            Move::Want(child, wanted) => events.push(Event::Wanted { child: ChildId(child), wanted }),
            Move::NewConfig => events.push(Event::ConfigChanged { limits: LIMITS }),
            Move::Stop => events.push(Event::StopRequested { exit: Exit::Done }),
            Move::Answer(_) | Move::Die(..) | Move::Close(_) => {}
        }
        for event in events {
            self.supervisor.handle(event, self.now, &mut out);
        }
        self.perform(out);
        let mut rounds = 0;
        while self.supervisor.poll_timeout().is_some_and(|due| due <= self.now) {
            let mut out = Vec::new();
            self.supervisor.handle_timeout(self.now, &mut out);
            self.perform(out);
            rounds += 1;
            assert!(rounds < 20, "it never comes to rest: {:?}", self.supervisor);
        }
        for (index, child) in self.supervisor.children().enumerate() {
            assert_eq!(child.pid(), self.alive[index], "it lost track of child {index}");
        }
    }
}

proptest! {
    #[test]
    fn never_two_incarnations_and_never_a_busy_loop(steps in moves()) {
        let now = start();
        let mut world = World {
            supervisor: Supervisor::new(&[true, true, false], LIMITS, now),
            now,
            alive: [None; 3],
            next_pid: 1,
            spawns: Vec::new(),
            kills: [0; 3],
            finished: false,
        };
        let mut excuses = 0;
        for step in steps {
            // Only a new configuration or an orderly stop may set off a start that no back-off has delayed.
            excuses += usize::from(matches!(step, Move::NewConfig | Move::Want(..)));
            world.make(step);
        }
        for (child, kills) in world.kills.iter().enumerate() {
            let starts: Vec<Instant> = world.spawns.iter().filter(|s| s.1 == child).map(|s| s.0).collect();
            // First start, the free restart and those after a stranger's kill, and then never more than one a second.
            let span = starts.last().map_or(0, |last| (*last - now).as_millis());
            let strangers = usize::try_from(BURST).unwrap() * (1 + excuses) + usize::try_from(span / REFILL.as_millis()).unwrap();
            let allowed = usize::try_from(span / 1000).unwrap() + 3 + 3 * excuses + strangers.min(*kills);
            prop_assert!(starts.len() <= allowed, "{} starts in {span} ms", starts.len());
        }
        // And whatever has happened: a stop ends it, without any cooperation of the children.
        world.make(Move::Stop);
        for _ in 0..100 {
            world.make(Move::UntilDue);
        }
        prop_assert!(world.finished);
    }
}

#[test]
fn a_daemon_with_nothing_to_start_is_ready_at_once() {
    let mut story = Story::new(&[false, false]);
    assert_eq!(story.supervisor.poll_timeout(), Some(story.now));
    assert_eq!(story.tick(), ["started-up"]);
    assert_eq!(story.supervisor.poll_timeout(), None);
}
