mod reuse;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::config::{Diagnostics, Document, Sources};
use common::event_loop::{Cx, EventLoop, Process, Signal, clock};
use common::exit::Exit;

use super::*;
use crate::checks::KINDS;

/// One attempt on a loop, with its server played by the test.
struct Bench {
    transport: Transport<Slot>,
    outcome: Option<Verdict>,
    deadline: Option<Instant>,
    /// Whether the budget of a turn ended before what could be read.
    cut_off: bool,
}

impl Process for Bench {
    type Key = Slot;

    fn ready(&mut self, slot: Slot, readiness: Readiness, cx: &mut Cx<'_, Slot>) -> Drained {
        let (outcome, drained) = self.transport.ready(slot, readiness, cx.registry());
        if let Outcome::Done(verdict) = outcome {
            self.outcome = Some(verdict);
        }
        self.cut_off |= drained == Drained::More;
        drained
    }
    fn timeout(&mut self, _: &mut Cx<'_, Slot>) {
        self.deadline = None;
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
    fn signal(&mut self, _: Signal, _: &mut Cx<'_, Slot>) {}
    fn finished(&self) -> Option<Exit> {
        None
    }
}

/// A check as the configuration writes it.
fn probe(check: &str, target: SocketAddr) -> Box<dyn Probe> {
    let sources = Sources::from_text("t.toml", check);
    let mut d = Diagnostics::default();
    let document = Document::parse(&sources, &mut d);
    let mut table = document.root();
    let kind = table.choice("type", KINDS, &mut d).unwrap().value.read(&mut table, &mut d).unwrap();
    table.finish(&mut d);
    assert!(!d.has_errors(), "{}", d.render(&sources));
    kind.probe(target)
}

/// Runs an attempt; `server` is called between the turns of the loop.
fn attempt(check: &str, target: SocketAddr, dial: &Dial, mut server: impl FnMut()) -> Verdict {
    let mut event_loop = EventLoop::new().unwrap();
    let mut bench =
        Bench { transport: Transport::new(|slot| slot), outcome: None, deadline: None, cut_off: false };
    let registry = event_loop.cx().registry().clone();
    let (slot, outcome) = bench.transport.begin(probe(check, target), target, dial, &registry);
    if let Outcome::Done(verdict) = outcome {
        return verdict;
    }
    let give_up = clock::now() + Duration::from_secs(3);
    loop {
        server();
        // A turn is at most this long: the server plays in between.
        bench.deadline = Some(clock::now() + Duration::from_millis(2));
        event_loop.turn(&mut bench).unwrap();
        if let Some(verdict) = bench.outcome.take() {
            assert!(bench.transport.attempts.iter().all(Option::is_none), "its slot is free");
            return verdict;
        }
        if clock::now() > give_up {
            return bench.transport.expire(slot, &registry);
        }
    }
}

/// A TCP server that says something to each of its clients.
fn saying(words: &'static [u8], then_close: bool) -> (SocketAddr, impl FnMut()) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    let play = move || {
        while let Ok((mut client, _)) = listener.accept() {
            client.write_all(words).unwrap();
            if !then_close {
                clients.push(client);
            }
        }
    };
    (address, play)
}

#[test]
fn a_connection_that_is_accepted_passes_and_one_that_is_refused_fails() {
    let (address, play) = saying(b"", false);
    assert_eq!(
        attempt("type = \"tcp\"", address, &Dial::default(), play).to_string(),
        "pass: connection accepted"
    );
    // The listener is closed by now.
    let verdict = attempt("type = \"tcp\"", address, &Dial::default(), || {});
    assert_eq!(verdict.to_string(), "fail: connection refused");
}

#[test]
fn what_is_wrong_here_is_not_the_servers_failure() {
    let (address, _play) = saying(b"", false);
    let dial = Dial { source: Some("192.0.2.99".parse().unwrap()), ..Dial::default() };
    let verdict = attempt("type = \"tcp\"", address, &dial, || {});
    assert_eq!(
        verdict.to_string(),
        "unknown: cannot connect from 192.0.2.99: cannot assign requested address"
    );
    let dial = Dial { source: Some("127.0.0.9".parse().unwrap()), ..Dial::default() };
    assert_eq!(attempt("type = \"tcp\"", address, &dial, || {}).to_string(), "pass: connection accepted");
}

#[test]
fn several_urls_take_several_connections() {
    let (address, play) = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready", true);
    let check = "type = \"http\"\nbody_match = \"ready\"\nurls = [{ path = \"/a\" }, { path = \"/b\" }]";
    assert_eq!(attempt(check, address, &Dial::default(), play).to_string(), "pass: 2 URLs as expected");
}

#[test]
fn an_answer_longer_than_the_buffer_is_read_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let mut client: Option<TcpStream> = None;
    let mut left = 40;
    let play = move || {
        if client.is_none() {
            client = listener.accept().ok().map(|(client, _)| client);
            if let Some(client) = &mut client {
                client.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
            }
        }
        match &mut client {
            Some(client) if left > 0 => {
                left -= 1;
                client.write_all(&[b'x'; 10_000]).unwrap();
            }
            Some(stream) => {
                let _sent =
                    stream.write_all(b"end").and_then(|()| stream.shutdown(std::net::Shutdown::Write));
            }
            None => {}
        }
    };
    let check = "type = \"http\"\nbody_match = \"xend$\"";
    assert_eq!(attempt(check, address, &Dial::default(), play).to_string(), "pass: status 200");
}

