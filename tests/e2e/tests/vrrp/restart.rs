//! The VRRP process dies or hangs.

use lab::{Monitor, Result, SECONDS_10, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{NAME, QUIET, Two, VIP, transitions};

#[test]
fn a_killed_master_is_master_again_before_anybody_notices() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    let monitor = Monitor::start(&two.a, &["address"])?;
    let (seen, before) = (monitor.log().mark(), transitions(&b)?);
    let old = a.child("vrrp")?;
    a.signal_child("vrrp", Signal::SIGKILL)?;
    wait::until("a successor", SECONDS_10, || Ok(a.child("vrrp").is_ok_and(|pid| pid != old)))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    // Well beyond the time after which the peer would have taken over.
    for _ in 0..10 {
        let said = two.wire.mark();
        two.wire.wait_advert_from(said, SECONDS_10, |advert| advert.priority == 200)?;
    }
    assert!(a.log().text().contains("reason=\"restored from checkpoint\""));
    assert_eq!(transitions(&b)?, before, "the peer noticed:\n{}", b.log().tail(20));
    let lines = monitor.lines_from(seen);
    assert!(!lines.iter().any(|line| line.contains("Deleted")), "{lines:?}");
    assert!(two.wire.adverts().iter().all(|(_, advert)| advert.priority == 200));
    Ok(())
}

#[test]
fn a_killed_backup_is_backup_again() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    let (before, old) = (transitions(&a)?, b.child("vrrp")?);
    b.signal_child("vrrp", Signal::SIGKILL)?;
    wait::until("a successor", SECONDS_10, || Ok(b.child("vrrp").is_ok_and(|pid| pid != old)))?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    wait::stays("backup", QUIET, || Ok(b.instance(NAME, "/state")? == "backup"))?;
    assert_eq!(transitions(&a)?, before);
    Ok(())
}

#[test]
fn d6_2_a_stopped_master_keeps_its_address_for_its_lease_only() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    let child = Pid::from_raw(a.child("vrrp")?);
    kill(child, Signal::SIGSTOP)?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    two.a.wait_no_address(VIP, SECONDS_10)?;
    two.b.wait_address(VIP, SECONDS_10)?;
    // Whether it goes on by itself or is replaced: in the end one of them has it.
    let _replaced = kill(child, Signal::SIGCONT);
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    wait::until("the address on a alone", SECONDS_10, || {
        Ok(two.a.has_address(VIP)? && !two.b.has_address(VIP)?)
    })
}

#[test]
fn when_the_watchdog_is_killed_the_address_is_given_up_in_order() -> Result {
    let two = Two::new()?;
    let (mut a, b) = two.start("")?;
    let (child, said) = (a.child("vrrp")?, two.wire.mark());
    a.process().signal(Signal::SIGKILL)?;
    two.wire.wait_advert_from(said, SECONDS_10, |advert| advert.priority == 0)?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    two.a.wait_no_address(VIP, SECONDS_10)?;
    wait::until("the end of the child", SECONDS_10, || Ok(!lab::alive(child)))
}
