//! Ours, keepalived and FRR on one wire: whoever goes, the best of those that are left is master, alone.

use e2e::pair::{Flavour, NAME, Pair, VRID};
use lab::frr::{Frr, Router};
use lab::packet::Mac;
use lab::{Netns, Result, SECONDS_10, wait};

/// Waits until this host alone advertises, with its priority.
#[track_caller]
fn alone(pair: &Pair, host: &Netns, priority: u8) -> Result {
    let mac = Mac::parse(&host.mac("eth0")?)?;
    let mark = pair.wire.mark();
    wait::until("one master", SECONDS_10, || {
        let adverts = pair.wire.adverts_from(mark);
        let last: Vec<_> = adverts.iter().rev().take(4).collect();
        // FRR speaks from the virtual MAC, so the priority says who it is.
        Ok(last.len() == 4
            && last.iter().all(|(_, advert)| {
                advert.priority == priority
                    && (advert.source_mac == mac
                        || advert.source_mac.to_string().starts_with("00:00:5e:00:01"))
            }))
    })
}

#[test]
fn d7_7_three_makes_of_which_one_after_the_other_is_killed() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let third = pair.lan.host("frr", &["192.168.152.13/24"])?;
    let addresses = pair.flavour.addresses().iter().map(|address| (*address).to_owned()).collect();
    let interval_ms = u32::try_from(pair.flavour.interval().as_millis()).unwrap_or(1000);
    let router = Router { version: 3, vrid: VRID, priority: 80, interval_ms, addresses };
    let frr = Frr::start(&third, &router)?;
    frr.wait_state(false, "Master", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    pair.our_host.wait_address(pair.flavour.address(), SECONDS_10)?;
    frr.wait_state(false, "Backup", SECONDS_10)?;
    let theirs = pair.start_theirs(150)?;
    pair.wait_theirs(&ours, &theirs)?;
    alone(&pair, &pair.their_host, 150)?;

    theirs.kill()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    alone(&pair, &pair.our_host, 100)?;
    frr.wait_state(false, "Backup", SECONDS_10)?;
    let folder = ours.kill()?;
    frr.wait_state(false, "Master", SECONDS_10)?;
    alone(&pair, &third, 80)?;

    // And back again, the middle one first.
    let ours = lab::Holdfast::restart(&pair.our_host, folder)?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    alone(&pair, &pair.our_host, 100)?;
    frr.kill()?;
    let theirs = pair.start_theirs(150)?;
    pair.wait_theirs(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)
}

/// Ours sends and takes the form without the pseudo header, keepalived the other one.
#[test]
fn d7_8_strict_about_the_checksum_each_drops_the_other_s_and_ours_says_so() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let theirs = pair.start_theirs(150)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let ours = pair.start_ours(100, "v3_checksum = \"plain\"\nv3_checksum_strict = true")?;
    ours.log().wait("incompatible peer", SECONDS_10)?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    let rejected = || -> Result<u64> {
        let counts = ours.instance(NAME, "/advertisements/rejected")?;
        Ok(counts.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum())
    };
    wait::until("rejected adverts", SECONDS_10, || Ok(rejected()? >= 2))?;
    assert_eq!(theirs.state(NAME).as_deref(), Some("MASTER"), "it takes ours for damaged");
    // Without strictness ours understands keepalived, and is its backup.
    assert_eq!(ours.reload(&pair.flavour.ours(100, ""))?.code, Some(0));
    pair.wait_theirs(&ours, &theirs)
}
