//! Performs the steps of probes on real descriptors.
//!
//! One [`Transport`] holds every attempt under way. An attempt is a probe, a descriptor and what is still to be sent. It
//! costs few system calls: connect, the sends and receives that the probe needs, and one to end the connection. Sockets
//! of streams are kept registered for the next attempt; one that is not at hand costs socket, registration and close.
//! What is wrong on this machine (no descriptors, no route of ours, a source address that is gone) becomes
//! [`Verdict::Unknown`] and is never taken for the server's failure.

mod echo;
mod file;
mod socket;
mod stream;
mod tls;

use std::io;
use std::net::SocketAddr;

use common::event_loop::{Drained, Readiness, Registry};

use crate::checks::{Exited, Input, Path, Probe, Program, Refusal, Step, Verdict};
use crate::plan::Dial;
use socket::{Fault, Socket};
use tls::Configurations;
pub use tls::Seen;

/// Reads of one attempt in one turn of the loop.
const BUDGET: usize = 16;
/// Sockets of a family that are kept for the next attempts: enough for all that end in one turn at thousands a second.
const KEPT: usize = 256;
/// Bytes read at a time.
const BUFFER: usize = 16 * 1024;

/// An attempt under way. Used again for another one when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u32);

/// What has become of an attempt.
#[derive(Debug)]
pub enum Outcome {
    /// It goes on.
    Pending,
    /// It is over, and its slot is free.
    Done(Verdict),
    /// It waits for a program that the caller is to run; its end goes to [`Transport::exited`].
    Program(Program),
}

/// One attempt.
struct Attempt<K: Copy> {
    probe: Box<dyn Probe>,
    target: SocketAddr,
    dial: Dial,
    socket: Option<Socket<K>>,
}

/// All attempts under way.
#[derive(Debug)]
pub struct Transport<K: Copy> {
    key: fn(Slot) -> K,
    attempts: Vec<Option<Attempt<K>>>,
    free: Vec<Slot>,
    /// Sockets of streams without a connection: for IPv4, then IPv6; for each, those of [`Path::Stream`] and of
    /// [`Path::Request`].
    kept: [[Vec<Socket<K>>; 2]; 2],
    tls: Configurations,
    /// Certificates seen since they were last taken.
    seen: Vec<(Slot, Seen)>,
    buffer: Vec<u8>,
}

impl<K: Copy> std::fmt::Debug for Attempt<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("target", &self.target).finish_non_exhaustive()
    }
}

impl<K: Copy> Transport<K> {
    /// `key` wraps a slot into what the program calls its sources.
    pub fn new(key: fn(Slot) -> K) -> Self {
        let tls = Configurations::default();
        Self {
            key,
            attempts: Vec::new(),
            free: Vec::new(),
            kept: Default::default(),
            tls,
            seen: Vec::new(),
            buffer: vec![0; BUFFER],
        }
    }

