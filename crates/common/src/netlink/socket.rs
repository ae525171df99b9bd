//! The request socket: one question at a time, answered before the call returns.
//!
//! Answers are matched by sequence number, so what is left over from a request that ran out of time is
//! skipped by the next one. Only datagrams from the kernel itself are believed. The answer's meaning is
//! read by [`Answer`], which is pure.

use super::attribute::{Attributes, align};
use super::error::Failure;
use super::message::{Frame, MESSAGE_HEADER, Message, Replies, frames};
use crate::sys::netlink::owned;
use neli::consts::nl::{NlmF, Nlmsg, NlmsgerrAttr};
use neli::consts::socket::NlFamily;
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{MsgFlags, NetlinkAddr, recvmsg, send, setsockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fmt;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};

/// How many messages go into one datagram of a batch: beyond it nothing is gained, and the errors of a
/// batch twice as long overflow the socket's buffer.
pub const BATCH: usize = 200;

/// A batch's datagram is kept below this; the kernel refuses one beyond the socket's send buffer.
const BATCH_BYTES: usize = 64 * 1024;

/// The kernel fills dump datagrams up to 32 KiB; twice that never truncates.
const BUFFER: usize = 64 * 1024;

/// How long the kernel may take to answer. It does so within the call; this is for the day it does not.
const ANSWER_LIMIT_SECONDS: i64 = 5;

/// `NFNL_MSG_BATCH_BEGIN` and `_END`.
const TRANSACTION_BEGIN: u16 = 16;
const TRANSACTION_END: u16 = 17;

/// How often a dump is tried again when the table changed under it.
const DUMP_ATTEMPTS: usize = 8;

/// Which part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses, routes, rules.
    Route,
    /// Generic netlink: families are found by name.
    Generic,
    /// The packet filter.
    Netfilter,
}

impl Protocol {
    const fn family(self) -> NlFamily {
        match self {
            Self::Route => NlFamily::Route,
            Self::Generic => NlFamily::Generic,
            Self::Netfilter => NlFamily::Netfilter,
        }
    }
}

/// A request socket.
pub struct Socket {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
    outgoing: Vec<u8>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("fd", &self.socket.as_raw_fd()).finish_non_exhaustive()
    }
}

