//! The command against a daemon made of canned replies: exit codes, merging, waiting for outcomes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use serde_json::{Value, json};

/// A run directory that is removed with its contents.
struct RunDir(PathBuf);

impl RunDir {
    fn new(name: &str) -> Self {
        let dir = Self(std::env::temp_dir().join(format!("holdfast-ctl-{name}-{}", std::process::id())));
        fs::create_dir(&dir.0).unwrap();
        dir
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(arguments).arg("--run-dir").arg(&self.0).output().unwrap()
    }

    /// Runs the command while each socket answers one client per reply.
    fn run_against(&self, sockets: &[(&str, &[Value])], arguments: &[&str]) -> Output {
        let listeners: Vec<_> = sockets
            .iter()
            .map(|(name, replies)| {
                (UnixListener::bind(self.0.join(format!("{name}.sock"))).unwrap(), *replies)
            })
            .collect();
        thread::scope(|scope| {
            for (listener, replies) in listeners {
                scope.spawn(move || replies.iter().for_each(|reply| answer(&listener, reply)));
            }
            self.run(arguments)
        })
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Takes one client and one request; `reply` is a result, an error message, or nothing but the end.
fn answer(listener: &UnixListener, reply: &Value) {
    let (stream, _) = listener.accept().unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    let request: Value = serde_json::from_str(&line).unwrap();
    let mut reply = reply.clone();
    if reply.is_null() {
        return;
    }
    reply["id"] = request["id"].clone();
    writeln!(&stream, "{reply}").unwrap();
}

fn watchdog(children: &[&str]) -> Value {
    let children: Vec<Value> = children.iter().map(|name| json!({"name": name, "state": "up"})).collect();
    json!({"result": {"pid": 1, "uptime_s": 5, "config": {"path": "/x", "generation": 1}, "children": children}})
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn without_a_daemon_the_code_says_not_running() {
    let dir = RunDir::new("none");
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["reload"],
        &["reload", "--dry-run"],
        &["drain", "10.0.0.1:80"],
        &["release", "--all"],
        &["release", "VI_1"],
        &["failover", "VI_1"],
        &["maintenance", "on"],
    ] {
        let output = dir.run(arguments);
        assert_eq!(output.status.code(), Some(7), "{arguments:?}");
        assert!(text(&output.stderr).contains("holdfastd is not running"), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn the_parts_of_the_processes_are_merged() {
    let dir = RunDir::new("merge");
    let vrrp = json!({"result": {"instances": [{"name": "VI_1", "state": "master"}], "sync_groups": [], "scripts": []}});
    let sockets: [(&str, &[Value]); 2] = [("watchdog", &[watchdog(&["vrrp"])]), ("vrrp", &[vrrp])];
    let output = dir.run_against(&sockets, &["status", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["watchdog"]["pid"], 1);
    assert_eq!(status["vrrp"]["instances"][0]["name"], "VI_1");
    assert_eq!(status["checker"], Value::Null);
}

#[test]
fn what_stands_beside_the_watchdogs_part_stays_beside_it() {
    let dir = RunDir::new("beside");
    let head =
        json!({"result": {"version": "9.9", "router_id": "lb", "watchdog": {"pid": 2, "children": []}}});
    let output = dir.run_against(&[("watchdog", &[head])], &["status", "--json", "watchdog"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["version"], &status["watchdog"]["pid"]), (&json!("9.9"), &json!(2)));
}

#[test]
fn a_child_that_does_not_answer_is_told_and_the_rest_is_shown() {
    let dir = RunDir::new("half");
    let sockets: [(&str, &[Value]); 2] =
        [("watchdog", &[watchdog(&["vrrp", "checker"])]), ("vrrp", &[Value::Null])];
    let output = dir.run_against(&sockets, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = text(&output.stderr);
    assert!(complaint.contains("the vrrp process gives no status"), "{complaint}");
    assert!(complaint.contains("the checker process gives no status"), "{complaint}");
    assert!(text(&output.stdout).contains("watchdog  up"), "{}", text(&output.stdout));
}

#[test]
fn a_reload_prints_what_changed() {
    let dir = RunDir::new("reload");
    let reply = json!({"result": {"ok": true, "changes": [{"object": "VI_1", "change": "added", "detail": "", "traffic": "new"}]}});
    let output = dir.run_against(&[("watchdog", &[reply])], &["reload"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = "added    VI_1  [new connections]\n1 object changed; new connections may go elsewhere, those that are there stay\n";
    assert_eq!(text(&output.stdout), told);
}

#[test]
fn a_dry_run_says_by_its_exit_status_whether_anything_would_change() {
    for (kind, code) in [("kept", 0), ("removed", 3)] {
        let dir = RunDir::new(&format!("dry-{kind}"));
        let reply = json!({"result": {"ok": true, "changes": [{"object": "VI_1", "change": kind}]}});
        let output = dir.run_against(&[("watchdog", &[reply])], &["reload", "--dry-run", "--json"]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&answer["ok"], &answer["summary"][kind]), (&json!(true), &json!(1)), "{answer}");
    }
}

#[test]
fn a_reload_refused_for_the_text_is_a_configuration_fault() {
    let dir = RunDir::new("refused");
    let config = dir.0.join("holdfast.toml");
    fs::write(&config, "nonsense = 1\n").unwrap();
    let status = json!({"result": {"config": {"path": config}}});
    let refusal = json!({"error": {"message": "holdfast.toml:1:1: error: unknown key\n"}});
    let output = dir.run_against(&[("watchdog", &[refusal.clone(), status])], &["reload"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "holdfast.toml:1:1: error: unknown key\nthe reload was refused: nothing has changed\n"
    );

    fs::remove_file(dir.0.join("watchdog.sock")).unwrap();
    fs::write(&config, "").unwrap();
    let status = json!({"result": {"config": {"path": config}}});
    let output = dir.run_against(&[("watchdog", &[refusal, status])], &["reload"]);
    assert_eq!(output.status.code(), Some(1), "the text is good, so something else was wrong");
}

#[test]
fn check_tells_faults_apart_by_its_code() {
    let dir = RunDir::new("check");
    let config = dir.0.join("a.toml");
    let check = |arguments: &[&str]| dir.run(arguments);
    let path = config.to_str().unwrap();
    assert_eq!(check(&["check", path]).status.code(), Some(6));
    fs::write(&config, "[global]\nrouter_id = \"a\"\n").unwrap();
    for arguments in [&["check", path][..], &["check", "--config", path], &["-c", path, "check"]] {
        let output = check(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), format!("{path}: no errors\n"));
    }
    fs::write(&config, "[global]\nrouter = \"a\"\n").unwrap();
    let output = check(&["check", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with(&format!("{path}:2:1: error: unknown key \"router\"")));
    assert!(text(&output.stderr).ends_with(&format!("{path}: 1 error\n")));
    fs::write(&config, b"\xff").unwrap();
    assert_eq!(check(&["check", path]).status.code(), Some(2));
}
