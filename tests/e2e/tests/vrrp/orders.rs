//! What operators order: a master hands over, or a machine stays away, and what outlives what.

use lab::{Holdfast, Monitor, Result, SECONDS_10, wait};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{NAME, QUIET, Two, VIP, config};

#[track_caller]
fn order(holdfast: &Holdfast, arguments: &[&str]) -> Result<String> {
    let done = holdfast.command(arguments)?;
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    Ok(done.stdout)
}

#[track_caller]
fn overrides(holdfast: &Holdfast) -> Result<Value> {
    holdfast.instance(NAME, "/overrides")
}

#[track_caller]
fn kill_child(holdfast: &Holdfast) -> Result {
    let before = holdfast.child("vrrp")?;
    holdfast.signal_child("vrrp", Signal::SIGKILL)?;
    wait::until("another process", SECONDS_10, || {
        Ok(holdfast.child("vrrp").is_ok_and(|pid| pid != before) && holdfast.instance(NAME, "/state").is_ok())
    })
}

/// Longer than a backup waits for a silent master, several times.
#[track_caller]
fn stays(holdfast: &Holdfast, state: &str) -> Result {
    wait::stays(&format!("VI_1 {state}"), QUIET * 2, || Ok(holdfast.instance(NAME, "/state")? == state))
}

/// When the virtual address came or went, by the kernel's report: the first such line.
fn reported(monitor: &Monitor, gone: bool) -> Result<String> {
    let mut found = None;
    wait::until("the report of the address", SECONDS_10, || {
        let lines = monitor.lines_from(0);
        found = lines.into_iter().find(|line| line.contains(VIP) && line.contains("Deleted") == gone);
        Ok(found.is_some())
    })?;
    let line = found.unwrap_or_default();
    Ok(line.split(']').next().unwrap_or_default().to_owned())
}

#[test]
fn a_failover_leaves_no_moment_without_a_holder_and_is_not_taken_back() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    // Of the master only what comes after this: it has the address already.
    let (on_a, on_b) = (Monitor::start(&two.a, &["address"])?, Monitor::start(&two.b, &["address"])?);
    let told = order(&a, &["failover", NAME, "--reason", "new kernel"])?;
    assert_eq!(told, "VI_1: handed over to 192.168.152.12\n");
    b.wait_state(NAME, "master", SECONDS_10)?;
    let (came, went) = (reported(&on_b, false)?, reported(&on_a, true)?);
    assert!(came < went, "it came to b at {came} and left a at {went}");
    stays(&a, "backup")?;
    assert!(!two.a.has_address(VIP)? && two.b.has_address(VIP)?);

    let before = overrides(&a)?;
    let field = |pointer: &str| before.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!((field("/0/kind"), field("/0/reason")), ("failover".into(), "new kernel".into()), "{before}");
    assert_eq!((field("/0/user"), field("/0/uid")), ("root".into(), 0.into()));
    let text = a.command(&["status", "vrrp"])?.stdout;
    assert!(text.contains("handed over, and not taken back until released, by root (uid 0) at "), "{text}");

    // The death of the process, a reload and another program change nothing of it.
    kill_child(&a)?;
    stays(&a, "backup")?;
    assert_eq!(a.reload(&config(220, ""))?.code, Some(0));
    stays(&a, "backup")?;
    assert_eq!(a.command(&["upgrade"])?.code, Some(0));
    stays(&a, "backup")?;
    assert_eq!(overrides(&a)?, before);

    assert_eq!(order(&a, &["release", NAME])?, "VI_1: ordinary election again\n");
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    let log = a.log().text();
    for line in [
        "override: failover instance=VI_1 for=\"until it is released\" by=root uid=0 reason=\"new kernel\"",
        "override released: failover instance=VI_1 by=root uid=0",
    ] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    Ok(())
}

#[test]
fn a_failover_to_nobody_changes_nothing_and_says_so() -> Result {
    let two = Two::new()?;
    let a = Holdfast::start(&two.a, &config(100, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    two.a.wait_address(VIP, SECONDS_10)?;
    let monitor = Monitor::start(&two.a, &["address"])?;
    let done = a.command(&["failover", NAME])?;
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert_eq!(done.stdout, "VI_1: nobody came forward to take over: it stays master here\n");
    stays(&a, "master")?;
    assert_eq!(overrides(&a)?, Value::Array(Vec::new()));
    let lost = monitor.lines_from(0).into_iter().find(|line| line.contains("Deleted") && line.contains(VIP));
    assert_eq!(lost, None, "the address never left");
    Ok(())
}

#[test]
fn a_failover_ends_with_the_successor_and_with_its_time() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    order(&a, &["failover", NAME])?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    let folder = b.kill()?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    assert!(a.log().text().contains("override is over, nobody else is master: failover instance=VI_1"));
    assert_eq!(overrides(&a)?, Value::Array(Vec::new()));

    let b = Holdfast::restart(&two.b, folder)?;
    let heard = || Ok(b.instance(NAME, "/master").is_ok_and(|m| m.as_str() == Some("192.168.152.11")));
    wait::until("b to hear a", SECONDS_10, heard)?;
    order(&a, &["failover", NAME, "--for", "3s"])?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    let log = a.log().text();
    assert!(log.contains("override is over: failover instance=VI_1"), "{log}");
    Ok(())
}

#[test]
fn a_machine_under_maintenance_is_master_of_nothing() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    let told = order(&a, &["maintenance", "on", "--reason", "disk"])?;
    let expected = "VI_1: handed over to 192.168.152.12\nunder maintenance until it is switched off: \
                    this machine is master of nothing, whoever else is there\n";
    assert_eq!(told, expected);
    b.wait_state(NAME, "master", SECONDS_10)?;
    let text = a.command(&["status"])?.stdout;
    assert!(text.starts_with("! under maintenance until released, by root (uid 0) at "), "{text}");
    let refused = a.command(&["failover", NAME])?;
    assert_eq!(refused.code, Some(1));
    assert_eq!(refused.stderr, "this machine is under maintenance: it is master of nothing\n");

    // Not even if nobody else is there, nor after a death, a reload that adds, or an upgrade.
    assert_eq!(b.stop()?, 0);
    let nowhere = |what: &str| -> Result {
        stays(&a, "backup")?;
        assert!(!two.a.has_address(VIP)?, "{what}");
        Ok(())
    };
    nowhere("alone")?;
    let log = a.log().text();
    assert!(log.contains("no master is heard, and an order keeps this machine from being it"), "{log}");
    kill_child(&a)?;
    nowhere("after a death")?;
    let other = config(255, "").replace("= 51", "= 52").replace(VIP, "192.168.152.201").replace(NAME, "VI_2");
    assert_eq!(a.reload(&format!("{}{other}", config(200, "")))?.code, Some(0));
    nowhere("after a reload")?;
    assert_eq!(a.instance("VI_2", "/state")?, "backup");
    assert_eq!(a.command(&["upgrade"])?.code, Some(0));
    nowhere("after an upgrade")?;
    assert_eq!(order(&a, &["maintenance", "off"])?, "no longer under maintenance: ordinary election again\n");
    for name in [NAME, "VI_2"] {
        a.wait_state(name, "master", SECONDS_10)?;
    }
    two.a.wait_address(VIP, SECONDS_10)
}

