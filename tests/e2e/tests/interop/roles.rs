//! Who is master when nobody fails.

use e2e::pair::{Flavour, NAME, Pair};
use lab::{Result, SECONDS_10, arping, wait};

e2e::for_every_flavour![
    d7_1_ours_preempts_a_lower_peer,
    d7_1_ours_stays_backup_of_a_higher_peer,
    d7_1_ours_stays_backup_of_an_equal_peer,
    d7_1_an_equal_peer_stays_backup_of_ours,
    d7_5_ours_does_not_preempt_when_told_so,
];

fn d7_1_ours_preempts_a_lower_peer(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(90)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    pair.wait_ours(&ours, &theirs)?;
    if flavour != Flavour::V3Ipv6 {
        assert_eq!(arping(&pair.client, "eth0", flavour.address())?, [pair.our_host.mac("eth0")?]);
    }
    pair.assert_understood(&ours, &theirs)
}

fn d7_1_ours_stays_backup_of_a_higher_peer(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(150)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    stays_backup(&pair, &theirs)
}

fn d7_1_ours_stays_backup_of_an_equal_peer(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(100)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    stays_backup(&pair, &theirs)
}

/// Ours, started with priority 100, stays backup for longer than a silent master would be waited for.
fn stays_backup(pair: &Pair, theirs: &lab::Keepalived) -> Result {
    let ours = pair.start_ours(100, "")?;
    let span = pair.flavour.master_down(100) * 3 / 2;
    wait::stays("Holdfast as backup", span, || {
        Ok(ours.instance(NAME, "/state")? == "backup"
            && !pair.our_host.has_address(pair.flavour.address())?)
    })?;
    pair.wait_theirs(&ours, theirs)?;
    assert!(ours.instance(NAME, "/master")?.as_str().is_some_and(|master| master.ends_with("12")));
    assert_eq!(theirs.transitions(NAME).last().map(String::as_str), Some("MASTER"));
    pair.assert_understood(&ours, theirs)
}

fn d7_1_an_equal_peer_stays_backup_of_ours(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let ours = pair.start_ours(100, "")?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    let theirs = pair.start_theirs(100)?;
    theirs.wait_state(NAME, "BACKUP", SECONDS_10)?;
    wait::stays("keepalived as backup", flavour.master_down(100) * 3 / 2, || {
        Ok(theirs.state(NAME).as_deref() == Some("BACKUP"))
    })?;
    pair.wait_ours(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)
}

fn d7_5_ours_does_not_preempt_when_told_so(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(90)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let ours = pair.start_ours(100, "preempt = false")?;
    wait::stays("Holdfast as backup", flavour.master_down(100) * 3 / 2, || {
        Ok(ours.instance(NAME, "/state")? == "backup")
    })?;
    pair.wait_theirs(&ours, &theirs)?;
    theirs.stop()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    pair.our_host.wait_address(flavour.address(), SECONDS_10)
}
