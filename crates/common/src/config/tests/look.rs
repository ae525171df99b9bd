//! What the schema says a text looks like admits whatever the reader takes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;
use regex::Regex;

use super::*;

fn admits<T: FromValue>(text: &str) -> bool {
    match &T::forms()[..] {
        [Form::Text(look)] => Regex::new(&look.pattern).unwrap().is_match(text),
        other => panic!("{other:?}"),
    }
}

fn reads<T: FromValue>(text: &str) -> bool {
    value_of::<T>(&format!("{text:?}")).is_ok()
}

fn duration(text: &str) -> bool {
    text.chars().count() >= 2 && Regex::new(&duration_pattern()).unwrap().is_match(text)
}

/// Texts that are nearly such.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1",
        "0",
        "25",
        "256",
        ".",
        ".5",
        "d",
        "h",
        "m",
        "s",
        "ms",
        "us",
        "ns",
        " ",
        "192.0.2.1",
        ":",
        "::",
        "fe80",
        "/",
        "24",
        "[",
        "]",
        "%0",
        "80",
        "-",
        "+",
        "eth0",
        "a",
        "ffff",
    ]);
    prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_the_reader_takes_looks_right(text in nearly()) {
        if parse_duration(&text).is_ok() {
            prop_assert!(duration(&text), "{text:?}");
        }
        if reads::<IpAddr>(&text) {
            prop_assert!(admits::<IpAddr>(&text), "{text:?}");
        }
        if reads::<IpCidr>(&text) {
            prop_assert!(admits::<IpCidr>(&text), "{text:?}");
        }
        if reads::<SocketAddr>(&text) {
            prop_assert!(admits::<SocketAddr>(&text), "{text:?}");
        }
        if reads::<IfName>(&text) {
            prop_assert!(admits::<IfName>(&text), "{text:?}");
        }
        if reads::<UserName>(&text) {
            prop_assert!(admits::<UserName>(&text), "{text:?}");
        }
    }

    #[test]
    fn every_address_looks_like_one(v4 in any::<[u8; 4]>(), v6 in any::<[u16; 8]>(), prefix in 0..=128_u8) {
        let (v4, v6) = (IpAddr::from(v4), IpAddr::from(v6));
        for address in [v4, v6] {
            prop_assert!(admits::<IpAddr>(&address.to_string()), "{address}");
            prop_assert!(admits::<SocketAddr>(&SocketAddr::new(address, 65_535).to_string()), "{address}");
        }
        for network in [format!("{v6}/{prefix}"), format!("{v4}/{}", prefix.min(32))] {
            prop_assert!(admits::<IpCidr>(&network), "{network}");
        }
    }

    #[test]
    fn every_duration_looks_like_one(seconds in 0..1_000_000_u64, nanos in 0..1_000_000_000_u32) {
        let text = format_duration(Duration::new(seconds, nanos));
        prop_assert!(duration(&text), "{text}");
    }
}

#[test]
fn what_is_none_does_not_look_like_one() {
    for text in ["", "1", "never", "10 s", "1s1m", "1m1m", "1.s", ".5s", "-1s", "1 m 1"] {
        assert!(!duration(text), "{text}");
    }
    for text in [
        "",
        "192.0.2.256",
        "192.0.2",
        "www.example.org",
        "192.0.2.1:80",
        "192.0.2.1/24",
        "01.2.3.4",
        "fe80:1",
    ] {
        assert!(!admits::<IpAddr>(text), "{text}");
    }
    for text in ["192.0.2.1/33", "192.0.2.1/", "2001:db8::1/129", "/24"] {
        assert!(!admits::<IpCidr>(text), "{text}");
    }
    for text in ["192.0.2.1", "2001:db8::1", "192.0.2.1:http", "192.0.2.1:", "[192.0.2.1]:80"] {
        assert!(!admits::<SocketAddr>(text), "{text}");
    }
    for text in ["", "a/b", "eth0:1", "eth 0", "sixteen-letters-"] {
        assert!(!admits::<IfName>(text), "{text}");
    }
}