impl Socket {
    /// Opens a socket in the current network namespace.
    ///
    /// # Errors
    /// When the kernel gives no such socket.
    pub fn open(protocol: Protocol) -> Result<Self, Failure> {
        let socket =
            NlSocket::connect(protocol.family(), None, Groups::empty()).map_err(socket_failure("open"))?;
        // Texts of refusals, and dumps that honour what their header asks for. Both only improve on what
        // an older kernel does without them.
        let _ = socket.enable_ext_ack(true);
        if protocol == Protocol::Route {
            let _ = socket.enable_strict_checking(true);
        }
        let socket = owned(socket);
        setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(ANSWER_LIMIT_SECONDS))
            .map_err(|errno| Failure::Socket { call: "set receive limit", errno })?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER], outgoing: Vec::new() })
    }

    /// Sends one request and waits for its acknowledgement.
    ///
    /// # Errors
    /// The kernel's refusal, or what went wrong on the way.
    pub fn request(&mut self, message: &Message) -> Result<(), Failure> {
        self.ask(message, true, &mut Replies::default()).map(drop)
    }

    /// Sends one request and returns the objects that answer it.
    ///
    /// # Errors
    /// The kernel's refusal, or what went wrong on the way.
    pub fn get(&mut self, message: &Message) -> Result<Replies, Failure> {
        let mut replies = Replies::default();
        self.ask(message, true, &mut replies)?;
        Ok(replies)
    }

    /// Reads a whole table, again if it changed meanwhile.
    ///
    /// # Errors
    /// The kernel's refusal, or what went wrong on the way; [`Failure::Interrupted`] if the table never
    /// stood still.
    pub fn dump(&mut self, message: &Message) -> Result<Replies, Failure> {
        let message = message.clone().dump();
        let mut replies = Replies::default();
        for _ in 0..DUMP_ATTEMPTS {
            replies.clear();
            if self.ask(&message, false, &mut replies)? == Dumped::Whole {
                return Ok(replies);
            }
        }
        Err(Failure::Interrupted)
    }

    /// Sends many requests, [`BATCH`] to a datagram, and returns those that were refused: the position and
    /// why. A refusal does not stop the ones after it.
    ///
    /// # Errors
    /// When the socket itself failed: it is then unknown which of the requests were carried out, and the
    /// caller reads the table back.
    pub fn batch(&mut self, messages: &[Message]) -> Result<Vec<(usize, Failure)>, Failure> {
        let mut refused = Vec::new();
        let mut start = 0;
        while let Some(rest) = messages.get(start..).filter(|rest| !rest.is_empty()) {
            let mut bytes = 0_usize;
            let fitting = rest.iter().take(BATCH).take_while(|message| {
                bytes = bytes.saturating_add(message.length());
                bytes <= BATCH_BYTES
            });
            let count = fitting.count().max(1);
            self.datagram(rest.get(..count).unwrap_or(rest), start, &mut refused)?;
            start = start.saturating_add(count);
        }
        Ok(refused)
    }

    /// Sends messages of the packet filter that are carried out all together or not at all.
    ///
    /// # Errors
    /// Why they were not; of several refusals the first.
    pub fn transaction(&mut self, messages: &[Message]) -> Result<(), Failure> {
        // struct nfgenmsg, with the number of nftables' subsystem.
        const SUBJECT: [u8; 4] = [0, 0, 0, 10];
        let (begin, end) =
            (Message::new(TRANSACTION_BEGIN, &SUBJECT), Message::new(TRANSACTION_END, &SUBJECT));
        let first = self.sequence.wrapping_add(1);
        let mut outgoing = Vec::new();
        for (position, message) in std::iter::once(&begin).chain(messages).chain([&end]).enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            // Older kernels acknowledge no end; what it led to is told before the last message's acknowledgement.
            let acknowledge = position == messages.len();
            message.stamped(self.sequence, acknowledge, &mut outgoing).ok_or(Failure::TooLong)?;
        }
        let last = self.sequence.wrapping_sub(1);
        self.send(&outgoing)?;
        let (mut refused, mut done) = (None, messages.is_empty());
        while !done {
            self.receive(|frame| {
                if done || frame.sequence.wrapping_sub(first) > last.wrapping_sub(first) {
                    return Ok(());
                }
                match Answer::read(frame) {
                    Answer::Refused(failure) => {
                        // Of the beginning, all of it: no such subsystem, no permission, or not carried out in the end.
                        done |= frame.sequence == first;
                        refused.get_or_insert(failure);
                    }
                    Answer::Done | Answer::Object | Answer::Ignored => {}
                    Answer::Malformed(what) => return Err(Failure::Malformed(what)),
                }
                done |= frame.sequence == last;
                Ok(())
            })?;
        }
        refused.map_or(Ok(()), Err)
    }

    fn datagram(
        &mut self,
        messages: &[Message],
        offset: usize,
        refused: &mut Vec<(usize, Failure)>,
    ) -> Result<(), Failure> {
        let first = self.sequence.wrapping_add(1);
        let count = u32::try_from(messages.len()).map_err(|_| Failure::TooLong)?;
        let mut outgoing = std::mem::take(&mut self.outgoing);
        outgoing.clear();
        for (position, message) in messages.iter().enumerate() {
            // The last one's acknowledgement says that all before it have been handled.
            let last = position.saturating_add(1) == messages.len();
            self.sequence = self.sequence.wrapping_add(1);
            message.stamped(self.sequence, last, &mut outgoing).ok_or(Failure::TooLong)?;
        }
        let sent = self.send(&outgoing);
        self.outgoing = outgoing;
        sent?;
        let last = self.sequence;
        let mut done = false;
        while !done {
            self.receive(|frame| {
                let position = frame.sequence.wrapping_sub(first);
                if position >= count {
                    return Ok(());
                }
                match Answer::read(frame) {
                    Answer::Refused(failure) => {
                        let position = usize::try_from(position).map_err(|_| Failure::TooLong)?;
                        refused.push((offset.saturating_add(position), failure));
                    }
                    Answer::Done | Answer::Object | Answer::Ignored => {}
                    Answer::Malformed(what) => return Err(Failure::Malformed(what)),
                }
                done |= frame.sequence == last;
                Ok(())
            })?;
        }
        Ok(())
    }

    fn ask(
        &mut self,
        message: &Message,
        acknowledge: bool,
        replies: &mut Replies,
    ) -> Result<Dumped, Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut outgoing = std::mem::take(&mut self.outgoing);
        outgoing.clear();
        let stamped = message.stamped(sequence, acknowledge, &mut outgoing);
        let sent = stamped.ok_or(Failure::TooLong).and_then(|()| self.send(&outgoing));
        self.outgoing = outgoing;
        sent?;
        let mut done = false;
        let mut dumped = Dumped::Whole;
        while !done {
            self.receive(|frame| {
                if frame.sequence != sequence || done {
                    return Ok(());
                }
                if frame.flags & NlmF::DUMP_INTR.bits() != 0 {
                    dumped = Dumped::Interrupted;
                }
                match Answer::read(frame) {
                    Answer::Done => done = true,
                    Answer::Object => replies.push(frame.kind, frame.payload),
                    Answer::Ignored => {}
                    Answer::Refused(failure) => return Err(failure),
                    Answer::Malformed(what) => return Err(Failure::Malformed(what)),
                }
                Ok(())
            })?;
        }
        Ok(dumped)
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Failure> {
        loop {
            match send(self.socket.as_raw_fd(), bytes, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Failure::Socket { call: "send", errno }),
            }
        }
    }

    /// Reads one datagram and hands over its messages.
    fn receive(&mut self, mut each: impl FnMut(&Frame<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        match read_datagram(&self.socket, &mut self.buffer) {
            Ok(Some(datagram)) => frames(datagram).try_for_each(|frame| each(&frame)),
            Ok(None) | Err(Errno::EINTR) => Ok(()),
            Err(Errno::EAGAIN) => Err(Failure::NoAnswer),
            Err(errno) => Err(Failure::Socket { call: "receive", errno }),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dumped {
    Whole,
    Interrupted,
}

/// Reads one datagram; `None` for one that some other process sent.
pub(super) fn read_datagram<'b>(socket: &OwnedFd, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>, Errno> {
    let (length, truncated, from_kernel) = {
        let mut parts = [IoSliceMut::new(buffer)];
        let received = recvmsg::<NetlinkAddr>(socket.as_raw_fd(), &mut parts, None, MsgFlags::empty())?;
        let from_kernel = received.address.is_none_or(|address| address.pid() == 0);
        (received.bytes, received.flags.contains(MsgFlags::MSG_TRUNC), from_kernel)
    };
    if truncated {
        return Err(Errno::EMSGSIZE);
    }
    Ok(buffer.get(..length).filter(|_| from_kernel))
}

pub(super) fn socket_failure(call: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::Socket { call, errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)) }
}

