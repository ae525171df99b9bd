//! What the kernel reports of processes: beginning, becoming another program, ending (the process connector).
//!
//! The kernel tells every process of the machine to whoever asked, so a filter in the kernel leaves out threads and
//! what does not matter here. It answers only in the first network namespace of the machine, which a socket is opened
//! in for that, and only who is in its first user and process id namespaces, which most containers are not: [`Refused`]
//! says so in plain words. Reports may get lost; the reader is told to [`Event::Resync`].

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use neli::consts::socket::NlFamily;
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::sys::socket::{MsgFlags, send, setsockopt};

use super::error::Failure;
use super::message::{MESSAGE_HEADER, frames};
use super::socket::{read_datagram, socket_failure};
use crate::capability::Capability;
use crate::namespace;
use crate::sys::netlink::owned;
use crate::sys::raw::{Instruction, attach_filter};

/// `CN_IDX_PROC` and `CN_VAL_PROC`.
const CONNECTOR: (u32, u32) = (1, 1);
/// `struct cn_msg` before its data.
const CONNECTOR_HEADER: usize = 20;
/// `struct proc_event` before what depends on its kind: kind, processor, time stamp.
const EVENT_HEADER: usize = 16;
/// `PROC_CN_MCAST_LISTEN`.
const LISTEN: u32 = 1;
/// Room for a burst of processes: some ten thousand.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// One report is 76 bytes; room for many of later kernels.
const BUFFER: usize = 8 * 1024;

/// A number of a process.
pub type Pid = i32;

/// Something the kernel reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A process began: a copy of its parent so far.
    Began(Pid),
    /// A process became another program, or changed its name.
    Became(Pid),
    /// A process ended.
    Ended(Pid),
    /// Reports were lost: look at all processes again.
    Resync,
}

/// Why the kernel does not report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It says nothing: we are in a namespace of users or processes of our own.
    Namespace,
    /// A capability is missing.
    Permission,
    /// Anything else: a kernel without it.
    Other(Failure),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace => f.write_str("the kernel does not report processes inside a container"),
            Self::Permission => {
                f.write_str("the kernel reports processes to the privileged only")?;
                // The last two are for the first network namespace, where the reports are.
                let needed = [Capability::NetAdmin, Capability::SysAdmin, Capability::SysPtrace];
                let missing = needed.into_iter().filter(|capability| capability.is_missing());
                missing.enumerate().try_for_each(|(index, capability)| {
                    write!(f, "{}{capability} is missing", if index == 0 { ": " } else { ", " })
                })
            }
            Self::Other(failure) => write!(f, "the kernel does not report processes: {failure}"),
        }
    }
}

impl std::error::Error for Refused {}

/// A subscription to the kernel's reports.
#[derive(Debug)]
pub struct Monitor {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Subscribes. What happens from here on is reported; look at the processes after this, not before.
    ///
    /// # Errors
    /// The kernel does not report to us.
    pub fn open() -> Result<Self, Refused> {
        let here = Self::subscribe();
        if here.as_ref().is_err_and(|refused| *refused == Refused::Other(NOBODY_LISTENS)) {
            // In this network namespace nobody is there to ask.
            return namespace::in_the_first(Self::subscribe).map_err(|_| Refused::Permission)?;
        }
        here
    }

