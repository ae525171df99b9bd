//! The state of the checker: which attempt is due, which server is alive, what the IPVS table should be.
//!
//! Sans-IO: the caller passes events and the time, the machines push [`Action`]s into the caller's buffer
//! and name their next deadline. No clock, no randomness (a seed is passed in), no socket, no log here.
//! `schedule` is one check's timing, `real_server` joins checks, `virtual_server` counts the quorum, `pool`
//! is the whole set.

mod checkpoint;
mod few;
mod leaving;
mod pool;
mod real_server;
mod roster;
pub mod schedule;
mod steer;
mod virtual_server;
mod weight;

pub use pool::{CheckView, LeavingView, Pool, RealServerView, Steered, VirtualServerView};
pub use steer::{Order, Standing, Turned};

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::ipvs::{DestinationKey, ServiceKey};
use common::steer::Origin;

use crate::checks::{Verdict, Words};

/// A check: one target probed with one set of settings, for every server that asks for just that.
/// Never used again for another one while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u32);

/// A virtual server. Never used again for another one while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualServerId(pub u32);

/// A real server: its place is its virtual server's, so the same machine in two services is two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealServerId(pub u32);

impl roster::Numbered for CheckId {
    fn number(self) -> u32 {
        self.0
    }
}

impl roster::Numbered for VirtualServerId {
    fn number(self) -> u32 {
        self.0
    }
}

impl roster::Numbered for RealServerId {
    fn number(self) -> u32 {
        self.0
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The attempt started for this check is over.
    Finished {
        /// The check.
        check: CheckId,
        /// What the attempt concluded.
        verdict: Verdict,
        /// How long it took.
        took: Duration,
    },
    /// These connections were found: the answer to [`Action::Count`]. None comes where the kernel did not tell.
    Counted {
        /// The virtual server.
        service: VirtualServerId,
        /// Its destinations that have connections.
        busy: BTreeSet<DestinationKey>,
    },
    /// The server of this check has shown a certificate.
    Certificate {
        /// The check.
        check: CheckId,
        /// For how many seconds more it is good; below 0 it is not any more.
        left: i64,
        /// Whether somebody should be told.
        short: bool,
    },
    /// Of the addresses asked for ([`Pool::watched`]), this machine holds these.
    Holds(BTreeSet<IpAddr>),
    /// An operator has given an order.
    Steer {
        /// For whom.
        servers: Vec<RealServerId>,
        /// What.
        order: Order,
        /// When it ends by itself.
        until: Option<Instant>,
        /// Who, and why.
        origin: Origin,
    },
}

/// What is to be done, in this order. `Display` is one stable line: the format of traces and of tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin an attempt; answer with [`Event::Finished`].
    Start(CheckId),
    /// The time limit has passed: tell the probe so; answer with [`Event::Finished`].
    Expire(CheckId),
    /// Give the attempt up and forget it; no answer.
    Cancel(CheckId),
    /// The wanted table has something else for this service (or nothing any more): bring the kernel there.
    Reconcile(ServiceKey),
    /// Run the command the configuration gives for this.
    Notify(Subject, Turn),
    /// For the log: something changed, and why.
    Changed(Subject, Turn, Words),
    /// For the log: an attempt failed without changing anything (yet).
    Failed(CheckId, Words),
    /// For the log: this machine was in the way of a check.
    Local(CheckId, Words),
    /// Count the connections of a virtual server's destinations; answer with [`Event::Counted`].
    Count(VirtualServerId),
    /// For the log: a server that is alive is taken out, and its connections are waited for.
    Leaving(VirtualServerId, DestinationKey, Stage),
    /// For the log: the checks of a virtual server rest, or do so no more.
    Suspended(VirtualServerId, bool),
    /// For the log: what somebody has to look at, whatever becomes of the attempt.
    Warned(CheckId, Words),
    /// For the log: what becomes of an operator's order for a server.
    Steered(ServiceKey, DestinationKey, Box<Turned>),
}

/// How far a server is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has weight 0 now.
    Begun,
    /// It has no connections left, and is gone.
    Empty,
    /// Its time is over: it is gone, and its connections with it.
    Late,
    /// It serves again, or has failed.
    Over,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A real server's life.
    Server(VirtualServerId, RealServerId),
    /// A virtual server's quorum.
    Quorum(VirtualServerId),
}

/// Which way something turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// To the better.
    Up,
    /// To the worse.
    Down,
}

/// The caller's buffer for actions.
pub type Actions = Vec<Action>;

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(check) => write!(f, "start {check}"),
            Self::Expire(check) => write!(f, "expire {check}"),
            Self::Cancel(check) => write!(f, "cancel {check}"),
            Self::Reconcile(key) => write!(f, "reconcile {key}"),
            Self::Notify(subject, turn) => write!(f, "notify {subject} {turn}"),
            Self::Changed(subject, turn, words) => write!(f, "changed {subject} {turn}: {words}"),
            Self::Failed(check, words) => write!(f, "failed {check}: {words}"),
            Self::Local(check, words) => write!(f, "local {check}: {words}"),
            Self::Count(service) => write!(f, "count {service}"),
            Self::Leaving(service, server, stage) => write!(f, "leaving {service} {server}: {stage}"),
            Self::Suspended(service, true) => write!(f, "suspended {service}"),
            Self::Suspended(service, false) => write!(f, "resumed {service}"),
            Self::Warned(check, words) => write!(f, "warned {check}: {words}"),
            Self::Steered(service, server, turned) => write!(f, "steered {service} {server}: {turned}"),
        }
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "check {}", self.0)
    }
}

impl fmt::Display for VirtualServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {}", self.0)
    }
}

impl fmt::Display for RealServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {}", self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(service, server) => write!(f, "{service} {server}"),
            Self::Quorum(service) => write!(f, "{service} quorum"),
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begun => "begun",
            Self::Empty => "empty",
            Self::Late => "late",
            Self::Over => "over",
        })
    }
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun(standing) => write!(f, "{} begun", standing.words()),
            Self::Expired(standing) => write!(f, "{} expired", standing.words()),
            Self::Ended(standing, _) => write!(f, "{} ended", standing.words()),
            Self::Dropped(standing) => write!(f, "{} dropped", standing.words()),
        }
    }
}
