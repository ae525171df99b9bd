//! Sockets that serve one attempt after another: nothing of an earlier connection reaches a later one.

use super::*;

/// A loop with several attempts, one after the other.
struct Line {
    event_loop: EventLoop<Slot>,
    bench: Bench,
}

impl Line {
    fn new() -> Self {
        let bench =
            Bench { transport: Transport::new(|slot| slot), outcome: None, deadline: None, cut_off: false };
        Self { event_loop: EventLoop::new().unwrap(), bench }
    }

    /// An attempt up to its end, or up to the end of patience: then its time limit passes.
    fn attempt(&mut self, check: &str, target: SocketAddr, dial: &Dial, mut server: impl FnMut()) -> String {
        let registry = self.event_loop.cx().registry().clone();
        let (slot, outcome) = self.bench.transport.begin(probe(check, target), target, dial, &registry);
        if let Outcome::Done(verdict) = outcome {
            return verdict.to_string();
        }
        let give_up = clock::now() + Duration::from_millis(300);
        loop {
            server();
            self.bench.deadline = Some(clock::now() + Duration::from_millis(2));
            self.event_loop.turn(&mut self.bench).unwrap();
            if let Some(verdict) = self.bench.outcome.take() {
                return verdict.to_string();
            }
            if clock::now() > give_up {
                return self.bench.transport.expire(slot, &registry).to_string();
            }
        }
    }

    /// Sockets kept for IPv4 and for IPv6.
    fn kept(&self) -> [usize; 2] {
        self.bench.transport.kept.each_ref().map(|shelves| shelves.iter().map(Vec::len).sum())
    }
}

/// A server whose queue is full: it answers nobody else.
fn silent() -> (SocketAddr, [std::os::fd::OwnedFd; 2]) {
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, socket};
    use std::os::fd::AsRawFd;
    let kind = (AddressFamily::Inet, SockType::Stream);
    let listener = socket(kind.0, kind.1, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let first = TcpStream::connect(address).unwrap();
    (address, [listener.into(), first.into()])
}

const TCP: &str = "type = \"tcp\"";
const PASS: &str = "pass: connection accepted";

#[test]
fn one_socket_serves_one_server_after_another() {
    let mut line = Line::new();
    let (a, mut play_a) = saying(b"", false);
    let (b, mut play_b) = saying(b"", false);
    for _ in 0..5 {
        assert_eq!(line.attempt(TCP, a, &Dial::default(), &mut play_a), PASS);
        assert_eq!(line.attempt(TCP, b, &Dial::default(), &mut play_b), PASS);
        assert_eq!(line.kept(), [1, 0]);
    }
    drop(play_a);
    assert_eq!(line.attempt(TCP, a, &Dial::default(), || {}), "fail: connection refused");
    assert_eq!(line.kept(), [0, 0], "a socket that was in error is closed");
    assert_eq!(line.attempt(TCP, b, &Dial::default(), &mut play_b), PASS);
    assert_eq!(line.kept(), [1, 0]);
}

#[test]
fn a_server_that_is_dead_is_not_saved_by_a_socket_that_was_connected() {
    let mut line = Line::new();
    let (alive, mut play) = saying(b"", false);
    let (dead, stopped) = saying(b"", false);
    drop(stopped);
    let (silent, _full) = silent();
    for _ in 0..5 {
        assert_eq!(line.attempt(TCP, alive, &Dial::default(), &mut play), PASS);
        assert_eq!(line.attempt(TCP, dead, &Dial::default(), || {}), "fail: connection refused");
        assert_eq!(line.attempt(TCP, alive, &Dial::default(), &mut play), PASS);
        let verdict = line.attempt(TCP, silent, &Dial::default(), || {});
        assert_eq!(verdict, "fail: connection not answered in time");
    }
}

#[test]
fn what_one_server_said_is_not_heard_from_the_next() {
    let mut line = Line::new();
    let http = "type = \"http\"\nbody_match = \"ready\"";
    let (full, mut play_full) = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nreadyready", false);
    let (mute, mut play_mute) = saying(b"", false);
    for _ in 0..3 {
        assert_eq!(line.attempt(http, full, &Dial::default(), &mut play_full), "pass: status 200");
        assert_eq!(line.kept(), [1, 0]);
        let verdict = line.attempt(http, mute, &Dial::default(), &mut play_mute);
        assert_eq!(verdict, "fail: connected, but no answer in time");
        assert_eq!(line.kept(), [0, 0], "an attempt whose time is over leaves nothing");
    }
}

#[test]
fn families_and_sockets_of_a_special_kind_are_kept_apart() {
    let mut line = Line::new();
    let (four, mut play) = saying(b"", false);
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let six = listener.local_addr().unwrap();
    let dial = Dial { source: Some("127.0.0.9".parse().unwrap()), ..Dial::default() };
    assert_eq!(line.attempt(TCP, four, &dial, &mut play), PASS);
    assert_eq!(line.kept(), [0, 0], "one that is bound to a source is of no use to others");
    assert_eq!(line.attempt(TCP, four, &Dial::default(), &mut play), PASS);
    assert_eq!(line.attempt(TCP, six, &Dial::default(), || {}), PASS);
    assert_eq!(line.kept(), [1, 1]);
    assert_eq!(line.attempt(TCP, four, &dial, &mut play), PASS);
    assert_eq!(line.kept(), [1, 1]);
}

#[test]
fn a_socket_of_who_talks_first_never_listens_first() {
    let mut line = Line::new();
    let (server, mut play) = saying(b"HTTP/1.0 200 OK\r\n\r\n", false);
    assert_eq!(line.attempt("type = \"http\"", server, &Dial::default(), &mut play), "pass: status 200");
    assert_eq!(line.attempt(TCP, server, &Dial::default(), &mut play), PASS);
    let [four, _] = &line.bench.transport.kept;
    assert_eq!(four.each_ref().map(Vec::len), [1, 1]);
    for _ in 0..3 {
        assert_eq!(line.attempt("type = \"http\"", server, &Dial::default(), &mut play), "pass: status 200");
        assert_eq!(line.attempt(TCP, server, &Dial::default(), &mut play), PASS);
    }
    assert_eq!(line.kept(), [2, 0]);
}

#[test]
fn an_answer_that_took_several_turns_leaves_no_socket() {
    let mut line = Line::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    // With so little room one turn of ours reads less than one turn of the server sends.
    line.bench.transport.buffer.truncate(256);
    for _ in 0..10 {
        let mut client: Option<TcpStream> = None;
        let play = || {
            if client.is_none() {
                client = listener.accept().ok().map(|(client, _)| client);
                if let Some(client) = &mut client {
                    client.set_nonblocking(true).unwrap();
                    client.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
                }
            }
            if let Some(client) = &mut client {
                while client.write(&[b'x'; 64 * 1024]).is_ok() {}
            }
        };
        line.bench.cut_off = false;
        let check = "type = \"http\"\nbody_match = \"y\"\nmax_body = 8000000";
        let verdict = line.attempt(check, address, &Dial::default(), play);
        assert!(verdict.starts_with("fail"), "{verdict}");
        if line.bench.cut_off {
            assert_eq!(line.kept(), [0, 0]);
            return;
        }
    }
    panic!("no answer took several turns");
}
