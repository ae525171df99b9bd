//! What the kernel reports by itself: interfaces and addresses coming, going and changing; routes and rules that go.
//!
//! The socket is non-blocking and meant for an event loop. When the kernel had more to say than the socket
//! could hold, the reader is told to [`Event::Resync`]: to read the tables again.

use super::address::{Address, MARK};
use super::error::Failure;
use super::link::Link;
use super::message::{Frame, Reply, frames};
use super::route::Route;
use super::rule::Rule;
use super::socket::{read_datagram, socket_failure};
use crate::sys::netlink::owned;
use crate::sys::raw::{self, Instruction};
use neli::consts::nl::NlmF;
use neli::consts::socket::NlFamily;
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::errno::Errno;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// `RTNLGRP_*`: interfaces, IPv4 addresses, IPv6 addresses.
const GROUPS: [u32; 3] = [1, 5, 9];
/// `RTNLGRP_*`: IPv4 routes, IPv4 rules, IPv6 routes, IPv6 rules.
const ROUTING_GROUPS: [u32; 4] = [7, 8, 11, 19];

/// Room for a burst of reports: a few thousand addresses going at once.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Reports come one to a datagram, a few hundred bytes each; links with many virtual functions are longer.
const BUFFER: usize = 64 * 1024;

/// Something the kernel reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An interface appeared or changed.
    LinkSet(Link),
    /// An interface is gone.
    LinkGone(Link),
    /// An address appeared, changed or was renewed.
    AddressSet(Address),
    /// An address is gone.
    AddressGone(Address),
    /// A route took the place of another.
    RouteReplaced(Route),
    /// A route is gone.
    RouteGone(Route),
    /// A rule is gone.
    RuleGone(Rule),
    /// Reports were lost: read the tables again.
    Resync,
}

impl Event {
    /// Reads one report; `None` for one that is not about interfaces or addresses.
    fn parse(frame: &Frame<'_>) -> Option<Self> {
        let reply = Reply { kind: frame.kind, payload: frame.payload };
        match frame.kind {
            libc::RTM_NEWLINK => Link::parse(&reply).map(Self::LinkSet),
            libc::RTM_DELLINK => Link::parse(&reply).map(Self::LinkGone),
            libc::RTM_NEWADDR => Address::parse(&reply).map(Self::AddressSet),
            libc::RTM_DELADDR => Address::parse(&reply).map(Self::AddressGone),
            libc::RTM_NEWROUTE if frame.flags & NlmF::REPLACE.bits() != 0 => {
                Route::parse(&reply).map(Self::RouteReplaced)
            }
            libc::RTM_DELROUTE => Route::parse(&reply).map(Self::RouteGone),
            libc::RTM_DELRULE => Rule::parse(&reply).map(Self::RuleGone),
            _ => None,
        }
    }
}

/// The kernel's filter for [`Monitor::open_routing`]; a report has one message.
fn routing_filter() -> [Instruction; 10] {
    // Loads are big-endian, the fields are the machine's: constants are turned round instead.
    let turned = |number: u16| u32::from(u16::from_be_bytes(number.to_ne_bytes()));
    let (half, byte) = (0x28, 0x30);
    let (equal, any, give) = (0x15, 0x45, 0x06);
    let instruction =
        |code, jump_true, jump_false, operand| Instruction { code, jump_true, jump_false, operand };
    [
        // nlmsg_type
        instruction(half, 0, 0, 4),
        instruction(equal, 4, 0, turned(libc::RTM_NEWROUTE)),
        instruction(equal, 1, 0, turned(libc::RTM_DELROUTE)),
        instruction(equal, 4, 5, turned(libc::RTM_DELRULE)),
        // rtm_protocol
        instruction(byte, 0, 0, 21),
        instruction(equal, 2, 3, u32::from(MARK)),
        // nlmsg_flags
        instruction(half, 0, 0, 6),
        instruction(any, 0, 1, turned(NlmF::REPLACE.bits())),
        instruction(give, 0, 0, u32::MAX),
        instruction(give, 0, 0, 0),
    ]
}

/// Reads the reports of one datagram.
pub fn reports(datagram: &[u8]) -> impl Iterator<Item = Event> {
    frames(datagram).filter_map(|frame| Event::parse(&frame))
}

/// A subscription to the kernel's reports.
#[derive(Debug)]
pub struct Monitor {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Subscribes, in the current network namespace. What happens from here on is reported; read the
    /// tables after this, not before.
    ///
    /// # Errors
    /// When the kernel gives no such socket.
    pub fn open() -> Result<Self, Failure> {
        Self::subscribe(&GROUPS)
    }

    /// Subscribes to routes of ours and rules that go, and to routes that take the place of others. Everything else a
    /// routing daemon does is dropped by the kernel before it wakes anybody.
    ///
    /// # Errors
    /// When the kernel gives no such socket.
    pub fn open_routing() -> Result<Self, Failure> {
        let monitor = Self::subscribe(&ROUTING_GROUPS)?;
        raw::attach_filter(monitor.socket.as_fd(), &routing_filter())
            .map_err(socket_failure("filter reports"))?;
        Ok(monitor)
    }

    fn subscribe(groups: &[u32]) -> Result<Self, Failure> {
        let socket = NlSocket::connect(NlFamily::Route, None, Groups::new_groups(groups))
            .map_err(socket_failure("subscribe"))?;
        socket.nonblock().map_err(socket_failure("set non-blocking"))?;
        let socket = owned(socket);
        // Beyond the system's limit where we may, up to it where we may not.
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            let _ = setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER);
        }
        Ok(Self { socket, buffer: vec![0; BUFFER] })
    }

    /// Reads one datagram and hands over its reports; false when there is nothing more to read.
    ///
    /// # Errors
    /// When the socket failed for good.
    pub fn read(&mut self, mut each: impl FnMut(Event)) -> Result<bool, Failure> {
        match read_datagram(&self.socket, &mut self.buffer) {
            Ok(Some(datagram)) => {
                reports(datagram).for_each(each);
                Ok(true)
            }
            Ok(None) | Err(Errno::EINTR) => Ok(true),
            Err(Errno::ENOBUFS | Errno::EMSGSIZE) => {
                each(Event::Resync);
                Ok(true)
            }
            Err(Errno::EAGAIN) => Ok(false),
            Err(errno) => Err(Failure::Socket { call: "receive report", errno }),
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests;
