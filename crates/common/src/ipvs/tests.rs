//! The codecs, against each other, against bytes written down from the kernel's header, and against noise.

use super::attribute::{DestAttr, ServiceAttr, Top};
use super::client::write_op;
use super::*;
use crate::netlink::{Attributes, Message};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

/// A service of one scheduler with translated servers of weight 1.
pub(super) fn entry(scheduler: &str, servers: &[&str]) -> Entry {
    let service = Service {
        scheduler: scheduler.parse().unwrap(),
        flags: SchedulerFlags::default(),
        one_packet: false,
        persistence: None,
    };
    let destination =
        Destination { forward: Forward::Masquerade, weight: 1, upper_threshold: 0, lower_threshold: 0 };
    let at = |server: &&str| {
        let server: SocketAddr = server.parse().unwrap();
        DestinationKey { address: server.ip(), port: server.port() }
    };
    Entry { service, destinations: servers.iter().map(|server| (at(server), destination)).collect() }
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
        any::<[u8; 16]>().prop_map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
    ]
}

pub(super) fn any_service_key() -> impl Strategy<Value = ServiceKey> {
    let transport = prop_oneof![Just(Transport::Tcp), Just(Transport::Udp), Just(Transport::Sctp)];
    let family = prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)];
    prop_oneof![
        (transport, any_address(), any::<u16>()).prop_map(|(transport, address, port)| ServiceKey::Address {
            transport,
            address,
            port
        }),
        (family, any::<u32>()).prop_map(|(family, mark)| ServiceKey::Mark { family, mark }),
    ]
}

fn any_service() -> impl Strategy<Value = Service> {
    let scheduler = prop::sample::select(&SCHEDULERS[..]).prop_map(|name| name.parse::<Name>().unwrap());
    let flags = prop::sample::subsequence(vec!["flag-1", "flag-2", "flag-3"], 0..=3);
    let engine = prop::option::of(Just("sip".parse::<Name>().unwrap()));
    let persistence = (any::<u32>(), 1_u8..=32, engine)
        .prop_map(|(timeout, granularity, engine)| Persistence { timeout, granularity, engine });
    (scheduler, flags, any::<bool>(), prop::option::of(persistence)).prop_map(
        |(scheduler, flags, one_packet, persistence)| Service {
            scheduler,
            flags: flags.iter().fold(SchedulerFlags::default(), |all, flag| all.with(flag, "any").unwrap()),
            one_packet,
            persistence,
        },
    )
}

fn any_destination() -> impl Strategy<Value = Destination> {
    let checksum = prop_oneof![Just(Checksum::None), Just(Checksum::Plain), Just(Checksum::Remote)];
    let forward = prop_oneof![
        Just(Forward::Masquerade),
        Just(Forward::DirectRoute),
        Just(Forward::Local),
        Just(Forward::Bypass),
        Just(Forward::Tunnel(Tunnel::Ipip)),
        (1..u16::MAX, checksum.clone())
            .prop_map(|(port, checksum)| Forward::Tunnel(Tunnel::Gue { port, checksum })),
        checksum.prop_map(|checksum| Forward::Tunnel(Tunnel::Gre { checksum })),
    ];
    (forward, 0..=Destination::MAX_WEIGHT, any::<u32>(), any::<u32>()).prop_map(
        |(forward, weight, upper_threshold, lower_threshold)| Destination {
            forward,
            weight,
            upper_threshold,
            lower_threshold,
        },
    )
}

fn any_destination_key() -> impl Strategy<Value = DestinationKey> {
    (any_address(), any::<u16>()).prop_map(|(address, port)| DestinationKey { address, port })
}

pub(super) fn any_entry() -> impl Strategy<Value = Entry> {
    (any_service(), prop::collection::btree_map(any_destination_key(), any_destination(), 0..5))
        .prop_map(|(service, destinations)| Entry { service, destinations })
}

/// The attributes of a request, without the generic header.
fn encoded(op: &TableOp) -> Vec<u8> {
    let mut message = Message::generic(28, 1, 1);
    write_op(op, &mut message);
    message.payload()[4..].to_vec()
}

fn nested(bytes: &[u8], kind: Top) -> Attributes<'_> {
    Attributes::new(bytes).find(kind.id()).unwrap().nested()
}

