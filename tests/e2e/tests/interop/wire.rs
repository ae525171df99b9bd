//! The wire fails: cut without anybody's noticing, or with the carrier gone.

use e2e::pair::{Flavour, NAME, Pair};
use lab::{Holdfast, Keepalived, Result, SECONDS_10};

e2e::for_every_flavour![
    d7_9_a_healed_partition_has_one_master_by_priority,
    d7_9_a_healed_partition_of_equals_has_one_master_by_address,
    a_lost_carrier_is_a_fault_until_it_is_back,
];

/// Both are master while the wire is cut.
fn cut(pair: &Pair, ours: &Holdfast, theirs: &Keepalived) -> Result {
    pair.lan.isolate(&pair.our_host, "eth0")?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)
}

fn d7_9_a_healed_partition_has_one_master_by_priority(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let (theirs, ours) = (pair.start_theirs(90)?, pair.start_ours(100, "")?);
    pair.wait_ours(&ours, &theirs)?;
    let before = ours.instance(NAME, "/transitions")?;
    cut(&pair, &ours, &theirs)?;
    pair.lan.join(&pair.our_host, "eth0")?;
    pair.wait_ours(&ours, &theirs)?;
    assert_eq!(ours.instance(NAME, "/transitions")?, before, "the higher one has nothing to yield");
    pair.assert_understood(&ours, &theirs)
}

fn d7_9_a_healed_partition_of_equals_has_one_master_by_address(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let ours = pair.start_ours(100, "")?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    let theirs = pair.start_theirs(100)?;
    theirs.wait_state(NAME, "BACKUP", SECONDS_10)?;
    cut(&pair, &ours, &theirs)?;
    pair.lan.join(&pair.our_host, "eth0")?;
    // Theirs is .12, ours .11: the higher address stays (RFC 3768 6.4.3, RFC 9568 6.4.3).
    pair.wait_theirs(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)
}

fn a_lost_carrier_is_a_fault_until_it_is_back(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let (theirs, ours) = (pair.start_theirs(90)?, pair.start_ours(100, "")?);
    pair.wait_ours(&ours, &theirs)?;
    pair.lan.unplug(&pair.our_host, "eth0")?;
    ours.wait_state(NAME, "fault", SECONDS_10)?;
    let faults = ours.instance(NAME, "/faults")?;
    assert!(faults.to_string().contains("eth0"), "the fault is told in plain words: {faults}");
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    pair.our_host.wait_no_address(flavour.address(), SECONDS_10)?;
    pair.lan.plug(&pair.our_host, "eth0")?;
    pair.wait_ours(&ours, &theirs)?;
    assert_eq!(ours.instance(NAME, "/faults")?, serde_json::json!([]));
    pair.assert_understood(&ours, &theirs)
}
