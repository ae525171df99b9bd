//! The descriptor of an attempt: opened as the check says, and its errors told apart.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use common::capability::Capability;
use common::event_loop::{Interest, Readiness, Registration, Registry};
use nix::errno::Errno;
use nix::sys::socket::sockopt::{BindToDevice, Linger, Mark, SocketError};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, getsockopt, setsockopt,
    socket,
};

use super::echo::Echo;
use super::stream::{Received, Stream};
use super::tls::{Seen, Session};
use super::{is_later, stream};
use crate::checks::{Path, Words};
use crate::plan::Dial;

/// What went wrong, and on which side.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// On the server's side, or on the way to it.
    Remote(Words),
    /// On this machine: it says nothing of the server.
    Local(Words),
}

/// An open descriptor that reports its readiness.
#[derive(Debug)]
pub(super) struct Socket<K: Copy> {
    registration: Registration<K>,
    fd: OwnedFd,
    path: Path,
    connecting: bool,
    /// Whether the other side has closed its direction.
    ended: bool,
    /// Whether it can serve another attempt when this one is over.
    reusable: bool,
    carries: Carries,
}

#[derive(Debug)]
enum Carries {
    Stream(Box<Stream>),
    Datagrams,
    Echo(Echo),
}

impl<K: Copy> Socket<K> {
    pub(super) fn open(
        path: Path,
        target: SocketAddr,
        dial: &Dial,
        key: K,
        registry: &Registry<K>,
    ) -> Result<Self, Fault> {
        let (fd, carries) = match path {
            Path::Stream | Path::Request => {
                (plain(target, SockType::Stream, None)?, Carries::Stream(Box::default()))
            }
            Path::Datagram => (plain(target, SockType::Datagram, None)?, Carries::Datagrams),
            Path::Echo => {
                let (fd, echo) = Echo::open(target)?;
                (fd, Carries::Echo(echo))
            }
        };
        if path == Path::Request {
            // Without it the connection only takes a packet more.
            let _refused = common::sys::ack_with_data(&fd);
        }
        prepare(&fd, dial)?;
        let connecting = connecting(&fd, target)?;
        // Registered behind the connect: an event before it ("hung up") would say nothing.
        let registration =
            registry.add(&fd, key, Interest::ReadWrite).map_err(|error| local("epoll", &error))?;
        let reusable = is_stream(path) && is_plain(dial);
        Ok(Self { registration, fd, path, connecting, ended: false, reusable, carries })
    }

    /// Connects a socket that [`Socket::release`] gave: of the same path, to a target of the same family.
    pub(super) fn again(mut self, target: SocketAddr, key: K) -> Result<Self, Fault> {
        self.registration.rename(key);
        match connecting(&self.fd, target) {
            Ok(connecting) => {
                self.connecting = connecting;
                Ok(self)
            }
            Err(fault) => {
                self.close();
                Err(fault)
            }
        }
    }

    /// Ends the connection at once and keeps the socket for another one, in place of closing it: the next attempt then
    /// needs no new descriptor, and none to be registered, which is half of what a check costs. Nothing is reported of
    /// it until then. None, and closed, where it is not fit for that.
    ///
    /// Only for a socket whose readiness has just been taken: of any other, the loop may still hold an old one, which
    /// would be taken for the next connection's.
    pub(super) fn release(mut self) -> Option<Self> {
        if !self.reusable || self.connecting || common::sys::disconnect(&self.fd).is_err() {
            self.close();
            return None;
        }
        self.registration.mute();
        self.ended = false;
        if let Carries::Stream(stream) = &mut self.carries {
            **stream = Stream::default();
        }
        Some(self)
    }

    pub(super) fn path(&self) -> Path {
        self.path
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.connecting
    }

    /// Closing takes the descriptor out of epoll by itself. A stream that we are the first to close is reset:
    /// it would wait in TIME_WAIT for a minute, and with thousands of checks a second their ports ran out.
    pub(super) fn close(self) {
        if matches!(self.carries, Carries::Stream(_)) && !self.connecting && !self.ended {
            let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            // Without it the connection only takes longer to go.
            let _refused = setsockopt(&self.fd, Linger, &at_once);
        }
        self.registration.release_for_close();
    }

    /// Takes a readiness. True where the connection stands now and did not before.
    pub(super) fn progressed(&mut self, readiness: Readiness) -> Result<bool, Fault> {
        if self.connecting {
            if !readiness.writable && !readiness.closed {
                return Ok(false);
            }
            if readiness.closed {
                self.pending_error()?;
            }
            self.connecting = false;
            return Ok(true);
        }
        if readiness.writable {
            self.flush()?;
        }
        Ok(false)
    }

    fn pending_error(&mut self) -> Result<(), Fault> {
        let found = self.look_for_error();
        self.reusable &= found.is_ok();
        found
    }

