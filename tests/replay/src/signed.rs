//! The trailer of a signed advert: judged without a panic, and only what was signed with the key is taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vrrp::wire::hmac::{Freshness, Key, Keyring, Material, Mode, Refusal, Secret, Stamp, TRAILER_LEN};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const NOW: Duration = Duration::from_secs(1_700_000_000);

/// The first two bytes choose the keyring, the third where the message ends, eight are a sequence number; the rest
/// is what follows the IP header.
pub fn signed(data: &[u8]) {
    let Some(([choice, spoil, cut, number @ ..], payload)) = data.split_first_chunk::<11>() else { return };
    let Some(secret) = Secret::new(&[0x2a; 32]) else { return };
    let bit = |number: u8| choice >> number & 1 == 1;
    let (source, group) = if bit(0) { (V6, V6) } else { (V4, V4) };
    let keyring = Keyring {
        keys: vec![Key { id: 7, material: Material::Known(secret) }],
        active: 7,
        mode: match (bit(1), bit(2)) {
            (true, _) => Mode::Enforce,
            (false, true) => Mode::Permissive,
            (false, false) => Mode::ReceiveOnly,
        },
        freshness: if bit(3) { Freshness::Time(5) } else { Freshness::Monotonic },
    };
    let now = Stamp::new(NOW);
    let sequence = u64::from_be_bytes(*number);

    // Nobody has signed these.
    let length = usize::from(*cut);
    let judged = keyring.verify(source, payload, length, Some(now));
    assert!(!matches!(judged, Ok(Some(_))), "a signature out of thin air: {judged:?}");
    match judged {
        Ok(None) => {
            assert_ne!(keyring.mode, Mode::Enforce, "a signature is demanded");
            assert_ne!(payload.len(), length + TRAILER_LEN, "what is there is judged");
        }
        Err(Refusal::Missing) => assert_eq!(keyring.mode, Mode::Enforce, "a signature is demanded"),
        Ok(Some(_)) | Err(Refusal::Malformed | Refusal::UnknownKey | Refusal::Wrong | Refusal::Stale(_)) => {}
    }

    // These we sign; a message shorter than its header is never sent.
    let Some(message) = payload.get(..length).filter(|message| message.len() >= 8) else { return };
    let next = keyring.next_sequence(sequence, now);
    assert!(keyring.follows(next, sequence, Some(now)), "our own next number is a new one");
    let mut ours = message.to_vec();
    assert!(keyring.sign(next, source, group, &mut ours), "the key is there");
    assert_eq!(ours.len(), message.len() + TRAILER_LEN, "one trailer");
    let judged = keyring.verify(source, &ours, length, Some(now));
    // A clock that was set back by less than the window leaves numbers that are ahead by as much.
    if matches!((keyring.freshness, judged), (Freshness::Time(_), Err(Refusal::Stale(_)))) {
        return;
    }
    assert!(matches!(judged, Ok(Some(_))), "our own signature: {judged:?}");
    let Ok(Some(fresh)) = judged else { return };
    assert_eq!(fresh.sequence, next, "the number that was signed");
    assert!(!keyring.follows(next, fresh.sequence, Some(now)), "heard once");
    let other = if bit(0) { V4 } else { V6 };
    assert_eq!(keyring.verify(other, &ours, length, Some(now)), Err(Refusal::Wrong), "said by another");

    // One bit is changed; the checksum has one of its own.
    let at = usize::from(*spoil) % ours.len();
    if (6..8).contains(&at) {
        return;
    }
    if let Some(byte) = ours.get_mut(at) {
        *byte ^= 1 << (choice >> 5);
    }
    let spoiled = keyring.verify(source, &ours, length, Some(now));
    assert!(spoiled.is_err(), "byte {at} was changed: {spoiled:?}");
}