/// What one message says about the request it answers.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Object,
    Ignored,
    Refused(Failure),
    Malformed(&'static str),
}

impl Answer {
    fn read(frame: &Frame<'_>) -> Self {
        if frame.kind == u16::from(Nlmsg::Error) {
            // struct nlmsgerr: the number, then the request's header, and its body unless capped.
            let Some((code, echoed)) = frame.payload.split_first_chunk() else {
                return Self::Malformed("short acknowledgement");
            };
            let code = i32::from_ne_bytes(*code);
            if code == 0 {
                Self::Done
            } else {
                Self::Refused(refusal(code, explanation(frame.flags, echoed)))
            }
        } else if frame.kind == u16::from(Nlmsg::Done) {
            let code = frame.payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
            let texts = frame.payload.get(4..).unwrap_or(&[]);
            if code < 0 { Self::Refused(refusal(code, text(texts))) } else { Self::Done }
        } else if frame.kind == u16::from(Nlmsg::Noop) {
            Self::Ignored
        } else {
            Self::Object
        }
    }
}

fn refusal(code: i32, text: Option<String>) -> Failure {
    Failure::Refused { errno: Errno::from_raw(code.saturating_neg()), text }
}

/// The kernel's words in an error: its attributes come after the echoed request.
fn explanation(flags: u16, echoed: &[u8]) -> Option<String> {
    if flags & NlmF::ACK_TLVS.bits() == 0 {
        return None;
    }
    let request = usize::try_from(u32::from_ne_bytes(*echoed.first_chunk()?)).ok()?;
    let echo = if flags & NlmF::CAPPED.bits() == 0 { align(request) } else { MESSAGE_HEADER };
    text(echoed.get(echo..)?)
}

fn text(attributes: &[u8]) -> Option<String> {
    let message = Attributes::new(attributes).find(u16::from(NlmsgerrAttr::Msg))?;
    message.text().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
