//! Who may give orders, and what becomes of them, with a checker that is played by the test.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::super::Service;
use super::*;
use common::event_loop::clock;

const SECRET: &str = "correct-horse-battery";
const ORDER: &str = r#"{"server": "10.0.0.1:80", "reason": "new disk"}"#;

/// A directory of its own, which goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hf-orders-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, content: &[u8], mode: u32) -> PathBuf {
        let path = self.0.join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn post(target: &str, authorization: Option<&str>, body: &str) -> Request {
    Request {
        method: "POST".to_owned(),
        target: target.to_owned(),
        authorization: authorization.map(str::to_owned),
        body: body.as_bytes().to_owned(),
        peer: None,
    }
}

fn service(folder: &Folder) -> Service {
    Service::new(folder.0.clone(), false, Some(Token::new(SECRET).unwrap()))
}

fn bearer() -> String {
    format!("Bearer {SECRET}")
}

/// Plays the checker for one call: what it was told, and the service's answer.
fn with_checker(folder: &Folder, outcome: &Value, request: &Request) -> (Value, u16, String, Option<String>) {
    let listener = UnixListener::bind(folder.0.join("checker.sock")).unwrap();
    let asked = thread::scope(|scope| {
        let checker = scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            let call: Value = serde_json::from_str(&line).unwrap();
            let mut reply = outcome.clone();
            reply["id"] = call["id"].clone();
            stream.write_all(format!("{reply}\n").as_bytes()).unwrap();
            call
        });
        let (response, log) = service(folder).answer(request);
        (checker.join().unwrap(), response.status, response.content, log)
    });
    fs::remove_file(folder.0.join("checker.sock")).unwrap();
    asked
}

#[test]
fn the_right_token_gives_the_order_that_the_command_gives() {
    let folder = Folder::new();
    let reply = json!({ "result": { "servers": [{ "server": "10.0.0.1:80", "service": "tcp 192.0.2.1:80", "alive": true,
        "weight_before": 1, "weight": 0, "overrides": [{ "kind": "drain" }] }] } });
    for order in ["drain", "enable", "release"] {
        // The name of the scheme is written in any case (RFC 9110 section 11.1).
        let scheme = format!("bEARER  {SECRET}");
        let request = post(&format!("/servers/{order}"), Some(&scheme), ORDER);
        let (call, status, content, log) = with_checker(&folder, &reply, &request);
        assert_eq!(call["method"], "steer");
        assert_eq!(
            call["params"],
            json!({ "order": order, "server": "10.0.0.1:80", "reason": "new disk", "serve_client": "this machine" })
        );
        assert_eq!(status, 200);
        assert_eq!(content, "10.0.0.1:80 in tcp 192.0.2.1:80: drained until released, weight 1 -> 0\n");
        let log = log.unwrap();
        assert!(
            log.starts_with(&format!("{order} \"10.0.0.1:80\" ordered from this machine: 10.0.0.1:80 in"))
        );
        assert!(!log.contains('\n') && !log.contains(SECRET), "{log}");
    }
}

