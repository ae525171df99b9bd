//! A reload touches what it changes and nothing else.

use std::net::IpAddr;

use lab::{Holdfast, Monitor, Result, SECONDS_10, wait};

use super::{NAME, Two, VIP, config, transitions, with_addresses};

const SECOND: &str = "192.168.152.201";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn reload(holdfast: &Holdfast, config: &str) -> Result<String> {
    let done = holdfast.reload(config)?;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    Ok(done.stdout)
}

#[test]
fn an_address_more_and_less_is_just_that() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("address_mismatch = \"ignore\"")?;
    let extra = "address_mismatch = \"ignore\"";
    let before = (transitions(&a)?, transitions(&b)?);
    let (pid, monitor) = (a.child("vrrp")?, Monitor::start(&two.a, &["address"])?);
    let seen = monitor.log().mark();
    reload(&a, &with_addresses(200, &format!("\"{VIP}\", \"{SECOND}\""), extra))?;
    two.a.wait_address(SECOND, SECONDS_10)?;
    let said = two.wire.mark();
    let (_, advert) = two.wire.wait_advert_from(said, SECONDS_10, |advert| advert.addresses.len() == 2)?;
    assert_eq!(advert.addresses, [ip(VIP), ip(SECOND)]);
    two.wire.wait_from(0, "its announcement", SECONDS_10, |f| f.packet.announced() == Some(ip(SECOND)))?;
    reload(&a, &config(200, extra))?;
    two.a.wait_no_address(SECOND, SECONDS_10)?;
    let lines = monitor.lines_from(seen);
    let deleted: Vec<_> = lines.iter().filter(|line| line.contains("Deleted")).collect();
    assert!(deleted.iter().all(|line| line.contains(SECOND)), "{deleted:?}");
    assert!(two.a.has_address(VIP)?);
    assert_eq!((transitions(&a)?, transitions(&b)?), before);
    assert_eq!(a.child("vrrp")?, pid);
    Ok(())
}

#[test]
fn a_lower_priority_hands_the_address_over() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    reload(&a, &config(50, ""))?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    a.wait_state(NAME, "backup", SECONDS_10)?;
    reload(&a, &config(150, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    wait::until("the address on a alone", SECONDS_10, || {
        Ok(two.a.has_address(VIP)? && !two.b.has_address(VIP)?)
    })
}

#[test]
fn another_name_and_another_instance_disturb_nobody() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    let before = (transitions(&a)?, transitions(&b)?);
    let other = config(77, "").replace("= 51", "= 52").replace(VIP, SECOND).replace(NAME, "VI_2");
    reload(&a, &format!("{}{other}", config(200, "").replace(NAME, "renamed")))?;
    a.wait_state("VI_2", "master", SECONDS_10)?;
    two.a.wait_address(SECOND, SECONDS_10)?;
    assert_eq!(a.instance("renamed", "/transitions")?, before.0);
    let said = two.wire.mark();
    reload(&a, &config(200, ""))?;
    // What is taken out says goodbye.
    two.wire.wait_advert_from(said, SECONDS_10, |advert| advert.vrid == 52 && advert.priority == 0)?;
    two.a.wait_no_address(SECOND, SECONDS_10)?;
    assert_eq!((transitions(&a)?, transitions(&b)?), before);
    assert!(two.wire.adverts().iter().all(|(_, advert)| advert.vrid != 51 || advert.priority == 200));
    Ok(())
}

#[test]
fn a_refused_reload_changes_nothing() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    let before = (transitions(&a)?, transitions(&b)?, a.child("vrrp")?);
    let done = a.reload(&config(50, "prioriti = 3"))?;
    assert_eq!(done.code, Some(2), "{}{}", done.stdout, done.stderr);
    let words = format!("{}{}", done.stdout, done.stderr);
    assert!(words.contains("prioriti") && words.contains("priority"), "{words}");
    assert_eq!((transitions(&a)?, transitions(&b)?, a.child("vrrp")?), before);
    assert_eq!(a.instance(NAME, "/priority")?, 200);
    assert!(two.a.has_address(VIP)?);
    Ok(())
}
