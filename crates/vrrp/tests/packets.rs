//! Captured adverts of others: read to the value they mean, and written by us to the very same bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test: a panic is a failure")]

use std::net::IpAddr;
use std::path::PathBuf;

use common::config::{Diagnostics, Document, Sources};
use vrrp::machine::id::LinkName;
use vrrp::plan::InstancePlan;
use vrrp::wire::admit::{Datagram, Verdict, admit};
use vrrp::wire::advert::{Addresses, Advert, MAX_LEN, Version, View};
use vrrp::wire::checksum::Form;

struct Packet {
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
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/packets");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| capture(path)).collect()
}

fn capture(path: &std::path::Path) -> Capture {
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
        packets.push(Packet {
            source: fields[0].parse().unwrap(),
            destination: fields[1].parse().unwrap(),
            ttl: fields[2].parse().unwrap(),
            payload: fields[3]
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect(),
        });
    }
    let sources = Sources::from_text("capture.toml", config);
    let mut d = Diagnostics::new();
    let document = Document::parse(&sources, &mut d);
    let plan = vrrp::plan::plan(&mut document.root(), &mut d);
    assert!(!d.has_errors(), "{}", d.render(&sources));
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Capture { name, plan: plan.instances[0].clone(), packets }
}

fn judge(capture: &Capture, packet: &Packet, payload: &[u8]) -> Verdict {
    let datagram = Datagram {
        link: LinkName::new("eth0").unwrap(),
        source: packet.source,
        destination: packet.destination,
        ttl: packet.ttl,
        payload,
    };
    admit(&capture.plan.admission(), &datagram, None, |_| false)
}

#[test]
fn captured_adverts_are_taken_without_a_complaint() {
    let captures = captures();
    assert!(captures.len() >= 6);
    for capture in &captures {
        for (packet, priority) in capture.packets.iter().zip([200, 0]) {
            let verdict = judge(capture, packet, &packet.payload);
            let admitted = verdict.outcome.unwrap();
            assert_eq!(verdict.differs, None, "{}", capture.name);
            assert_eq!(admitted.priority, priority, "{}", capture.name);
            assert_eq!(admitted.interval, capture.plan.interval, "{}", capture.name);
        }
    }
}

#[test]
fn we_would_have_sent_the_same_bytes() {
    for capture in captures() {
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
    for capture in captures() {
        for packet in &capture.packets {
            let before = judge(&capture, packet, &packet.payload);
            for at in 0..packet.payload.len() {
                for bit in 0..8 {
                    let mut spoiled = packet.payload.clone();
                    spoiled[at] ^= 1 << bit;
                    let verdict = judge(&capture, packet, &spoiled);
                    // The authentication data of a version 2 packet is covered too.
                    assert_ne!(verdict, before, "{} byte {at} bit {bit}", capture.name);
                    assert!(verdict.outcome.is_err(), "{} byte {at} bit {bit}", capture.name);
                }
            }
            for len in 0..packet.payload.len() {
                let cut = judge(&capture, packet, &packet.payload[..len]);
                assert!(cut.outcome.is_err(), "{} cut at {len}", capture.name);
            }
        }
    }
}
