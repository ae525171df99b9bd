//! As much of HTTP as a status and a few orders need: one request for each connection, with a limit for everything.
//!
//! Some threads take connections from one listener. A client that is slow, says too much or does not read costs one
//! of them some seconds; beyond that, connections wait in the kernel.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use common::capability::Capability;
use common::event_loop::clock;

/// How many requests are served at the same time.
const WORKERS: usize = 32;
/// A request with all its headers.
const LONGEST: usize = 8 * 1024;
/// So many headers.
const HEADERS: usize = 64;
/// What comes with an order.
const LARGEST: usize = 4 * 1024;
/// How long a client may take to say what it wants, and as long again to read the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one may go on sending after its answer.
const DRAIN: Duration = Duration::from_millis(100);
/// How long to wait when there is no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What somebody asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// The header that says who may.
    pub(super) authorization: Option<String>,
    pub(super) body: Vec<u8>,
    /// None on a socket of the file system.
    pub(super) peer: Option<IpAddr>,
}

/// What is said to it.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) content: String,
}

/// Where requests come from.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection of either kind.
trait Stream: Read + Write {
    fn limit(&self, span: Duration) -> io::Result<()>;
}

impl Stream for std::net::TcpStream {
    fn limit(&self, span: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(span))?;
        self.set_write_timeout(Some(span))
    }
}

impl Stream for UnixStream {
    fn limit(&self, span: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(span))?;
        self.set_write_timeout(Some(span))
    }
}

impl Listener {
    /// `ADDRESS:PORT`, or `unix:PATH`, where a socket that nobody listens on is replaced.
    pub(super) fn new(place: &str) -> io::Result<Self> {
        let Some(path) = place.strip_prefix("unix:") else {
            let bound = TcpListener::bind(place).map(Self::Tcp);
            return bound.map_err(|error| Capability::NetBindService.explain(error));
        };
        let path = Path::new(path);
        let abandoned =
            || UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if path.exists() && abandoned() {
            std::fs::remove_file(path)?;
        }
        UnixListener::bind(path).map(Self::Unix)
    }

    /// Whether others than this machine's own users may come this way.
    pub(super) fn is_public(&self) -> bool {
        match self {
            Self::Tcp(listener) => listener.local_addr().is_ok_and(|address| !address.ip().is_loopback()),
            Self::Unix(_) => false,
        }
    }

    /// Answers requests until the process is killed.
    pub(super) fn serve(&self, headers: &str, answer: impl Fn(&Request) -> Response + Sync) {
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| self.work(headers, &answer));
            }
        });
    }

    fn work(&self, headers: &str, answer: &(impl Fn(&Request) -> Response + Sync)) {
        loop {
            // A client that goes away early is its own affair.
            let _gone = match self {
                Self::Tcp(listener) => listener
                    .accept()
                    .map(|(mut stream, peer)| one(&mut stream, Some(peer.ip()), headers, answer)),
                Self::Unix(listener) => {
                    listener.accept().map(|(mut stream, _)| one(&mut stream, None, headers, answer))
                }
            }
            // There may be no descriptor for a connection: another one may end meanwhile.
            .map_err(|_| std::thread::park_timeout(PAUSE));
        }
    }
}

/// Takes one request and answers it.
fn one(
    stream: &mut impl Stream,
    peer: Option<IpAddr>,
    headers: &str,
    answer: &(impl Fn(&Request) -> Response + Sync),
) -> io::Result<()> {
    let plain = |status, words: &str| Response { status, kind: "text/plain", content: format!("{words}\n") };
    let (response, body) = match read(stream, clock::now() + PATIENCE)? {
        Ok(mut request) => {
            request.peer = peer;
            (answer(&request), request.method != "HEAD")
        }
        Err(411) => (plain(411, "the length of what comes must be said before"), true),
        Err(status @ (413 | 431)) => (plain(status, "too much is asked at once"), true),
        Err(status) => (plain(status, "this is no request"), true),
    };
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n{}{headers}\r\n",
        response.status,
        reason(response.status),
        response.kind,
        response.content.len(),
        challenge(response.status)
    );
    let end = clock::now() + PATIENCE;
    write(stream, head.as_bytes(), end)?;
    if body {
        write(stream, response.content.as_bytes(), end)?;
    }
    // What was sent and not read would make the kernel take the answer back.
    let mut rest = [0; 1024];
    for _ in 0..LONGEST / rest.len() {
        stream.limit(DRAIN)?;
        if stream.read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(())
}

/// The request, or the status that says what is wrong with it.
fn read(stream: &mut impl Stream, end: Instant) -> io::Result<Result<Request, u16>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if bytes.len() > LONGEST {
            return Ok(Err(431));
        }
        more(stream, &mut bytes, end)?;
    };
    let (mut request, length) = match parse(bytes.get(..head).unwrap_or_default()) {
        Ok(parsed) => parsed,
        Err(status) => return Ok(Err(status)),
    };
    // A question is answered without what comes behind it.
    if request.method != "POST" {
        return Ok(Ok(request));
    }
    if length > LARGEST {
        return Ok(Err(413));
    }
    while bytes.len() < head + length {
        more(stream, &mut bytes, end)?;
    }
    request.body = bytes.get(head..head + length).unwrap_or_default().to_owned();
    Ok(Ok(request))
}

/// Adds what comes next.
fn more(stream: &mut impl Stream, bytes: &mut Vec<u8>, end: Instant) -> io::Result<()> {
    let mut part = [0; 1024];
    stream.limit(left(end)?)?;
    let length = stream.read(&mut part)?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.extend_from_slice(part.get(..length).unwrap_or_default());
    Ok(())
}

/// The request without its body, whose length it says; or the status that says what is wrong with it.
fn parse(bytes: &[u8]) -> Result<(Request, usize), u16> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(400),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    }
    // Twice is once too often: another program on the way may have taken the other one (RFC 9112 section 6.3).
    let only = |name: &str| {
        let mut values = parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        let value = values.next().map(|header| std::str::from_utf8(header.value).map_err(|_| 400_u16));
        if values.next().is_some() { Err(400) } else { value.transpose() }
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else { return Err(400) };
    let post = method == "POST";
    if post && only("transfer-encoding")?.is_some() {
        return Err(411);
    }
    let length = match only("content-length")? {
        None => 0,
        Some(digits) if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(400);
        }
        Some(digits) => digits.parse().unwrap_or(usize::MAX),
    };
    let authorization = only("authorization")?.map(str::to_owned);
    let (method, target) = (method.to_owned(), target.to_owned());
    Ok((Request { method, target, authorization, ..Request::default() }, length))
}

fn write(stream: &mut impl Stream, mut bytes: &[u8], end: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.limit(left(end)?)?;
        let length = stream.write(bytes)?;
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// The time that is left; none is an error.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(clock::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Who is sent away for want of a token is told that it takes one (RFC 9110 section 11.6.1).
const fn challenge(status: u16) -> &'static str {
    if status == 401 { "WWW-Authenticate: Bearer\r\n" } else { "" }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests;
