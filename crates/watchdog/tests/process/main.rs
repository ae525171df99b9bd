//! Real processes: the watchdog over children that die, hang, refuse and dawdle.
//!
//! Unprivileged, and with nothing shared but the process table: every daemon has a directory of its own.

mod lab;

use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;

use lab::{Lab, until};
use nix::sys::signal::Signal;
use serde_json::json;

const ONE: &str = "[one]\nword = \"a\"\n";
const BOTH: &str = "[one]\nword = \"a\"\n[two]\nword = \"a\"\n";

#[test]
fn children_are_started_as_configured_and_shown_by_name() {
    let lab = Lab::up(ONE);
    assert_eq!(lab.files(), ["holdfastd.pid", "one.sock", "watchdog.sock"]);
    let pid = lab.child_pid("one");
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(command.starts_with(b"holdfastd: one\0"));
    assert_eq!(lab.says("one")["pid"], pid);
    assert_eq!(lab.child("two"), None);
    let hello = lab.call("watchdog", "hello", json!({})).unwrap();
    assert_eq!(hello["pid"], lab.daemon_pid());
    assert!(lab.call("watchdog", "fly", json!({})).unwrap_err().contains("unknown method"));
}

#[test]
fn a_killed_child_is_back_at_once_with_its_state() {
    let lab = Lab::up(ONE);
    let pid = lab.child_pid("one");
    lab.kill_child("one", Signal::SIGKILL);
    lab.restarted("one", 1);
    assert_eq!(lab.says("one")["starts"], 2);
    let new = lab.child_pid("one");
    lab.wait_for_line(&format!("child died child=one pid={pid} status=\"signal 9\""));
    lab.wait_for_line(&format!("child restarted child=one pid={new} restarts=1 reason=\"signal 9\""));
    assert_eq!(lab.child("one").unwrap()["last_restart_reason"], "signal 9");
}

#[test]
fn a_stopped_child_is_killed_and_back_with_its_state() {
    let lab = Lab::up(BOTH);
    let pid = lab.child_pid("one");
    let other = lab.child_pid("two");
    lab.kill_child("one", Signal::SIGSTOP);
    lab.restarted("one", 1);
    assert_eq!(lab.says("one")["starts"], 2);
    let line = lab.wait_for_line("child did not answer hello: killing it child=one");
    assert!(line.contains(&format!("pid={pid} silent_for=1.")), "{line}");
    lab.wait_for_line("restarts=1 reason=\"no answer to hello\"");
    assert_eq!(lab.child_pid("two"), other);
}

#[test]
fn an_endless_loop_is_ended_and_the_child_back_with_its_state() {
    let lab = Lab::up(ONE);
    lab.provoke("one", "spin");
    lab.restarted("one", 1);
    assert_eq!(lab.says("one")["starts"], 2);
    lab.wait_for_line("child did not answer hello: killing it child=one");
}

#[test]
fn a_crash_loop_is_slowed_down_and_each_death_is_told_once() {
    let lab = Lab::up(ONE);
    for restarts in 1..=3 {
        lab.provoke("one", "die");
        lab.restarted("one", restarts);
    }
    let log = lab.log();
    let count = |part: &str| log.lines().filter(|line| line.contains(part)).count();
    assert_eq!(count("child died child=one"), 3);
    assert_eq!(count("child restarted child=one"), 3);
    assert_eq!(count("killing it"), 0);
    assert_eq!(lab.says("one")["starts"], 4);
}

#[test]
fn a_child_poisoned_by_its_state_gets_a_fresh_start() {
    let lab = Lab::up("[one]\nstart = \"poisoned\"\n");
    lab.kill_child("one", Signal::SIGKILL);
    lab.wait_for_line("starting it without the state of its predecessor child=one");
    until(|| (lab.child("one")?["state"] == "up").then_some(()), || lab.log());
    assert_eq!(lab.says("one")["starts"], 1);
}