#[test]
fn maintenance_ends_when_its_time_is_over() -> Result {
    let two = Two::new()?;
    let a = Holdfast::start(&two.a, &config(100, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let told = order(&a, &["maintenance", "on", "--for", "2s"])?;
    assert!(told.contains("VI_1: given up, and nobody was heard to take over"), "{told}");
    a.wait_state(NAME, "master", SECONDS_10)?;
    assert!(a.log().text().contains("override is over: maintenance"), "{}", a.log().text());
    assert_eq!(a.command(&["maintenance", "off", "--for", "1s"])?.code, Some(2));
    Ok(())
}

#[test]
fn a_sync_group_hands_over_as_one() -> Result {
    let two = Two::new()?;
    let group = |priority| {
        let other = config(priority, "").replace("= 51", "= 52").replace(VIP, "192.168.152.201");
        let other = other.replace(NAME, "VI_2");
        let group = "[[vrrp.sync_group]]\nname = \"G1\"\ninstances = [\"VI_1\", \"VI_2\"]\n";
        format!("{}{other}{group}", config(priority, ""))
    };
    let a = Holdfast::start(&two.a, &group(200))?;
    a.wait_state("VI_2", "master", SECONDS_10)?;
    let b = Holdfast::start(&two.b, &group(100))?;
    let heard =
        |name: &str| -> Result<bool> { Ok(b.instance(name, "/master")?.as_str() == Some("192.168.152.11")) };
    wait::until("b to hear a", SECONDS_10, || Ok(heard(NAME)? && heard("VI_2")?))?;
    let both = "VI_1: handed over to 192.168.152.12\nVI_2: handed over to 192.168.152.12\n";
    assert_eq!(order(&a, &["failover", "G1"])?, both);
    for name in [NAME, "VI_2"] {
        b.wait_state(name, "master", SECONDS_10)?;
    }
    stays(&a, "backup")?;
    // An instance stands for its group.
    assert_eq!(order(&a, &["release", "VI_2"])?.lines().count(), 2);
    for name in [NAME, "VI_2"] {
        a.wait_state(name, "master", SECONDS_10)?;
    }
    let refused = a.command(&["failover", "G2"])?;
    assert_eq!(refused.stderr, "no instance or sync group \"G2\": there is G1, VI_1, VI_2\n");
    let refused = b.command(&["failover", NAME])?;
    assert_eq!(
        refused.stderr,
        "VI_1 is not master here, so it cannot hand over: it is backup, and 192.168.152.11 is master\n"
    );
    Ok(())
}

#[test]
fn a_client_is_answered_all_the_time() -> Result {
    let two = Two::new()?;
    // With adverts every second a successor waits 0.6 s after the goodbye, and nobody would answer meanwhile.
    let slow = |priority| config(priority, "").replace("100ms", "1s");
    let a = Holdfast::start(&two.a, &slow(200))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let b = Holdfast::start(&two.b, &slow(100))?;
    let heard = || Ok(b.instance(NAME, "/master")?.as_str() == Some("192.168.152.11"));
    wait::until("b to hear a", SECONDS_10, heard)?;
    let client = two.lan.host("client", &["192.168.152.10/24"])?;
    let answers = || Ok(client.output(&["ping", "-c", "1", "-W", "1", VIP])?.code == Some(0));
    wait::until("an answer", SECONDS_10, answers)?;
    // No connection that could break in two: whoever has the address answers.
    let argv = ["ping", "-i", "0.01", "-c", "300", "-W", "1", "-q", VIP];
    let report = std::thread::scope(|scope| -> Result<String> {
        let asking = scope.spawn(|| client.output(&argv));
        order(&a, &["failover", NAME])?;
        b.wait_state(NAME, "master", SECONDS_10)?;
        let done = asking.join().map_err(|_| lab::Error::new("the client ended"))??;
        Ok(done.stdout)
    })?;
    let answered = report.split(", ").find_map(|part| part.strip_suffix(" received"));
    let answered: u32 = answered.ok_or("no report")?.trim().parse()?;
    // What is on its way while the address moves may meet the wrong machine; 0.6 s would be 60 of them.
    assert!(answered >= 270, "{report}");
    Ok(())
}
