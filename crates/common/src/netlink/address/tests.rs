use super::*;
use crate::netlink::Attributes;
use crate::netlink::message::frames;
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What `ip addr add 192.0.2.1/24 brd 192.0.2.255 label v0:1 scope link valid_lft 30 preferred_lft 20` sends.
const ADD_V4: &str = "50000000140005066362016b00000000 021800fd03000000 08000200c0000201 08000400c00002ff
    0900030076303a3100000000 08000100c0000201 14000600140000001e0000000000000000000000";
/// What `ip addr replace 2001:db8::1/64 nodad noprefixroute` sends.
const REPLACE_V6: &str =
    "48000000140005056362016b00000000 0a40000003000000 1400020020010db8000000000000000000000001
    0800080002020000 1400010020010db8000000000000000000000001";
/// How Linux 6.18 then lists them, with `198.51.100.1 peer 198.51.100.2/32` and the link-local address.
const LIST: &str = "58000000140022006462016bb3030000 021800fd03000000 08000100c0000201 08000200c0000201 08000400c00002ff
    0900030076303a3100000000 0800080000000000 14000600140000001e000000898b0200898b0200
    4c000000140022006462016bb3030000 0220800003000000 08000100c6336402 08000200c6336401 0700030076300000 0800080080000000
    14000600ffffffffffffffff8b8b02008b8b0200
    48000000140022006462016bb3030000 0a40820003000000 1400010020010db8000000000000000000000001
    14000600ffffffffffffffff8a8b02008a8b0200 0800080082020000
    50000000140022006462016bb3030000 0a40c0fd03000000 14000100fe80000000000000000000fffe000001
    14000600ffffffffffffffff888b0200888b0200 08000800c0000000 05000b0003000000";

fn v4() -> Address {
    let mut address = Address::new(IfIndex(3), "192.0.2.1".parse().unwrap(), 24);
    address.broadcast = Some(Ipv4Addr::new(192, 0, 2, 255));
    address.label = Some("v0:1".into());
    address.scope = Scope::LINK;
    address.lifetime = Lifetime::Seconds { valid: 30, preferred: 20 };
    address
}

/// Header and sorted attributes; `without` names kinds that only one side sends.
fn content(payload: &[u8], without: &[u16]) -> (Vec<u8>, Vec<(u16, Vec<u8>)>) {
    let mut all: Vec<_> = Attributes::new(&payload[HEADER..])
        .filter(|attribute| !without.contains(&attribute.kind))
        .map(|attribute| (attribute.kind, attribute.value.to_vec()))
        .collect();
    all.sort();
    (payload[..HEADER].to_vec(), all)
}

#[test]
fn an_ipv4_address_is_asked_for_as_ip_asks_for_it() {
    let theirs = bytes(ADD_V4);
    let theirs = frames(&theirs).next().unwrap();
    let ours = v4().install_message();
    // `ip` sends neither our mark nor, without flags, the flags.
    assert_eq!(content(ours.payload(), &[IFA_PROTO, libc::IFA_FLAGS]), content(theirs.payload, &[]));
    let mark = Attributes::new(&ours.payload()[HEADER..]).find(IFA_PROTO).unwrap();
    assert_eq!(mark.u8(), Some(MARK));
}

#[test]
fn an_ipv6_address_is_asked_for_as_ip_asks_for_it() {
    let theirs = bytes(REPLACE_V6);
    let theirs = frames(&theirs).next().unwrap();
    let mut address = Address::new(IfIndex(3), "2001:db8::1".parse().unwrap(), 64);
    address.flags = NODAD | NOPREFIXROUTE;
    let ours = address.install_message();
    let (mut header, attributes) = content(theirs.payload, &[]);
    // The header's eight bits of flags: the kernel takes them from IFA_FLAGS.
    header[2] = 0;
    assert_eq!(content(ours.payload(), &[IFA_PROTO, libc::IFA_CACHEINFO]), (header, attributes));
}

#[test]
fn addresses_are_read_as_the_kernel_lists_them() {
    let list = bytes(LIST);
    let read: Vec<_> =
        frames(&list).map(|f| Address::parse(&Reply { kind: f.kind, payload: f.payload }).unwrap()).collect();
    assert_eq!(read.len(), 4);
    assert_eq!(read[0], Address { protocol: 0, ..v4() });
    assert_eq!(read[1].address, "198.51.100.1".parse::<IpAddr>().unwrap());
    assert_eq!(read[1].peer, Some("198.51.100.2".parse().unwrap()));
    assert_eq!(read[2].address, "2001:db8::1".parse::<IpAddr>().unwrap());
    assert_eq!((read[2].peer, read[2].lifetime), (None, Lifetime::Forever));
    assert_eq!(read[2].flags, NODAD | NOPREFIXROUTE | libc::IFA_F_PERMANENT);
    assert_eq!((read[3].protocol, read[3].scope), (3, Scope::LINK));
    assert_eq!(read[3].flags, TENTATIVE | libc::IFA_F_PERMANENT);
}

#[test]
fn a_removal_names_the_address_and_its_label_only() {
    let message = v4().remove_message();
    let kinds: Vec<_> = Attributes::new(&message.payload()[HEADER..]).map(|a| a.kind).collect();
    assert_eq!(kinds, [libc::IFA_LOCAL, libc::IFA_ADDRESS, libc::IFA_LABEL]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Address::parse(&Reply { kind: libc::RTM_NEWADDR, payload: &payload });
    }

    #[test]
    fn any_change_of_a_real_list_is_read_without_panic(at in 0..316_usize, value: u8) {
        let mut list = bytes(LIST);
        list[at] = value;
        for frame in frames(&list) {
            let _ = Address::parse(&Reply { kind: frame.kind, payload: frame.payload });
        }
    }
}
