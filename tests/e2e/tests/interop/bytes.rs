//! Byte for byte: the same settings on the same host give the same advertisement.

use e2e::pair::{Flavour, Pair};
use lab::packet::Checksum;
use lab::{Frame, Result, SECONDS_10};

e2e::for_every_flavour![ours_says_what_keepalived_says];

fn ours_says_what_keepalived_says(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = lab::Keepalived::start(&pair.our_host, &flavour.theirs(100).config())?;
    let expected = advert(&pair, 0)?;
    theirs.stop()?;
    let mark = pair.wire.mark();
    let ours = pair.start_ours(100, "")?;
    let got = advert(&pair, mark)?;
    let (expected, got) = (expected.packet.advert(), got.packet.advert());
    assert_eq!(got, expected);
    let got = got.ok_or("the frame is an advert")?;
    assert_eq!(got.ttl, 255);
    let sum = if flavour.interval().as_secs() == 1 { Checksum::Message } else { Checksum::PseudoHeader };
    assert_eq!(got.checksum, sum);
    assert_eq!(ours.stop()?, 0);
    Ok(())
}

fn advert(pair: &Pair, mark: usize) -> Result<Frame> {
    pair.wire.wait_from(mark, "an advert of priority 100", SECONDS_10, |frame| {
        frame.packet.advert().is_some_and(|advert| advert.priority == 100)
    })
}