    /// Begins an attempt.
    pub fn begin(
        &mut self,
        probe: Box<dyn Probe>,
        target: SocketAddr,
        dial: &Dial,
        registry: &Registry<K>,
    ) -> (Slot, Outcome) {
        let attempt = Attempt { probe, target, dial: dial.clone(), socket: None };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.attempts.push(None);
            Slot(u32::try_from(self.attempts.len() - 1).unwrap_or(u32::MAX))
        });
        if let Some(place) = self.place(slot) {
            *place = Some(attempt);
        }
        let outcome = self.drive(slot, Input::Start, registry);
        (slot, outcome)
    }

    /// The descriptor of an attempt became ready.
    pub fn ready(&mut self, slot: Slot, readiness: Readiness, registry: &Registry<K>) -> (Outcome, Drained) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.ready_with(slot, readiness, registry, &mut buffer);
        self.buffer = buffer;
        result
    }

    /// The certificates that servers have shown since this was last asked.
    pub fn take_seen(&mut self) -> Vec<(Slot, Seen)> {
        std::mem::take(&mut self.seen)
    }

    /// The time limit has passed.
    pub fn expire(&mut self, slot: Slot, registry: &Registry<K>) -> Verdict {
        self.spoil(slot);
        match self.drive(slot, Input::TimedOut, registry) {
            Outcome::Done(verdict) => verdict,
            Outcome::Pending | Outcome::Program(_) => {
                self.cancel(slot);
                Verdict::fail("no answer in time")
            }
        }
    }

    /// The program that an attempt waited for has ended.
    pub fn exited(&mut self, slot: Slot, exited: Exited, registry: &Registry<K>) -> Outcome {
        self.spoil(slot);
        self.drive(slot, Input::Exited(exited), registry)
    }

    /// Gives an attempt up.
    pub fn cancel(&mut self, slot: Slot) {
        if let Some(attempt) = self.place(slot).and_then(Option::take) {
            if let Some(socket) = attempt.socket {
                socket.close();
            }
            self.free.push(slot);
        }
    }

    fn place(&mut self, slot: Slot) -> Option<&mut Option<Attempt<K>>> {
        self.attempts.get_mut(usize::try_from(slot.0).ok()?)
    }

    fn ready_with(
        &mut self,
        slot: Slot,
        readiness: Readiness,
        registry: &Registry<K>,
        buffer: &mut [u8],
    ) -> (Outcome, Drained) {
        let Some(attempt) = self.place(slot).and_then(Option::as_mut) else {
            return (Outcome::Pending, Drained::Yes);
        };
        let Some(socket) = attempt.socket.as_mut() else { return (Outcome::Pending, Drained::Yes) };
        match socket.progressed(readiness) {
            Ok(true) => match self.drive(slot, Input::Connected, registry) {
                Outcome::Pending => {}
                over @ (Outcome::Done(_) | Outcome::Program(_)) => return (over, Drained::Yes),
            },
            Ok(false) => {}
            Err(fault) => return (self.fault(slot, fault, registry), Drained::Yes),
        }
        if !readiness.readable && !readiness.closed {
            return (Outcome::Pending, Drained::Yes);
        }
        for _ in 0..BUDGET {
            match self.read(slot, readiness, registry, buffer) {
                (Outcome::Pending, false) => {}
                (outcome, _) => return (outcome, Drained::Yes),
            }
        }
        // From now on its readiness may be told twice in a turn.
        self.spoil(slot);
        (Outcome::Pending, Drained::More)
    }

    /// Reads once. The flag: nothing more for now.
    fn read(
        &mut self,
        slot: Slot,
        readiness: Readiness,
        registry: &Registry<K>,
        buffer: &mut [u8],
    ) -> (Outcome, bool) {
        let Some(attempt) = self.place(slot).and_then(Option::as_mut) else {
            return (Outcome::Pending, true);
        };
        let Some(socket) = attempt.socket.as_mut() else { return (Outcome::Pending, true) };
        if socket.is_connecting() {
            return (Outcome::Pending, true);
        }
        let room = buffer.len();
        match socket.receive(buffer) {
            Ok(stream::Received::Nothing) => (Outcome::Pending, true),
            Ok(stream::Received::Datagram(count)) => {
                let outcome =
                    self.drive(slot, Input::Datagram(buffer.get(..count).unwrap_or_default()), registry);
                (outcome, false)
            }
            Ok(stream::Received::Closed) => (self.drive(slot, Input::Closed, registry), true),
            Ok(stream::Received::Bytes { secured, count, raw }) => {
                if secured {
                    let certificate = socket.certificate();
                    self.seen.extend(certificate.map(|seen| (slot, seen)));
                    match self.drive(slot, Input::Secured, registry) {
                        Outcome::Pending => {}
                        over @ (Outcome::Done(_) | Outcome::Program(_)) => return (over, true),
                    }
                }
                let outcome = match buffer.get(..count) {
                    Some(bytes) if count > 0 => self.drive(slot, Input::Bytes(bytes), registry),
                    _ => Outcome::Pending,
                };
                // A short read has drained the socket; an end of stream behind it has been announced already.
                (outcome, raw < room && !readiness.closed)
            }
            Err(fault) => (self.fault(slot, fault, registry), true),
        }
    }

    fn fault(&mut self, slot: Slot, fault: Fault, registry: &Registry<K>) -> Outcome {
        match fault {
            Fault::Remote(words) => self.drive(slot, Input::Refused(&Refusal { words }), registry),
            Fault::Local(words) => self.over(slot, Verdict::Unknown(words)),
        }
    }

    fn over(&mut self, slot: Slot, verdict: Verdict) -> Outcome {
        let attempt = self.place(slot).and_then(Option::take);
        let Some(Attempt { target, socket, .. }) = attempt else { return Outcome::Done(verdict) };
        self.free.push(slot);
        if let Some(socket) = socket {
            let kept = shelf(&mut self.kept, target, socket.path());
            if kept.len() < KEPT { kept.extend(socket.release()) } else { socket.close() }
        }
        Outcome::Done(verdict)
    }

    /// Nothing the loop still knows of a socket may be taken for its next connection: only an attempt that ends with
    /// the one event of its socket in a turn leaves it to others.
    fn spoil(&mut self, slot: Slot) {
        if let Some(socket) =
            self.place(slot).and_then(Option::as_mut).and_then(|attempt| attempt.socket.as_mut())
        {
            socket.spoil();
        }
    }

    /// Tells the probe and does what it wants, until there is something to wait for.
    fn drive(&mut self, slot: Slot, input: Input<'_>, registry: &Registry<K>) -> Outcome {
        let key = (self.key)(slot);
        let Some(attempt) = self.place(slot).and_then(Option::as_mut) else { return Outcome::Pending };
        let mut step = attempt.probe.on(input);
        loop {
            let done = match step {
                Step::Done(verdict) => return self.over(slot, verdict),
                Step::Spawn(program) => return Outcome::Program(program),
                Step::Load(path) => match file::load(&path) {
                    Ok(bytes) => {
                        let Some(attempt) = self.place(slot).and_then(Option::as_mut) else {
                            return Outcome::Pending;
                        };
                        step = attempt.probe.on(Input::Bytes(&bytes));
                        if step == Step::Read {
                            step = attempt.probe.on(Input::Closed);
                        }
                        continue;
                    }
                    Err(fault) => Err(fault),
                },
                Step::Read => return Outcome::Pending,
                Step::Connect(path) => self.connect(slot, path, key, registry),
                Step::Send(bytes) => self.with_socket(slot, |socket| socket.send(&bytes)),
                Step::Secure(tls) => {
                    let target =
                        self.place(slot).and_then(|place| place.as_ref()).map(|attempt| attempt.target);
                    let session = self.tls.session(&tls, target);
                    session.and_then(|session| self.with_socket(slot, |socket| socket.secure(session)))
                }
            };
            let connected = match done {
                Ok(connected) => connected,
                Err(Fault::Local(words)) => return self.over(slot, Verdict::Unknown(words)),
                Err(Fault::Remote(words)) => {
                    let Some(attempt) = self.place(slot).and_then(Option::as_mut) else {
                        return Outcome::Pending;
                    };
                    step = attempt.probe.on(Input::Refused(&Refusal { words }));
                    continue;
                }
            };
            if !connected {
                return Outcome::Pending;
            }
            let Some(attempt) = self.place(slot).and_then(Option::as_mut) else { return Outcome::Pending };
            step = attempt.probe.on(Input::Connected);
        }
    }

    /// True where the connection stands at once.
    fn connect(&mut self, slot: Slot, path: Path, key: K, registry: &Registry<K>) -> Result<bool, Fault> {
        let place = usize::try_from(slot.0).ok().and_then(|place| self.attempts.get_mut(place));
        let Some(attempt) = place.and_then(Option::as_mut) else { return Ok(false) };
        if let Some(old) = attempt.socket.take() {
            old.close();
        }
        let target = attempt.target;
        let dial = &attempt.dial;
        let fits = socket::is_stream(path) && socket::is_plain(dial);
        let socket = match shelf(&mut self.kept, target, path).pop_if(|_| fits) {
            Some(socket) => socket.again(target, key)?,
            None => Socket::open(path, target, dial, key, registry)?,
        };
        let connected = !socket.is_connecting();
        attempt.socket = Some(socket);
        Ok(connected)
    }

    fn with_socket(
        &mut self,
        slot: Slot,
        act: impl FnOnce(&mut Socket<K>) -> Result<(), Fault>,
    ) -> Result<bool, Fault> {
        let socket = self.place(slot).and_then(Option::as_mut).and_then(|attempt| attempt.socket.as_mut());
        match socket {
            Some(socket) => act(socket).map(|()| false),
            None => Err(Fault::Local("the probe has no connection".into())),
        }
    }
}

/// Where the sockets are kept that can serve such an attempt.
fn shelf<S>(kept: &mut [[S; 2]; 2], target: SocketAddr, path: Path) -> &mut S {
    let [v4, v6] = kept;
    let [either, ours] = if target.is_ipv6() { v6 } else { v4 };
    if path == Path::Request { ours } else { either }
}

/// Whether an error only means "later".
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests;
