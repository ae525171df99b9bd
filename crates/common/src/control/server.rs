//! The serving end of a control socket.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use serde::Serialize;
use serde_json::Value;

use super::line::Inbox;
use super::message::{Reply, Request, line};
use super::{MAX_REQUEST, wire};
use crate::event_loop::{Cx, Drained, Interest, Registration};

/// More clients than this at a time are turned away: descriptors are for the work.
const MAX_CLIENTS: usize = 64;
/// A client that lets a reply lie for this long is cut off.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests of one client handled in one turn.
const BUDGET: usize = 16;

/// A connected client, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(u64);

/// What the server registers in the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlKey {
    /// The listening socket.
    Listener,
    /// A client's connection.
    Client(ClientId),
}

/// A request, and what is needed to answer it.
#[derive(Debug)]
pub struct Incoming {
    /// Who asks.
    pub client: ClientId,
    /// What is asked.
    pub request: Request,
    /// Descriptors that came with it.
    pub fds: Vec<OwnedFd>,
    /// The user id of the asking process, where the kernel tells.
    pub uid: Option<u32>,
}

#[derive(Debug)]
struct Client<K: Copy> {
    _registration: Registration<K>,
    stream: UnixStream,
    uid: Option<u32>,
    inbox: Inbox<OwnedFd>,
    outgoing: Vec<u8>,
    sent: usize,
    stuck_since: Option<Instant>,
}

/// A control socket with its clients. `K` is the key type of the loop it lives in.
#[derive(Debug)]
pub struct Server<K: Copy> {
    _registration: Registration<K>,
    listener: UnixListener,
    key: fn(ControlKey) -> K,
    clients: BTreeMap<ClientId, Client<K>>,
    next: u64,
}

impl<K: Copy> Server<K> {
    /// Serves on a bound, listening socket. `key` wraps the server's keys into the program's.
    ///
    /// # Errors
    /// Where the descriptor is not such a socket.
    pub fn new(listener: OwnedFd, key: fn(ControlKey) -> K, cx: &Cx<'_, K>) -> io::Result<Self> {
        let listener = UnixListener::from(listener);
        listener.set_nonblocking(true)?;
        let registration = cx.registry().add(&listener, key(ControlKey::Listener), Interest::Read)?;
        Ok(Self { _registration: registration, listener, key, clients: BTreeMap::new(), next: 0 })
    }

    /// Something happened on one of the server's sources; whole requests are appended to `incoming`.
    pub fn ready(&mut self, key: ControlKey, cx: &Cx<'_, K>, incoming: &mut Vec<Incoming>) -> Drained {
        match key {
            ControlKey::Listener => {
                self.accept(cx);
                Drained::Yes
            }
            ControlKey::Client(id) => {
                let Some(client) = self.clients.get_mut(&id) else { return Drained::Yes };
                match client.flush(cx.now()).and_then(|()| client.read(id, incoming)) {
                    Ok(drained) => drained,
                    Err(reason) => {
                        dropped(&reason, client.uid);
                        self.clients.remove(&id);
                        Drained::Yes
                    }
                }
            }
        }
    }

    /// Answers a request. A client that is gone meanwhile is no error.
    pub fn reply(&mut self, client: ClientId, id: u64, outcome: Result<Value, String>, now: Instant) {
        self.push(client, &Reply::new(id, outcome), now);
    }

    /// Answers a request with a result that is JSON text already.
    pub fn reply_text(&mut self, client: ClientId, id: u64, result: &[u8], now: Instant) {
        let Some(waiting) = self.clients.get_mut(&client) else { return };
        waiting.outgoing.reserve(result.len() + 64);
        waiting.outgoing.extend(format!("{{\"id\":{id},\"result\":").into_bytes());
        waiting.outgoing.extend_from_slice(result);
        waiting.outgoing.extend_from_slice(b"}\n");
        self.flush(client, now);
    }