#[test]
fn a_swept_run_directory_is_made_again_with_the_next_start() {
    let lab = Lab::up(BOTH);
    std::fs::remove_file(lab.run_dir().join("one.sock")).unwrap();
    lab.kill_child("one", Signal::SIGKILL);
    lab.restarted("one", 1);
    assert_eq!(lab.says("one")["starts"], 2);
    lab.wait_for_line("one.sock was removed by somebody: making it again");
}

#[test]
fn a_child_that_cannot_go_on_ends_the_daemon_with_its_code() {
    for (start, code) in [("config", 2), ("permission", 4)] {
        let mut lab = Lab::new(&format!("[one]\nstart = \"{start}\"\n[two]\n"));
        lab.start(&[]);
        assert_eq!(lab.exit_code(), code);
        lab.wait_for_line("child cannot go on: stopping child=one");
        assert!(!lab.files().iter().any(|file| file.contains("holdfastd") || file.contains("sock")));
    }
}

#[test]
fn a_start_up_that_never_succeeds_is_given_up() {
    let mut lab = Lab::new("[one]\nstart = \"fail\"\n[two]\n");
    lab.start(&[]);
    assert_eq!(lab.exit_code(), 1);
    lab.wait_for_line("not every child became ready in time: giving up");
    assert_eq!(lab.files(), ["two.stopped"]);
}

#[test]
fn a_child_that_hangs_while_it_starts_is_killed() {
    let mut lab = Lab::new("[one]\nstart = \"spin\"\n");
    lab.start(&[]);
    assert_eq!(lab.exit_code(), 1);
    // Whether its own time ends first or that of the whole start-up is a matter of microseconds.
    lab.wait_for_line("killing it child=one");
}

#[test]
fn a_stop_is_in_order_and_leaves_nothing() {
    let mut lab = Lab::up(BOTH);
    lab.signal(Signal::SIGTERM);
    assert_eq!(lab.exit_code(), 0);
    assert_eq!(lab.files(), ["one.stopped", "two.stopped"]);
    let log = lab.log();
    let two = log.find("child stopped child=two").unwrap();
    assert!(two < log.find("child stopped child=one").unwrap(), "the last started stops first:\n{log}");
}

#[test]
fn a_client_may_ask_for_the_stop() {
    let mut lab = Lab::up(ONE);
    lab.call("watchdog", "stop", json!({})).unwrap();
    assert_eq!(lab.exit_code(), 0);
    assert_eq!(lab.files(), ["one.stopped"]);
}

#[test]
fn a_child_that_will_not_stop_is_killed_in_the_end() {
    let mut lab = Lab::up("[one]\nstop = \"ignore\"\n[two]\n");
    lab.signal(Signal::SIGINT);
    assert_eq!(lab.exit_code(), 0);
    lab.wait_for_line("child did not stop in time: killing it child=one");
    assert_eq!(lab.files(), ["two.stopped"]);
}

#[test]
fn children_stop_in_order_when_the_watchdog_is_killed() {
    let mut lab = Lab::up(BOTH);
    lab.signal(Signal::SIGKILL);
    assert_eq!(lab.ended().signal(), Some(9));
    lab.wait_until_nobody_is_left();
    assert!(lab.files().contains(&"one.stopped".to_owned()));
    assert!(lab.files().contains(&"two.stopped".to_owned()));
    lab.wait_for_line("one: stopping");
}

#[test]
fn a_new_daemon_takes_over_the_place_of_a_killed_one_when_its_children_are_gone() {
    let mut lab = Lab::up("[one]\nstop = \"ignore\"\n");
    let old = lab.child_pid("one");
    lab.signal(Signal::SIGKILL);
    lab.ended();
    // The pid file and the sockets lie there, and a child that will not go.
    lab.write(ONE);
    lab.start(&[]);
    lab.wait_for_line(&format!("does not end: killing it pid={old}"));
    until(|| (lab.log().matches("watchdog: started").count() == 2).then_some(()), || lab.log());
    assert_eq!(lab.says("one")["starts"], 1);
}

