use std::sync::Arc;

use super::*;
use crate::checks::transcript::Transcript;
use proptest::prelude::*;

fn url() -> Url {
    Url {
        path: "/healthz".into(),
        method: Method::Get,
        version: Version::V1_1,
        host: Some("www.example.org".into()),
        headers: vec![],
        status: StatusSet::default(),
        body: Rules { max_body: MAX_BODY, ..Rules::default() },
    }
}

fn settings() -> Settings {
    Settings { urls: Arc::new([url()]) }
}

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: holdfast\r\n\
Accept: */*\r\nConnection: close\r\n\r\n";

fn asked() -> Transcript {
    let mut talk = Transcript::of(&settings());
    talk.connects(Path::Request);
    talk.answers(Input::Connected, REQUEST);
    talk
}

#[test]
fn an_expected_status_is_a_pass_before_the_body_has_come() {
    asked().ends(
        Input::Bytes(b"HTTP/1.1 204 No Content\r\nServer: x\r\nContent-Length: 99999\r\n\r\nabc"),
        "pass: status 204",
    );
}

#[test]
fn another_status_is_a_failure_that_names_both() {
    asked().ends(Input::Bytes(b"HTTP/1.0 503 Busy\r\n\r\n"), "fail: status 503, expected 200-299");
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let head = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    let mut talk = asked();
    for byte in &head[..head.len() - 1] {
        talk.waits(Input::Bytes(&[*byte]));
    }
    talk.ends(Input::Bytes(b"\n"), "pass: status 200");
}

#[test]
fn bare_line_feeds_are_understood() {
    asked().ends(Input::Bytes(b"HTTP/1.0 200 OK\nA: b\n\n"), "pass: status 200");
}

#[test]
fn interim_answers_are_passed_over() {
    let mut talk = asked();
    talk.waits(Input::Bytes(b"HTTP/1.1 100 Continue\r\n\r\n"));
    talk.waits(Input::Bytes(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 20"));
    talk.ends(Input::Bytes(b"0 OK\r\n\r\n"), "pass: status 200");
}

#[test]
fn nothing_is_lost_behind_many_interim_answers_and_they_do_not_last_for_ever() {
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    // The real head begins in the last bytes that fit.
    let mut bytes = interim.repeat(MAX_HEAD / interim.len());
    bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\n\r\n");
    asked().ends(Input::Bytes(&bytes), "pass: status 200");
    let mut talk = asked();
    talk.waits(Input::Bytes(&interim.repeat(MAX_HEAD / interim.len())));
    talk.ends(Input::Bytes(interim), "fail: interim answers without end");
}

#[test]
fn another_protocol_is_named_at_once() {
    asked().ends(
        Input::Bytes(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        "fail: answer is not HTTP: \"SSH-2.0-OpenSSH_9.2p1\\r\\n\"",
    );
    asked().ends(
        Input::Bytes(b"\x15\x03\x01\x00\x02\x02F"),
        "fail: answer is not HTTP: \"\\x15\\x03\\x01\\x00\\x02\\x02F\"",
    );
}

#[test]
fn an_endless_head_is_cut_off() {
    let mut talk = asked();
    talk.waits(Input::Bytes(b"HTTP/1.1 200 OK\r\n"));
    let line = b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n";
    for _ in 0..(MAX_HEAD - 17) / line.len() {
        talk.waits(Input::Bytes(line));
    }
    talk.ends(Input::Bytes(line), "fail: head of the answer longer than 16384 bytes");
}

#[test]
fn closing_early_is_a_failure() {
    asked().ends(Input::Closed, "fail: connection closed without an answer");
    let mut talk = asked();
    talk.waits(Input::Bytes(b"HTTP/1.1 200 OK\r\nA"));
    talk.ends(
        Input::Closed,
        "fail: connection closed in the middle of the answer: \"HTTP/1.1 200 OK\\r\\nA\"",
    );
}

#[test]
fn silence_says_at_which_point() {
    let mut talk = Transcript::of(&settings());
    talk.connects(Path::Request);
    talk.ends(Input::TimedOut, "fail: connection not answered in time");
    asked().ends(Input::TimedOut, "fail: connected, but no answer in time");
    let mut talk = asked();
    talk.waits(Input::Bytes(b"H"));
    talk.ends(Input::TimedOut, "fail: answer not complete in time");
}

#[test]
fn a_reset_is_a_failure() {
    asked().refused("connection reset", "fail: connection reset");
}

#[test]
fn the_request_follows_the_settings() {
    let mut settings = url();
    settings.host = None;
    settings.method = Method::Head;
    settings.version = Version::V1_0;
    settings.headers = vec![Header { name: "user-agent".into(), value: "mine".into() }];
    let text = |target: &str| String::from_utf8(settings.request(target.parse().unwrap(), 80)).unwrap();
    let rest = "\r\nAccept: */*\r\nConnection: close\r\nuser-agent: mine\r\n\r\n";
    assert_eq!(text("192.0.2.1:80"), format!("HEAD /healthz HTTP/1.0\r\nHost: 192.0.2.1{rest}"));
    assert_eq!(text("192.0.2.1:8080"), format!("HEAD /healthz HTTP/1.0\r\nHost: 192.0.2.1:8080{rest}"));
    assert_eq!(text("[2001:db8::1]:80"), format!("HEAD /healthz HTTP/1.0\r\nHost: [2001:db8::1]{rest}"));
}

