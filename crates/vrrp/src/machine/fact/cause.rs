//! Causes of fault: why an instance cannot do its work, in the words of the status.
//!
//! Most of them let an instance say goodbye when they arise; those that take its voice away do not.

use std::fmt;
use std::net::IpAddr;

use crate::machine::id::{LinkName, Name};

/// Why an instance is in fault; each in plain words for the status.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The interface does not exist.
    LinkMissing(LinkName),
    /// The interface is set down.
    LinkDown(LinkName),
    /// The interface has no carrier.
    NoCarrier(LinkName),
    /// There is no address to send adverts from.
    NoSource(LinkName),
    /// The configured source address is not on the interface.
    SourceMissing(LinkName, IpAddr),
    /// The socket for adverts cannot be had.
    NoListener(LinkName, String),
    /// The interface with the virtual MAC cannot be had.
    NoVirtualLink(LinkName, String),
    /// A key of signed adverts cannot be had.
    NoKey(String),
    /// A tracked script without weight fails.
    ScriptFailed(Name),
    /// A tracked script without weight has not ended once yet.
    ScriptPending(Name),
    /// An interface tracked in reverse is up.
    LinkUp(LinkName),
    /// A script tracked in reverse succeeds.
    ScriptSucceeds(Name),
    /// A tracked file without weight has another number than 0.
    FileIsNotZero(Name),
    /// A file tracked in reverse and without weight has the number 0, or none.
    FileIsZero(Name),
    /// The number in a tracked file takes away more than any priority.
    FileForces(Name),
    /// A tracked process without weight does not run in the number wanted.
    ProcessMissing(Name),
    /// A process tracked in reverse runs in the number wanted.
    ProcessRuns(Name),
    /// A tracked process without weight has not been counted yet.
    ProcessPending(Name),
    /// Another member of the sync group is in fault.
    Member(Name),
}

impl Cause {
    /// Not a fault yet: the answer is still to come.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        matches!(self, Self::ScriptPending(_) | Self::ProcessPending(_))
    }

    /// Whether an instance on this interface can still send adverts in spite of it.
    #[must_use]
    pub fn lets_send(&self, own: LinkName) -> bool {
        match self {
            Self::LinkMissing(link) | Self::LinkDown(link) | Self::NoCarrier(link) => *link != own,
            Self::NoSource(_) | Self::SourceMissing(..) | Self::NoListener(..) | Self::NoKey(_) => false,
            Self::NoVirtualLink(..)
            | Self::ScriptFailed(_)
            | Self::ScriptPending(_)
            | Self::ScriptSucceeds(_)
            | Self::LinkUp(_)
            | Self::FileIsNotZero(_)
            | Self::FileIsZero(_)
            | Self::FileForces(_)
            | Self::ProcessMissing(_)
            | Self::ProcessRuns(_)
            | Self::ProcessPending(_)
            | Self::Member(_) => true,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkMissing(l) => write!(f, "interface {l} does not exist"),
            Self::LinkDown(l) => write!(f, "interface {l} is down"),
            Self::NoCarrier(l) => write!(f, "interface {l} has no carrier"),
            Self::NoSource(l) => write!(f, "interface {l} has no address to send adverts from"),
            Self::SourceMissing(l, a) => write!(f, "source address {a} is not on interface {l}"),
            Self::NoListener(l, e) => write!(f, "no socket for adverts on interface {l}: {e}"),
            Self::NoVirtualLink(l, e) => write!(f, "no interface {l} for the virtual MAC: {e}"),
            Self::NoKey(why) => write!(f, "no key to sign adverts with: {why}"),
            Self::ScriptFailed(n) => write!(f, "script {n} fails"),
            Self::ScriptPending(n) => write!(f, "script {n} has not finished yet"),
            Self::LinkUp(l) => write!(f, "interface {l} is up"),
            Self::ScriptSucceeds(n) => write!(f, "script {n} succeeds"),
            Self::FileIsNotZero(n) => write!(f, "file {n} says other than 0"),
            Self::FileIsZero(n) => write!(f, "file {n} says 0, or nothing"),
            Self::FileForces(n) => write!(f, "file {n} takes away the whole priority"),
            Self::ProcessMissing(n) => write!(f, "process {n} does not run in the number wanted"),
            Self::ProcessRuns(n) => write!(f, "process {n} runs"),
            Self::ProcessPending(n) => write!(f, "process {n} has not been counted yet"),
            Self::Member(n) => write!(f, "sync group member {n} is in fault"),
        }
    }
}
