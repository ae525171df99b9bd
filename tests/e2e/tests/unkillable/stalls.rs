//! A process that gets no turn for a while: stopped and continued beside a keepalived that lives on.

use std::time::Duration;

use e2e::pair::{Flavour, NAME, Pair};
use lab::packet::Mac;
use lab::{Holdfast, Result, SECONDS_10, arping, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A watchdog that waits for its child longer than any of these stops lasts.
const PATIENT: &str = "[watchdog]\nhello_timeout = \"60s\"\n";
/// So long is a process stopped: longer than a master-down time of version 2 at one second.
const STOP: Duration = Duration::from_secs(5);

/// Starts Holdfast under a patient watchdog.
#[track_caller]
fn start(pair: &Pair, priority: u8, extra: &str) -> Result<Holdfast> {
    Holdfast::start(&pair.our_host, &format!("{PATIENT}{}", pair.flavour.ours(priority, extra)))
}

/// Stops processes, waits, and lets them go on.
fn stop(processes: &[i32]) -> Result {
    for pid in processes {
        kill(Pid::from_raw(*pid), Signal::SIGSTOP)?;
    }
    wait::pause(STOP);
    for pid in processes.iter().rev() {
        kill(Pid::from_raw(*pid), Signal::SIGCONT)?;
    }
    Ok(())
}

/// A backup under a keepalived of priority 200 is stopped: afterwards nothing has happened.
#[track_caller]
fn a_backup_says_nothing(flavour: Flavour, whole: bool) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(200)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let mut ours = start(&pair, 100, "")?;
    pair.wait_theirs(&ours, &theirs)?;
    let (mark, before) = (pair.wire.mark(), theirs.transitions(NAME));
    let known = ours.instance(NAME, "/transitions")?;
    let stopped = if whole { ours.process().tree() } else { vec![ours.child("vrrp")?] };
    stop(&stopped)?;
    // It has seen what it missed, and what came after that.
    let heard = || -> Result<_> { Ok(ours.instance(NAME, "/advertisements/received")?.as_u64()) };
    let first = heard()?;
    wait::until("the master to be heard again", SECONDS_10, || Ok(heard()? > first))?;
    wait::stays("Holdfast as backup", flavour.master_down(100) * 3 / 2, || {
        Ok(ours.instance(NAME, "/state")? == "backup")
    })?;
    assert_eq!(ours.instance(NAME, "/transitions")?, known);
    // Its master-down time ended while it had no turn, and the operator sees by how much it was late.
    let late = ours.status()?.pointer("/vrrp/lateness/worst_us").and_then(serde_json::Value::as_u64);
    assert!(late >= Some(1_000_000), "{late:?}");
    assert_eq!(theirs.transitions(NAME), before, "keepalived noticed:\n{}", theirs.log().tail(20));
    let mac = Mac::parse(&pair.our_host.mac("eth0")?)?;
    let said = pair.wire.frames_from(mark).into_iter().filter(|frame| {
        frame.bytes.get(6..12) == Some(&mac.0)
            && (frame.packet.advert().is_some() || frame.packet.announced().is_some())
    });
    assert_eq!(said.count(), 0, "a backup that speaks");
    assert!(!pair.our_host.has_address(flavour.address())?);
    Ok(())
}

#[test]
fn d6_1_a_backup_stopped_for_five_seconds_never_seizes_the_address_v2() -> Result {
    a_backup_says_nothing(Flavour::V2Pass, false)
}

#[test]
fn d6_1_a_backup_stopped_for_five_seconds_never_seizes_the_address_v3() -> Result {
    a_backup_says_nothing(Flavour::V3Ipv4, false)
}

#[test]
fn d6_1_a_backup_whose_machine_paused_never_seizes_the_address() -> Result {
    a_backup_says_nothing(Flavour::V3Ipv6, true)
}

/// A master was stopped until the peer had its address: it speaks up and has the wire's traffic again.
#[test]
fn d6_2_a_stopped_master_takes_its_address_back_in_earnest() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let theirs = pair.start_theirs(100)?;
    let ours = start(&pair, 200, "")?;
    pair.wait_ours(&ours, &theirs)?;
    let (address, mac) = (pair.flavour.address(), pair.our_host.mac("eth0")?);
    let child = Pid::from_raw(ours.child("vrrp")?);
    kill(child, Signal::SIGSTOP)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    // Nobody lives who could take it away but the kernel.
    pair.our_host.wait_no_address(address, SECONDS_10)?;
    let mark = pair.wire.mark();
    kill(child, Signal::SIGCONT)?;
    let own = Mac::parse(&mac)?;
    pair.wire.wait_from(mark, "an announcement of ours", SECONDS_10, |frame| {
        frame.packet.announced().is_some_and(|at| at.to_string() == address)
            && frame.bytes.get(6..12) == Some(&own.0)
    })?;
    pair.wait_ours(&ours, &theirs)?;
    assert_eq!(arping(&pair.client, "eth0", address)?, [mac]);
    ours.log().wait("this process was stalled", SECONDS_10).map(drop)
}

/// One that promised not to pre-empt leaves it to the peer.
#[test]
fn d6_2_a_stopped_master_that_does_not_preempt_leaves_its_address_to_the_peer() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let theirs = pair.start_theirs(100)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let ours = start(&pair, 200, "preempt = false")?;
    theirs.stop()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    let theirs = pair.start_theirs(100)?;
    pair.wait_ours(&ours, &theirs)?;
    let child = Pid::from_raw(ours.child("vrrp")?);
    kill(child, Signal::SIGSTOP)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    pair.our_host.wait_no_address(pair.flavour.address(), SECONDS_10)?;
    kill(child, Signal::SIGCONT)?;
    pair.wait_theirs(&ours, &theirs)?;
    wait::stays("keepalived as master", pair.flavour.master_down(100) * 2, || {
        Ok(theirs.state(NAME).as_deref() == Some("MASTER") && ours.instance(NAME, "/state")? == "backup")
    })
}