/// An attempt with rules for the body, up to and with the head of the answer.
fn answered(body: Rules, head: &[u8]) -> Transcript {
    let settings = Settings { urls: Arc::new([Url { body, ..url() }]) };
    let mut talk = Transcript::of(&settings);
    talk.connects(Path::Request);
    talk.answers(Input::Connected, REQUEST);
    talk.waits(Input::Bytes(head));
    talk
}

fn matching(pattern: &str) -> Rules {
    Rules { matches: Some(Pattern::new(pattern).unwrap()), max_body: 100, ..Rules::default() }
}

#[test]
fn a_body_is_read_to_its_end_when_it_matters() {
    let mut talk = answered(matching("ready"), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nre");
    talk.ends(Input::Bytes(b"ady"), "pass: status 200");
    let mut talk =
        answered(matching("ready"), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea");
    talk.ends(Input::Bytes(b"\r\n2\r\ndy\r\n0\r\n\r\n"), "pass: status 200");
    let mut talk = answered(matching("ready"), b"HTTP/1.0 200 OK\r\n\r\nnot rea");
    talk.ends(Input::Closed, "fail: body does not match \"ready\": \"not rea\"");
}

#[test]
fn a_body_that_breaks_off_fails() {
    let mut talk = answered(matching("x"), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx");
    talk.ends(Input::Closed, "fail: connection closed in the middle of the body");
    let mut talk = answered(matching("x"), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx");
    talk.ends(Input::TimedOut, "fail: answer not complete in time");
}

#[test]
fn an_endless_body_is_looked_at_up_to_its_bound() {
    let mut talk = answered(matching("^x+$"), b"HTTP/1.0 200 OK\r\n\r\nx");
    talk.waits(Input::Bytes(&[b'x'; 90]));
    talk.ends(Input::Bytes(&[b'x'; 90]), "pass: status 200");
}

#[test]
fn several_urls_are_asked_for_in_turn_and_the_first_bad_one_decides() {
    let second = Url { path: "/b".into(), ..url() };
    let settings = Settings { urls: Arc::new([url(), second.clone()]) };
    let second = second.request("192.0.2.1:80".parse().unwrap(), 80);
    let start = || {
        let mut talk = Transcript::of(&settings);
        talk.connects(Path::Request);
        talk.answers(Input::Connected, REQUEST);
        talk.connects_again(Input::Bytes(b"HTTP/1.1 200 OK\r\n\r\n"), Path::Request);
        talk.answers(Input::Connected, &second);
        talk
    };
    start().ends(Input::Bytes(b"HTTP/1.1 200 OK\r\n\r\n"), "pass: 2 URLs as expected");
    start().ends(Input::Bytes(b"HTTP/1.1 500 No\r\n\r\n"), "fail: /b: status 500, expected 200-299");
    start().ends(Input::TimedOut, "fail: /b: connected, but no answer in time");
}

proptest! {
    /// Whatever comes, however it is cut: no panic, the same verdict as in one piece, bounded memory.
    #[test]
    fn any_cut_gives_the_same_verdict(
        start in prop::sample::select(vec!["HTTP/1.1 200 OK\r\n", "HTTP/1.0 500 x\n", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 302 M\r\n", ""]),
        rest in prop::collection::vec(prop::sample::select(b"Aa: \r\n\0\xff".to_vec()), 0..200),
        cuts in prop::collection::vec(1_usize..20, 1..50),
    ) {
        let mut bytes = start.as_bytes().to_vec();
        bytes.extend_from_slice(&rest);
        bytes.extend_from_slice(b"\r\n\r\n");
        let run = |mut pieces: Box<dyn Iterator<Item = usize>>| {
            let mut probe = settings().probe("192.0.2.1:80".parse().unwrap());
            probe.on(Input::Start);
            probe.on(Input::Connected);
            let mut left = &bytes[..];
            while !left.is_empty() {
                let (piece, tail) = left.split_at(pieces.next().unwrap().min(left.len()));
                left = tail;
                if let Step::Done(verdict) = probe.on(Input::Bytes(piece)) {
                    return verdict.to_string().split(": \"").next().unwrap().to_owned();
                }
            }
            "none".to_owned()
        };
        let whole = run(Box::new(std::iter::repeat(usize::MAX)));
        let cut = run(Box::new(cuts.iter().copied().cycle()));
        prop_assert_eq!(whole, cut);
    }
}
