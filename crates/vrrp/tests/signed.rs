//! Captured adverts with a signature: taken, refused with any byte changed, and signed by us with the very same bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test: a panic is a failure")]

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::config::{Diagnostics, Document, Sources};
use vrrp::machine::id::LinkName;
use vrrp::plan::InstancePlan;
use vrrp::wire::admit::{Datagram, Field, Reject, Verdict, admit};
use vrrp::wire::advert::{Addresses, Advert, MAX_LEN, Version};
use vrrp::wire::checksum::Form;
use vrrp::wire::hmac::{Stamp, TRAILER_LEN};

struct Packet {
    at: Duration,
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    payload: Vec<u8>,
}

struct Capture {
    name: String,
    plan: InstancePlan,
    packets: Vec<Packet>,
}

fn captures() -> Vec<Capture> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/signed");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 4);
    paths.iter().map(|path| capture(path)).collect()
}

fn capture(path: &Path) -> Capture {
    let text = std::fs::read_to_string(path).unwrap();
    let mut config =
        "[[vrrp.instance]]\nname = \"V\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n".to_owned();
    let mut packets = Vec::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap();
        if word == "config" {
            config += rest;
            config += "\n";
            continue;
        }
        let fields: Vec<&str> = rest.split(' ').collect();
        let digits = fields[4].as_bytes().chunks(2);
        packets.push(Packet {
            at: Duration::from_secs(fields[0].parse().unwrap()),
            source: fields[1].parse().unwrap(),
            destination: fields[2].parse().unwrap(),
            ttl: fields[3].parse().unwrap(),
            payload: digits.map(|d| u8::from_str_radix(str::from_utf8(d).unwrap(), 16).unwrap()).collect(),
        });
    }
    let sources = Sources::from_text("capture.toml", config);
    let mut d = Diagnostics::new();
    let plan = vrrp::plan::plan(&mut Document::parse(&sources, &mut d).root(), &mut d);
    assert!(!d.has_errors(), "{}", d.render(&sources));
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Capture { name, plan: plan.instances[0].clone(), packets }
}

fn judge(capture: &Capture, packet: &Packet, payload: &[u8], later: Duration) -> Verdict {
    let datagram = Datagram {
        link: LinkName::new("eth0").unwrap(),
        source: packet.source,
        destination: packet.destination,
        ttl: packet.ttl,
        payload,
    };
    admit(&capture.plan.admission(), &datagram, Some(Stamp::new(packet.at + later)), |_| false)
}

#[test]
fn signed_adverts_are_taken_and_their_numbers_grow() {
    for capture in captures() {
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
    for capture in captures() {
        let packet = &capture.packets[0];
        let verdict = judge(&capture, packet, &packet.payload, Duration::from_secs(7));
        assert_eq!(verdict.outcome, Err(Reject::Stale), "{}", capture.name);
        assert_eq!(verdict.differs, Some(Field::Clock(7)));
    }
}

#[test]
fn with_any_byte_changed_they_are_refused() {
    for capture in captures() {
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
    for capture in captures() {
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
