//! A child hangs or dies, or the watchdog does.

use std::time::Duration;

use lab::{Holdfast, Lan, Monitor, Netns, Result, SECONDS_10, wait};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{IMPATIENT, VIP, processes, restarts, router};

#[test]
fn a_hung_child_is_named_killed_and_replaced() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let holdfast = Holdfast::start(&host, &router(200))?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let monitor = Monitor::start(&host, &["address"])?;
    let seen = monitor.log().mark();
    let old = holdfast.child("vrrp")?;
    holdfast.signal_child("vrrp", Signal::SIGSTOP)?;
    let line = holdfast.log().wait("child did not answer hello: killing it child=vrrp", SECONDS_10)?;
    assert!(line.contains(&format!("pid={old} silent_for=")), "{line}");
    holdfast.log().wait(&format!("child died child=vrrp pid={old} status=\"signal 9\""), SECONDS_10)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let new = holdfast.child("vrrp")?;
    let restarted = format!("child restarted child=vrrp pid={new} restarts=1 reason=\"no answer to hello\"");
    holdfast.log().wait(&restarted, SECONDS_10)?;
    // It was noticed within the lease of the address, which therefore never went.
    let lines = monitor.lines_from(seen);
    assert!(!lines.iter().any(|line| line.contains("Deleted")), "{lines:?}");
    assert!(host.has_address(VIP)?);
    Ok(())
}

/// Two servers, of which one answers. Without IPVS, so that it runs on every kernel.
fn servers() -> String {
    format!(
        "{IMPATIENT}[checker]\nipvs = false\n[[virtual_server]]\naddress = \"192.168.152.100:80\"\n\
         protocol = \"tcp\"\nscheduler = \"rr\"\nforward = \"nat\"\n\
         check = {{ type = \"tcp\", interval = \"200ms\", timeout = \"200ms\", retries = 0 }}\n\
         real_servers = [\"192.168.152.11:8080\", \"192.168.152.11:8081\"]\n"
    )
}

/// Which of the two serve, in the order of the configuration; nothing while there is no checker to ask.
fn alive(holdfast: &Holdfast) -> Option<Vec<bool>> {
    let status = holdfast.status().ok()?;
    let servers = status.pointer("/checker/virtual_servers/0/real_servers")?.as_array()?;
    servers.iter().map(|server| server["alive"].as_bool()).collect()
}

#[test]
fn a_checker_that_is_killed_or_hangs_forgets_no_verdict() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let _server = listen(&host)?;
    let holdfast = Holdfast::start(&host, &servers())?;
    let right = || Ok(alive(&holdfast) == Some(vec![true, false]));
    wait::until("the verdicts", SECONDS_10, right)?;
    let changes = || holdfast.log().count("real server down") + holdfast.log().count("real server up");
    let before = changes();
    for (times, signal) in [(1, Signal::SIGKILL), (2, Signal::SIGSTOP), (3, Signal::SIGKILL)] {
        holdfast.signal_child("checker", signal)?;
        wait::until("a successor", SECONDS_10, || {
            // Whenever there is an answer, it is the right one.
            let verdicts = alive(&holdfast);
            assert!(verdicts.is_none() || verdicts == Some(vec![true, false]), "{verdicts:?}");
            Ok(verdicts.is_some() && restarts(&holdfast, "checker")? == times)
        })?;
        wait::stays("the verdicts", Duration::from_millis(600), right)?;
    }
    assert_eq!(changes(), before, "a verdict has changed:\n{}", holdfast.log().tail(30));
    Ok(())
}

/// Somebody who accepts on the first of the two ports.
fn listen(host: &Netns) -> Result<std::net::TcpListener> {
    Ok(host.enter(|| std::net::TcpListener::bind("192.168.152.11:8080"))??)
}

#[test]
fn a_killed_watchdog_leaves_nothing_behind() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (a, b) = (lan.host("a", &["192.168.152.11/24"])?, lan.host("b", &["192.168.152.12/24"])?);
    let wire = lan.capture()?;
    let mut ours = Holdfast::start(&a, &router(200))?;
    ours.wait_state("VI_1", "master", SECONDS_10)?;
    let theirs = Holdfast::start(&b, &router(100))?;
    theirs.wait_state("VI_1", "backup", SECONDS_10)?;
    let mark = wire.mark();
    ours.process().signal(Signal::SIGKILL)?;
    let (_, parting) = wire.wait_advert_from(mark, SECONDS_10, |advert| advert.priority == 0)?;
    assert_eq!(parting.source_mac.to_string(), a.mac("eth0")?);
    theirs.wait_state("VI_1", "master", SECONDS_10)?;
    a.wait_no_address(VIP, SECONDS_10)?;
    wait::until("the end of the children", SECONDS_10, || Ok(processes(&a).is_empty()))?;
    ours.log().wait("vrrp: stopping: the watchdog is gone", SECONDS_10)?;
    // Its pid file and its sockets still lie there.
    let folder = ours.kill()?;
    let ours = Holdfast::restart(&a, folder)?;
    ours.wait_state("VI_1", "master", SECONDS_10)?;
    a.wait_address(VIP, SECONDS_10)?;
    b.wait_no_address(VIP, SECONDS_10)
}

#[test]
fn a_stop_leaves_nothing_behind() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let holdfast = Holdfast::start(&host, &format!("{}{}", router(200), servers().replace(IMPATIENT, "")))?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let mut titles = processes(&host);
    titles.sort();
    assert_eq!(titles, ["holdfastd: checker", "holdfastd: vrrp", "holdfastd: watchdog"]);
    let run = holdfast.folder().path().join("run");
    let mut mine = holdfast;
    mine.process().signal(Signal::SIGTERM)?;
    assert_eq!(mine.process().wait_code(SECONDS_10)?, 0);
    assert!(!host.has_address(VIP)?);
    assert!(processes(&host).is_empty());
    // What happened is for whoever asks afterwards.
    let left = std::fs::read_dir(run)?.map(|entry| Ok(entry?.file_name()));
    assert_eq!(left.collect::<Result<Vec<_>>>()?, ["events.jsonl"]);
    // The balancing goes after the address has moved away.
    let log = mine.log().text();
    let (vrrp, checker) = (log.find("child stopped child=vrrp"), log.find("child stopped child=checker"));
    assert!(vrrp.is_some() && vrrp < checker, "{log}");
    Ok(())
}

#[test]
fn children_come_and_go_with_the_configuration() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let only_router = router(200);
    let both = format!("{only_router}{}", servers().replace(IMPATIENT, ""));
    let holdfast = Holdfast::start(&host, &only_router)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let vrrp = holdfast.child("vrrp")?;
    let transitions = holdfast.instance("VI_1", "/transitions")?;
    assert_eq!(holdfast.reload(&both)?.code, Some(0));
    assert!(holdfast.child("checker")? > 0);
    assert_eq!(holdfast.reload(&only_router)?.code, Some(0));
    let gone = || Ok(holdfast.status()?.pointer("/checker") == Some(&Value::Null));
    wait::until("the checker to go", SECONDS_10, gone)?;
    assert_eq!(processes(&host).len(), 2);
    assert_eq!(holdfast.child("vrrp")?, vrrp);
    assert_eq!(holdfast.instance("VI_1", "/transitions")?, transitions);
    Ok(())
}
