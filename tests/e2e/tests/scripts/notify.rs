//! Notify commands: order, bounds, surroundings.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use lab::{Holdfast, Result, SECONDS_10, alive, wait};

use crate::stage::{Stage, directors, instance};

/// Writes when it begins and when it ends, and takes its time between.
const SLOW: &str =
    "echo \"begin $HOLDFAST_STATE\" >> $NOTES/log\nsleep 0.15\necho \"end $HOLDFAST_STATE\" >> $NOTES/log";

#[test]
fn quick_transitions_are_told_one_at_a_time_in_order_and_the_last_one_always() -> Result {
    let stage = Stage::new()?;
    let (lan, a, _b) = directors()?;
    lan.attach(&a, "eth1", &[])?;
    let told = stage.script("told.sh", SLOW)?;
    let lines = format!(
        "state = \"master\"\ntrack_interfaces = [\"eth1\"]\n\
         notify = {{ master = \"{told}\", backup = \"{told}\", fault = \"{told}\", stop = \"{told}\" }}"
    );
    let config = instance(255, &lines);
    let holdfast = Holdfast::start(&a, &config)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    for round in 0..20 {
        let (change, state) = if round % 2 == 0 { ("down", "fault") } else { ("up", "master") };
        let mark = holdfast.log().mark();
        a.ip(&format!("link set eth1 {change}"))?;
        holdfast.log().wait_from(mark, &format!("to={state}"), SECONDS_10)?;
    }
    let text = holdfast.log().text();
    let mut entered: Vec<String> = text
        .lines()
        .filter(|line| line.contains("state changed instance="))
        .filter_map(|line| line.split(" to=").nth(1)?.split_whitespace().next().map(str::to_uppercase))
        .collect();
    assert!(entered.len() >= 21, "{entered:?}");
    assert_eq!(entered.last().map(String::as_str), Some("MASTER"));
    // Quiet again: everything told.
    wait::until("the last state to be told", SECONDS_10, || {
        let notes = stage.notes("log");
        Ok(notes.last().is_some_and(|line| line == "end MASTER") && {
            wait::stays("quiet", Duration::from_millis(500), || Ok(stage.notes("log") == notes)).is_ok()
        })
    })?;
    assert_eq!(holdfast.stop()?, 0);
    entered.push("STOP".to_owned());

    let notes = stage.notes("log");
    let mut told = Vec::new();
    for pair in notes.chunks(2) {
        let [begin, end] = pair else { panic!("an odd line: {notes:?}") };
        let state = begin.strip_prefix("begin ").unwrap_or_else(|| panic!("two at a time: {notes:?}"));
        assert_eq!(end, &format!("end {state}"), "one at a time");
        told.push(state.to_owned());
    }
    assert_eq!(told.last().map(String::as_str), Some("STOP"), "the last of all: {told:?}");
    assert!(told.len() < entered.len(), "what waited was replaced by what was newer: {told:?}");
    // What was told is a subsequence of what happened: nothing reordered, nothing made up.
    let mut happened = entered.iter();
    for state in &told {
        assert!(happened.any(|entered| entered == state), "{told:?} is not in the order of {entered:?}");
    }
    Ok(())
}

#[test]
fn the_stop_command_is_done_before_the_daemon_is() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    let stop = stage.script("stop.sh", "sleep 1\necho \"done $1 $HOLDFAST_REASON\" >> $NOTES/log")?;
    let holdfast = Holdfast::start(&a, &instance(100, &format!("notify.stop = [\"{stop}\", \"once\"]")))?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    assert_eq!(holdfast.stop()?, 0);
    let notes = stage.notes("log");
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("done once "), "{notes:?}");
    Ok(())
}

#[test]
fn a_stop_command_that_hangs_does_not_keep_the_daemon() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    let hang =
        stage.script("hang.sh", "trap '' TERM\necho $$ >> $NOTES/pids\nwhile :; do sleep 100; done")?;
    let lines = format!("notify = {{ master = \"{hang}\", stop = \"{hang}\" }}");
    let holdfast = Holdfast::start(&a, &instance(100, &lines))?;
    wait::until("the master command", SECONDS_10, || Ok(stage.notes("pids").len() == 1))?;
    assert_eq!(holdfast.stop()?, 0);
    let pids: Vec<i32> = stage.notes("pids").iter().filter_map(|pid| pid.parse().ok()).collect();
    assert_eq!(pids.len(), 2, "the stop command was run, although another one hung");
    wait::until("the end of both", SECONDS_10, || Ok(!pids.iter().any(|pid| alive(*pid))))
}

