use super::*;
use crate::netlink::Attributes;
use crate::netlink::message::frames;
use proptest::prelude::*;

/// What `ip link add link v0 name vrrp4.51 address 00:00:5e:00:01:33 type macvlan mode private` sends.
const MACVLAN: &[u8] = b"\x60\x00\x00\x00\x10\x00\x05\x06\x97\x61\x01\x6b\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \x0a\x00\x01\x00\x00\x00\x5e\x00\x01\x33\x00\x00\x08\x00\x05\x00\
    \x03\x00\x00\x00\x0d\x00\x03\x00vrrp4.51\
    \x00\x00\x00\x00\x1c\x00\x12\x00\x0b\x00\x01\x00macv\
    lan\x00\x0c\x00\x02\x00\x08\x00\x01\x00\x01\x00\x00\x00";

/// The beginning and the kind of a veth, as Linux 6.18 reports it; counters and settings left out.
const VETH: &[u8] = b"\x00\x00\x01\x00\x03\x00\x00\x00\x43\x10\x01\x00\x00\x00\x00\x00\
    \x07\x00\x03\x00v0\x00\x00\x08\x00\x0d\x00\xe8\x03\x00\x00\x05\x00\x10\x00\x06\x00\x00\x00\
    \x05\x00\x43\x00\x00\x00\x00\x00\x08\x00\x04\x00\xdc\x05\x00\x00\
    \x0a\x00\x01\x00\x02\x00\x00\x00\x00\x01\x00\x00\x0a\x00\x02\x00\xff\xff\xff\xff\xff\xff\x00\x00\
    \x10\x00\x12\x00\x09\x00\x01\x00veth\x00\x00\x00\x00\x08\x00\x05\x00\x02\x00\x00\x00\
    \x04\x00\x3e\x80\x04\x00\x41\x80";

#[test]
fn a_macvlan_is_asked_for_as_ip_asks_for_it() {
    let macvlan = Macvlan {
        name: "vrrp4.51",
        parent: IfIndex(3),
        mac: Mac([0, 0, 0x5e, 0, 1, 0x33]),
        mode: MacvlanMode::Private,
    };
    let sorted = |payload: &[u8]| {
        let mut all: Vec<_> =
            Attributes::new(&payload[HEADER..]).map(|a| (a.kind, a.value.to_vec())).collect();
        all.sort();
        all
    };
    let theirs = frames(MACVLAN).next().unwrap();
    let ours = macvlan_message(&macvlan);
    assert_eq!(ours.payload()[..HEADER], theirs.payload[..HEADER]);
    assert_eq!(sorted(ours.payload()), sorted(theirs.payload));
}

#[test]
fn a_link_is_read_as_the_kernel_reports_it() {
    let link = Link::parse(&Reply { kind: libc::RTM_NEWLINK, payload: VETH }).unwrap();
    let expected = Link {
        index: IfIndex(3),
        name: "v0".into(),
        up: true,
        running: true,
        loopback: false,
        arp: true,
        multicast: true,
        hardware: 1,
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        mtu: 1500,
        parent: Some(IfIndex(2)),
        master: None,
        kind: Some("veth".into()),
        alias: None,
    };
    assert_eq!(link, expected);
    assert!(link.usable());
    assert_eq!(expected.mac.unwrap().to_string(), "02:00:00:00:00:01");
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_a_link_that_is_gone() {
    let mut payload = VETH.to_vec();
    payload[0] = 7; // AF_BRIDGE
    assert_eq!(Link::parse(&Reply { kind: libc::RTM_DELLINK, payload: &payload }), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Link::parse(&Reply { kind: libc::RTM_NEWLINK, payload: &payload });
    }

    #[test]
    fn any_change_of_a_real_report_is_read_without_panic(at in 0..VETH.len(), value: u8) {
        let mut payload = VETH.to_vec();
        payload[at] = value;
        let _ = Link::parse(&Reply { kind: libc::RTM_NEWLINK, payload: &payload });
    }
}
