//! What happened, as `holdfast events` tells it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use lab::{Holdfast, Lan, Program, Result, SECONDS_10, program, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const ROUTER: &str = "[[vrrp.instance]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = 100\n\
    advert_interval = \"100ms\"\nvirtual_addresses = [\"192.168.152.200\"]\n";
const SERVER: &str = "[checker]\nipvs = false\n[[virtual_server]]\naddress = \"192.168.152.100:80\"\n\
    real_servers = [\"192.168.152.11:8080\"]\n\
    check = { type = \"tcp\", interval = \"200ms\", timeout = \"200ms\", retries = 0 }\n";

fn events(holdfast: &Holdfast, more: &[&str]) -> Result<Vec<Value>> {
    let mut words = vec!["events", "--json"];
    words.extend(more);
    let output = holdfast.command(&words)?;
    assert_eq!(output.code, Some(0), "{output:?}");
    Ok(output.stdout.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?)
}

fn said(holdfast: &Holdfast, more: &[&str], field: &str) -> Result<Vec<String>> {
    let text = |event: &Value| event[field].as_str().unwrap_or_default().to_owned();
    Ok(events(holdfast, more)?.iter().map(text).collect())
}

#[test]
fn the_history_tells_it_all_and_outlives_every_process() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let mut holdfast = Holdfast::start(&host, &format!("{ROUTER}{SERVER}"))?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    wait::until("the verdict", SECONDS_10, || Ok(said(&holdfast, &["server_changed"], "to")? == ["down"]))?;
    assert_eq!(said(&holdfast, &["VI_1", "transitions"], "to")?, ["backup", "master"]);
    let change = &events(&holdfast, &["state_changed", "-n", "1"])?[0];
    assert_eq!(change["from"], "backup");
    assert_eq!(change["reason"], "no advert heard");
    assert_eq!(change["priority"], 100);
    assert_eq!(change["child"], "vrrp");
    assert_eq!(change["pid"], holdfast.child("vrrp")?);
    let verdict = &events(&holdfast, &["192.168.152.11"])?[0];
    assert_eq!(verdict["service"], "tcp 192.168.152.100:80");
    assert_ne!(verdict["reason"], "");
    // The log says the same.
    assert!(holdfast.log().text().contains("state changed instance=VI_1 from=backup to=master"));

    kill(Pid::from_raw(holdfast.child("vrrp")?), Signal::SIGKILL)?;
    wait::until("the restart", SECONDS_10, || {
        Ok(said(&holdfast, &["processes"], "event")?.contains(&"child_restarted".to_owned()))
    })?;
    let died = &events(&holdfast, &["child_died"])?[0];
    assert_eq!((&died["child"], &died["reason"]), (&"vrrp".into(), &"signal 9".into()));
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    holdfast.write_config(&format!("{ROUTER}{SERVER}nonsense = 1\n"))?;
    holdfast.process().signal(Signal::SIGHUP)?;
    wait::until("the refusal", SECONDS_10, || Ok(!events(&holdfast, &["reload_refused"])?.is_empty()))?;
    let done = holdfast.reload(&ROUTER.replace("100\n", "90\n"))?;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(said(&holdfast, &["reloads"], "event")?, ["reload_refused", "reloaded"]);
    let refusal = &events(&holdfast, &["reload_refused"])?[0];
    assert!(refusal["error"].as_str().is_some_and(|text| text.contains("nonsense")), "{refusal}");

    holdfast.process().signal(Signal::SIGTERM)?;
    assert_eq!(holdfast.process().wait_code(SECONDS_10)?, 0);
    let all = events(&holdfast, &[])?;
    let numbers: Vec<u64> = all.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=all.len() as u64).collect::<Vec<_>>());
    assert_eq!(all.last().map(|event| &event["event"]), Some(&"stopped".into()));
    assert_eq!(
        said(&holdfast, &["state_changed", "-n", "1"], "to")?,
        ["init"],
        "what a child tells last is kept"
    );
    let times = said(&holdfast, &[], "at")?;
    assert!(times.is_sorted(), "{times:?}");
    // Another daemon over the same directory goes on.
    let successor = Holdfast::restart(&host, holdfast.kill()?)?;
    wait::until("the second start", SECONDS_10, || Ok(events(&successor, &["started"])?.len() == 2))?;
    let started = events(&successor, &["started"])?;
    assert!(started[1]["seq"].as_u64() > numbers.last().copied());
    let text = successor.command(&["events", "--since", "1h", "-n", "1", "started"])?;
    assert!(text.stdout.contains(" watchdog started "), "{text:?}");
    let faulty = successor.command(&["events", "--since", "yesterday"])?;
    assert_eq!(faulty.code, Some(2), "{faulty:?}");
    let run = successor.folder().path().join("run");
    std::fs::remove_file(run.join("events.jsonl"))?;
    let nothing = successor.command(&["events"])?;
    assert_eq!(nothing.code, Some(7), "{nothing:?}");
    Ok(())
}

/// Somebody who reads on.
fn follow(run: &Path, words: &[&str]) -> Result<std::process::Child> {
    let mut command = Command::new(program(Program::Holdfast)?);
    command.arg("--run-dir").arg(run).args(["events", "--follow", "--json"]).args(words);
    Ok(command.stdout(Stdio::piped()).spawn()?)
}

#[test]
fn a_follower_sees_what_comes_and_ends_well() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let holdfast = Holdfast::start(&host, ROUTER)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let run = holdfast.folder().path().join("run");
    let mut follower = follow(&run, &["reloads", "VI_1", "state_changed", "-n", "0"])?;
    let mut closed = follow(&run, &[])?;
    let reader = follower.stdout.take().map(BufReader::new);
    let mut lines = reader.into_iter().flat_map(BufRead::lines);
    let mut next = || -> Result<Value> {
        let line = lines.next().ok_or_else(|| lab::Error::new("the follower ended"))??;
        Ok(serde_json::from_str(&line)?)
    };
    // It is there when it has opened its watch; what comes before that is shown as the last one.
    wait::until("the follower to watch", SECONDS_10, || {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", follower.id()))?;
        Ok(folder.flatten().any(|fd| {
            std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().ends_with("events.jsonl"))
        }))
    })?;
    host.ip("link set eth0 down")?;
    assert_eq!(next()?["to"], "fault");
    host.ip("link set eth0 up")?;
    assert_eq!(next()?["to"], "backup");
    assert_eq!(next()?["to"], "master");
    kill(Pid::from_raw(follower.id().cast_signed()), Signal::SIGINT)?;
    assert_eq!(follower.wait()?.code(), Some(0));
    // Nobody reads: no more has to happen for it to end.
    drop(closed.stdout.take());
    assert_eq!(closed.wait()?.code(), Some(0));
    Ok(())
}
