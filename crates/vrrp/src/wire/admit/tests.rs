//! Every rule by which a packet is let in or dropped. Ids are those of the conformance list.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::wire::advert::{Advert, GROUP_V4, MAX_LEN, address_bytes};
use crate::wire::checksum::sum;
use crate::wire::reach::Peer;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const GROUP: IpAddr = IpAddr::V4(GROUP_V4);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn eth0() -> LinkName {
    LinkName::new("eth0").unwrap()
}

/// Unicast peers with the bounds of their TTL.
fn peers(list: &[(IpAddr, u8, u8)]) -> Vec<Path> {
    let peers = list.iter().map(|(address, min_ttl, max_ttl)| Peer {
        address: *address,
        min_ttl: *min_ttl,
        max_ttl: *max_ttl,
    });
    vec![Path { link: eth0(), peers: peers.collect(), any_source: None }]
}

fn settings(version: Version) -> Settings {
    Settings {
        version,
        family: Family::Ipv4,
        vrid: Vrid::new(51).unwrap(),
        interval: Duration::from_secs(1),
        auth: Auth::None,
        keyring: None,
        addresses: vec![192, 0, 2, 1],
        owner: false,
        paths: vec![Path::multicast(eth0())],
        mismatch: if version == Version::V2 { Mismatch::Drop } else { Mismatch::Report },
        form: Form::PseudoHeader,
        strict_form: false,
        strict_link_local: false,
    }
}

/// A packet that fits the settings, before it is spoiled.
struct Packet {
    settings: Settings,
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    priority: u8,
    interval: Duration,
    auth: Auth,
    addresses: Vec<u8>,
    form: Form,
}

impl Packet {
    fn new(version: Version) -> Self {
        let settings = settings(version);
        let form = if version == Version::V2 { Form::Plain } else { Form::PseudoHeader };
        Self {
            source: PEER,
            destination: GROUP,
            ttl: 255,
            priority: 100,
            interval: settings.interval,
            auth: Auth::None,
            addresses: settings.addresses.clone(),
            form,
            settings,
        }
    }

    fn ipv6() -> Self {
        let mut packet = Self::new(Version::V3);
        let addresses = address_bytes(Family::Ipv6, [ip("fe80::5"), ip("2001:db8::5")]);
        packet.settings.family = Family::Ipv6;
        packet.settings.addresses.clone_from(&addresses);
        packet.addresses = addresses;
        (packet.source, packet.destination) = (ip("fe80::2"), ip("ff02::12"));
        packet
    }

