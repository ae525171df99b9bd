//! The format, byte by byte. Ids are those of the conformance list.

use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::wire::checksum::sum;

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const GROUP: IpAddr = IpAddr::V4(GROUP_V4);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn encode(
    advert: &Advert<'_>,
    form: Form,
    source: IpAddr,
    destination: IpAddr,
) -> Result<Vec<u8>, EncodeError> {
    let mut buffer = [0; MAX_LEN];
    let len = advert.encode(form, source, destination, &mut buffer)?;
    Ok(buffer[..len].to_vec())
}

fn v2<'a>(addresses: &'a [u8], auth: Auth) -> Advert<'a> {
    Advert {
        version: Version::V2,
        vrid: Vrid::new(51).unwrap(),
        priority: 100,
        interval: Duration::from_secs(1),
        auth,
        addresses: Addresses::new(Family::Ipv4, addresses),
    }
}

fn v3(addresses: &[u8], family: Family) -> Advert<'_> {
    Advert {
        version: Version::V3,
        vrid: Vrid::new(5).unwrap(),
        priority: 200,
        interval: Duration::from_secs(1),
        auth: Auth::None,
        addresses: Addresses::new(family, addresses),
    }
}

#[test]
fn w1_protocol_and_groups_are_the_assigned_ones() {
    assert_eq!(PROTOCOL, 112);
    assert_eq!(group(Family::Ipv4), ip("224.0.0.18"));
    assert_eq!(group(Family::Ipv6), ip("ff02::12"));
}

#[test]
fn v2_1_layout_has_eight_bytes_of_authentication_at_the_end() {
    let bytes = encode(&v2(&[10, 9, 0, 100], Auth::password("1111").unwrap()), Form::Plain, SOURCE, GROUP);
    assert_eq!(
        bytes.unwrap(),
        [
            0x21, 51, 100, 1, 1, 1, 0x0c,
            0xfb, // version and type, identifier, priority, count, auth, interval
            10, 9, 0, 100, // the address
            b'1', b'1', b'1', b'1', 0, 0, 0, 0,
        ]
    );
    let none = encode(&v2(&[10, 9, 0, 100], Auth::None), Form::Plain, SOURCE, GROUP).unwrap();
    assert_eq!(none.len(), 20);
    assert_eq!(none[12..], [0; 8], "v2_3: type 0 is sent with zero data");
}

#[test]
fn v2_2_checksum_covers_the_message_only() {
    let bytes = encode(&v2(&[10, 9, 0, 100], Auth::None), Form::Plain, SOURCE, GROUP).unwrap();
    assert_eq!(sum(Form::Plain, SOURCE, GROUP, &bytes), 0);
    assert_eq!(sum(Form::Plain, ip("192.0.2.9"), GROUP, &bytes), 0, "whoever sends it");
    assert_ne!(sum(Form::PseudoHeader, SOURCE, GROUP, &bytes), 0);
    // By hand: the words of the message, folded and inverted.
    let words = [0x2133_u32, 0x6401, 0x0001, 0x0000, 0x0a09, 0x0064];
    let total: u32 = words.iter().sum();
    assert_eq!(u32::from(u16::from_be_bytes([bytes[6], bytes[7]])), 0xffff - (total % 0xffff));
}

#[test]
fn v3_1_layout_has_no_authentication() {
    let bytes = encode(&v3(&[10, 9, 0, 100], Family::Ipv4), Form::PseudoHeader, SOURCE, GROUP).unwrap();
    assert_eq!(bytes[..6], [0x31, 5, 200, 1, 0, 100]);
    assert_eq!(bytes[8..], [10, 9, 0, 100]);
    assert_eq!(bytes.len(), 12);
}

#[test]
fn v3_2_reserved_bits_are_sent_as_zero_and_ignored() {
    let advert = Advert { interval: Duration::from_millis(40_950), ..v3(&[1, 2, 3, 4], Family::Ipv4) };
    let mut bytes = encode(&advert, Form::PseudoHeader, SOURCE, GROUP).unwrap();
    assert_eq!(bytes[4..6], [0x0f, 0xff]);
    bytes[4] |= 0xf0;
    assert_eq!(View::new(&bytes).unwrap().interval(Version::V3), advert.interval);
}

#[test]
fn v3_3_intervals_are_1_to_4095_centiseconds() {
    let with = |ms| {
        let advert = Advert { interval: Duration::from_millis(ms), ..v3(&[1, 2, 3, 4], Family::Ipv4) };
        encode(&advert, Form::PseudoHeader, SOURCE, GROUP).map(|b| [b[4], b[5]])
    };
    assert_eq!(with(10), Ok([0, 1]));
    assert_eq!(with(40_950), Ok([0x0f, 0xff]));
    for ms in [0, 5, 15, 40_960, 700_000] {
        assert_eq!(with(ms), Err(EncodeError::Interval), "{ms} ms");
    }
}

#[test]
fn v2_9_intervals_are_1_to_255_seconds() {
    let with = |ms| {
        let advert = Advert { interval: Duration::from_millis(ms), ..v2(&[1, 2, 3, 4], Auth::None) };
        encode(&advert, Form::Plain, SOURCE, GROUP).map(|b| b[5])
    };
    assert_eq!(with(1000), Ok(1));
    assert_eq!(with(255_000), Ok(255));
    for ms in [0, 999, 1500, 256_000] {
        assert_eq!(with(ms), Err(EncodeError::Interval), "{ms} ms");
    }
}

