//! Stories of a supervisor with a clock: each test says what happens, and what is done about it.
//!
//! The files beside this one have the whole behaviour as a table, deaths and restarts, farewells, and what must hold
//! whatever happens.

use super::*;
use common::exit::Exit;

mod deaths;
mod farewell;
mod properties;
mod table;

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

const FAREWELL: &str =
    "report child died before it took down what it held: starting it once more for that child=0";

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

#[test]
fn a_daemon_with_nothing_to_start_is_ready_at_once() {
    let mut story = Story::new(&[false, false]);
    assert_eq!(story.supervisor.poll_timeout(), Some(story.now));
    assert_eq!(story.tick(), ["started-up"]);
    assert_eq!(story.supervisor.poll_timeout(), None);
}
