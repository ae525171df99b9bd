use super::*;
use proptest::prelude::*;

const EXPLAINED: &[u8] = &[
    // nlmsgerr.error = -22, then the capped request header, then NLMSGERR_ATTR_MSG.
    0xea, 0xff, 0xff, 0xff, 0x40, 0, 0, 0, 0x14, 0, 5, 6, 1, 0, 0, 0, 0, 0, 0, 0, // echoed header
    12, 0, 1, 0, b'b', b'a', b'd', b' ', b'i', b't', b'!', 0,
];

fn error_frame(flags: NlmF, payload: &[u8]) -> Frame<'_> {
    Frame { kind: Nlmsg::Error.into(), flags: flags.bits(), sequence: 1, payload }
}

#[test]
fn the_kernels_words_are_found_after_a_capped_request() {
    let answer = Answer::read(&error_frame(NlmF::CAPPED | NlmF::ACK_TLVS, EXPLAINED));
    let text = Some("bad it!".to_owned());
    assert_eq!(answer, Answer::Refused(Failure::Refused { errno: Errno::EINVAL, text }));
}

#[test]
fn the_kernels_words_are_found_after_a_whole_echoed_request() {
    let mut payload = EXPLAINED[..4].to_vec();
    payload.extend(24_u32.to_ne_bytes());
    payload.extend([0; 20]);
    payload.extend(&EXPLAINED[20..]);
    let answer = Answer::read(&error_frame(NlmF::ACK_TLVS, &payload));
    let text = Some("bad it!".to_owned());
    assert_eq!(answer, Answer::Refused(Failure::Refused { errno: Errno::EINVAL, text }));
}

#[test]
fn a_refusal_without_words_keeps_its_number() {
    let answer = Answer::read(&error_frame(NlmF::CAPPED, &EXPLAINED[..20]));
    assert_eq!(answer, Answer::Refused(Failure::Refused { errno: Errno::EINVAL, text: None }));
}

#[test]
fn the_end_of_a_dump_can_carry_an_error() {
    let code = (-95_i32).to_ne_bytes();
    let frame = Frame { kind: Nlmsg::Done.into(), flags: 0, sequence: 1, payload: &code };
    let refused = Failure::Refused { errno: Errno::EOPNOTSUPP, text: None };
    assert_eq!(Answer::read(&frame), Answer::Refused(refused));
    let fine = Frame { payload: &[0; 4], ..frame };
    assert_eq!(Answer::read(&fine), Answer::Done);
}

proptest! {
    #[test]
    fn any_answer_is_read_without_panic(kind in 0..5_u16, flags: u16, payload in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = Answer::read(&Frame { kind, flags, sequence: 1, payload: &payload });
    }
}

#[test]
fn an_unknown_link_is_refused_with_the_kernels_number_and_the_socket_stays_in_step() {
    let mut socket = Socket::open(Protocol::Route).unwrap();
    let mut get = Message::new(18, &[0; 16]);
    get.text(3, "no-such-link0");
    let failure = socket.get(&get).unwrap_err();
    assert_eq!(failure.errno(), Some(Errno::ENODEV));
    let mut lo = Message::new(18, &[0; 16]);
    lo.text(3, "lo");
    assert_eq!(socket.get(&lo).unwrap().iter().count(), 1);
    let batch = [get.clone(), lo.clone(), get, lo];
    let refused = socket.batch(&batch).unwrap();
    assert_eq!(refused.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn a_dump_returns_every_object_and_a_long_batch_is_cut() {
    let mut socket = Socket::open(Protocol::Route).unwrap();
    let links = socket.dump(&Message::new(18, &[0; 16])).unwrap();
    assert!(links.iter().count() >= 1);
    let mut missing = Message::new(18, &[0; 16]);
    missing.text(3, "no-such-link0");
    let refused = socket.batch(&vec![missing; BATCH * 2 + 7]).unwrap();
    let positions: Vec<_> = refused.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, (0..BATCH * 2 + 7).collect::<Vec<_>>());
}
