//! The states of an instance by name, and why one was entered.
//!
//! Both are read outside: by status, notify scripts and history. Their words stay as they are.

use std::fmt;
use std::net::IpAddr;

use super::Cause;
use crate::machine::id::Name;

/// The states of an instance, as status and notify scripts name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateName {
    /// Not started, or stopped.
    Init,
    /// It cannot do its work; the causes say why.
    Fault,
    /// It waits for the master to fall silent.
    Backup,
    /// It holds the addresses.
    Master,
}

impl StateName {
    /// The word in status JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Fault => "fault",
            Self::Backup => "backup",
            Self::Master => "master",
        }
    }

    /// The state that the word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Init, Self::Fault, Self::Backup, Self::Master].into_iter().find(|state| state.word() == word)
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a state was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The process started.
    Started,
    /// It owns the addresses, so it does not wait (RFC 9568 6.4.1).
    Owner,
    /// The checkpoint of an earlier run said so.
    Restored,
    /// No advert was heard for the master-down interval.
    MasterSilent,
    /// The master said it is leaving (priority 0).
    MasterLeft,
    /// A master with a lower priority was pre-empted.
    Preempted,
    /// A better advert was heard.
    BetterMaster {
        /// Its sender.
        master: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// A cause of fault arose.
    Faulted(Cause),
    /// The last cause of fault went away.
    Recovered,
    /// The sync group moved.
    Group(Name),
    /// An operator's order.
    Ordered,
    /// An orderly stop.
    Stopping,
    /// The configuration no longer has it.
    Removed,
    /// This process was stalled for longer than a peer waits.
    Stalled,
    /// The new master was heard, or the time for it ran out, after we said we are leaving.
    HandedOver {
        /// The new master, if it was heard.
        to: Option<IpAddr>,
    },
}

impl Reason {
    /// The other router, where the reason is one.
    #[must_use]
    pub const fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::BetterMaster { master, .. } => Some(*master),
            Self::HandedOver { to } => *to,
            Self::Started
            | Self::Owner
            | Self::Restored
            | Self::MasterSilent
            | Self::MasterLeft
            | Self::Preempted
            | Self::Faulted(_)
            | Self::Recovered
            | Self::Group(_)
            | Self::Ordered
            | Self::Stopping
            | Self::Removed
            | Self::Stalled => None,
        }
    }

    /// How much it explains: what a member did of itself more than the hand-over that follows, and that more than that
    /// it went along with others or is where it was before.
    #[must_use]
    pub(in crate::machine) const fn weight(&self) -> u8 {
        match self {
            Self::Group(_) | Self::Faulted(Cause::Member(_)) | Self::Restored => 0,
            Self::HandedOver { .. } => 1,
            Self::Started
            | Self::Owner
            | Self::MasterSilent
            | Self::MasterLeft
            | Self::Preempted
            | Self::BetterMaster { .. }
            | Self::Faulted(_)
            | Self::Recovered
            | Self::Ordered
            | Self::Stopping
            | Self::Removed
            | Self::Stalled => 2,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Owner => f.write_str("owner of the addresses"),
            Self::Restored => f.write_str("restored from checkpoint"),
            Self::MasterSilent => f.write_str("no advert heard"),
            Self::MasterLeft => f.write_str("master left"),
            Self::Preempted => f.write_str("master with lower priority pre-empted"),
            Self::BetterMaster { master, priority } => {
                write!(f, "better advert from {master} priority {priority}")
            }
            Self::Faulted(cause) => write!(f, "{cause}"),
            Self::Recovered => f.write_str("fault gone"),
            Self::Group(group) => write!(f, "sync group {group}"),
            Self::Ordered => f.write_str("an operator's order"),
            Self::Stopping => f.write_str("stopping"),
            Self::Removed => f.write_str("removed from the configuration"),
            Self::Stalled => f.write_str("this process was stalled"),
            Self::HandedOver { to: Some(to) } => write!(f, "handed over to {to}"),
            Self::HandedOver { to: None } => f.write_str("nobody took over in time"),
        }
    }
}
