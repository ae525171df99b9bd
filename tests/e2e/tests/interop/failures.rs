//! One side stops or dies, and comes back.

use std::time::SystemTime;

use e2e::pair::{Flavour, NAME, Pair, VRID};
use lab::{Holdfast, Result, SECONDS_10};

e2e::for_every_flavour![
    d7_2_a_peer_takes_over_when_ours_is_killed_and_gives_back,
    d7_2_a_peer_takes_over_when_ours_stops_and_gives_back,
    d7_3_ours_takes_over_when_a_peer_is_killed_and_gives_back,
    d7_3_ours_takes_over_when_a_peer_stops_and_gives_back,
];

fn d7_2_a_peer_takes_over_when_ours_is_killed_and_gives_back(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(90)?;
    let ours = pair.start_ours(100, "")?;
    pair.wait_ours(&ours, &theirs)?;

    let mark = pair.wire.mark();
    let folder = ours.kill()?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    // Nobody said goodbye: the peer had to wait its whole time.
    assert!(pair.wire.adverts_from(mark).iter().all(|(_, advert)| advert.priority != 0));
    let (last, taken) = takeover(&pair, mark, 90)?;
    assert!(taken.duration_since(last).unwrap_or_default() >= flavour.master_down(90));
    // The dead director's address leaves by itself: the kernel drops what nobody refreshes.
    pair.wait_holder(&pair.their_host, &pair.our_host)?;

    let ours = Holdfast::restart(&pair.our_host, folder)?;
    pair.wait_ours(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)
}

fn d7_2_a_peer_takes_over_when_ours_stops_and_gives_back(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(90)?;
    let ours = pair.start_ours(100, "")?;
    pair.wait_ours(&ours, &theirs)?;

    let mark = pair.wire.mark();
    assert_eq!(ours.stop()?, 0);
    assert!(!pair.our_host.has_address(flavour.address())?);
    let (released, goodbye) = pair.wire.wait_advert_from(mark, SECONDS_10, |advert| advert.priority == 0)?;
    assert_eq!(goodbye.vrid, VRID);
    let (_, taken) = takeover(&pair, mark, 90)?;
    let waited = taken.duration_since(released).unwrap_or_default();
    assert!(waited < flavour.master_down(90), "a goodbye shortens the wait: {waited:?}");
    pair.wait_holder(&pair.their_host, &pair.our_host)?;

    let ours = pair.start_ours(100, "")?;
    pair.wait_ours(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)
}

fn d7_3_ours_takes_over_when_a_peer_is_killed_and_gives_back(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(110)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    pair.wait_theirs(&ours, &theirs)?;

    let mark = pair.wire.mark();
    theirs.kill()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    let (last, taken) = takeover(&pair, mark, 100)?;
    assert!(taken.duration_since(last).unwrap_or_default() >= flavour.master_down(100));
    pair.our_host.wait_address(flavour.address(), SECONDS_10)?;
    // keepalived leaves its address behind when it is killed; a person would now restart it.
    let theirs = pair.start_theirs(110)?;
    pair.wait_theirs(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)
}

fn d7_3_ours_takes_over_when_a_peer_stops_and_gives_back(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(110)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    pair.wait_theirs(&ours, &theirs)?;

    let mark = pair.wire.mark();
    theirs.stop()?;
    let (released, _) = pair.wire.wait_advert_from(mark, SECONDS_10, |advert| advert.priority == 0)?;
    let (_, taken) = takeover(&pair, mark, 100)?;
    let waited = taken.duration_since(released).unwrap_or_default();
    assert!(waited >= flavour.skew(100), "not before the skew: {waited:?}");
    assert!(waited < flavour.master_down(100), "a goodbye shortens the wait: {waited:?}");
    pair.wait_holder(&pair.our_host, &pair.their_host)?;

    let theirs = pair.start_theirs(110)?;
    pair.wait_theirs(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)
}

/// When the old master was last heard, and when the new one of this priority announced the address.
fn takeover(pair: &Pair, mark: usize, priority: u8) -> Result<(SystemTime, SystemTime)> {
    let (first, _) = pair.wire.wait_advert_from(mark, SECONDS_10, |advert| advert.priority == priority)?;
    let address = pair.flavour.address();
    let announced = pair.wire.wait_from(mark, "the announcement of the address", SECONDS_10, |frame| {
        frame.at > first && frame.packet.announced().is_some_and(|announced| announced.to_string() == address)
    })?;
    let adverts = pair.wire.adverts();
    let before = adverts.iter().filter(|(at, advert)| *at < first && advert.priority != priority);
    let last = before.map(|(at, _)| *at).next_back();
    Ok((last.ok_or("the old master was heard")?, announced.at))
}