    fn look_for_error(&self) -> Result<(), Fault> {
        match getsockopt(&self.fd, SocketError) {
            Ok(0) => Ok(()),
            Ok(code) => Err(remote(Errno::from_raw(code))),
            Err(error) => Err(local("socket", &error.into())),
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.carries {
            Carries::Stream(stream) => stream.send(&self.fd, bytes),
            Carries::Datagrams => match stream::send(&self.fd, bytes) {
                Err(error) if is_later(&error) => Ok(()),
                sent => sent.map(|_| ()),
            },
            Carries::Echo(echo) => stream::send(&self.fd, &echo.dressed(bytes)).map(|_| ()),
        }
        .map_err(|error| self.failed(&error))
    }

    pub(super) fn secure(&mut self, session: Session) -> Result<(), Fault> {
        match &mut self.carries {
            Carries::Stream(stream) => stream.secure(&self.fd, session).map_err(|error| self.failed(&error)),
            Carries::Datagrams | Carries::Echo(_) => Err(Fault::Local("TLS wants a stream".into())),
        }
    }

    /// The certificate of a server that speaks TLS.
    pub(super) fn certificate(&self) -> Option<Seen> {
        match &self.carries {
            Carries::Stream(stream) => stream.certificate(),
            Carries::Datagrams | Carries::Echo(_) => None,
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        match &mut self.carries {
            Carries::Stream(stream) => stream.flush(&self.fd).map_err(|error| self.failed(&error)),
            Carries::Datagrams | Carries::Echo(_) => Ok(()),
        }
    }

    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, Fault> {
        let received = match &mut self.carries {
            Carries::Stream(stream) => stream.receive(&self.fd, buffer),
            Carries::Datagrams => stream::datagram(&self.fd, buffer),
            Carries::Echo(echo) => echo.receive(&self.fd, buffer),
        };
        self.ended |= matches!(received, Ok(Received::Closed));
        received.map_err(|error| self.failed(&error))
    }

    /// A socket that was in error is not used again.
    fn failed(&mut self, error: &io::Error) -> Fault {
        self.reusable = false;
        sorted(error)
    }

    /// It is not used again.
    pub(super) fn spoil(&mut self) {
        self.reusable = false;
    }
}

/// Whether a check connects like any other, so that a socket of one serves another.
pub(super) fn is_plain(dial: &Dial) -> bool {
    dial.interface.is_none() && dial.fwmark.is_none() && dial.source.is_none()
}

/// Whether its sockets can serve one connection after the other.
pub(super) fn is_stream(path: Path) -> bool {
    matches!(path, Path::Stream | Path::Request)
}

/// Begins to connect. False where the connection stands at once.
fn connecting(fd: &OwnedFd, target: SocketAddr) -> Result<bool, Fault> {
    match connect(fd.as_raw_fd(), &SockaddrStorage::from(target)) {
        Ok(()) => Ok(false),
        Err(Errno::EINPROGRESS) => Ok(true),
        Err(error) => Err(refused_at_once(error)),
    }
}

/// A non-blocking socket for this target.
pub(super) fn plain(
    target: SocketAddr,
    kind: SockType,
    protocol: Option<SockProtocol>,
) -> Result<OwnedFd, Fault> {
    let family = if target.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(family, kind, flags, protocol).map_err(|error| {
        let error = error.into();
        let error = if kind == SockType::Raw { Capability::NetRaw.explain(error) } else { error };
        local("cannot open a socket", &error)
    })
}

fn prepare(fd: &OwnedFd, dial: &Dial) -> Result<(), Fault> {
    if let Some(interface) = &dial.interface {
        let bound = setsockopt(fd, BindToDevice, &interface.as_str().into());
        bound.map_err(|error| local(&format!("cannot use interface {interface}"), &error.into()))?;
    }
    if let Some(mark) = dial.fwmark {
        let marked = setsockopt(fd, Mark, &mark.get());
        marked
            .map_err(|error| local("cannot set the fwmark", &Capability::NetAdmin.explain(error.into())))?;
    }
    if let Some(source) = dial.source {
        let bound = bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0)));
        bound.map_err(|error| local(&format!("cannot connect from {source}"), &error.into()))?;
    }
    Ok(())
}

/// What connect(2) says at once is about this machine, but for what it knows of the server already.
fn refused_at_once(error: Errno) -> Fault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other errors speak for themselves")]
    match error {
        Errno::ECONNREFUSED | Errno::ECONNRESET | Errno::EHOSTUNREACH | Errno::ETIMEDOUT => remote(error),
        Errno::ENETUNREACH => Fault::Local("no route to its network".into()),
        other => local("cannot connect", &other.into()),
    }
}

/// An error on an open connection.
fn sorted(error: &io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOBUFS | Errno::ENOMEM) => local("cannot send", error),
        Some(other) => remote(other),
        // Not from the kernel: what TLS thinks of the server.
        None => Fault::Remote(error.to_string().into()),
    }
}

fn remote(error: Errno) -> Fault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other errors speak for themselves")]
    Fault::Remote(match error {
        Errno::ECONNREFUSED => "connection refused".into(),
        Errno::ECONNRESET | Errno::EPIPE => "connection reset".into(),
        Errno::EHOSTUNREACH => "host unreachable".into(),
        Errno::ENETUNREACH => "network unreachable".into(),
        Errno::ETIMEDOUT => "connection timed out".into(),
        other => other.desc().to_lowercase().into(),
    })
}

pub(super) fn local(what: &str, error: &io::Error) -> Fault {
    let why = error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |code| Errno::from_raw(code).desc().to_lowercase());
    Fault::Local(format!("{what}: {why}").into())
}

impl<K: Copy> AsFd for Socket<K> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
