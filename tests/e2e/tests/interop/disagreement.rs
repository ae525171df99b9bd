//! A peer with our identifier and other settings: nobody can be master alone, but both are told why.

use e2e::pair::{Flavour, NAME, Pair};
use lab::keepalived::Instance;
use lab::{Holdfast, Keepalived, Result, SECONDS_10, wait};

/// Starts both; returns when Holdfast has named the field that differs.
fn disagree(pair: &Pair, theirs: &Instance, field: &str) -> Result<(Holdfast, Keepalived)> {
    let theirs = Keepalived::start(&pair.their_host, &theirs.config())?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    let line = ours.log().wait("incompatible peer", SECONDS_10)?;
    assert!(line.contains(&format!("field={field} ")), "{line}");
    assert!(
        line.contains(&format!("instance={NAME}")) && line.contains("mine=") && line.contains("theirs="),
        "{line}"
    );
    let peers = ours.instance(NAME, "/incompatible_peers")?;
    assert_eq!(peers.pointer("/0/field").and_then(|field| field.as_str()), Some(field), "{peers}");
    Ok((ours, theirs))
}

/// The peer's adverts count for nothing, are counted, and do not flood the log.
fn dropped(pair: &Pair, ours: &Holdfast, reason: &str) -> Result {
    let count = || -> Result<u64> {
        let rejected = ours.instance(NAME, "/advertisements/rejected")?;
        Ok(rejected.get(reason).and_then(serde_json::Value::as_u64).unwrap_or_default())
    };
    // keepalived puts its own advert off at every inferior one it hears, so there are few once both are master.
    let slow = reason == "interval";
    wait::until("rejected adverts", SECONDS_10, || Ok(count()? >= if slow { 1 } else { 2 }))?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    assert!(pair.our_host.has_address(pair.flavour.address())?);
    let lines = ours.log().count("incompatible peer");
    assert!(lines <= 2, "{lines} lines about one peer:\n{}", ours.log().tail(30));
    Ok(())
}

#[test]
fn another_password_is_named_and_not_shown() -> Result {
    let pair = Pair::new(Flavour::V2Pass)?;
    let (ours, _theirs) = disagree(&pair, &pair.flavour.theirs(150).password("secret22"), "auth.password")?;
    dropped(&pair, &ours, "password")?;
    assert!(!ours.log().text().contains("secret22"), "the log shows a password");
    assert!(!ours.status()?.to_string().contains("secret22"), "the status shows a password");
    Ok(())
}

#[test]
fn a_peer_without_authentication_is_named() -> Result {
    let pair = Pair::new(Flavour::V2Pass)?;
    let theirs = Instance { password: None, ..pair.flavour.theirs(150) };
    let (ours, _theirs) = disagree(&pair, &theirs, "auth.type")?;
    dropped(&pair, &ours, "auth_type")
}

#[test]
fn another_version_is_named() -> Result {
    let pair = Pair::new(Flavour::V2)?;
    let theirs = Instance { version: 3, ..pair.flavour.theirs(150) };
    let (ours, _theirs) = disagree(&pair, &theirs, "version")?;
    dropped(&pair, &ours, "version")
}

#[test]
fn another_interval_is_named_in_version_2() -> Result {
    let pair = Pair::new(Flavour::V2)?;
    let (ours, _theirs) = disagree(&pair, &pair.flavour.theirs(150).interval("2"), "advert_interval")?;
    dropped(&pair, &ours, "interval")
}

#[test]
fn d6_6_other_addresses_are_named_in_version_2() -> Result {
    let pair = Pair::new(Flavour::V2)?;
    let theirs = Instance { addresses: vec!["192.168.152.201".into()], ..pair.flavour.theirs(150) };
    let (ours, _theirs) = disagree(&pair, &theirs, "virtual_addresses")?;
    dropped(&pair, &ours, "addresses")
}

#[test]
fn d6_6_other_addresses_are_named_in_version_3_and_the_peer_is_heard() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let theirs = Instance { addresses: vec!["192.168.152.201".into()], ..pair.flavour.theirs(150) };
    let (ours, _theirs) = disagree(&pair, &theirs, "virtual_addresses")?;
    // RFC 9568 5.2.9: it may be logged, but the advert counts.
    wait::stays("Holdfast as backup", pair.flavour.master_down(100) * 3, || {
        Ok(ours.instance(NAME, "/state")? == "backup")
    })
}

#[test]
fn d7_4_another_interval_is_learned_in_version_3() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let theirs = Keepalived::start(&pair.their_host, &pair.flavour.theirs(150).interval("1").config())?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    // With its own interval it would take over after three fifths of a second and a bit.
    wait::stays("Holdfast as backup", pair.flavour.master_down(100) * 4, || {
        Ok(ours.instance(NAME, "/state")? == "backup")
    })
}
