//! What can happen to the core. Events are past tense and self-contained; the shell makes them.

use std::fmt;
use std::net::IpAddr;

use common::steer::Origin;

use super::address::ObservedAddress;
use super::id::{Family, InstanceId, LinkIndex, LinkName, Mac, Name};
pub use super::ledger::{ObjectEvent, Outcome};
use super::order::{Released, Standing};
use crate::wire::admit::Datagram;

/// Something that happened outside the core.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A datagram of protocol 112 was read from a listener.
    DatagramReceived(Datagram<'a>),
    /// The whole picture of the interfaces and their addresses, read at start and after a netlink overrun: what is not
    /// in it does not exist.
    LinksObserved(Vec<ObservedLink>),
    /// An interface appeared or its flags, index or hardware address changed.
    LinkChanged {
        /// Its name.
        link: LinkName,
        /// What it is now.
        facts: LinkFacts,
    },
    /// An interface was deleted or renamed away; its addresses went with it.
    LinkVanished {
        /// Its name.
        link: LinkName,
    },
    /// An address was added to an interface, or one of its flags changed.
    AddressAppeared {
        /// The interface.
        link: LinkName,
        /// The address.
        address: ObservedAddress,
    },
    /// An address left an interface: removed by somebody, or its lease ran out.
    AddressVanished {
        /// The interface.
        link: LinkName,
        /// The address.
        address: IpAddr,
    },
    /// A tracked script that `Action::RunScript` started has ended.
    ScriptFinished {
        /// The script.
        script: Name,
        /// How it ended.
        outcome: ScriptOutcome,
    },
    /// A tracked file of the plan was read, at start, at a reload, or because it changed.
    FileRead {
        /// The file.
        file: Name,
        /// The number in it; 0 if it is missing or has none.
        number: i32,
    },
    /// A tracked process of the plan was counted, at start, at a reload, or because the number changed.
    ProcessesCounted {
        /// The process.
        process: Name,
        /// How many run.
        count: u32,
    },
    /// `Action::OpenListener` was performed. Always told, so that an earlier failure ends.
    ListenerOpened {
        /// The interface.
        link: LinkName,
        /// The family.
        family: Family,
    },
    /// `Action::OpenListener` could not be performed, or the socket broke later. The core asks again by itself.
    ListenerFailed {
        /// The interface.
        link: LinkName,
        /// The family.
        family: Family,
        /// Why, in words.
        error: String,
    },
    /// An advert could not be sent.
    SendFailed {
        /// Whose advert.
        instance: InstanceId,
        /// Why, in words.
        error: String,
    },
    /// An address could not be installed, refreshed or removed. The core tries again by itself.
    AddressFailed {
        /// Whose address.
        instance: InstanceId,
        /// The interface it was meant for.
        link: LinkName,
        /// The address.
        address: IpAddr,
        /// Why, in words.
        error: String,
    },
    /// `Action::EnsureLink` was performed. Always told, so that an earlier failure ends.
    VirtualLinkMade {
        /// Whose.
        instance: InstanceId,
    },
    /// `Action::EnsureLink` could not be performed. The core asks again by itself.
    VirtualLinkFailed {
        /// Whose.
        instance: InstanceId,
        /// Why, in words.
        error: String,
    },
    /// Something about objects beside the virtual addresses.
    Object(ObjectEvent),
    /// `Action::Guard` could not be performed as asked. The shell tries again by itself.
    GuardFailed {
        /// Whose.
        instance: InstanceId,
        /// Why, in words.
        error: String,
    },
    /// An operator wants these to hand over; whoever is master does.
    FailoverOrdered {
        /// All members of a sync group, if any.
        instances: Vec<InstanceId>,
        /// Until when, and who says so.
        standing: Standing,
    },
    /// An operator wants nobody here to be master.
    MaintenanceOrdered(Standing),
    /// An operator ends orders.
    OrdersReleased {
        /// Which.
        released: Released,
        /// Who says so.
        origin: Origin,
    },
    /// An orderly stop was asked for. Done when `Router::stopped()` says so.
    StopRequested,
}

/// The state of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFacts {
    /// The kernel's number.
    pub index: LinkIndex,
    /// Set up by the administrator (`IFF_UP`).
    pub up: bool,
    /// It has a carrier (`IFF_LOWER_UP`, or `IFF_RUNNING` where drivers only have that).
    pub carrier: bool,
    /// Its hardware address, if it has one of six bytes.
    pub mac: Option<Mac>,
    /// Its largest packet.
    pub mtu: u32,
    /// The interface below it, of a macvlan and the like.
    pub parent: Option<LinkIndex>,
}

/// An interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedLink {
    /// Its name.
    pub link: LinkName,
    /// Its state.
    pub facts: LinkFacts,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<ObservedAddress>,
}

/// How a run of a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptOutcome {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// It ran longer than its time limit and was killed.
    TimedOut,
    /// It could not be started.
    NotStarted(String),
}

impl fmt::Display for ScriptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Killed(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("time limit"),
            Self::NotStarted(error) => write!(f, "not started: {error}"),
        }
    }
}
