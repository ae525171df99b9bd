//! A plain web server whose behaviour a test sets while it runs, and a plain client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Error, Netns, Result};

/// What the server does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers with this status and its name as the body.
    Status(u16),
    /// Answers these bytes whatever was asked, and closes.
    Raw(Vec<u8>),
    /// Answers 503 to whoever asks for `/health`, and everybody else as if nothing were.
    Sick,
    /// Reads the request and never answers.
    Silent,
}

/// A web server in a host. Its body is its name, so that a client sees who answered.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    host: String,
    shared: Arc<Mutex<Shared>>,
    acceptor: Option<JoinHandle<()>>,
    waker: TcpListener,
}

#[derive(Debug)]
struct Shared {
    name: String,
    behaviour: Behaviour,
    requests: Vec<String>,
    held: Vec<TcpStream>,
    stop: bool,
}

/// An answer as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl HttpServer {
    /// Starts a server that answers 200 with its name.
    #[track_caller]
    pub fn start(host: &Netns, address: &str, name: &str) -> Result<Self> {
        let address: SocketAddr = address.parse()?;
        let listener = host.enter(|| TcpListener::bind(address))??;
        let waker = listener.try_clone()?;
        let shared = Arc::new(Mutex::new(Shared {
            name: name.to_owned(),
            behaviour: Behaviour::Status(200),
            requests: Vec::new(),
            held: Vec::new(),
            stop: false,
        }));
        let state = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &state));
        Ok(Self { address, host: host.name().to_owned(), shared, acceptor: Some(acceptor), waker })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name of its host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Changes what it does with the requests to come.
    pub fn behave(&self, behaviour: Behaviour) {
        lock(&self.shared).behaviour = behaviour;
    }

    /// The first lines of the requests it had, followed by their headers, as one text each.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared).requests.clone()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        {
            let mut shared = lock(&self.shared);
            shared.stop = true;
            shared.held.clear();
        }
        // Shutting a listening socket down wakes the thread that waits in accept.
        let _ = nix::sys::socket::shutdown(
            std::os::fd::AsRawFd::as_raw_fd(&self.waker),
            nix::sys::socket::Shutdown::Both,
        );
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Mutex<Shared>>) {
    for stream in listener.incoming() {
        if lock(shared).stop {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        // A thread per connection: a client that sends nothing must not stop the others.
        std::thread::spawn(move || {
            // A client that goes away early is its own affair.
            let _ = serve(stream, &shared);
        });
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = String::new();
    for line in BufReader::new(&stream).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        request.push_str(&line);
        request.push('\n');
    }
    if request.is_empty() {
        return Ok(());
    }
    let (behaviour, name) = {
        let mut shared = lock(shared);
        let behaviour = match &shared.behaviour {
            Behaviour::Sick if request.contains(" /health ") => Behaviour::Status(503),
            Behaviour::Sick => Behaviour::Status(200),
            plain => plain.clone(),
        };
        shared.requests.push(request);
        (behaviour, shared.name.clone())
    };
    match behaviour {
        Behaviour::Sick => {}
        Behaviour::Status(status) => {
            let length = name.len();
            write!(
                stream,
                "HTTP/1.1 {status} Lab\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{name}"
            )?;
        }
        Behaviour::Raw(bytes) => stream.write_all(&bytes)?,
        Behaviour::Silent => {
            lock(shared).held.push(stream);
            return Ok(());
        }
    }
    stream.shutdown(Shutdown::Write)
}

/// Asks `http://ADDRESS/PATH` from a host, with a limit for each step.
#[track_caller]
pub fn get(host: &Netns, address: &str, path: &str, limit: Duration) -> Result<Reply> {
    let address: SocketAddr = address.parse()?;
    host.enter(|| request(address, path, limit))?
}

/// One request of this thread's host.
pub(crate) fn request(address: SocketAddr, path: &str, limit: Duration) -> Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let status = text.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| Error::new(format!("no HTTP answer: {text:?}")))?;
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok(Reply { status, body })
}