    fn subscribe() -> Result<Self, Refused> {
        let other = |call| move |error: io::Error| Refused::Other(socket_failure(call)(error));
        let socket = NlSocket::connect(NlFamily::Connector, None, Groups::new_groups(&[CONNECTOR.0]));
        let socket = socket.map_err(|error| {
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            if denied { Refused::Permission } else { other("subscribe")(error) }
        })?;
        socket.nonblock().map_err(other("set non-blocking"))?;
        let socket = owned(socket);
        attach_filter(socket.as_fd(), &filter()).map_err(other("attach a filter"))?;
        // Beyond the system's limit where we may, up to it where we may not.
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            let _ = setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER);
        }
        send(socket.as_raw_fd(), &listen(), MsgFlags::empty())
            .map_err(|errno| Refused::Other(Failure::Socket { call: "ask for reports", errno }))?;
        let mut monitor = Self { socket, buffer: vec![0; BUFFER] };
        monitor.answer()?;
        Ok(monitor)
    }

    /// The kernel answers while it is asked. Reports that came before the answer are none to us: who asks looks at all
    /// processes next.
    fn answer(&mut self) -> Result<(), Refused> {
        loop {
            match read_datagram(&self.socket, &mut self.buffer) {
                Ok(datagram) => {
                    let said =
                        frames(datagram.unwrap_or_default()).find_map(|f| Report::parse(f.payload)?.answer());
                    match said {
                        Some(0) => return Ok(()),
                        Some(code) if Errno::from_raw(code) == Errno::EPERM => {
                            return Err(Refused::Permission);
                        }
                        Some(code) => {
                            let errno = Errno::from_raw(code);
                            return Err(Refused::Other(Failure::Refused { errno, text: None }));
                        }
                        None => {}
                    }
                }
                Err(Errno::EINTR | Errno::ENOBUFS) => {}
                Err(Errno::EAGAIN) => return Err(Refused::Namespace),
                Err(errno) => return Err(Refused::Other(Failure::Socket { call: "receive", errno })),
            }
        }
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

/// What a send says where the kernel has no connector in this network namespace.
const NOBODY_LISTENS: Failure = Failure::Socket { call: "ask for reports", errno: Errno::ECONNREFUSED };

/// Reads the reports of one datagram.
pub fn reports(datagram: &[u8]) -> impl Iterator<Item = Event> {
    frames(datagram).filter_map(|frame| Report::parse(frame.payload)?.event())
}

/// `struct proc_event`, as far as it is looked at.
#[derive(Debug, Clone, Copy)]
struct Report {
    kind: u32,
    /// The first four numbers of what depends on the kind; those beyond its end are 0.
    data: [u32; 4],
}

impl Report {
    fn parse(payload: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = payload.get(at..)?.first_chunk()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        if (word(0)?, word(4)?) != CONNECTOR {
            return None;
        }
        let data = |at: usize| word(CONNECTOR_HEADER + EVENT_HEADER + 4 * at);
        Some(Self {
            kind: word(CONNECTOR_HEADER)?,
            data: [data(0)?, data(1).unwrap_or(0), data(2).unwrap_or(0), data(3).unwrap_or(0)],
        })
    }

    /// The error number in an answer to us; 0 is yes.
    fn answer(self) -> Option<i32> {
        (self.kind == libc::PROC_EVENT_NONE).then(|| i32::try_from(self.data[0]).unwrap_or(i32::MAX))
    }

    fn event(self) -> Option<Event> {
        let [first, second, third, fourth] = self.data;
        let (pid, process, make): (u32, u32, fn(Pid) -> Event) = match self.kind {
            // Parent and its process, child and its process.
            libc::PROC_EVENT_FORK => (third, fourth, Event::Began),
            libc::PROC_EVENT_EXEC | libc::PROC_EVENT_COMM => (first, second, Event::Became),
            libc::PROC_EVENT_EXIT => (first, second, Event::Ended),
            _ => return None,
        };
        // Threads have numbers of their own.
        Pid::try_from(pid).ok().filter(|_| pid == process).map(make)
    }
}

/// The request for reports: `struct nlmsghdr`, `struct cn_msg`, the word.
fn listen() -> Vec<u8> {
    let length = MESSAGE_HEADER + CONNECTOR_HEADER + size_of_val(&LISTEN);
    let header = [u32::try_from(length).unwrap_or(0), u32::from(NLMSG_DONE), 0, 0];
    let connector =
        [CONNECTOR.0, CONNECTOR.1, 0, 0, u32::from_ne_bytes(short_pair(size_of_val(&LISTEN))), LISTEN];
    header.into_iter().chain(connector).flat_map(u32::to_ne_bytes).collect()
}

/// `NLMSG_DONE`: a connector's messages are all of this kind.
const NLMSG_DONE: u16 = 3;

/// A length of two bytes and flags of two bytes.
fn short_pair(length: usize) -> [u8; 4] {
    let [first, second] = u16::try_from(length).unwrap_or(0).to_ne_bytes();
    [first, second, 0, 0]
}

/// Leaves out threads, and kinds that do not matter.
fn filter() -> Vec<Instruction> {
    // linux/bpf_common.h
    const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const TO_INDEX: u16 = 0x07; // BPF_MISC | BPF_TAX
    const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const JUMP_EQUAL_INDEX: u16 = 0x1d; // BPF_JMP | BPF_JEQ | BPF_X
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const WHOLE: u32 = u32::MAX;
    let plain = |code, operand| Instruction { code, jump_true: 0, jump_false: 0, operand };
    let kind_at = u32::try_from(MESSAGE_HEADER + CONNECTOR_HEADER).unwrap_or(0);
    let data_at = kind_at + u32::try_from(EVENT_HEADER).unwrap_or(0);
    // The filter reads in network order what the kernel wrote in its own.
    let is = |kind: u32, jump_true: u8, jump_false: u8| {
        let operand = u32::from_be_bytes(kind.to_ne_bytes());
        Instruction { code: JUMP_EQUAL, jump_true, jump_false, operand }
    };
    let same =
        |jump_true, jump_false| Instruction { code: JUMP_EQUAL_INDEX, jump_true, jump_false, operand: 0 };
    vec![
        plain(LOAD_WORD, kind_at),
        is(libc::PROC_EVENT_NONE, 14, 0),
        is(libc::PROC_EVENT_FORK, 4, 0),
        is(libc::PROC_EVENT_EXEC, 8, 0),
        is(libc::PROC_EVENT_COMM, 7, 0),
        is(libc::PROC_EVENT_EXIT, 6, 0),
        plain(RETURN, 0),
        // A fork: the child's number and its process's.
        plain(LOAD_WORD, data_at + 8),
        plain(TO_INDEX, 0),
        plain(LOAD_WORD, data_at + 12),
        same(5, 0),
        plain(RETURN, 0),
        // The others: its number and its process's.
        plain(LOAD_WORD, data_at),
        plain(TO_INDEX, 0),
        plain(LOAD_WORD, data_at + 4),
        same(0, 1),
        plain(RETURN, WHOLE),
        plain(RETURN, 0),
    ]
}

#[cfg(test)]
mod tests;