#[test]
fn silence_ends_with_the_time_limit() {
    let (address, play) = saying(b"", false);
    let verdict = attempt("type = \"http\"", address, &Dial::default(), play);
    assert_eq!(verdict.to_string(), "fail: connected, but no answer in time");
}

#[test]
fn a_datagram_to_a_closed_port_is_refused_and_an_answer_is_heard() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = server.local_addr().unwrap();
    let play = move || {
        let mut buffer = [0; 100];
        if let Ok((count, client)) = server.recv_from(&mut buffer) {
            server.send_to(&buffer[..count], client).unwrap();
        }
    };
    let check = "type = \"udp\"\npayload = \"hex:0102\"\nreply = \"hex:01x2\"";
    assert_eq!(attempt(check, address, &Dial::default(), play).to_string(), "pass: reply of 2 bytes");
    assert_eq!(attempt(check, address, &Dial::default(), || {}).to_string(), "fail: connection refused");
}

#[test]
fn a_slot_is_used_again() {
    let (address, mut play) = saying(b"", false);
    let event_loop: EventLoop<Slot> = EventLoop::new().unwrap();
    let registry = event_loop.cx().registry().clone();
    let mut transport = Transport::new(|slot| slot);
    for _ in 0..5 {
        let (slot, _) =
            transport.begin(probe("type = \"http\"", address), address, &Dial::default(), &registry);
        assert_eq!(slot, Slot(0));
        play();
        transport.cancel(slot);
    }
}

/// A TLS server with a certificate of its own making for "server.example".
struct TlsServer {
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
    open: Vec<(TcpStream, rustls::ServerConnection)>,
    resumed: Vec<bool>,
}

impl TlsServer {
    /// And its certificate as PEM.
    fn new() -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["server.example".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        (Self { listener, config: Arc::new(config), open: vec![], resumed: vec![] }, made.cert.pem())
    }

    fn play(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true).unwrap();
            let connection = rustls::ServerConnection::new(Arc::clone(&self.config)).unwrap();
            self.open.push((stream, connection));
        }
        let resumed = &mut self.resumed;
        self.open.retain_mut(|(stream, connection)| {
            let alive = connection.read_tls(stream).map_or_else(|error| is_later(&error), |count| count > 0);
            let _alert = connection.process_new_packets();
            let mut request = [0; 1000];
            if matches!(connection.reader().read(&mut request), Ok(1..)) {
                resumed.push(connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed));
                connection.writer().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            }
            while connection.wants_write() && connection.write_tls(stream).is_ok() {}
            alive
        });
    }
}

use rustls::crypto::ring;

#[test]
fn https_secures_asks_and_resumes() {
    let (mut server, _) = TlsServer::new();
    let address = server.listener.local_addr().unwrap();
    let check = "type = \"https\"\nbody_match = \"^ok$\"\nurls = [{ path = \"/a\" }, { path = \"/b\" }]";
    let verdict = attempt(check, address, &Dial::default(), || server.play());
    assert_eq!(verdict.to_string(), "pass: 2 URLs as expected");
    assert_eq!(server.resumed, [false, true]);
}

#[test]
fn a_certificate_is_verified_when_an_authority_is_given() {
    let (mut server, pem) = TlsServer::new();
    let address = server.listener.local_addr().unwrap();
    let dir = std::env::temp_dir().join(format!("holdfast-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("ca.pem");
    std::fs::write(&path, pem).unwrap();
    let check =
        |name: &str| format!("type = \"https\"\nserver_name = \"{name}\"\nca_file = \"{}\"", path.display());
    let good = attempt(&check("server.example"), address, &Dial::default(), || server.play());
    let bad = attempt(&check("other.example"), address, &Dial::default(), || server.play());
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(good.to_string(), "pass: status 200");
    assert!(bad.to_string().starts_with("fail: TLS: invalid peer certificate"), "{bad}");
}

#[test]
fn a_server_without_tls_fails_in_plain_words() {
    let (address, play) = saying(b"HTTP/1.1 400 Bad Request\r\n\r\n", true);
    let verdict = attempt("type = \"https\"", address, &Dial::default(), play);
    assert_eq!(verdict.to_string(), "fail: answer is not TLS");
}
