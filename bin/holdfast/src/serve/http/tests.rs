//! What is taken for a request, over real sockets.

use std::thread;

use super::*;

fn request(method: &str, target: &str) -> Request {
    Request { method: method.to_owned(), target: target.to_owned(), ..Request::default() }
}

#[test]
fn the_first_line_and_three_headers_are_what_counts() {
    let bearer =
        |method: &str| Request { authorization: Some("Bearer x".to_owned()), ..request(method, "/") };
    for (text, wanted) in [
        ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", Ok((request("GET", "/metrics"), 0))),
        ("HEAD / HTTP/1.0\r\n\r\n", Ok((request("HEAD", "/"), 0))),
        ("GET / HTTP/1.1\r\nauthorization:  Bearer x\r\n\r\n", Ok((bearer("GET"), 0))),
        ("POST / HTTP/1.1\r\ncontent-length: 3\r\nAuthorization: Bearer x\r\n\r\n", Ok((bearer("POST"), 3))),
        (
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            Ok((request("POST", "/"), usize::MAX)),
        ),
        ("POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\n", Err(400)),
        ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", Err(400)),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", Err(400)),
        ("POST / HTTP/1.1\r\nAuthorization: Bearer x\r\nAuthorization: Bearer y\r\n\r\n", Err(400)),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Err(411)),
        ("GET /\r\n\r\n", Err(400)),
        ("GET / HTTP/2\r\n\r\n", Err(400)),
        ("GET / a HTTP/1.1\r\n\r\n", Err(400)),
        ("\r\n\r\n", Err(400)),
    ] {
        assert_eq!(parse(text.as_bytes()), wanted, "{text:?}");
    }
    assert_eq!(parse(b"G\xff / HTTP/1.1\r\n\r\n"), Err(400));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS + 1));
    assert_eq!(parse(many.as_bytes()), Err(431));
}

/// What one who says this hears; the body that was understood is sent back.
fn heard(said: &[&[u8]]) -> String {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let echo = |request: &Request| Response {
                status: 200,
                kind: "text/plain",
                content: format!("{} {:?}", request.method, String::from_utf8_lossy(&request.body)),
            };
            let _gone = one(&mut theirs, None, "", &echo);
        });
        for part in said {
            // It may have heard enough.
            let _cut = ours.write_all(part);
        }
        let mut answer = String::new();
        let _reset = ours.read_to_string(&mut answer);
        answer
    })
}

#[test]
fn a_body_is_taken_in_parts_and_not_further_than_it_says() {
    let head: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nab";
    assert!(heard(&[head, b"cd", b"efghi"]).ends_with("\r\n\r\nPOST \"abcdef\""));
    // Split in the middle of the end of the head.
    assert!(heard(&[b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r", b"\nx"]).ends_with("POST \"x\""));
    // What comes behind a question is not listened to.
    assert!(heard(&[b"GET / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n{"]).ends_with("GET \"\""));
}

#[test]
fn a_body_that_is_too_large_is_not_waited_for() {
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", LARGEST + 1);
    assert!(heard(&[head.as_bytes()]).starts_with("HTTP/1.1 413 Content Too Large\r\n"));
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {LARGEST}\r\n\r\n{}", "x".repeat(LARGEST));
    assert!(heard(&[head.as_bytes()]).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn who_needs_a_token_is_told_of_which_kind() {
    assert!(challenge(401).starts_with("WWW-Authenticate: Bearer"));
    assert_eq!(challenge(403), "");
}