#[test]
fn a_second_daemon_is_refused_and_does_no_harm() {
    let lab = Lab::up(ONE);
    let pid = lab.child_pid("one");
    let second = lab.command(&[]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let words = String::from_utf8(second.stderr).unwrap();
    assert!(words.contains(&format!("already running pid={}", lab.daemon_pid())), "{words}");
    assert_eq!(lab.child_pid("one"), pid);
    assert_eq!(lab.files(), ["holdfastd.pid", "one.sock", "watchdog.sock"]);
}

#[test]
fn a_daemon_tells_the_terminal_how_its_start_up_ended() {
    let lab = Lab::new(ONE);
    let started = lab.command(&["--detach"]).output().unwrap();
    assert_eq!(started.status.code(), Some(0), "{}", lab.log());
    // Ready means ready.
    let pid: i32 =
        std::fs::read_to_string(lab.run_dir().join("holdfastd.pid")).unwrap().trim().parse().unwrap();
    assert_eq!(lab.child("one").unwrap()["state"], "up");
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(command.starts_with(b"holdfastd: watchdog\0"));
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap().to_str(), Some("/"));
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/fd/2")).unwrap().to_str(), Some("/dev/null"));
    let session = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid))).unwrap();
    assert_eq!(session.as_raw(), pid);
    let second = lab.command(&["--detach"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8(second.stderr).unwrap().contains("already running"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    lab.wait_until_nobody_is_left();
}

#[test]
fn a_daemon_that_cannot_start_says_so_with_its_code_and_its_words() {
    for (config, code, words) in [
        ("[one]\nwordd = \"a\"\n", 2, "c.toml:7:1: error: unknown key \"wordd\""),
        ("[one]\nstart = \"permission\"\n", 4, "child cannot go on"),
        ("[one]\nstart = \"permission\"\n", 4, "one: as it was told to"),
        ("[one]\nstart = \"die\"\n", 1, "not every child became ready in time"),
    ] {
        let lab = Lab::new(config);
        let started = lab.command(&["--detach"]).output().unwrap();
        let told = String::from_utf8(started.stderr).unwrap();
        assert_eq!(started.status.code(), Some(code), "{told}");
        assert!(told.contains(words), "{told}");
        lab.wait_until_nobody_is_left();
    }
    let lab = Lab::new("");
    std::fs::remove_file(lab.dir.join("c.toml")).unwrap();
    assert_eq!(lab.command(&["--detach"]).output().unwrap().status.code(), Some(6));
}

#[test]
fn a_reload_reaches_all_and_says_what_changed() {
    let lab = Lab::up(BOTH);
    let pids = (lab.child_pid("one"), lab.child_pid("two"));
    lab.write("[one]\nword = \"b\"\n[two]\nword = \"a\"\n");
    let would = lab.call("watchdog", "reload", json!({ "dry_run": true })).unwrap();
    assert_eq!(lab.says("one")["word"], "a");
    let answer = lab.reload().unwrap();
    assert_eq!(would["changes"], answer["changes"]);
    // The other one's share is as it was: he is not bothered.
    let changes = json!([{ "object": "word one", "change": "changed", "detail": "a -> b" }]);
    assert_eq!(answer["changes"], changes);
    assert_eq!((answer["generation"].as_u64(), lab.generation()), (Some(2), 2));
    assert_eq!(lab.says("one")["word"], "b");
    assert_eq!((lab.child_pid("one"), lab.child_pid("two")), pids);
    lab.wait_for_line("reload: changed object=\"word one\" detail=\"a -> b\"");
    assert_eq!(lab.status()["config"]["last_reload"]["ok"], true);
}

#[test]
fn a_reload_says_what_changes_for_the_watchdog_itself() {
    let lab = Lab::up(ONE);
    let before = lab.reload().unwrap();
    assert_eq!(before["changes"], json!([]));
    let text = std::fs::read_to_string(lab.dir.join("c.toml")).unwrap();
    let text =
        text.replace("[watchdog]", "[global]\nrouter_id = \"other\"\n[watchdog]\nresources = { nice = 1 }");
    std::fs::write(lab.dir.join("c.toml"), &text).unwrap();
    let would = lab.call("watchdog", "reload", json!({ "dry_run": true })).unwrap();
    let changes = would["changes"].as_array().unwrap().iter().filter(|change| change["change"] != "kept");
    let changes: Vec<_> = changes.collect();
    let objects: Vec<&str> = changes.iter().filter_map(|change| change["object"].as_str()).collect();
    assert_eq!(objects, ["global", "watchdog"], "{would}");
    assert!(changes.iter().all(|change| change["traffic"] == "untouched"), "{would}");
    assert_eq!(lab.reload().unwrap()["changes"], would["changes"]);
}

#[test]
fn a_signal_reloads_too() {
    let lab = Lab::up(ONE);
    lab.write("[one]\nword = \"b\"\n");
    lab.signal(Signal::SIGHUP);
    until(|| (lab.says("one")["word"] == "b").then_some(()), || lab.log());
    lab.wait_for_line("reloaded generation=2 changed=1 kept=0");
}

#[test]
fn a_refused_reload_changes_nothing() {
    for (config, words) in [
        ("[one]\nwordd = \"b\"\n[two]\n", "c.toml:7:1: error: unknown key \"wordd\""),
        ("[one]\nword = \"b\"\n[two]\nprepare = \"refuse\"\n", "two: it does not like it"),
        ("[one]\nword = \"b\"\n[two]\nprepare = \"die\"\n", "two: it died"),
    ] {
        let lab = Lab::up(BOTH);
        let one = lab.child_pid("one");
        lab.write(config);
        let refused = lab.reload().unwrap_err();
        assert!(refused.contains(words), "{refused}");
        assert_eq!((lab.generation(), lab.child_pid("one")), (1, one));
        assert_eq!(lab.says("one")["word"], "a");
        let last = &lab.status()["config"]["last_reload"];
        assert_eq!(last["ok"], false);
        assert!(last["error"].as_str().unwrap().contains(words));
        lab.wait_for_line("reload refused: nothing has changed generation=1");
        // And whoever is started again now gets the text that was good.
        lab.kill_child("one", Signal::SIGKILL);
        lab.restarted("one", 1);
        assert_eq!(lab.says("one")["word"], "a");
    }
}

#[test]
fn a_child_that_hangs_or_dies_in_its_commit_gets_the_new_text_with_its_next_life() {
    for commit in ["spin", "die"] {
        let lab = Lab::up(BOTH);
        let one = lab.child_pid("one");
        lab.write(&format!("[one]\nword = \"b\"\n[two]\nword = \"b\"\ncommit = \"{commit}\"\n"));
        lab.reload().unwrap();
        lab.restarted("two", 1);
        assert_eq!(lab.says("two")["word"], "b");
        assert_eq!((lab.says("one")["word"].as_str(), lab.child_pid("one")), (Some("b"), one));
        assert_eq!(lab.generation(), 2);
    }
}

#[test]
fn a_reload_adds_and_removes_children() {
    let lab = Lab::up(ONE);
    let one = lab.child_pid("one");
    lab.write(BOTH);
    let added = lab.reload().unwrap()["changes"].clone();
    assert_eq!(
        added[0],
        json!({ "object": "two process", "change": "added", "detail": "with everything it is to do", "traffic": "all" })
    );
    assert_eq!(lab.child("two").unwrap()["state"], "up");
    assert_eq!(lab.says("two")["word"], "a");
    lab.write(ONE);
    let removed = lab.reload().unwrap()["changes"].clone();
    assert_eq!(removed[0]["change"], "removed");
    until(|| lab.child("two").is_none().then_some(()), || lab.log());
    assert_eq!(lab.files(), ["holdfastd.pid", "one.sock", "two.stopped", "watchdog.sock"]);
    assert_eq!(lab.child_pid("one"), one);
}

#[test]
fn a_new_child_that_does_not_start_takes_the_reload_back() {
    let lab = Lab::up(ONE);
    for start in ["config", "die"] {
        lab.write(&format!("[one]\nword = \"b\"\n[two]\nstart = \"{start}\"\n"));
        let refused = lab.reload().unwrap_err();
        assert_eq!(refused, "two: it does not start with this configuration");
        assert_eq!((lab.says("one")["word"].as_str(), lab.generation()), (Some("a"), 1));
        until(|| lab.child("two").is_none().then_some(()), || lab.log());
    }
}

#[test]
fn a_crash_loop_is_mended_by_a_reload() {
    let lab = Lab::up(BOTH);
    lab.write("[one]\nstart = \"fail\"\n[two]\n");
    lab.reload().unwrap();
    lab.kill_child("one", Signal::SIGKILL);
    let deaths = || lab.log().matches("child died child=one").count();
    until(|| (deaths() >= 3).then_some(()), || lab.log());
    lab.write(BOTH);
    lab.reload().unwrap();
    until(|| (lab.child("one")?["state"] == "up").then_some(()), || lab.log());
}

#[test]
fn one_role_can_be_run_alone() {
    let mut lab = Lab::new(BOTH);
    lab.start(&["--one-only"]);
    lab.wait_for_line("watchdog: started generation=1");
    assert_eq!(lab.child("two"), None);
    lab.reload().unwrap();
    assert_eq!(lab.child("two"), None);
}

#[test]
fn the_status_of_everybody_goes_into_a_file() {
    let lab = Lab::up(BOTH);
    lab.signal(Signal::SIGUSR1);
    lab.wait_for_line("status written to");
    let text = std::fs::read_to_string(lab.run_dir().join("status.json")).unwrap();
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status["one"]["word"].as_str(), status["two"]["word"].as_str()), (Some("a"), Some("a")));
    assert_eq!(status["watchdog"]["pid"], lab.daemon_pid());
    assert!(status["version"].is_string() && status["router_id"].is_string());
}

