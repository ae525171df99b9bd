//! A client's end that never blocks: the watchdog's line to a child.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::line::Lines;
use super::message::{Reply, Request, line};
use super::{MAX_REPLY, wire};
use crate::event_loop::{Cx, Interest, Registration};

/// A connection to a control socket, registered in a loop.
#[derive(Debug)]
pub struct Connection<K: Copy> {
    _registration: Registration<K>,
    stream: UnixStream,
    lines: Lines,
    outgoing: Vec<u8>,
    sent: usize,
}

impl<K: Copy> Connection<K> {
    /// Connects. The server need not accept yet: it only has to listen.
    ///
    /// # Errors
    /// No such socket, nobody listens, no permission, or its backlog is full (`WouldBlock`).
    pub fn open(path: &Path, key: K, cx: &Cx<'_, K>) -> io::Result<Self> {
        // Non-blocking from the start: a full backlog would hold a blocking connect for as long as it is full.
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        let stream = UnixStream::from(socket);
        let registration = cx.registry().add(&stream, key, Interest::ReadWrite)?;
        Ok(Self {
            _registration: registration,
            stream,
            lines: Lines::default(),
            outgoing: Vec::new(),
            sent: 0,
        })
    }

    /// Sends a request; what does not fit now goes out with the next [`Connection::ready`]. Descriptors go
    /// with it only if nothing is waiting to be sent.
    ///
    /// # Errors
    /// The connection is broken, or descriptors are to be sent while it is congested (`WouldBlock`).
    pub fn send(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.flush()?;
        let bytes = line(request);
        if fds.is_empty() {
            self.outgoing.extend(bytes);
            return self.flush();
        }
        if !self.outgoing.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let sent = wire::send(&self.stream, &bytes, fds)?;
        self.outgoing.extend(bytes.get(sent..).unwrap_or_default());
        self.flush()
    }

    /// Something happened: sends what waits, appends whole replies to `replies`.
    ///
    /// # Errors
    /// The other side hung up (`UnexpectedEof`) or sent what is no reply (`InvalidData`).
    pub fn ready(&mut self, replies: &mut Vec<Reply>) -> io::Result<()> {
        self.flush()?;
        let mut buffer = [0; 16384];
        let mut fds = Vec::new();
        loop {
            match wire::receive(&self.stream, &mut buffer, &mut fds) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.lines.push(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            while let Some(line) = self.lines.next(MAX_REPLY).map_err(|_| io::ErrorKind::InvalidData)? {
                replies.push(serde_json::from_slice(&line)?);
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self.outgoing.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match wire::send(&self.stream, rest, &[]) {
                Ok(count) => self.sent += count,
                Err(error) if wire::is_later(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(())
    }
}
