//! Servers that do their worst, to every kind of check at once: each has its verdict in time and in plain words, all
//! together cost little memory, and a server that behaves is not kept waiting by the others.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails so")]
#![expect(clippy::disallowed_methods, reason = "servers are threads, and the test gives up some time")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Running, Server, nobody};

/// How long all of them together may take: each twice, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a server does with a connection.
#[derive(Clone, Copy)]
enum Does {
    /// Takes it and says nothing.
    Nothing,
    /// Says this, a byte a second, again and again.
    Drips(&'static [u8]),
    /// Says the first once and the second for ever, as fast as it is read.
    Endless(&'static [u8], &'static [u8]),
    /// Says this and waits.
    Says(&'static [u8]),
    /// Says the first, and one after the other when it hears something.
    Talks(&'static [&'static [u8]]),
    /// Says this and says that it is done, but does not close.
    Ends(&'static [u8]),
    /// Says this and resets the connection.
    Resets(&'static [u8]),
    /// The handshake of TCP itself is not answered.
    NotAccepting,
    /// Nobody listens.
    Refuses,
}

const HTTP: &[u8] = b"HTTP/1.1 200 OK\r\n";
const SSH: &[u8] = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
/// A handshake record that announces 16 kB.
const RECORD: &[u8] = &[22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc];
/// "Nothing changes" of TLS 1.3's middlebox mode.
const CIPHER: &[u8] = &[20, 3, 3, 0, 1, 1];
const MAIL: &[u8] = b"220 mail.example ESMTP\r\n";
const PONG: &[u8] = b"+PONG\r\n";
/// An error of 2 GB.
const POSTGRES: &[u8] = b"E\x7f\xff\xff\xff";
const NOTICE: &[u8] = b"N\0\0\0\x05\0";
/// The beginning of an error.
const ERROR: &[u8] = b"E\0\0\0\x50SFATAL\0";
/// A packet of 16 MB.
const MYSQL: &[u8] = b"\xff\xff\xff\0\x0a11.4";
/// The beginning of a greeting.
const GREETING: &[u8] = b"\x4a\0\0\0\x0a11.4";

impl Does {
    fn perform(self, mut stream: TcpStream) {
        // Whoever goes away in the middle is right.
        let _done = self.try_perform(&mut stream);
    }

    fn try_perform(self, stream: &mut TcpStream) -> std::io::Result<()> {
        let hold = |stream: &mut TcpStream| std::io::copy(stream, &mut std::io::sink()).map(drop);
        match self {
            Self::Nothing => hold(stream),
            Self::Drips(bytes) => {
                stream.set_read_timeout(Some(Duration::from_secs(1)))?;
                for byte in bytes.iter().cycle() {
                    stream.write_all(&[*byte])?;
                    // The pause; an end of the stream is the end.
                    while matches!(stream.read(&mut [0; 512]), Ok(1..)) {}
                }
                Ok(())
            }
            Self::Endless(first, then) => {
                stream.write_all(first)?;
                let block = then.repeat(65_536 / then.len());
                loop {
                    stream.write_all(&block)?;
                }
            }
            Self::Says(bytes) => {
                stream.write_all(bytes)?;
                hold(stream)
            }
            Self::Talks(sayings) => {
                for saying in sayings {
                    stream.write_all(saying)?;
                    if stream.read(&mut [0; 512])? == 0 {
                        break;
                    }
                }
                Ok(())
            }
            Self::Ends(bytes) => {
                stream.write_all(bytes)?;
                stream.shutdown(Shutdown::Write)?;
                hold(stream)
            }
            Self::Resets(bytes) => {
                // Whoever has to speak first has spoken.
                stream.set_read_timeout(Some(Duration::from_millis(500)))?;
                let _first = stream.read(&mut [0; 1]);
                stream.write_all(bytes)?;
                nix::sys::socket::setsockopt(
                    stream,
                    nix::sys::socket::sockopt::Linger,
                    &nix::libc::linger { l_onoff: 1, l_linger: 0 },
                )?;
                Ok(())
            }
            Self::NotAccepting | Self::Refuses => Ok(()),
        }
    }
}

/// What a name server or another one of datagrams does with each.
#[derive(Clone, Copy)]
enum Replies {
    Nothing,
    /// Its own words back, and then some.
    Garbage,
    /// Many answers to a question that nobody asked.
    Flood,
    /// That the answer is too long, and over TCP this.
    Truncated(Does),
}

/// A server with its threads.
enum Guard {
    Stream(#[expect(dead_code, reason = "a guard")] Server),
    Full(
        #[expect(dead_code, reason = "a guard")] TcpListener,
        #[expect(dead_code, reason = "a guard")] Vec<TcpStream>,
    ),
    Datagrams(
        Arc<AtomicBool>,
        Option<std::thread::JoinHandle<()>>,
        #[expect(dead_code, reason = "a guard")] Option<Server>,
    ),
    None,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Self::Datagrams(stop, thread, _) = self {
            stop.store(true, Ordering::Relaxed);
            thread.take().unwrap().join().unwrap();
        }
    }
}

fn stream(does: Does) -> (SocketAddr, Guard) {
    match does {
        Does::Refuses => (nobody(), Guard::None),
        Does::NotAccepting => {
            // A full backlog drops further connections.
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let filler = || TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok();
            let fillers = (0..8).filter_map(|_| filler()).collect();
            (address, Guard::Full(listener, fillers))
        }
        Does::Nothing
        | Does::Drips(_)
        | Does::Endless(..)
        | Does::Says(_)
        | Does::Talks(_)
        | Does::Ends(_)
        | Does::Resets(_) => {
            let server = Server::new(move |stream| does.perform(stream));
            (server.address, Guard::Stream(server))
        }
    }
}

fn datagrams(replies: Replies) -> (SocketAddr, Guard) {
    let (socket, server) = match replies {
        // The same port for both.
        Replies::Truncated(does) => {
            let server = Server::new(move |stream| does.perform(stream));
            (UdpSocket::bind(server.address).unwrap(), Some(server))
        }
        Replies::Nothing | Replies::Garbage | Replies::Flood => {
            (UdpSocket::bind("127.0.0.1:0").unwrap(), None)
        }
    };
    let address = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let mut bytes = [0; 1500];
        while !stopped.load(Ordering::Relaxed) {
            let Ok((length, peer)) = socket.recv_from(&mut bytes) else { continue };
            let mut asked = bytes[..length].to_vec();
            match replies {
                Replies::Nothing => {}
                Replies::Garbage => {
                    asked.extend([0xff; 700]);
                    let _lost = socket.send_to(&asked, peer);
                }
                Replies::Flood => {
                    asked[0] ^= 0xff;
                    asked.resize(1400, 0);
                    for _ in 0..20_000 {
                        let _lost = socket.send_to(&asked, peer);
                    }
                }
                Replies::Truncated(_) => {
                    asked[2..4].copy_from_slice(&[0x83, 0x80]);
                    let _lost = socket.send_to(&asked, peer);
                }
            }
        }
    });
    (address, Guard::Datagrams(stop, Some(thread), server))
}

/// The kind of check and its keys, what the server does, and what is to be said of it.
const STREAMS: &[(&str, Does, &str)] = &[
    ("tcp", Does::NotAccepting, "connection not answered in time"),
    ("tcp", Does::Refuses, "connection refused"),
    ("http", Does::Nothing, "connected, but no answer in time"),
    ("http", Does::Drips(b"HTTP/1.1 200 OK\r\n\r\n"), "answer not complete in time"),
    ("http", Does::Endless(HTTP, b"X-Endless: y\r\n"), "head of the answer longer than 16384 bytes"),
    ("http", Does::Endless(HTTP, b"y"), "head of the answer longer than 16384 bytes"),
    ("http", Does::Endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "interim answers without end"),
    (MATCH, Does::Endless(PAGE, b"x"), "body does not match"),
    (DIGEST, Does::Endless(PAGE, b"x"), "body longer than max_body (4096 bytes)"),
    (MATCH, Does::Endless(CHUNKED, b"1\r\nx\r\n"), "body does not match"),
    (MATCH, Does::Endless(CHUNKED, b"1;x"), "answer not complete in time"),
    (MATCH, Does::Endless(CHUNKED, b"0\r\nA: b\r\n"), "answer not complete in time"),
    (
        MATCH,
        Does::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nok"),
        "answer not complete in time",
    ),
    ("http", Does::Says(SSH), "answer is not HTTP: \"SSH-2.0-OpenSSH"),
    ("http", Does::Says(ALERT), "answer is not HTTP"),
    ("http", Does::Ends(HTTP), "connection closed in the middle of the answer"),
    ("http", Does::Resets(HTTP), "connection reset"),
    ("http", Does::NotAccepting, "connection not answered in time"),
    ("https", Does::Nothing, "TLS handshake not complete in time"),
    ("https", Does::Drips(RECORD), "TLS handshake not complete in time"),
    ("https", Does::Endless(RECORD, b"\0"), "answer is not TLS"),
    ("https", Does::Endless(b"", CIPHER), "unexpected message"),
    ("https", Does::Says(SSH), "answer is not TLS"),
    ("https", Does::Says(ALERT), "TLS alert HandshakeFailure"),
    ("https", Does::Ends(RECORD), "connection closed without an answer"),
    ("https", Does::Resets(RECORD), "connection reset"),
    ("https", Does::NotAccepting, "connection not answered in time"),
    ("smtp", Does::Nothing, "no answer in time: greeting is not 220"),
    ("smtp", Does::Drips(MAIL), "no answer in time: greeting is not 220"),
    ("smtp", Does::Endless(b"", b"220-mail.example\r\n"), "a reply of more than 100 lines"),
    ("smtp", Does::Endless(b"220 ", b"x"), "a line without end"),
    ("smtp", Does::Endless(MAIL, b"250-mail.example\r\n"), "a reply of more than 100 lines"),
    ("smtp", Does::Says(SSH), "answer is not SMTP: \"SSH-2.0-OpenSSH"),
    ("smtp", Does::Says(ALERT), "no answer in time: greeting is not 220"),
    ("smtp", Does::Says(MAIL), "no answer in time: EHLO not answered by 250"),
    ("smtp", Does::Says(b"554 no\r\n"), "greeting is not 220: \"554 no\""),
    (
        STARTTLS,
        Does::Talks(&[MAIL, b"250-m\r\n250 STARTTLS\r\n", b"220 go\r\n", ALERT]),
        "TLS alert HandshakeFailure",
    ),
    (STARTTLS, Does::Talks(&[MAIL, b"250-m\r\n250 STARTTLS\r\n", b"220 go\r\n", SSH]), "answer is not TLS"),
    (
        STARTTLS,
        Does::Talks(&[MAIL, b"250 m\r\n", b"500 what\r\n"]),
        "STARTTLS not answered by 220: \"500 what\"",
    ),
    ("smtp", Does::Ends(b"220"), "connection closed: greeting is not 220"),
    ("smtp", Does::Resets(b"220"), "connection reset"),
    ("smtp", Does::NotAccepting, "no answer in time"),
    ("postgres", Does::Nothing, "no answer in time"),
    ("postgres", Does::Drips(ERROR), "no answer in time"),
    ("postgres", Does::Endless(POSTGRES, b"x"), "answer is not PostgreSQL"),
    ("postgres", Does::Endless(b"", NOTICE), "answer is not PostgreSQL"),
    ("postgres", Does::Says(SSH), "answer is not PostgreSQL: \"SSH-2.0-OpenSSH"),
    ("postgres", Does::Says(ALERT), "answer is not PostgreSQL"),
    ("postgres", Does::Ends(ERROR), "connection closed without an answer"),
    ("postgres", Does::Resets(ERROR), "connection reset"),
    ("postgres", Does::NotAccepting, "no answer in time"),
    ("mysql", Does::Nothing, "no greeting in time"),
    ("mysql", Does::Drips(GREETING), "no greeting in time"),
    ("mysql", Does::Endless(MYSQL, b"x"), "answer is not MySQL"),
    ("mysql", Does::Endless(b"", b"\0\0\0\0"), "answer is not MySQL"),
    ("mysql", Does::Says(SSH), "answer is not MySQL: \"SSH-2.0-OpenSSH"),
    ("mysql", Does::Says(ALERT), "answer is not MySQL"),
    ("mysql", Does::Ends(GREETING), "connection closed without a greeting"),
    ("mysql", Does::Resets(GREETING), "connection reset"),
    ("mysql", Does::NotAccepting, "no greeting in time"),
    ("redis", Does::Nothing, "no answer in time"),
    ("redis", Does::Drips(PONG), "no answer in time"),
    ("redis", Does::Endless(b"+", b"x"), "answer is not Redis"),
    ("redis", Does::Endless(b"", b"\r\n"), "answer is not Redis"),
    ("redis", Does::Says(SSH), "answer is not Redis: \"SSH-2.0-OpenSSH"),
    ("redis", Does::Says(ALERT), "no answer in time"),
    ("redis", Does::Ends(b"+PO"), "connection closed without an answer"),
    ("redis", Does::Resets(b"+PO"), "connection reset"),
    ("redis", Does::NotAccepting, "no answer in time"),
];

const DATAGRAMS: &[(&str, Replies, &str)] = &[
    ("dns", Replies::Nothing, "no reply in time"),
    ("dns", Replies::Garbage, "no reply in time"),
    ("dns", Replies::Flood, "no reply in time"),
    ("dns", Replies::Truncated(Does::Nothing), "no reply in time"),
    ("dns", Replies::Truncated(Does::Drips(&[0x10, 0, 0])), "no reply in time"),
    ("dns", Replies::Truncated(Does::Endless(&[0xff, 0xff], b"x")), "reply is not DNS"),
    ("dns", Replies::Truncated(Does::Says(SSH)), "no reply in time"),
    ("dns", Replies::Truncated(Does::Resets(&[0x10])), "connection reset"),
    ("dns", Replies::Truncated(Does::Ends(&[0x10])), "connection closed without an answer"),
    (ECHO, Replies::Nothing, "no reply in time"),
    (ECHO, Replies::Garbage, "reply is not the expected one: \"hello"),
    (ECHO, Replies::Flood, "reply is not the expected one"),
];

/// Scripts. One that does not listen to the first signal is in the way of its next run for a while.
const LOCAL: &[(&str, &str)] = &[
    ("script\", command = [\"/bin/sh\", \"-c\", \"sleep 60\"]", "did not end in time"),
    (
        "script\", command = [\"/bin/sh\", \"-c\", \"trap '' TERM; for i in 1 2 3 4 5 6 7 8 9; do sleep 5; done\"]",
        "did not end in time|the run before is still there",
    ),
    ("script\", command = [\"/bin/sh\", \"-c\", \"exec yes\"]", "did not end in time"),
    ("script\", command = [\"/bin/sh\", \"-c\", \"sleep 60 & exit 1\"]", "exit status 1"),
    ("script\", command = [\"/bin/sh\", \"-c\", \"kill -KILL $$\"]", "killed by signal 9"),
];

const MATCH: &str = "http\", max_body = 4096, body_match = \"never";
const DIGEST: &str = "http\", max_body = 4096, digest = \"md5:00000000000000000000000000000000";
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const STARTTLS: &str = "smtp\", starttls = true, helo_name = \"lb.example";
const ECHO: &str = "udp\", payload = \"hello\", reply = \"well";

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn every_kind_has_its_verdict_whatever_the_server_does() {
    let mut guards = Vec::new();
    let mut cases: Vec<(String, SocketAddr, &str)> = Vec::new();
    for (kind, does, words) in STREAMS {
        let (address, guard) = stream(*does);
        guards.push(guard);
        cases.push((format!("type = \"{kind}\""), address, words));
    }
    for (kind, replies, words) in DATAGRAMS {
        let (address, guard) = datagrams(*replies);
        guards.push(guard);
        cases.push((format!("type = \"{kind}\""), address, words));
    }
    cases.extend(LOCAL.iter().map(|(kind, words)| (format!("type = \"{kind}"), nobody(), *words)));
    let good = Server::answering(b"HTTP/1.1 200 OK\r\n\r\n");
    cases.push(("type = \"http\"".to_owned(), good.address, "status 200"));
    let mut text = "[checker]\nipvs = false\n".to_owned();
    for (number, (check, address, _)) in cases.iter().enumerate() {
        text.push_str(&format!(
            "[[virtual_server]]\naddress = \"192.0.2.1:{}\"\nreal_servers = [\"{address}\"]\n\
             check = {{ interval = \"200ms\", warm_up = 0, retries = 0, timeout = \"2500ms\", {check} }}\n",
            number + 1
        ));
    }

    let before = peak();
    let mut running = Running::start(&text);
    let start = Instant::now();
    let found = loop {
        running.turn();
        let status = running.status();
        let services = status["virtual_servers"].as_array().unwrap();
        let found: Vec<Value> = services.iter().map(|service| service["real_servers"][0].clone()).collect();
        if found.iter().all(|server| server["checks"][0]["attempts"].as_u64() >= Some(2)) {
            break found;
        }
        assert!(start.elapsed() < PATIENCE, "not all have ended: {found:#?}");
    };
    let grown = peak() - before;
    let mut wrong = Vec::new();
    for ((check, _, words), server) in cases.iter().zip(&found) {
        let result = &server["checks"][0];
        let said = result["last_result"].as_str().unwrap();
        let took = result["last_duration_us"].as_u64().unwrap();
        let alive = *words == "status 200";
        if server["alive"] != alive
            || !words.split('|').any(|words| said.contains(words))
            || Duration::from_micros(took) > PATIENCE / 4
        {
            wrong.push(format!(
                "{check}: {words:?}, but {said:?} after {took} us, alive: {}",
                server["alive"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Its own and that of all these servers.
    assert!(grown < 64 * 1024, "{} checks cost {grown} kB", cases.len());
}
