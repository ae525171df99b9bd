//! The event loop that every process of Holdfast runs.
//!
//! One epoll instance (mio) and one timerfd, armed to the earliest deadline of the process. A turn:
//! wait; read the clock; signals; ready sources, each until drained or cut off (then it goes on in the
//! next turn); deadlines. Reads come before deadlines, so that after a stall an advertisement that waits
//! in the socket beats an expired timer. Nothing is done while nothing happens.

pub mod clock;
mod registry;
mod timer;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use nix::sys::signal::{SigSet, Signal as Kill};
use signal_hook_mio::v1_0::Signals;

use crate::exit::Exit;
pub use registry::{Interest, Registration, Registry};
use timer::Timer;

/// A signal that a process may receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: load the configuration again.
    Reload,
    /// SIGTERM or SIGINT: stop in order.
    Stop,
    /// SIGUSR1: write the status to a file.
    Dump,
    /// SIGUSR2: open the log's file anew.
    Reopen,
    /// SIGCHLD: a child process changed its state.
    Child,
}

/// What a source became ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// Bytes, a connection, a datagram or an end of stream can be read.
    pub readable: bool,
    /// Bytes can be written, or a connection attempt has an outcome.
    pub writable: bool,
    /// The other side is gone or the source is in error.
    pub closed: bool,
}

/// Whether a source was read until it would block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Nothing is left; the next edge will be reported.
    Yes,
    /// The budget ended first: call again in the next turn, after the others.
    More,
}

/// A program on the loop. `Key` is its own name for what it registered.
pub trait Process {
    /// What the program calls its sources.
    type Key: Copy + Debug;