#[test]
fn a_drain_can_have_an_end_and_comes_from_its_client() {
    let folder = Folder::new();
    let reply = json!({ "result": { "servers": [] } });
    for (lasting, seconds) in
        [(r#""10m""#, json!(600.0)), ("90", json!(90.0)), (r#""""#, Value::Null), ("null", Value::Null)]
    {
        let body = format!(r#"{{"server": "a", "for": {lasting}}}"#);
        let mut request = post("/servers/drain", Some(&bearer()), &body);
        request.peer = Some(IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0207)));
        let (call, status, _, log) = with_checker(&folder, &reply, &request);
        assert_eq!((status, call["params"]["for_s"].clone()), (200, seconds), "{lasting}");
        assert_eq!(call["params"]["serve_client"], "192.0.2.7");
        assert!(log.unwrap().starts_with("drain \"a\" ordered from 192.0.2.7: "));
    }
    for order in ["enable", "release"] {
        let request = post(&format!("/servers/{order}"), Some(&bearer()), r#"{"server": "a", "for": "10m"}"#);
        let (response, _) = service(&folder).answer(&request);
        assert_eq!(response.status, 400);
        assert_eq!(response.content, format!("{order} has no end: leave `for` out\n"));
    }
}

#[test]
fn an_order_that_the_checker_refuses_is_told_in_its_words() {
    let folder = Folder::new();
    let refusal = json!({ "error": { "message": "no real server \"a\"" } });
    let request = post("/servers/drain", Some(&bearer()), r#"{"server": "a", "reason": ""}"#);
    let (call, status, content, _) = with_checker(&folder, &refusal, &request);
    // No reason is no reason.
    assert_eq!(call["params"], json!({ "order": "drain", "server": "a", "serve_client": "this machine" }));
    assert_eq!((status, content.as_str()), (422, "no real server \"a\"\n"));
}

#[test]
fn whoever_has_not_the_token_is_sent_away_before_anything_is_read() {
    let folder = Folder::new();
    let service = service(&folder);
    let short = SECRET.get(..SECRET.len() - 1).unwrap();
    for header in [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(SECRET.to_owned()),
        Some(format!("Basic {SECRET}")),
        Some(format!("Bearer {short}")),
        Some(format!("Bearer {short}X")),
        Some(format!("Bearer {SECRET}x")),
        Some(format!("Bearer {}", SECRET.to_uppercase())),
    ] {
        // Neither the body nor the query is where a token is looked for.
        let body = format!(r#"{{"server": "10.0.0.1:80", "token": "{SECRET}"}}"#);
        let (response, _) = service.answer(&post("/servers/drain", header.as_deref(), &body));
        assert_eq!(response.status, 401, "{header:?}: {}", response.content);
        assert!(!response.content.contains(SECRET));
    }
    let (response, _) = service.answer(&post(&format!("/servers/drain?token={SECRET}"), None, ORDER));
    assert_eq!(response.status, 405);
}

#[test]
fn the_log_hears_of_refusals_now_and_then_only() {
    let mut orders = Orders::new(PathBuf::from("/nowhere"), Some(Token::new(SECRET).unwrap()));
    let mut request = post("/servers/drain", Some("Bearer x"), ORDER);
    request.peer = Some(IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0207)));
    let now = clock::now();
    let mut log = |at: u64| orders.admit(&request, now + Duration::from_secs(at)).unwrap_err().log;
    assert_eq!(log(0).unwrap(), "an order from 192.0.2.7 was refused: it had no token or a wrong one");
    assert_eq!(log(1), None);
    assert_eq!(log(9), None);
    assert!(log(10).unwrap().ends_with(", and 2 more before it"));
    assert_eq!(log(11), None);
}

#[test]
fn without_a_token_file_there_are_no_orders_and_no_buttons() {
    let folder = Folder::new();
    let service = Service::new(folder.0.clone(), false, None);
    for header in [None, Some(bearer())] {
        let (response, log) = service.answer(&post("/servers/drain", header.as_deref(), ORDER));
        assert_eq!((response.status, log), (403, None));
        assert!(response.content.contains("--token-file"), "{}", response.content);
    }
    assert!(!super::super::lock(&service.site).steerable);
    assert!(super::super::lock(&self::service(&folder).site).steerable);
}

#[test]
fn only_a_post_is_an_order() {
    let folder = Folder::new();
    // Nobody is asked: there is nobody, and that would be 503.
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"] {
        let request = Request { method: method.to_owned(), ..post("/servers/drain", Some(&bearer()), ORDER) };
        assert_eq!(service(&folder).answer(&request).0.status, 405, "{method}");
    }
    for (target, status) in [("/", 405), ("/servers/weight", 405), ("/servers/drain/", 405)] {
        let (response, _) = service(&folder).answer(&post(target, Some(&bearer()), ORDER));
        assert_eq!(response.status, status, "{target}");
    }
}

#[test]
fn what_is_no_order_is_told_why() {
    let folder = Folder::new();
    let long = format!(r#"{{"server": "a", "reason": "{}"}}"#, "x".repeat(201));
    for (body, why) in [
        ("", "no order"),
        ("{", "no order"),
        ("server=a", "no order"),
        ("[]", "no order"),
        ("{}", "missing field `server`"),
        (r#"{"server": 1}"#, "expected a string"),
        (r#"{"server": "a", "user": "root"}"#, "unknown field `user`"),
        (r#"{"server": "a", "for": "soon"}"#, "`for` is not a duration: there is no number"),
        (r#"{"server": "a", "for": "0s"}"#, "`for` is not a duration: it is 1s to 3660d"),
        (r#"{"server": "a", "for": "4000d"}"#, "1s to 3660d"),
        (r#"{"server": "a", "for": -5}"#, "`for` is not a duration"),
        (r#"{"server": "a", "for": true}"#, "10m, or a number of seconds"),
        (&long, "201 bytes of at most 200"),
    ] {
        let (response, log) = service(&folder).answer(&post("/servers/drain", Some(&bearer()), body));
        assert_eq!((response.status, log), (400, None), "{body:?}");
        assert!(response.content.contains(why), "{body:?}: {}", response.content);
    }
}

#[test]
fn a_daemon_that_is_away_or_says_nonsense() {
    let folder = Folder::new();
    let (response, log) = service(&folder).answer(&post("/servers/drain", Some(&bearer()), ORDER));
    assert_eq!(response.status, 503);
    assert!(response.content.starts_with("holdfastd is not running"), "{}", response.content);
    assert!(log.unwrap().contains("is not running"));
    let listener = UnixListener::bind(folder.0.join("checker.sock")).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut String::new()).unwrap();
            stream.write_all(b"what?\n").unwrap();
        });
        let (response, _) = service(&folder).answer(&post("/servers/drain", Some(&bearer()), ORDER));
        assert_eq!(response.status, 502, "{}", response.content);
    });
    for (error, status) in [
        (CallError::TimedOut(PathBuf::new()), 504),
        (CallError::Permission(PathBuf::new()), 502),
        (CallError::Refused(String::new()), 422),
    ] {
        assert_eq!(status_of(&error), status);
    }
}

#[test]
fn a_file_that_holds_no_good_token_is_refused_with_the_reason() {
    let folder = Folder::new();
    let good = format!(" \t{SECRET}\n\n");
    for mode in [0o600, 0o400, 0o640] {
        let token =
            Token::read(&folder.file(good.as_bytes(), mode)).map_err(|why| format!("{mode:o}: {why}"));
        assert_eq!(token.unwrap().0, SECRET.as_bytes());
    }
    let long = "x".repeat(LONGEST + 1);
    let longer = "x".repeat(1 << 20);
    for (content, mode, why) in [
        (good.as_bytes(), 0o604, "has mode 0604: whoever reads"),
        (good.as_bytes(), 0o644, "has mode 0644"),
        (good.as_bytes(), 0o602, "has mode 0602"),
        (good.as_bytes(), 0o620, "has mode 0620"),
        (b"", 0o600, "is empty"),
        (b" \n", 0o600, "is empty"),
        (b"fifteen-letters\n", 0o600, "a token of 15 characters: it has to have 16 or more"),
        (b"two words of some length\n", 0o600, "more than one word"),
        ("ein-schlüssel-mit-umlaut".as_bytes(), 0o600, "more than one word"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 0o600, "cannot be read"),
        (long.as_bytes(), 0o600, "holds more than a token"),
        (longer.as_bytes(), 0o600, "holds more than a token"),
    ] {
        let said = Token::read(&folder.file(content, mode)).err().unwrap_or_default();
        assert!(said.contains(why), "{mode:o} {why}: {said}");
        assert!(!said.contains(SECRET));
    }
    assert!(
        Token::read(&folder.0.join("nothing")).err().unwrap().starts_with("cannot be read: No such file")
    );
    Token::read(&folder.file(b"sixteen-letters!", 0o600)).unwrap();
}