#[test]
fn a_command_that_takes_longer_than_its_time_is_ended_and_named() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    let hang = stage.script("hang.sh", "echo $$ >> $NOTES/pids\nexec sleep 1000")?;
    let notify = format!("notify = {{ master = \"{hang}\", timeout = \"300ms\" }}");
    let holdfast = Holdfast::start(&a, &instance(100, &notify))?;
    holdfast.log().wait("notify command failed: not done within 300ms", SECONDS_10)?;
    let pid: i32 = stage.notes("pids").first().ok_or("it was not run")?.parse()?;
    wait::until("its end", SECONDS_10, || Ok(!alive(pid)))
}

#[test]
fn a_command_knows_what_happened_and_runs_as_nobody() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    let own = stage.script("own.sh", "echo \"$# $HOLDFAST_KIND $HOLDFAST_NAME $HOLDFAST_STATE $HOLDFAST_PRIORITY\" >> $NOTES/own; env | cut -d= -f1 | sort | tr '\\n' ' ' >> $NOTES/env; id -un >> $NOTES/user; pwd >> $NOTES/place; ls /proc/self/fd | wc -l >> $NOTES/fds; echo x >> $NOTES/done")?;
    let any = stage.script("any.sh", "echo \"$@\" >> $NOTES/any")?;
    let lines = format!("notify = {{ master = [\"{own}\", \"a b\"], any = \"{any}\" }}");
    let holdfast = Holdfast::start(&a, &instance(100, &lines))?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    stage.wait_note("done", "x", SECONDS_10)?;
    assert_eq!(stage.notes("own"), ["1 INSTANCE VI_1 MASTER 100"]);
    assert_eq!(
        stage.notes("env"),
        [
            "HOLDFAST_KIND HOLDFAST_NAME HOLDFAST_PRIORITY HOLDFAST_REASON HOLDFAST_STATE HOME LOGNAME PATH PWD SHELL USER "
        ]
    );
    assert_ne!(stage.notes("user"), ["root"]);
    assert_eq!(stage.notes("place"), ["/"]);
    // Three streams and the folder that is being listed.
    assert_eq!(stage.notes("fds"), ["4"]);
    stage.wait_note("any", "INSTANCE VI_1 MASTER 100", SECONDS_10)?;
    assert_eq!(stage.notes("any"), ["INSTANCE VI_1 BACKUP 100", "INSTANCE VI_1 MASTER 100"]);
    Ok(())
}

#[test]
fn a_command_goes_on_when_the_process_that_started_it_is_killed() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    let body = format!(
        "echo begun >> $NOTES/log\nuntil [ -e {} ]; do sleep 0.05; done\necho ended >> $NOTES/log",
        stage.path("go").display()
    );
    let slow = stage.script("slow.sh", &body)?;
    let holdfast = Holdfast::start(&a, &instance(100, &format!("notify.master = \"{slow}\"")))?;
    stage.wait_note("log", "begun", SECONDS_10)?;
    holdfast.signal_child("vrrp", nix::sys::signal::Signal::SIGKILL)?;
    holdfast.log().wait("child restarted child=vrrp", SECONDS_10)?;
    stage.say("go", "")?;
    stage.wait_note("log", "ended", SECONDS_10)?;
    // Its successor is master as before: no change, nothing to tell.
    wait::stays("quiet", Duration::from_secs(1), || Ok(stage.notes("log") == ["begun", "ended"]))
}

#[test]
fn a_program_that_asks_for_events_gets_them_as_lines() -> Result {
    lab::require_privileges()?;
    let (lan, a, _b) = directors()?;
    let holdfast = Holdfast::start(&a, &instance(100, ""))?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let mut socket = UnixStream::connect(holdfast.folder().path().join("run/vrrp.sock"))?;
    socket.set_read_timeout(Some(SECONDS_10))?;
    socket.write_all(b"{\"id\":1,\"method\":\"events\"}\n")?;
    let mut lines = BufReader::new(socket).lines();
    let mut next = || -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&lines.next().ok_or_else(|| lab::Error::new("it hung up"))??)?)
    };
    assert_eq!(next()?, serde_json::json!({ "id": 1, "result": {} }));
    lan.unplug(&a, "eth0")?;
    let mut seen = Vec::new();
    while seen.last() != Some(&"state_changed".to_owned()) {
        let event = next()?;
        if event["event"] == "state_changed" {
            assert_eq!((&event["instance"], &event["from"]), (&"VI_1".into(), &"master".into()));
            assert_eq!(event["to"], "fault");
            assert!(event["at"].is_string() && event["reason"].is_string(), "{event}");
        }
        seen.push(event["event"].as_str().unwrap_or_default().to_owned());
    }
    assert!(seen.contains(&"fault".to_owned()), "its cause, too: {seen:?}");
    Ok(())
}