    /// A source became ready. Read until it would block, or return [`Drained::More`].
    fn ready(&mut self, key: Self::Key, readiness: Readiness, cx: &mut Cx<'_, Self::Key>) -> Drained;

    /// A deadline passed. May be called spuriously.
    fn timeout(&mut self, cx: &mut Cx<'_, Self::Key>);

    /// When the program wants to be woken. Asked every turn: keep it cheap.
    fn poll_timeout(&self) -> Option<Instant>;

    /// A signal arrived.
    fn signal(&mut self, signal: Signal, cx: &mut Cx<'_, Self::Key>);

    /// Called at the end of every turn, before waiting: the place to write out what changed.
    fn settled(&mut self, _cx: &mut Cx<'_, Self::Key>) {}

    /// Some when the loop is to end.
    fn finished(&self) -> Option<Exit>;
}

/// How late the loop was for its deadlines.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lateness {
    /// At the last deadline.
    pub last: Duration,
    /// The worst since the start.
    pub worst: Duration,
    /// How often it was so late that it matters.
    pub often: u64,
    /// When that was last.
    pub at: Option<Instant>,
}

/// What a handler may use: the time of this turn and the registrations.
#[derive(Debug)]
pub struct Cx<'a, K> {
    now: Instant,
    registry: &'a Registry<K>,
    lateness: Lateness,
}

impl<'a, K: Copy> Cx<'a, K> {
    /// A context outside a loop's turn, for start-up and for tests.
    pub fn new(now: Instant, registry: &'a Registry<K>) -> Self {
        Self { now, registry, lateness: Lateness::default() }
    }

    /// The time of this turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Where sources are registered.
    pub fn registry(&self) -> &'a Registry<K> {
        self.registry
    }

    /// How late the loop was for its deadlines.
    pub fn lateness(&self) -> Lateness {
        self.lateness
    }
}

/// A wake-up later than this is a stall: sources are looked at once more before deadlines count.
pub const STALL: Duration = Duration::from_millis(5);
/// A wake-up later than this is worth telling.
pub const LATE: Duration = Duration::from_millis(100);
/// Token of the timer; slots of the registry start at zero and never get there.
const TIMER: Token = Token(usize::MAX - 1);
/// Token of the signals.
const SIGNALS: Token = Token(usize::MAX - 2);

/// The loop itself.
#[expect(missing_debug_implementations, reason = "the signal source has none")]
pub struct EventLoop<K> {
    poll: Poll,
    events: Events,
    timer: Timer,
    signals: Signals,
    registry: Registry<K>,
    leftover: VecDeque<(Token, Readiness)>,
    lateness: Lateness,
}

impl<K: Copy + Debug> EventLoop<K> {
    /// Makes a loop that listens to the signals of [`Signal`].
    ///
    /// # Errors
    /// Where the kernel refuses an epoll instance, a timer or a signal handler.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let mut signals = Signals::new([
            signal_hook::consts::SIGHUP,
            signal_hook::consts::SIGTERM,
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGUSR1,
            signal_hook::consts::SIGUSR2,
            signal_hook::consts::SIGCHLD,
        ])?;
        // A process of ours starts with these blocked: what was sent before now is heard now.
        heard().thread_unblock()?;
        poll.registry().register(&mut signals, SIGNALS, mio::Interest::READABLE)?;
        let registry = Registry::new(poll.registry().try_clone()?);
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            timer,
            signals,
            registry,
            leftover: VecDeque::new(),
            lateness: Lateness::default(),
        })
    }

    /// Tells `process` of the signals that came by now; for whoever has blocked those to come.
    pub fn hear<P: Process<Key = K>>(&mut self, process: &mut P) {
        let mut cx = Cx { now: clock::now(), registry: &self.registry, lateness: self.lateness };
        for signal in self.signals.pending().filter_map(named) {
            process.signal(signal, &mut cx);
        }
    }

    /// A context for what is done before the first turn.
    pub fn cx(&self) -> Cx<'_, K> {
        Cx { now: clock::now(), registry: &self.registry, lateness: self.lateness }
    }

    /// Turns until the process is finished.
    ///
    /// # Errors
    /// Where waiting itself fails.
    pub fn run<P: Process<Key = K>>(&mut self, process: &mut P) -> io::Result<Exit> {
        loop {
            if let Some(exit) = process.finished() {
                return Ok(exit);
            }
            self.turn(process)?;
        }
    }

    /// One turn: wait, signals, sources, deadlines.
    ///
    /// # Errors
    /// Where waiting itself fails.
    pub fn turn<P: Process<Key = K>>(&mut self, process: &mut P) -> io::Result<()> {
        let due = process.poll_timeout();
        let wait = if self.leftover.is_empty() { self.timer.arm(due)? } else { Some(Duration::ZERO) };
        if !self.wait(wait)? {
            return Ok(());
        }
        let now = clock::now();
        let late = due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
        if late > Duration::ZERO {
            self.lateness.last = late;
            self.lateness.worst = self.lateness.worst.max(late);
            if late >= LATE {
                self.lateness.often += 1;
                self.lateness.at = Some(now);
            }
        }
        self.dispatch(process, now);
        if late > STALL && self.wait(Some(Duration::ZERO))? {
            self.dispatch(process, now);
        }
        let mut cx = Cx { now, registry: &self.registry, lateness: self.lateness };
        if process.poll_timeout().is_some_and(|due| due <= now) {
            process.timeout(&mut cx);
        }
        process.settled(&mut cx);
        crate::log::flush();
        Ok(())
    }

    /// Waits; false where a signal handler interrupted the wait (its event comes next time).
    fn wait(&mut self, limit: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, limit) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn dispatch<P: Process<Key = K>>(&mut self, process: &mut P, now: Instant) {
        let mut cx = Cx { now, registry: &self.registry, lateness: self.lateness };
        for event in &self.events {
            match event.token() {
                TIMER => {}
                SIGNALS => {
                    for number in self.signals.pending() {
                        if let Some(signal) = named(number) {
                            process.signal(signal, &mut cx);
                        }
                    }
                }
                token => self.leftover.push_back((
                    token,
                    Readiness {
                        readable: event.is_readable(),
                        writable: event.is_writable(),
                        closed: event.is_read_closed() || event.is_write_closed() || event.is_error(),
                    },
                )),
            }
        }
        // What was cut off last time goes first; what is cut off now goes behind.
        for _ in 0..self.leftover.len() {
            let Some((token, readiness)) = self.leftover.pop_front() else { break };
            let Some(key) = self.registry.key(token) else { continue };
            if process.ready(key, readiness, &mut cx) == Drained::More {
                self.leftover.push_back((token, readiness));
            }
        }
    }
}

/// The signals that a loop hears. A process of ours is started with them blocked; its loop unblocks them.
#[must_use]
pub fn heard() -> SigSet {
    [Kill::SIGHUP, Kill::SIGTERM, Kill::SIGINT, Kill::SIGUSR1, Kill::SIGUSR2, Kill::SIGCHLD]
        .into_iter()
        .collect()
}

fn named(number: i32) -> Option<Signal> {
    match number {
        signal_hook::consts::SIGHUP => Some(Signal::Reload),
        signal_hook::consts::SIGTERM | signal_hook::consts::SIGINT => Some(Signal::Stop),
        signal_hook::consts::SIGUSR1 => Some(Signal::Dump),
        signal_hook::consts::SIGUSR2 => Some(Signal::Reopen),
        signal_hook::consts::SIGCHLD => Some(Signal::Child),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