#[test]
fn v2_11_there_is_no_ipv6() {
    let advert = Advert { addresses: Addresses::new(Family::Ipv6, &[0; 16]), ..v2(&[], Auth::None) };
    assert_eq!(encode(&advert, Form::Plain, SOURCE, GROUP), Err(EncodeError::Family));
}

#[test]
fn v3_6_ipv6_checksum_covers_the_pseudo_header() {
    let (source, destination) = (ip("fe80::1"), ip("ff02::12"));
    let address = address_bytes(Family::Ipv6, [ip("fe80::5")]);
    let bytes = encode(&v3(&address, Family::Ipv6), Form::PseudoHeader, source, destination).unwrap();
    // By hand: source, destination, length 24, protocol 112, then the message.
    let words: [u32; 12] =
        [0xfe80, 0x0001, 0xff02, 0x0012, 24, 112, 0x3105, 0xc801, 0x0064, 0, 0xfe80, 0x0005];
    let total: u32 = words.iter().sum();
    assert_eq!(u32::from(u16::from_be_bytes([bytes[6], bytes[7]])), 0xffff - (total % 0xffff));
}

#[test]
fn v3_7_ipv4_checksum_covers_the_real_destination() {
    let address = [10, 9, 0, 100];
    for destination in [GROUP, ip("10.0.0.2")] {
        let bytes = encode(&v3(&address, Family::Ipv4), Form::PseudoHeader, SOURCE, destination).unwrap();
        assert_eq!(sum(Form::PseudoHeader, SOURCE, destination, &bytes), 0);
        assert_ne!(sum(Form::PseudoHeader, SOURCE, ip("10.0.0.77"), &bytes), 0);
        let plain = encode(&v3(&address, Family::Ipv4), Form::Plain, SOURCE, destination).unwrap();
        assert_eq!(sum(Form::Plain, SOURCE, destination, &plain), 0);
    }
}

#[test]
fn w13_addresses_are_of_the_header_s_family() {
    let bytes = address_bytes(Family::Ipv4, [ip("192.0.2.1"), ip("fe80::1"), ip("192.0.2.2")]);
    let list: Vec<IpAddr> = Addresses::new(Family::Ipv4, &bytes).iter().collect();
    assert_eq!(list, [ip("192.0.2.1"), ip("192.0.2.2")]);
}

#[test]
fn lists_are_compared_as_sets() {
    let a = address_bytes(Family::Ipv4, [ip("192.0.2.1"), ip("192.0.2.2")]);
    let b = address_bytes(Family::Ipv4, [ip("192.0.2.2"), ip("192.0.2.1")]);
    let c = address_bytes(Family::Ipv4, [ip("192.0.2.1")]);
    let list = |bytes| Addresses::new(Family::Ipv4, bytes);
    assert!(list(&a).same_set(&list(&b)));
    assert!(!list(&a).same_set(&list(&c)));
    assert!(!list(&c).same_set(&list(&a)));
}

#[test]
fn a_full_advert_fits_the_largest_buffer_and_no_more_can_be_written() {
    let full = vec![7; 255 * 16];
    assert_eq!(
        encode(&v3(&full, Family::Ipv6), Form::PseudoHeader, ip("fe80::1"), ip("ff02::12")).map(|b| b.len()),
        Ok(MAX_LEN)
    );
    let more = vec![7; 256 * 16];
    assert_eq!(
        encode(&v3(&more, Family::Ipv6), Form::PseudoHeader, ip("fe80::1"), ip("ff02::12")),
        Err(EncodeError::TooManyAddresses)
    );
    let mut small = [0; 11];
    let advert = v3(&[1, 2, 3, 4], Family::Ipv4);
    assert_eq!(advert.encode(Form::PseudoHeader, SOURCE, GROUP, &mut small), Err(EncodeError::Buffer));
}

#[test]
fn a_password_does_not_show() {
    assert_eq!(format!("{:?}", Auth::password("secret").unwrap()), "Password(..)");
    assert_eq!(Auth::password("123456789"), None);
    assert_eq!(Auth::password(""), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        vrid in 1..=255_u8,
        priority in 0..=255_u8,
        centiseconds in 1..=4095_u64,
        addresses in prop::collection::vec(any::<[u8; 4]>(), 0..20),
        version3 in any::<bool>(),
    ) {
        let flat = addresses.concat();
        let version = if version3 { Version::V3 } else { Version::V2 };
        let interval = match version {
            Version::V2 => Duration::from_secs(centiseconds % 255 + 1),
            Version::V3 => Duration::from_millis(centiseconds * 10),
        };
        let advert = Advert {
            version,
            vrid: Vrid::new(vrid).unwrap(),
            priority,
            interval,
            auth: Auth::None,
            addresses: Addresses::new(Family::Ipv4, &flat),
        };
        let bytes = encode(&advert, Form::Plain, SOURCE, GROUP).unwrap();
        let view = View::new(&bytes).unwrap();
        prop_assert_eq!(view.version(), version.number());
        prop_assert_eq!(view.packet_type(), TYPE_ADVERTISEMENT);
        prop_assert_eq!(view.vrid(), vrid);
        prop_assert_eq!(view.priority(), priority);
        prop_assert_eq!(view.interval(version), interval);
        prop_assert_eq!(view.addresses(Family::Ipv4), advert.addresses);
        prop_assert_eq!(view.message(version, Family::Ipv4).unwrap(), &bytes[..]);
        prop_assert_eq!(sum(Form::Plain, SOURCE, GROUP, &bytes), 0);
    }
}
