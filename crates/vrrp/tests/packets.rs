//! Captured adverts of others: read to the value they mean, and written by us to the very same bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test: a panic is a failure")]

mod captures;

use std::time::Duration;

use vrrp::wire::advert::{Addresses, Advert, MAX_LEN, Version, View};
use vrrp::wire::checksum::Form;

use captures::{captures, judge};

#[test]
fn captured_adverts_are_taken_without_a_complaint() {
    let captures = captures("packets");
    assert!(captures.len() >= 6);
    for capture in &captures {
        for (packet, priority) in capture.packets.iter().zip([200, 0]) {
            let verdict = judge(capture, packet, &packet.payload, Duration::ZERO);
            let admitted = verdict.outcome.unwrap();
            assert_eq!(verdict.differs, None, "{}", capture.name);
            assert_eq!(admitted.priority, priority, "{}", capture.name);
            assert_eq!(admitted.interval, capture.plan.interval, "{}", capture.name);
        }
    }
}

#[test]
fn we_would_have_sent_the_same_bytes() {
    for capture in captures("packets") {
        let plan = &capture.plan;
        let listed = plan.advertised();
        for packet in &capture.packets {
            let advert = Advert {
                version: plan.version,
                vrid: plan.key.vrid,
                priority: View::new(&packet.payload).unwrap().priority(),
                interval: plan.interval,
                auth: plan.auth,
                addresses: Addresses::new(plan.key.family, &listed),
            };
            let form = if plan.version == Version::V2 { Form::Plain } else { Form::PseudoHeader };
            let mut buffer = [0; MAX_LEN];
            let len = advert.encode(form, packet.source, packet.destination, &mut buffer).unwrap();
            assert_eq!(buffer[..len], packet.payload, "{}", capture.name);
        }
    }
}

#[test]
fn a_captured_advert_with_any_byte_changed_is_not_the_same() {
    for capture in captures("packets") {
        for packet in &capture.packets {
            let before = judge(&capture, packet, &packet.payload, Duration::ZERO);
            for at in 0..packet.payload.len() {
                for bit in 0..8 {
                    let mut spoiled = packet.payload.clone();
                    spoiled[at] ^= 1 << bit;
                    let verdict = judge(&capture, packet, &spoiled, Duration::ZERO);
                    // The authentication data of a version 2 packet is covered too.
                    assert_ne!(verdict, before, "{} byte {at} bit {bit}", capture.name);
                    assert!(verdict.outcome.is_err(), "{} byte {at} bit {bit}", capture.name);
                }
            }
            for len in 0..packet.payload.len() {
                let cut = judge(&capture, packet, &packet.payload[..len], Duration::ZERO);
                assert!(cut.outcome.is_err(), "{} cut at {len}", capture.name);
            }
        }
    }
}
