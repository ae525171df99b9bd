//! The whole behaviour of one child as a table: state x event.

use super::*;

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
