//! Bytes over a connection, in the clear or through TLS; and single datagrams.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{MsgFlags, recv};

use super::is_later;
use super::tls::{Seen, Session};

/// What one receive gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Nothing for now.
    Nothing,
    /// The other side has closed its direction.
    Closed,
    /// So many bytes of the stream in the buffer.
    Bytes {
        /// The TLS handshake has just become complete.
        secured: bool,
        /// In the buffer.
        count: usize,
        /// Read from the socket; less than the buffer has room for means that it is drained.
        raw: usize,
    },
    /// A datagram of so many bytes in the buffer.
    Datagram(usize),
}

/// A TCP stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    unsent: Vec<u8>,
    tls: Option<Session>,
}

impl Stream {
    pub(super) fn send(&mut self, fd: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(session) => session.write(bytes)?,
            None => self.unsent.extend_from_slice(bytes),
        }
        self.flush(fd)
    }

    pub(super) fn secure(&mut self, fd: &OwnedFd, session: Session) -> io::Result<()> {
        self.tls = Some(session);
        self.flush(fd)
    }

    /// The certificate of a server that speaks TLS.
    pub(super) fn certificate(&self) -> Option<Seen> {
        self.tls.as_ref()?.certificate()
    }

    /// Sends what waits, as far as it goes; the rest when the socket becomes writable.
    pub(super) fn flush(&mut self, fd: &OwnedFd) -> io::Result<()> {
        if let Some(session) = &mut self.tls {
            session.drain(&mut self.unsent)?;
        }
        while !self.unsent.is_empty() {
            match send(fd, &self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if is_later(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn receive(&mut self, fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Received> {
        let raw = match recv(fd.as_raw_fd(), buffer, MsgFlags::empty()).map_err(io::Error::from) {
            Ok(raw) => raw,
            Err(error) if is_later(&error) => return Ok(Received::Nothing),
            Err(error) => return Err(error),
        };
        let Some(session) = &mut self.tls else {
            return Ok(if raw == 0 {
                Received::Closed
            } else {
                Received::Bytes { secured: false, count: raw, raw }
            });
        };
        if raw == 0 {
            // Without a close_notify too: many servers just hang up.
            return Ok(Received::Closed);
        }
        let (secured, count) = session.read(buffer, raw)?;
        let ended = session.is_closed();
        self.flush(fd)?;
        if count == 0 && !secured && ended {
            return Ok(Received::Closed);
        }
        Ok(Received::Bytes { secured, count, raw })
    }
}

/// Sends once, without a signal where the other side is gone.
pub(super) fn send(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(nix::sys::socket::send(fd.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL)?)
}

/// Receives one datagram.
pub(super) fn datagram(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Received> {
    match recv(fd.as_raw_fd(), buffer, MsgFlags::empty()).map_err(io::Error::from) {
        Ok(count) => Ok(Received::Datagram(count)),
        Err(error) if is_later(&error) => Ok(Received::Nothing),
        Err(error) => Err(error),
    }
}