    fn bytes(&self) -> Vec<u8> {
        let advert = Advert {
            version: self.settings.version,
            vrid: self.settings.vrid,
            priority: self.priority,
            interval: self.interval,
            auth: self.auth,
            addresses: Addresses::new(self.settings.family, &self.addresses),
        };
        let mut buffer = [0; MAX_LEN];
        let len = advert.encode(self.form, self.source, self.destination, &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    fn judge_bytes(&self, payload: &[u8]) -> Verdict {
        let datagram = Datagram {
            link: eth0(),
            source: self.source,
            destination: self.destination,
            ttl: self.ttl,
            payload,
        };
        admit(&self.settings, &datagram, None, |a| a == OWN)
    }

    fn judge(&self) -> Verdict {
        self.judge_bytes(&self.bytes())
    }

    /// The bytes changed, with the checksum made right again.
    fn judge_spoiled(&self, spoil: impl FnOnce(&mut Vec<u8>)) -> Verdict {
        let mut bytes = self.bytes();
        spoil(&mut bytes);
        if bytes.len() >= 8 {
            bytes[6..8].fill(0);
            let sum = sum(self.form, self.source, self.destination, &bytes);
            bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        }
        self.judge_bytes(&bytes)
    }
}

#[track_caller]
fn dropped(verdict: Verdict, reason: Reject) {
    assert_eq!(verdict.outcome, Err(reason));
    assert_eq!(verdict.differs, None);
}

#[track_caller]
fn incompatible(verdict: Verdict, reason: Reject, field: Field) {
    assert_eq!(verdict.outcome, Err(reason));
    assert_eq!(verdict.differs, Some(field));
}

#[track_caller]
fn taken(verdict: Verdict, differs: Option<Field>) {
    assert!(verdict.outcome.is_ok(), "{verdict:?}");
    assert_eq!(verdict.differs, differs);
}

#[test]
fn a_fitting_packet_is_taken_with_its_facts() {
    for version in [Version::V2, Version::V3] {
        let verdict = Packet { priority: 7, ..Packet::new(version) }.judge();
        let admitted = Admitted { source: PEER, priority: 7, interval: Duration::from_secs(1), path: 0 };
        assert_eq!(verdict, Verdict { outcome: Ok(admitted), sequence: None, differs: None });
    }
    taken(Packet::ipv6().judge(), None);
}

#[test]
fn w3_ttl_not_255_is_dropped() {
    for ttl in [0, 1, 64, 254] {
        dropped(Packet { ttl, ..Packet::new(Version::V3) }.judge(), Reject::Ttl);
        dropped(Packet { ttl, ..Packet::ipv6() }.judge(), Reject::Ttl);
    }
}

#[test]
fn w7_other_types_are_dropped() {
    for kind in (0..16).filter(|k| *k != 1) {
        let verdict = Packet::new(Version::V3).judge_spoiled(|b| b[0] = 0x30 | kind);
        dropped(verdict, Reject::Type);
    }
}

#[test]
fn w8_other_versions_are_dropped_and_told() {
    let v2 = Packet { settings: settings(Version::V3), form: Form::Plain, ..Packet::new(Version::V2) };
    let bytes = Packet::new(Version::V2).bytes();
    incompatible(v2.judge_bytes(&bytes), Reject::Version, Field::Version);
    let v3 = Packet { settings: settings(Version::V2), ..Packet::new(Version::V3) };
    let bytes = Packet::new(Version::V3).bytes();
    incompatible(v3.judge_bytes(&bytes), Reject::Version, Field::Version);
    for version in (0..16).filter(|v| ![2, 3].contains(v)) {
        let verdict = Packet::new(Version::V3).judge_spoiled(|b| b[0] = (version << 4) | 1);
        incompatible(verdict, Reject::Version, Field::Version);
    }
}

#[test]
fn w8_a_damaged_packet_is_no_incompatible_peer() {
    let packet = Packet::new(Version::V3);
    let mut bytes = packet.bytes();
    bytes[0] = 0x21;
    assert_eq!(packet.judge_bytes(&bytes).differs, None, "too short for version 2");
    let mut bytes = Packet::new(Version::V2).bytes();
    bytes[2] ^= 1;
    dropped(packet.judge_bytes(&bytes), Reject::Checksum);
}

#[test]
fn w9_packets_cut_at_any_length_are_dropped() {
    for packet in [Packet::new(Version::V2), Packet::new(Version::V3), Packet::ipv6()] {
        let bytes = packet.bytes();
        for len in 0..bytes.len() {
            dropped(packet.judge_bytes(&bytes[..len]), Reject::Short);
        }
    }
}

#[test]
fn w9_d6_9_what_follows_the_packet_is_not_judged() {
    for packet in [Packet::new(Version::V2), Packet::new(Version::V3), Packet::ipv6()] {
        let mut bytes = packet.bytes();
        bytes.extend([0xa5; 28]);
        taken(packet.judge_bytes(&bytes), None);
    }
}

#[test]
fn w10_other_identifiers_are_dropped() {
    for vrid in [0, 1, 50, 52, 255] {
        dropped(Packet::new(Version::V3).judge_spoiled(|b| b[1] = vrid), Reject::Vrid);
    }
}

#[test]
fn w11_an_owner_does_not_act_on_adverts() {
    let mut packet = Packet::new(Version::V3);
    packet.settings.owner = true;
    dropped(packet.judge(), Reject::Owner);
}

#[test]
fn s19_a_second_owner_is_told() {
    let mut packet = Packet { priority: 255, ..Packet::new(Version::V3) };
    packet.settings.owner = true;
    incompatible(packet.judge(), Reject::Owner, Field::Owner);
}

#[test]
fn d6_8_our_own_packets_are_dropped() {
    dropped(Packet { source: OWN, ..Packet::new(Version::V3) }.judge(), Reject::Own);
}

#[test]
fn v2_2_a_wrong_checksum_is_dropped() {
    let packet = Packet::new(Version::V2);
    for bit in 0..16 {
        let mut bytes = packet.bytes();
        bytes[6 + bit / 8] ^= 1 << (bit % 8);
        dropped(packet.judge_bytes(&bytes), Reject::Checksum);
    }
    let pseudo = Packet { form: Form::PseudoHeader, ..Packet::new(Version::V2) };
    dropped(pseudo.judge(), Reject::Checksum);
}

#[test]
fn v2_3_other_authentication_types_are_dropped_and_told() {
    let mut packet = Packet::new(Version::V2);
    packet.settings.auth = Auth::password("1111").unwrap();
    incompatible(packet.judge(), Reject::AuthType, Field::AuthType);
    let packet = Packet { auth: Auth::password("1111").unwrap(), ..Packet::new(Version::V2) };
    incompatible(packet.judge(), Reject::AuthType, Field::AuthType);
    for kind in 2..=255 {
        let verdict = Packet::new(Version::V2).judge_spoiled(|b| b[4] = kind);
        incompatible(verdict, Reject::AuthType, Field::AuthType);
    }
}

#[test]
fn v2_4_the_password_must_be_the_same() {
    let mut packet = Packet::new(Version::V2);
    packet.settings.auth = Auth::password("1111").unwrap();
    packet.auth = packet.settings.auth;
    taken(packet.judge(), None);
    packet.auth = Auth::password("1112").unwrap();
    incompatible(packet.judge(), Reject::Password, Field::Password);
    packet.auth = Auth::password("11110").unwrap();
    incompatible(packet.judge(), Reject::Password, Field::Password);
}

#[test]
fn v2_5_another_interval_is_dropped_and_told() {
    let packet = Packet { interval: Duration::from_secs(3), ..Packet::new(Version::V2) };
    incompatible(packet.judge(), Reject::Interval, Field::Interval);
}

#[test]
fn v2_6_other_addresses_are_dropped_unless_from_the_owner() {
    let other = || Packet { addresses: vec![192, 0, 2, 9], ..Packet::new(Version::V2) };
    incompatible(other().judge(), Reject::Addresses, Field::Addresses);
    taken(Packet { priority: 255, ..other() }.judge(), Some(Field::Addresses));
    let mut accepting = other();
    accepting.settings.mismatch = Mismatch::Report;
    taken(accepting.judge(), Some(Field::Addresses));
    accepting.settings.mismatch = Mismatch::Ignore;
    taken(accepting.judge(), None);
}

#[test]
fn v3_2_reserved_bits_are_ignored() {
    let verdict = Packet::new(Version::V3).judge_spoiled(|b| b[4] |= 0xf0);
    taken(verdict, None);
    assert_eq!(verdict.outcome.unwrap().interval, Duration::from_secs(1));
}

#[test]
fn v3_4_an_interval_of_zero_is_dropped() {
    dropped(Packet::new(Version::V3).judge_spoiled(|b| b[4..6].fill(0)), Reject::ZeroInterval);
    let reserved = Packet::new(Version::V3).judge_spoiled(|b| b[4..6].copy_from_slice(&[0xf0, 0]));
    dropped(reserved, Reject::ZeroInterval);
}

#[test]
fn v3_5_no_addresses_are_dropped() {
    dropped(Packet { addresses: Vec::new(), ..Packet::new(Version::V3) }.judge(), Reject::NoAddresses);
}

#[test]
fn v3_5_routers_without_addresses_hear_each_other() {
    let mut packet = Packet { addresses: Vec::new(), ..Packet::new(Version::V3) };
    packet.settings.addresses.clear();
    taken(packet.judge(), None);
}

#[test]
fn v3_6_an_ipv6_checksum_needs_the_pseudo_header() {
    dropped(Packet { form: Form::Plain, ..Packet::ipv6() }.judge(), Reject::Checksum);
}

#[test]
fn v3_7_both_ipv4_checksums_are_taken_unless_told_otherwise() {
    taken(Packet { form: Form::Plain, ..Packet::new(Version::V3) }.judge(), None);
    taken(Packet { form: Form::PseudoHeader, ..Packet::new(Version::V3) }.judge(), None);
    for (ours, theirs) in [(Form::PseudoHeader, Form::Plain), (Form::Plain, Form::PseudoHeader)] {
        let mut packet = Packet { form: theirs, ..Packet::new(Version::V3) };
        (packet.settings.form, packet.settings.strict_form) = (ours, true);
        incompatible(packet.judge(), Reject::Checksum, Field::Checksum);
        let mut damaged = packet.bytes();
        damaged[2] ^= 1;
        dropped(packet.judge_bytes(&damaged), Reject::Checksum);
        packet.form = ours;
        taken(packet.judge(), None);
    }
}

#[test]
fn v3_7_a_unicast_checksum_covers_the_real_destination() {
    let mut packet = Packet { destination: OWN, ttl: 64, ..Packet::new(Version::V3) };
    packet.settings.paths = peers(&[(PEER, 1, 255)]);
    taken(packet.judge(), None);
    let for_the_group = Packet::new(Version::V3).bytes();
    dropped(packet.judge_bytes(&for_the_group), Reject::Checksum);
}

#[test]
fn v3_8_link_local_first_can_be_demanded() {
    let mut packet = Packet::ipv6();
    packet.addresses = address_bytes(Family::Ipv6, [ip("2001:db8::5"), ip("fe80::5")]);
    taken(packet.judge(), None);
    packet.settings.strict_link_local = true;
    dropped(packet.judge(), Reject::LinkLocal);
}

#[test]
fn v3_9_another_interval_is_taken_and_told() {
    let packet = Packet { interval: Duration::from_secs(3), ..Packet::new(Version::V3) };
    let verdict = packet.judge();
    taken(verdict, Some(Field::Interval));
    assert_eq!(verdict.outcome.unwrap().interval, Duration::from_secs(3));
}

#[test]
fn v3_10_other_addresses_are_taken_and_told_or_dropped_by_the_knob() {
    let mut packet = Packet { addresses: vec![192, 0, 2, 9], ..Packet::new(Version::V3) };
    taken(packet.judge(), Some(Field::Addresses));
    packet.settings.mismatch = Mismatch::Drop;
    incompatible(packet.judge(), Reject::Addresses, Field::Addresses);
}

#[test]
fn unicast_takes_its_peers_only() {
    let mut packet = Packet { destination: OWN, ttl: 3, ..Packet::new(Version::V3) };
    packet.settings.paths = peers(&[(ip("10.0.0.7"), 1, 255)]);
    dropped(packet.judge(), Reject::NotPeer);
    packet.settings.paths = peers(&[(ip("10.0.0.7"), 1, 255), (PEER, 1, 255)]);
    taken(packet.judge(), None);
}

#[test]
fn every_unicast_peer_has_bounds_of_its_ttl() {
    let mut packet = Packet { destination: OWN, ..Packet::new(Version::V3) };
    packet.settings.paths = peers(&[(ip("10.0.0.7"), 1, 255), (PEER, 60, 64)]);
    for (ttl, fits) in [(59, false), (60, true), (64, true), (65, false), (255, false)] {
        packet.ttl = ttl;
        let verdict = packet.judge();
        if fits { taken(verdict, None) } else { dropped(verdict, Reject::Ttl) }
    }
}

#[test]
fn without_the_check_of_sources_anybody_is_heard_within_the_bounds() {
    let mut packet = Packet { destination: OWN, ttl: 64, ..Packet::new(Version::V3) };
    packet.settings.paths = peers(&[(ip("10.0.0.7"), 1, 255)]);
    packet.settings.paths[0].any_source = Some((64, 255));
    taken(packet.judge(), None);
    packet.ttl = 63;
    dropped(packet.judge(), Reject::Ttl);
}

#[test]
fn a_stranger_with_our_identifier_and_other_addresses_is_told_of_too() {
    let mut packet = Packet { destination: OWN, ..Packet::new(Version::V3) };
    packet.settings.paths = peers(&[(ip("10.0.0.7"), 1, 255)]);
    packet.addresses = vec![192, 0, 2, 9];
    incompatible(packet.judge(), Reject::NotPeer, Field::Addresses);
    let mut bytes = packet.bytes();
    bytes[6] ^= 1;
    dropped(packet.judge_bytes(&bytes), Reject::NotPeer);
}

#[test]
fn each_interface_has_its_own_rules() {
    let mut packet = Packet::new(Version::V3);
    let other = LinkName::new("eth1").unwrap();
    packet.settings.paths.extend(peers(&[(PEER, 64, 255)]));
    packet.settings.paths[1].link = other;
    let bytes = packet.bytes();
    let judge = |link, destination, ttl, payload: &[u8]| {
        let datagram = Datagram { link, source: PEER, destination, ttl, payload };
        admit(&packet.settings, &datagram, None, |a| a == OWN).outcome.map(|a| a.priority)
    };
    let to_us = Packet { destination: OWN, ..Packet::new(Version::V3) }.bytes();
    assert_eq!(judge(eth0(), GROUP, 255, &bytes), Ok(100));
    assert_eq!(judge(eth0(), GROUP, 64, &bytes), Err(Reject::Ttl));
    assert_eq!(judge(other, OWN, 64, &to_us), Ok(100));
    assert_eq!(judge(LinkName::new("eth9").unwrap(), GROUP, 255, &bytes), Err(Reject::NotPeer));
}

#[test]
fn a_difference_is_told_with_mine_and_theirs() {
    let mut packet = Packet { addresses: vec![192, 0, 2, 9], ..Packet::new(Version::V2) };
    packet.settings.auth = Auth::password("secret").unwrap();
    packet.interval = Duration::from_secs(3);
    let bytes = packet.bytes();
    let datagram = Datagram { link: eth0(), source: PEER, destination: GROUP, ttl: 255, payload: &bytes };
    let words = |field| describe(field, &packet.settings, &datagram).unwrap().to_string();
    assert_eq!(
        words(Field::Addresses),
        "field=virtual_addresses mine=\"192.0.2.1\" theirs=\"192.0.2.9\" hint=\"no address in common: does another \
         group of routers use virtual_router_id 51 here?\""
    );
    assert_eq!(words(Field::Checksum), "field=v3_checksum mine=\"pseudo_header\" theirs=\"plain\"");
    assert_eq!(words(Field::Interval), "field=advert_interval mine=\"1s\" theirs=\"3s\"");
    assert_eq!(words(Field::AuthType), "field=auth.type mine=\"pass\" theirs=\"none\"");
    assert_eq!(words(Field::Version), "field=version mine=\"2\" theirs=\"2\"");
    assert!(!words(Field::Password).contains("secret"));
}

mod arbitrary {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_are_hardly_taken(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            head in prop::sample::select(vec![0x21_u8, 0x31, 0x11, 0xf1]),
            right_head in any::<bool>(),
            ttl in prop::sample::select(vec![255_u8, 64]),
        ) {
            let mut bytes = bytes;
            if right_head && bytes.len() > 1 {
                bytes[0] = head;
                bytes[1] = 51;
            }
            for mut packet in [Packet::new(Version::V2), Packet::new(Version::V3), Packet::ipv6()] {
                packet.ttl = ttl;
                let verdict = packet.judge_bytes(&bytes);
                if let Some(field) = verdict.differs {
                    let datagram = Datagram {
                        link: eth0(),
                        source: packet.source,
                        destination: packet.destination,
                        ttl,
                        payload: &bytes,
                    };
                    prop_assert!(describe(field, &packet.settings, &datagram).is_some());
                }
                if verdict.outcome.is_ok() {
                    prop_assert_eq!(ttl, 255);
                    prop_assert_eq!(bytes[1], 51);
                }
            }
        }
    }
}