#[test]
fn a_hung_child_is_left_out_of_the_file() {
    let lab = Lab::up("[one]\n[two]\n");
    lab.kill_child("one", Signal::SIGSTOP);
    lab.signal(Signal::SIGUSR1);
    lab.wait_for_line("status written to");
    let text = std::fs::read_to_string(lab.run_dir().join("status.json")).unwrap();
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(status.get("one").is_none() && status["two"].is_object());
}

#[test]
fn systemd_is_told() {
    let mut lab = Lab::new(ONE);
    let path = lab.dir.join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let hear = || {
        let mut buffer = [0; 512];
        let length = systemd.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut command = lab.command(&[]);
    command.env("NOTIFY_SOCKET", &path);
    lab.start_command(command);
    assert_eq!(hear(), "READY=1\nSTATUS=generation 1, running one");
    lab.reload().unwrap();
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(hear(), "READY=1\nSTATUS=generation 2, running one");
    lab.signal(Signal::SIGTERM);
    assert_eq!(hear(), "STOPPING=1\nSTATUS=stopping");
}

#[test]
fn systemd_hears_that_the_watchdog_lives() {
    let mut lab = Lab::new(ONE);
    let path = lab.dir.join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let mut command = lab.command(&[]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    lab.start_command(command);
    let mut alive = 0;
    while alive < 3 {
        let mut buffer = [0; 512];
        let length = systemd.recv(&mut buffer).unwrap();
        alive += usize::from(&buffer[..length] == b"WATCHDOG=1");
    }
}
