//! What operators order of a Holdfast whose peer is a keepalived: it hands over, and it stays away.

use e2e::pair::{Flavour, NAME, Pair};
use lab::{Holdfast, Result, SECONDS_10, wait};

e2e::for_every_flavour![a_failover_is_followed_and_not_taken_back, maintenance_leaves_all_to_the_peer];

fn order(ours: &Holdfast, arguments: &[&str]) -> Result<String> {
    let done = ours.command(arguments)?;
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{arguments:?}: {}", done.stdout);
    Ok(done.stdout)
}

fn a_failover_is_followed_and_not_taken_back(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(90)?;
    let ours = pair.start_ours(100, "")?;
    pair.wait_ours(&ours, &theirs)?;
    let mark = pair.wire.mark();
    let told = order(&ours, &["failover", NAME])?;
    assert!(told.starts_with("VI_1: handed over to ") && told.ends_with("12\n"), "{told}");
    let (released, _) = pair.wire.wait_advert_from(mark, SECONDS_10, |advert| advert.priority == 0)?;
    let (taken, _) = pair.wire.wait_advert_from(mark, SECONDS_10, |advert| advert.priority == 90)?;
    assert!(taken > released);
    pair.wait_theirs(&ours, &theirs)?;
    wait::stays("Holdfast as backup", flavour.master_down(100), || {
        Ok(ours.instance(NAME, "/state")? == "backup")
    })?;
    // Nobody else is there any more: the order gives way.
    theirs.stop()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    pair.our_host.wait_address(flavour.address(), SECONDS_10)?;
    let theirs = pair.start_theirs(90)?;
    pair.wait_ours(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)
}

fn maintenance_leaves_all_to_the_peer(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(90)?;
    let ours = pair.start_ours(100, "")?;
    pair.wait_ours(&ours, &theirs)?;
    order(&ours, &["maintenance", "on"])?;
    pair.wait_theirs(&ours, &theirs)?;
    wait::stays("Holdfast as backup", flavour.master_down(100), || {
        Ok(ours.instance(NAME, "/state")? == "backup")
    })?;
    order(&ours, &["maintenance", "off"])?;
    pair.wait_ours(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)
}
