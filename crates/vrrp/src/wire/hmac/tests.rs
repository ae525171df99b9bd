//! Signing and judging; the bytes of keepalived are in `tests/packets`.

use super::*;

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const GROUP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(224, 0, 0, 18));
const NOW: Stamp = Stamp(1_795_262_400 << 32);

fn key(id: u8, byte: u8) -> Key {
    Key { id, material: Material::Known(Secret::new(&[byte; 32]).unwrap()) }
}

fn ring(mode: Mode, freshness: Freshness) -> Keyring {
    Keyring { keys: vec![key(1, 0xaa), key(2, 0xbb)], active: 1, mode, freshness }
}

fn enforce() -> Keyring {
    ring(Mode::Enforce, Freshness::Time(5))
}

/// A message of version 3 with one address; its checksum does not matter here.
const MESSAGE: [u8; 12] = [0x31, 51, 100, 1, 0, 100, 0xab, 0xcd, 192, 0, 2, 1];

fn signed(sequence: u64) -> Vec<u8> {
    let mut bytes = MESSAGE.to_vec();
    assert!(enforce().sign(sequence, SOURCE, GROUP, &mut bytes));
    bytes
}

fn judge(ring: &Keyring, bytes: &[u8]) -> Result<Option<u64>, Refusal> {
    ring.verify(SOURCE, bytes, MESSAGE.len(), Some(NOW)).map(|signed| signed.map(|s| s.sequence))
}

#[test]
fn what_is_signed_is_understood() {
    let bytes = signed(NOW.0 + 7);
    assert_eq!(bytes.len(), MESSAGE.len() + TRAILER_LEN);
    assert_eq!(bytes[..12], MESSAGE, "over IPv4 the message is not touched");
    assert_eq!(judge(&enforce(), &bytes), Ok(Some(NOW.0 + 7)));
}

#[test]
fn every_changed_byte_is_noticed_but_those_of_the_checksum() {
    let bytes = signed(NOW.0);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let refused = judge(&enforce(), &changed).is_err();
        assert_eq!(refused, !(6..8).contains(&at), "byte {at}");
    }
}

#[test]
fn another_sender_cannot_use_it() {
    let bytes = signed(NOW.0);
    let other = IpAddr::from([10, 0, 0, 2]);
    assert_eq!(enforce().verify(other, &bytes, 12, Some(NOW)), Err(Refusal::Wrong));
}

#[test]
fn each_mode_demands_and_signs_what_it_says() {
    use Mode::{Enforce, Permissive, ReceiveOnly};
    let bytes = signed(NOW.0);
    let mut forged = bytes.clone();
    forged[20] ^= 1;
    for (mode, signs, bare) in
        [(Enforce, true, Err(Refusal::Missing)), (Permissive, true, Ok(None)), (ReceiveOnly, false, Ok(None))]
    {
        let ring = ring(mode, Freshness::Time(5));
        assert_eq!((ring.signs(), judge(&ring, &MESSAGE)), (signs, bare), "{mode:?}");
        assert_eq!(judge(&ring, &bytes), Ok(Some(NOW.0)), "{mode:?}");
        assert_eq!(judge(&ring, &forged), Err(Refusal::Wrong), "{mode:?}");
    }
}

#[test]
fn a_trailer_of_another_length_or_scheme_is_none() {
    let bytes = signed(NOW.0);
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(judge(&enforce(), &longer), Err(Refusal::Missing));
    assert_eq!(judge(&enforce(), &bytes[..39]), Err(Refusal::Missing));
    for (at, value) in [(12, 2), (14, 1), (15, 1)] {
        let mut changed = bytes.clone();
        changed[at] = value;
        assert_eq!(judge(&enforce(), &changed), Err(Refusal::Malformed));
    }
}

#[test]
fn old_and_new_keys_live_side_by_side() {
    let bytes = signed(NOW.0);
    let mut next = enforce();
    next.active = 2;
    assert_eq!(judge(&next, &bytes), Ok(Some(NOW.0)), "the key of before is still known");
    next.keys.remove(0);
    assert_eq!(judge(&next, &bytes), Err(Refusal::UnknownKey));
    next.keys[0] = key(1, 0xcc);
    assert_eq!(judge(&next, &bytes), Err(Refusal::Wrong));
}