    /// Sends a client a line that it did not ask for just now (a subscription's).
    pub fn push(&mut self, id: ClientId, value: &impl Serialize, now: Instant) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.outgoing.extend(line(value));
        self.flush(id, now);
    }

    fn flush(&mut self, id: ClientId, now: Instant) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if let Err(reason) = client.flush(now) {
            dropped(&reason, client.uid);
            self.clients.remove(&id);
        }
    }

    /// Whether a client is still there.
    pub fn is_connected(&self, id: ClientId) -> bool {
        self.clients.contains_key(&id)
    }

    /// When [`Server::timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.clients.values().filter_map(|client| client.stuck_since).min().map(|since| since + PATIENCE)
    }

    /// Cuts off the clients that do not read.
    pub fn timeout(&mut self, now: Instant) {
        self.clients.retain(|_, client| client.stuck_since.is_none_or(|since| now < since + PATIENCE));
    }

    fn accept(&mut self, cx: &Cx<'_, K>) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    log::warn!("control socket: cannot accept a client: {error}");
                    return;
                }
            };
            if self.clients.len() >= MAX_CLIENTS {
                log::debug!("control client turned away: {MAX_CLIENTS} are connected");
                continue;
            }
            let id = ClientId(self.next);
            self.next += 1;
            match Client::new(stream, (self.key)(ControlKey::Client(id)), cx) {
                Ok(client) => drop(self.clients.insert(id, client)),
                Err(error) => log::warn!("control socket: cannot serve a client: {error}"),
            }
        }
    }
}

/// The usual end of a client.
const HUNG_UP: &str = "it hung up";

fn dropped(reason: &str, uid: Option<u32>) {
    let level = if reason == HUNG_UP { log::Level::Trace } else { log::Level::Debug };
    log::log!(level, "control client dropped: {reason} uid={uid:?}");
}

impl<K: Copy> Client<K> {
    fn new(stream: UnixStream, key: K, cx: &Cx<'_, K>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let uid = getsockopt(&stream.as_fd(), PeerCredentials).ok().map(|credentials| credentials.uid());
        let registration = cx.registry().add(&stream, key, Interest::ReadWrite)?;
        Ok(Self {
            _registration: registration,
            stream,
            uid,
            inbox: Inbox::default(),
            outgoing: Vec::new(),
            sent: 0,
            stuck_since: None,
        })
    }

    fn read(&mut self, id: ClientId, incoming: &mut Vec<Incoming>) -> Result<Drained, String> {
        let mut buffer = [0; 4096];
        for _ in 0..BUDGET {
            let mut arrived = Vec::new();
            let count = match wire::receive(&self.stream, &mut buffer, &mut arrived) {
                Ok(0) => return Err(HUNG_UP.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Drained::Yes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            for (line, fds) in
                self.inbox.take(bytes, arrived, MAX_REQUEST).map_err(|_| "its line is too long")?
            {
                let request =
                    serde_json::from_slice(&line).map_err(|error| format!("no request: {error}"))?;
                incoming.push(Incoming { client: id, request, fds, uid: self.uid });
            }
            if self.inbox.waiting() > 16 {
                return Err("descriptors without a request".into());
            }
        }
        Ok(Drained::More)
    }

    fn flush(&mut self, now: Instant) -> Result<(), String> {
        while let Some(rest) = self.outgoing.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match wire::send(&self.stream, rest, &[]) {
                Ok(count) => {
                    self.sent += count;
                    self.stuck_since = None;
                }
                Err(error) if wire::is_later(&error) => {
                    self.stuck_since.get_or_insert(now);
                    return if rest.len() > super::MAX_REPLY {
                        Err("it does not read".into())
                    } else {
                        Ok(())
                    };
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        self.outgoing.clear();
        self.outgoing.shrink_to(1 << 16);
        self.sent = 0;
        self.stuck_since = None;
        Ok(())
    }
}
