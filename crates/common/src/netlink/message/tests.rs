use super::*;
use proptest::prelude::*;

/// What the kernel would see.
fn sent(message: &Message, sequence: u32, acknowledge: bool) -> Vec<u8> {
    let mut bytes = vec![];
    message.stamped(sequence, acknowledge, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_message_is_stamped_with_length_sequence_and_flags() {
    let mut message = Message::new(20, &[2, 32, 0, 0, 7, 0, 0, 0]).create_or_replace();
    message.u32(2, 0x0a00_0001).text(3, "eth0");
    let bytes = sent(&message, 99, true);
    let all: Vec<_> = frames(&bytes).collect();
    assert_eq!(all.len(), 1);
    assert_eq!(bytes.len() % 4, 0);
    assert_eq!((all[0].kind, all[0].sequence), (20, 99));
    assert_eq!(all[0].flags, (NlmF::REQUEST | NlmF::ACK | NlmF::CREATE | NlmF::REPLACE).bits());
    let reply = Reply { kind: 20, payload: all[0].payload };
    let (header, attributes) = reply.split::<8>().unwrap();
    assert_eq!(header, &[2, 32, 0, 0, 7, 0, 0, 0]);
    let attributes: Vec<_> = attributes.collect();
    assert_eq!(attributes[0].u32(), Some(0x0a00_0001));
    assert_eq!((attributes[1].value, attributes[1].text()), (b"eth0\0".as_slice(), Some("eth0")));
}

#[test]
fn nesting_covers_what_was_added_inside() {
    let mut message = Message::generic(28, 1, 1);
    message.nested(1, |inner| {
        inner.u8(2, 7).nested(3, |deep| {
            deep.be16(4, 0x1234);
        });
    });
    message.u16(9, 5);
    let reply = Reply { kind: 28, payload: message.payload() };
    let attributes = reply.generic().unwrap();
    let outer = attributes.find(1).unwrap();
    assert_eq!(outer.nested().find(2).unwrap().u8(), Some(7));
    assert_eq!(outer.nested().find(3).unwrap().nested().find(4).unwrap().be16(), Some(0x1234));
    assert_eq!(attributes.find(9).unwrap().u16(), Some(5));
}

#[test]
fn an_attribute_that_outgrows_its_length_field_is_not_sent() {
    let mut message = Message::new(20, &[]);
    message.bytes(1, &vec![0; 70_000]);
    assert_eq!(message.stamped(1, true, &mut vec![]), None);
    let mut nested = Message::new(20, &[]);
    nested.nested(1, |inner| {
        for _ in 0..3 {
            inner.bytes(1, &[0; 30_000]);
        }
    });
    assert_eq!(nested.stamped(1, true, &mut vec![]), None);
}

#[test]
fn replies_come_back_in_order() {
    let mut replies = Replies::default();
    replies.push(1, &[1, 2, 3]);
    replies.push(2, &[]);
    let all: Vec<_> = replies.iter().collect();
    assert_eq!(all, [Reply { kind: 1, payload: &[1, 2, 3] }, Reply { kind: 2, payload: &[] }]);
}

#[test]
fn a_message_that_is_not_understood_does_not_shift_the_next() {
    let mut bytes = sent(&Message::new(2, &[1, 2, 3]), 1, false);
    bytes.extend(sent(&Message::new(3, &[4]), 2, false));
    let kinds: Vec<_> = frames(&bytes).map(|frame| (frame.kind, frame.sequence)).collect();
    assert_eq!(kinds, [(2, 1), (3, 2)]);
}

proptest! {
    #[test]
    fn arbitrary_datagrams_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for frame in frames(&bytes) {
            let reply = Reply { kind: frame.kind, payload: frame.payload };
            let _ = reply.split::<8>().map(|(_, attributes)| attributes.count());
        }
    }

    #[test]
    fn what_is_written_is_read_back(values in proptest::collection::vec((0..1000_u16, proptest::collection::vec(any::<u8>(), 0..40)), 0..20)) {
        let mut message = Message::new(7, &[0; 12]);
        for (kind, value) in &values {
            message.bytes(*kind, value);
        }
        let bytes = sent(&message, 1, false);
        let frame = frames(&bytes).next().unwrap();
        let read: Vec<_> = Attributes::new(&frame.payload[12..]).map(|a| (a.kind, a.value.to_vec())).collect();
        prop_assert_eq!(read, values);
    }
}
