use proptest::prelude::*;

use super::*;

fn rules() -> Rules {
    Rules { max_body: MAX_BODY, ..Rules::default() }
}

fn fed(framing: Framing, rules: &Rules, bytes: &[u8]) -> (Body, Progress) {
    let mut body = Body::new(framing, rules);
    let progress = body.push(bytes);
    (body, progress)
}

#[test]
fn a_body_ends_after_its_length_whatever_follows() {
    let (body, progress) = fed(Framing::Length(3), &rules(), b"abcdef");
    assert_eq!((progress, &body.bytes[..]), (Progress::Whole, &b"abc"[..]));
    assert_eq!(fed(Framing::Length(3), &rules(), b"ab").1, Progress::More);
    assert_eq!(fed(Framing::Empty, &rules(), b"").1, Progress::Whole);
    assert_eq!(fed(Framing::Close, &rules(), b"ab").1, Progress::More);
}

const CHUNKED: &[u8] = b"3\r\nabc\r\n0a;ext=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";

#[test]
fn chunks_are_joined_wherever_the_bytes_are_cut() {
    for cut in 0..CHUNKED.len() {
        let mut body = Body::new(Framing::Chunked, &rules());
        assert_eq!(body.push(&CHUNKED[..cut]), Progress::More, "{cut}");
        assert_eq!(body.push(&CHUNKED[cut..]), Progress::Whole);
        assert_eq!(body.bytes, b"abc0123456789");
    }
}

#[test]
fn chunks_that_make_no_sense_are_noticed() {
    for broken in [&b"x\r\n"[..], b"\r\n", b"3\r\nabcd", b"ffffffffffffffffffff\r\n", b"-1\r\n"] {
        assert_eq!(fed(Framing::Chunked, &rules(), broken).1, Progress::Broken, "{}", broken.escape_ascii());
    }
}

#[test]
fn a_digest_is_of_the_whole_body() {
    let md5 = Digest::Md5(hex("900150983cd24fb0d6963f7d28e17f72").unwrap().try_into().unwrap());
    let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let sha = Digest::Sha256(hex(sha).unwrap().try_into().unwrap());
    for digest in [md5, sha] {
        let rules = Rules { digest: Some(digest), ..rules() };
        assert_eq!(fed(Framing::Length(3), &rules, b"abc").0.fault(&rules, true), None);
        let fault = fed(Framing::Length(3), &rules, b"abd").0.fault(&rules, true).unwrap();
        assert!(fault.to_string().starts_with("fail: body has digest "), "{fault}");
    }
}

#[test]
fn a_pattern_is_looked_for_in_what_is_looked_at() {
    let rules = Rules {
        matches: Some(Pattern::new("(?i)status: *ok").unwrap()),
        matches_not: Some(Pattern::new("degraded").unwrap()),
        max_body: 20,
        ..rules()
    };
    let fault =
        |text: &[u8]| fed(Framing::Close, &rules, text).0.fault(&rules, true).map(|fault| fault.to_string());
    assert_eq!(fault(b"Status:  OK"), None);
    assert_eq!(fault(b"down").unwrap(), "fail: body does not match \"(?i)status: *ok\": \"down\"");
    assert_eq!(fault(b"status: ok, degraded").unwrap(), "fail: body matches \"degraded\"");
    assert_eq!(fault(b"status: ok, and degraded"), None);
    assert_eq!(fed(Framing::Close, &rules, &[b'x'; 20]).1, Progress::Enough);
}

#[test]
fn an_endless_body_takes_bounded_memory() {
    let rules = Rules { max_body: 1000, ..rules() };
    let mut body = Body::new(Framing::Close, &rules);
    for _ in 0..1000 {
        body.push(&[0; 4096]);
    }
    assert_eq!(body.bytes.len(), 1000);
    let rules = Rules { digest: Some(Digest::Md5([0; 16])), ..rules };
    assert_eq!(body.fault(&rules, true).unwrap().to_string(), "fail: body longer than max_body (1000 bytes)");
}

proptest! {
    #[test]
    fn arbitrary_chunks_never_panic(bytes: Vec<u8>, length: u64) {
        for framing in [Framing::Empty, Framing::Length(length), Framing::Chunked, Framing::Close] {
            fed(framing, &rules(), &bytes);
        }
    }

    #[test]
    fn what_is_sent_in_chunks_is_what_is_kept(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..10)) {
        let mut wire = Vec::new();
        for part in &parts {
            wire.extend(format!("{:x}\r\n", part.len()).bytes());
            wire.extend(part);
            wire.extend(b"\r\n");
        }
        wire.extend(b"0\r\n\r\n");
        let (body, progress) = fed(Framing::Chunked, &rules(), &wire);
        prop_assert_eq!(progress, Progress::Whole);
        prop_assert_eq!(body.bytes, parts.concat());
    }
}
