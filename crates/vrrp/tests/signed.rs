//! Captured adverts with a signature: taken, refused with any byte changed, and signed by us with the very same bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test: a panic is a failure")]

mod captures;

use std::time::Duration;

use vrrp::wire::admit::{Field, Reject};
use vrrp::wire::advert::{Addresses, Advert, MAX_LEN, Version};
use vrrp::wire::checksum::Form;
use vrrp::wire::hmac::TRAILER_LEN;

use captures::{captures, judge};

#[test]
fn signed_adverts_are_taken_and_their_numbers_grow() {
    for capture in captures("signed") {
        let mut last = 0;
        for packet in &capture.packets {
            let verdict = judge(&capture, packet, &packet.payload, Duration::ZERO);
            assert_eq!(verdict.outcome.map(|a| a.priority), Ok(100), "{}", capture.name);
            assert_eq!(verdict.differs, None, "{}", capture.name);
            let sequence = verdict.sequence.unwrap();
            // Copies to several peers have one number.
            assert!(
                sequence > last || packet.destination.to_string() == "192.168.152.13",
                "{}",
                capture.name
            );
            last = sequence;
        }
    }
}

#[test]
fn the_same_adverts_later_are_too_old() {
    for capture in captures("signed") {
        let packet = &capture.packets[0];
        let verdict = judge(&capture, packet, &packet.payload, Duration::from_secs(7));
        assert_eq!(verdict.outcome, Err(Reject::Stale), "{}", capture.name);
        assert_eq!(verdict.differs, Some(Field::Clock(7)));
    }
}

#[test]
fn with_any_byte_changed_they_are_refused() {
    for capture in captures("signed") {
        for packet in &capture.packets {
            for at in 0..packet.payload.len() {
                for bit in 0..8 {
                    let mut spoiled = packet.payload.clone();
                    spoiled[at] ^= 1 << bit;
                    let verdict = judge(&capture, packet, &spoiled, Duration::ZERO);
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

#[test]
fn we_sign_with_the_same_bytes() {
    for capture in captures("signed") {
        let (plan, keyring) = (&capture.plan, capture.plan.keyring.as_ref().unwrap());
        let listed = plan.advertised();
        for packet in &capture.packets {
            let advert = Advert {
                version: plan.version,
                vrid: plan.key.vrid,
                priority: 100,
                interval: plan.interval,
                auth: plan.auth,
                addresses: Addresses::new(plan.key.family, &listed),
            };
            let form = if plan.version == Version::V2 { Form::Plain } else { Form::PseudoHeader };
            let mut buffer = [0; MAX_LEN];
            let len = advert.encode(form, packet.source, packet.destination, &mut buffer).unwrap();
            let mut message = buffer[..len].to_vec();
            let trailer = &packet.payload[packet.payload.len() - TRAILER_LEN..];
            let sequence = u64::from_be_bytes(trailer[4..12].try_into().unwrap());
            assert!(keyring.sign(sequence, packet.source, packet.destination, &mut message));
            assert_eq!(message, packet.payload, "{}", capture.name);
        }
    }
}