proptest! {
    #[test]
    fn a_service_reads_as_it_was_written(key in any_service_key(), service in any_service()) {
        let bytes = encoded(&TableOp::AddService(key, service));
        prop_assert_eq!(service::read(nested(&bytes, Top::Service)), Some((key, service)));
    }

    #[test]
    fn a_destination_reads_as_it_was_written(
        service in any_service_key(), at in any_destination_key(), destination in any_destination(),
    ) {
        let bytes = encoded(&TableOp::AddDestination(service, at, destination));
        let read = destination::read(service.family(), nested(&bytes, Top::Dest));
        prop_assert_eq!(read, Some((at, destination, Connections::default())));
    }

    #[test]
    fn a_service_is_named_and_found_by_its_name(key in any_service_key()) {
        prop_assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = service::read(Attributes::new(&bytes));
        let _ = destination::read(Family::Ipv4, Attributes::new(&bytes));
        let _ = destination::read(Family::Ipv6, Attributes::new(&bytes));
        let _ = SyncDaemon::read(Attributes::new(&bytes));
        let _ = Timeouts::read(Attributes::new(&bytes));
        let _ = Stats::read(Attributes::new(&bytes));
        let _ = String::from_utf8_lossy(&bytes).parse::<ServiceKey>();
    }

    /// One byte off in an otherwise good object: nothing worse than another object or none.
    #[test]
    fn a_flipped_byte_never_panics(
        service in any_service_key(), at in any_destination_key(), destination in any_destination(),
        place in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let mut bytes = encoded(&TableOp::AddDestination(service, at, destination));
        let place = place.index(bytes.len());
        bytes[place] = value;
        for kind in [Top::Service, Top::Dest] {
            if let Some(found) = Attributes::new(&bytes).find(kind.id()) {
                let _ = service::read(found.nested());
                let _ = destination::read(service.family(), found.nested());
            }
        }
    }
}

/// Attribute by attribute, with the orders of bytes that the kernel's header asks for.
fn attributes(bytes: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    Attributes::new(bytes).map(|found| (found.kind, found.value.to_vec())).collect()
}

