//! As much of HTTP as a status needs: one request for each connection, with a limit for everything.
//!
//! Some threads take connections from one listener. A client that is slow, says too much or does not read costs one
//! of them some seconds; beyond that, connections wait in the kernel.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use common::event_loop::clock;

/// How many requests are served at the same time.
const WORKERS: usize = 32;
/// A request with all its headers.
const LONGEST: usize = 8 * 1024;
/// How long a client may take to say what it wants, and as long again to read the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one may go on sending after its answer.
const DRAIN: Duration = Duration::from_millis(100);
/// How long to wait when there is no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What somebody asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
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
        let Some(path) = place.strip_prefix("unix:") else { return TcpListener::bind(place).map(Self::Tcp) };
        let path = Path::new(path);
        let abandoned =
            || UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if path.exists() && abandoned() {
            std::fs::remove_file(path)?;
        }
        UnixListener::bind(path).map(Self::Unix)
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
                Self::Tcp(listener) => {
                    listener.accept().map(|(mut stream, _)| one(&mut stream, headers, answer))
                }
                Self::Unix(listener) => {
                    listener.accept().map(|(mut stream, _)| one(&mut stream, headers, answer))
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
    headers: &str,
    answer: &(impl Fn(&Request) -> Response + Sync),
) -> io::Result<()> {
    let plain = |status, words: &str| Response { status, kind: "text/plain", content: format!("{words}\n") };
    let (response, body) = match read(stream, clock::now() + PATIENCE)? {
        Ok(request) => (answer(&request), request.method != "HEAD"),
        Err(431) => (plain(431, "too much is asked at once"), true),
        Err(status) => (plain(status, "this is no request"), true),
    };
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        response.status,
        reason(response.status),
        response.kind,
        response.content.len()
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
    let mut part = [0; 1024];
    loop {
        stream.limit(left(end)?)?;
        let length = stream.read(&mut part)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(part.get(..length).unwrap_or_default());
        if bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            return Ok(parse(&bytes).ok_or(400));
        }
        if bytes.len() > LONGEST {
            return Ok(Err(431));
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Request> {
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    (words.next().is_none() && version.starts_with("HTTP/1."))
        .then(|| Request { method: method.to_owned(), target: target.to_owned() })
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

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_what_counts() {
        let request = |method: &str, target: &str| {
            Some(Request { method: method.to_owned(), target: target.to_owned() })
        };
        for (text, wanted) in [
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", request("GET", "/metrics")),
            ("HEAD / HTTP/1.0\r\n\r\n", request("HEAD", "/")),
            ("GET /\r\n\r\n", None),
            ("GET / HTTP/2\r\n\r\n", None),
            ("GET / a HTTP/1.1\r\n\r\n", None),
            ("\r\n\r\n", None),
        ] {
            assert_eq!(parse(text.as_bytes()), wanted, "{text:?}");
        }
        assert_eq!(parse(b"G\xff / HTTP/1.1\r\n\r\n"), None);
    }
}
