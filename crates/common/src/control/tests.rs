use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::line::{Inbox, Lines, TooLong};
use super::message::{Reply, Request};
use super::wire;

#[test]
fn lines_are_cut_wherever_the_bytes_arrive() {
    let text = b"one\ntwo\n\nthree";
    for first in 0..text.len() {
        let mut lines = Lines::default();
        let mut seen = vec![];
        for part in [&text[..first], &text[first..]] {
            lines.push(part);
            while let Some(line) = lines.next(16).unwrap() {
                seen.push(String::from_utf8(line).unwrap());
            }
        }
        assert_eq!(seen, ["one", "two", ""]);
    }
}

#[test]
fn a_line_over_the_limit_is_refused_with_and_without_its_end() {
    for bytes in [&b"12345"[..], b"12345\n"] {
        let mut lines = Lines::default();
        lines.push(bytes);
        assert_eq!(lines.next(4), Err(TooLong));
    }
}

#[test]
fn a_request_needs_a_method_only() {
    let request: Request = serde_json::from_str(r#"{"method":"hello"}"#).unwrap();
    assert_eq!(request.id, 0);
    serde_json::from_str::<Request>(r#"{"id":1}"#).unwrap_err();
}

#[test]
fn replies_have_a_result_or_an_error_and_never_both() {
    let done = serde_json::to_string(&Reply::new(7, Ok(serde_json::json!({"a": 1})))).unwrap();
    assert_eq!(done, r#"{"id":7,"result":{"a":1}}"#);
    let refused = serde_json::to_string(&Reply::new(7, Err("no".into()))).unwrap();
    assert_eq!(refused, r#"{"id":7,"error":{"message":"no"}}"#);
}

#[test]
fn descriptors_belong_to_the_request_they_were_sent_with() {
    let (near, far) = UnixStream::pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    wire::send(&near, b"hello\n", &[]).unwrap();
    wire::send(&near, b"prepare\n", &[file.as_fd()]).unwrap();
    wire::send(&near, b"hello\n", &[]).unwrap();
    let (mut inbox, mut seen) = (Inbox::default(), Vec::new());
    let mut buffer = [0; 64];
    while seen.len() < 3 {
        let mut arrived = Vec::new();
        let count = wire::receive(&far, &mut buffer, &mut arrived).unwrap();
        let whole = inbox.take(&buffer[..count], arrived, 64).unwrap();
        seen.extend(whole.into_iter().map(|(line, fds)| (String::from_utf8(line).unwrap(), fds.len())));
    }
    assert_eq!(seen, [("hello".into(), 0), ("prepare".into(), 1), ("hello".into(), 0)]);
}

#[test]
fn descriptors_wait_for_the_end_of_their_line() {
    let mut inbox = Inbox::default();
    assert_eq!(inbox.take(b"hello\nprep", vec!['f'], 64), Ok(vec![(b"hello".to_vec(), vec![])]));
    assert_eq!(inbox.waiting(), 1);
    let rest = [(b"prepare".to_vec(), vec!['f']), (b"hello".to_vec(), vec![])];
    assert_eq!(inbox.take(b"are\nhello\n", vec![], 64), Ok(rest.to_vec()));
}