#[test]
fn clocks_may_differ_by_the_window_and_no_more() {
    let at = |seconds: i64| NOW.0.wrapping_add_signed(seconds << 32);
    for (ahead, taken) in [(-6, false), (-5, true), (0, true), (5, true), (6, false)] {
        let verdict = judge(&enforce(), &signed(at(ahead)));
        let skew = i32::try_from(-ahead).unwrap();
        assert_eq!(verdict, if taken { Ok(Some(at(ahead))) } else { Err(Refusal::Stale(skew)) });
    }
    let monotonic = ring(Mode::Enforce, Freshness::Monotonic);
    assert_eq!(judge(&monotonic, &signed(at(-100_000))), Ok(Some(at(-100_000))));
    assert_eq!(enforce().verify(SOURCE, &signed(NOW.0), 12, None), Err(Refusal::Stale(i32::MAX)));
}

#[test]
fn numbers_grow_also_when_the_clock_does_not() {
    let ring = enforce();
    assert_eq!(ring.next_sequence(0, NOW), NOW.0);
    assert_eq!(ring.next_sequence(NOW.0, NOW), NOW.0 + 1);
    assert_eq!(ring.next_sequence(NOW.0 + 1, NOW), NOW.0 + 2);
    // Set back by more than the window: from the clock again, or nobody would hear us until it is back there.
    let ahead = NOW.0 + (6 << 32);
    assert_eq!(ring.next_sequence(ahead, NOW), NOW.0);
    let monotonic = self::ring(Mode::Enforce, Freshness::Monotonic);
    assert_eq!(monotonic.next_sequence(ahead, NOW), ahead + 1);
    // The seconds wrap in 2106.
    let (last, wrapped) = (u64::MAX - 1, Stamp(3 << 32));
    assert_eq!(ring.next_sequence(last, wrapped), wrapped.0);
}

#[test]
fn a_number_is_taken_once() {
    let ring = enforce();
    assert!(ring.follows(NOW.0 + 1, NOW.0, Some(NOW)));
    assert!(!ring.follows(NOW.0, NOW.0, Some(NOW)));
    assert!(!ring.follows(NOW.0 - 1, NOW.0, Some(NOW)));
    // What was last heard is outside the window: the sender's clock was set.
    assert!(ring.follows(NOW.0, NOW.0 + (6 << 32), Some(NOW)));
    let monotonic = self::ring(Mode::Enforce, Freshness::Monotonic);
    assert!(!monotonic.follows(NOW.0, NOW.0 + (6 << 32), Some(NOW)));
}

#[test]
fn over_ipv6_the_checksum_covers_the_trailer() {
    let (source, group): (IpAddr, IpAddr) = ("fe80::1".parse().unwrap(), "ff02::12".parse().unwrap());
    let mut bytes = MESSAGE.to_vec();
    assert!(enforce().sign(NOW.0, source, group, &mut bytes));
    assert_eq!(checksum::sum(Form::PseudoHeader, source, group, &bytes), 0);
    assert_eq!(enforce().verify(source, &bytes, 12, Some(NOW)).unwrap().unwrap().sequence, NOW.0);
}

#[test]
fn secrets_have_32_to_64_bytes_and_are_not_shown() {
    assert!(Secret::new(&[1; 31]).is_none() && Secret::new(&[1; 65]).is_none());
    let secret = Secret::from_hex(&"0aF1".repeat(16)).unwrap();
    assert_eq!(secret.bytes[..2], [0x0a, 0xf1]);
    for wrong in ["0", "zz", "0a 1"] {
        assert!(Secret::from_hex(&format!("{}{wrong}", "00".repeat(32))).is_none(), "{wrong}");
    }
    let shown = format!("{:?}", Keyring { keys: vec![key(1, 0x41)], ..enforce() });
    assert!(!shown.contains("65") && !shown.contains("AAAA") && !shown.contains("41"), "{shown}");
}

#[test]
fn a_key_that_is_not_there_is_a_fault_and_signs_nothing() {
    let mut ring = enforce();
    ring.keys[0].material = Material::File("/k".into());
    assert_eq!(ring.fault().unwrap(), "/k was not read");
    let mut bytes = MESSAGE.to_vec();
    assert!(!ring.sign(NOW.0, SOURCE, GROUP, &mut bytes));
    assert_eq!(bytes, MESSAGE);
    ring.load(|_| Err("no such file".into()));
    assert_eq!(ring.fault().unwrap(), "/k: no such file");
    ring.load(|_| Ok(Secret::new(&[0xaa; 32]).unwrap()));
    assert_eq!((ring.fault(), judge(&ring, &signed(NOW.0))), (None, Ok(Some(NOW.0))));
}