#[test]
fn a_service_has_the_bytes_the_kernel_expects() {
    let mut wanted = entry("wrr", &[]).service;
    wanted.flags = SchedulerFlags::default().with("flag-2", "wrr").unwrap();
    let engine = Some("sip".parse().unwrap());
    wanted.persistence = Some(Persistence { timeout: 300, granularity: 24, engine });
    let bytes = encoded(&TableOp::AddService(key("udp 192.0.2.1:5060"), wanted));
    let service = Attributes::new(&bytes).find(1).unwrap();
    let expected = BTreeMap::from([
        (1, 2_u16.to_ne_bytes().to_vec()),
        (2, 17_u16.to_ne_bytes().to_vec()),
        (3, vec![192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (4, vec![0x13, 0xc4]),
        (6, b"wrr\0".to_vec()),
        (7, [0x11_u32.to_ne_bytes(), 0x3d_u32.to_ne_bytes()].concat()),
        (8, 300_u32.to_ne_bytes().to_vec()),
        (9, vec![255, 255, 255, 0]),
        (11, b"sip\0".to_vec()),
    ]);
    assert_eq!(attributes(service.value), expected);
}

#[test]
fn a_marked_ipv6_service_has_the_bytes_the_kernel_expects() {
    let bytes = encoded(&TableOp::EditService(key("fwmark 10 ipv6"), entry("mh", &[]).service));
    let service = Attributes::new(&bytes).find(1).unwrap();
    let expected = BTreeMap::from([
        (1, 10_u16.to_ne_bytes().to_vec()),
        (5, 10_u32.to_ne_bytes().to_vec()),
        (6, b"mh\0".to_vec()),
        (7, [0_u32.to_ne_bytes(), 0x3d_u32.to_ne_bytes()].concat()),
        (8, vec![0; 4]),
        (9, 128_u32.to_ne_bytes().to_vec()),
    ]);
    assert_eq!(attributes(service.value), expected);
}

#[test]
fn a_tunnelled_destination_has_the_bytes_the_kernel_expects() {
    let forward = Forward::Tunnel(Tunnel::Gue { port: 6080, checksum: Checksum::Remote });
    let destination = Destination { forward, weight: 3, upper_threshold: 20, lower_threshold: 10 };
    let at = DestinationKey { address: "2001:db8::1".parse().unwrap(), port: 80 };
    let bytes = encoded(&TableOp::AddDestination(key("tcp 192.0.2.1:80"), at, destination));
    let found = Attributes::new(&bytes).find(2).unwrap();
    let expected = BTreeMap::from([
        (1, vec![0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (2, vec![0, 80]),
        (3, 2_u32.to_ne_bytes().to_vec()),
        (4, 3_u32.to_ne_bytes().to_vec()),
        (5, 20_u32.to_ne_bytes().to_vec()),
        (6, 10_u32.to_ne_bytes().to_vec()),
        (11, 10_u16.to_ne_bytes().to_vec()),
        (13, vec![1]),
        (14, vec![0x17, 0xc0]),
        (15, 2_u16.to_ne_bytes().to_vec()),
    ]);
    assert_eq!(attributes(found.value), expected);
    let service = Attributes::new(&bytes).find(1).unwrap();
    assert_eq!(attributes(service.value).keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn padding_between_counters_is_no_counter() {
    let mut message = Message::generic(28, 1, 1);
    message.bytes(11, &[]).u64(1, 5).bytes(11, &[]).u64(4, 6000).u64(10, 7);
    let stats = Stats::read(Attributes::new(&message.payload()[4..]));
    assert_eq!((stats.connections, stats.bytes_in, stats.bytes_out_rate), (5, 6000, 7));
}

#[test]
fn old_kernels_count_in_32_bits() {
    let mut message = Message::generic(28, 1, 1);
    message.nested(10, |message| {
        message.u32(1, 5).u64(4, 6000);
    });
    let narrow = message.payload()[4..].to_vec();
    let stats = Stats::of(Attributes::new(&narrow), 12, 10);
    assert_eq!((stats.connections, stats.bytes_in), (5, 6000));
    message.nested(12, |message| {
        message.u64(1, 1 << 40);
    });
    let both = message.payload()[4..].to_vec();
    assert_eq!(Stats::of(Attributes::new(&both), 12, 10).connections, 1 << 40);
}

#[test]
fn a_mask_with_holes_is_never_what_was_asked_for() {
    let mut message = Message::generic(28, 1, 1);
    key("tcp 192.0.2.1:80").write(&mut message);
    entry("rr", &[]).service.write(Family::Ipv4, &mut message);
    let mut bytes = message.payload()[4..].to_vec();
    let flags = [1_u32.to_ne_bytes(), 1_u32.to_ne_bytes()].concat();
    let set = |bytes: &mut Vec<u8>, kind: ServiceAttr, value: &[u8]| {
        let header =
            [u16::try_from(value.len() + 4).unwrap().to_ne_bytes(), kind.id().to_ne_bytes()].concat();
        let place = bytes.windows(4).position(|window| window == header).unwrap();
        bytes[place + 4..place + 4 + value.len()].copy_from_slice(value);
    };
    set(&mut bytes, ServiceAttr::Flags, &flags);
    set(&mut bytes, ServiceAttr::Netmask, &[255, 0, 255, 0]);
    let (_, service) = service::read(Attributes::new(&bytes)).unwrap();
    assert_eq!(service.persistence.unwrap().granularity, 0);
}

#[test]
fn kernels_without_the_newer_attributes_are_understood() {
    let mut message = Message::generic(28, 1, 1);
    message.bytes(DestAttr::Addr.id(), &[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.be16(DestAttr::Port.id(), 80).u32(DestAttr::FwdMethod.id(), 2 | 0x100);
    message.u32(DestAttr::Weight.id(), 1).u32(DestAttr::UThresh.id(), 0).u32(DestAttr::LThresh.id(), 0);
    let bytes = message.payload()[4..].to_vec();
    let (at, destination, _) = destination::read(Family::Ipv4, Attributes::new(&bytes)).unwrap();
    assert_eq!(
        (at.to_string().as_str(), destination.forward),
        ("10.0.0.1:80", Forward::Tunnel(Tunnel::Ipip))
    );
}

#[test]
fn a_flag_belongs_to_its_scheduler() {
    let none = SchedulerFlags::default();
    assert_eq!(none.with("sh-port", "sh"), none.with("flag-2", "sh"));
    assert_eq!(none.with("mh-fallback", "mh"), none.with("flag-1", "wrr"));
    assert_eq!(none.with("sh-port", "mh"), Err(FlagError::Foreign("sh")));
    assert_eq!(none.with("sh-prot", "sh"), Err(FlagError::Unknown));
    assert_eq!(SchedulerFlags::names().count(), 7);
}
