use simple_dns::rdata::{A, CNAME, MX, RData, SOA, TXT};
use simple_dns::{CLASS, ResourceRecord};

use super::*;
use crate::checks::transcript::Transcript;

fn settings(record: &'static str) -> Settings {
    Settings { name: "www.example.net".into(), record, expect: vec![], allow_empty: false }
}

fn id(settings: &Settings) -> u16 {
    identifier(&settings.name, "192.0.2.1:80".parse().unwrap())
}

fn asked(settings: &Settings) -> Transcript {
    let mut talk = Transcript::of(settings);
    talk.connects(Path::Datagram);
    talk.answers(Input::Connected, &settings.query(id(settings)).unwrap());
    talk
}

/// A reply to the question of these settings, changed at will.
fn reply(settings: &Settings, change: impl FnOnce(&mut Packet<'_>)) -> Vec<u8> {
    let query = settings.query(id(settings)).unwrap();
    let mut packet = Packet::parse(&query).unwrap().into_reply();
    packet.set_flags(PacketFlag::RESPONSE);
    change(&mut packet);
    packet.build_bytes_vec().unwrap()
}

fn record(data: RData<'static>) -> ResourceRecord<'static> {
    ResourceRecord::new(Name::new_unchecked("www.example.net"), CLASS::IN, 60, data)
}

fn address() -> ResourceRecord<'static> {
    record(RData::A(A { address: u32::from_be_bytes([192, 0, 2, 7]) }))
}

#[test]
fn an_answer_passes() {
    let settings = settings("A");
    let reply = reply(&settings, |packet| packet.answers.push(address()));
    asked(&settings).ends(Input::Datagram(&reply), "pass: 1 answers");
}

#[test]
fn the_root_is_asked_for_its_soa_by_default() {
    let root = Settings { name: ".".into(), ..settings("SOA") };
    let query = root.query(7).unwrap();
    assert_eq!(
        query.escape_ascii().to_string(),
        r"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01"
    );
    let reply = reply(&root, |packet| {
        packet.answers.push(ResourceRecord::new(
            Name::new_unchecked(""),
            CLASS::IN,
            60,
            RData::SOA(SOA {
                mname: Name::new_unchecked("a.root-servers.net"),
                rname: Name::new_unchecked("nstld.example"),
                serial: 1,
                refresh: 1,
                retry: 1,
                expire: 1,
                minimum: 1,
            }),
        ));
    });
    asked(&root).ends(Input::Datagram(&reply), "pass: 1 answers");
}

#[test]
fn an_empty_reply_fails_unless_allowed() {
    let strict = settings("A");
    let empty = reply(&strict, |_| {});
    asked(&strict).ends(Input::Datagram(&empty), "fail: a reply without an answer");
    let alias = record(RData::CNAME(CNAME(Name::new_unchecked("other.example.net"))));
    let alias = reply(&strict, |packet| packet.answers.push(alias));
    asked(&strict).ends(Input::Datagram(&alias), "fail: a reply without an answer");
    let lenient = Settings { allow_empty: true, ..strict };
    asked(&lenient).ends(Input::Datagram(&empty), "pass: 0 answers");
}

#[test]
fn a_response_code_fails() {
    let settings = settings("A");
    let refused = reply(&settings, |packet| *packet.rcode_mut() = RCODE::ServerFailure);
    asked(&settings).ends(Input::Datagram(&refused), "fail: response code ServerFailure");
}

#[test]
fn a_reply_to_another_question_is_passed_over() {
    let settings = settings("A");
    let mut talk = asked(&settings);
    let other_id = reply(&settings, |packet| packet.set_id(id(&settings).wrapping_add(1)));
    talk.waits(Input::Datagram(&other_id));
    let other_name = Settings { name: "mail.example.net".into(), ..settings.clone() };
    let mut other = reply(&other_name, |packet| packet.answers.push(address()));
    other[..2].copy_from_slice(&id(&settings).to_be_bytes());
    talk.waits(Input::Datagram(&other));
    talk.ends(Input::TimedOut, "fail: no reply in time");
}

#[test]
fn a_truncated_reply_is_asked_for_over_tcp() {
    let settings = settings("A");
    let mut probe = settings.probe("192.0.2.1:80".parse().unwrap());
    probe.on(Input::Start);
    probe.on(Input::Connected);
    let truncated = reply(&settings, |packet| packet.set_flags(PacketFlag::TRUNCATION));
    assert_eq!(probe.on(Input::Datagram(&truncated)), Step::Connect(Path::Request));
    let query = settings.query(id(&settings)).unwrap();
    let mut framed = vec![0, u8::try_from(query.len()).unwrap()];
    framed.extend(query);
    assert_eq!(probe.on(Input::Connected), Step::Send(framed));
    let whole = reply(&settings, |packet| packet.answers.push(address()));
    let mut framed = vec![0, u8::try_from(whole.len()).unwrap()];
    framed.extend(whole);
    for byte in &framed[..framed.len() - 1] {
        assert_eq!(probe.on(Input::Bytes(&[*byte])), Step::Read);
    }
    assert_eq!(probe.on(Input::Bytes(&framed[framed.len() - 1..])), Step::Done(Verdict::pass("1 answers")));
}

#[test]
fn what_is_expected_is_compared_as_text() {
    let mx = record(RData::MX(MX { preference: 10, exchange: Name::new_unchecked("mail.example.net") }));
    for (asked_for, data, good, bad) in [
        ("A", address(), "192.0.2.7", "192.0.2.8"),
        ("MX", mx, "10 Mail.example.net.", "20 mail.example.net"),
        ("TXT", record(RData::TXT(TXT::new().with_string("v=spf1 -all").unwrap())), "v=spf1 -all", "v=spf1"),
    ] {
        let good = Settings { expect: vec![good.into()], ..settings(asked_for) };
        let bad = Settings { expect: vec![bad.into()], ..settings(asked_for) };
        let reply = reply(&good, |packet| packet.answers.push(data));
        asked(&good).ends(Input::Datagram(&reply), "pass: 1 answers");
        let mut probe = bad.probe("192.0.2.1:80".parse().unwrap());
        assert!(matches!(probe.on(Input::Datagram(&reply)), Step::Done(Verdict::Fail(_))));
    }
}

#[test]
fn garbage_fails_and_never_panics() {
    let settings = settings("A");
    asked(&settings).ends(Input::Datagram(b"nonsense"), "fail: reply is not DNS: \"nonsense\"");
    let whole = reply(&settings, |packet| packet.answers.push(address()));
    for end in 0..whole.len() {
        let mut probe = settings.probe("192.0.2.1:80".parse().unwrap());
        probe.on(Input::Datagram(&whole[..end]));
        for at in 0..end {
            let mut broken = whole[..end].to_vec();
            broken[at] ^= 0xff;
            probe.on(Input::Datagram(&broken));
        }
    }
}
