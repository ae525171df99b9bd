//! What the core wants done, and what it wants known.
//!
//! Actions are imperative and self-contained: performing one needs no look back into the core. They are performed in
//! the order they were pushed. [`Fact`]s are for people and programs that watch (log, status stream, notify records).
//! The one-line text of both is stable: it is the format of traces and of the golden files in `tests/scenarios`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Lifetime, VirtualAddress};
pub use super::fact::{Cause, Fact, Reason, Severity, StateName};
use super::id::{Family, LinkIndex, LinkName, Mac, Name, Tag, Vrid};
use super::ipvs_sync::WantedSync;
pub use super::ledger::{Request, Verb};
use crate::wire::hmac::Keyring;

/// Something the shell is to do, at once and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Listen for adverts: open the socket, or change the one there is (same interface and family). To be kept until
    /// `CloseListener`. A failure is reported with `Event::ListenerFailed`.
    OpenListener(Listener),
    /// Close the listener of an interface and family.
    CloseListener {
        /// The interface.
        link: LinkName,
        /// The family.
        family: Family,
    },
    /// Send an advert now: every copy in it.
    SendAdvert {
        /// Whose.
        instance: Tag,
        /// The priority in it, for the trace.
        priority: u8,
        /// The bytes and where they go.
        packet: Arc<AdvertPacket>,
    },
    /// Put addresses on their interfaces, replacing what is there of the same address, with our mark.
    InstallAddresses {
        /// Whose.
        instance: Tag,
        /// The addresses.
        addresses: Vec<VirtualAddress>,
        /// How long the kernel is to keep them without a refresh.
        lifetime: Lifetime,
    },
    /// Extend the lease of addresses that are there: the same request to the kernel, no news for anybody.
    RefreshAddresses {
        /// Whose.
        instance: Tag,
        /// The addresses.
        addresses: Arc<[VirtualAddress]>,
        /// The lease.
        lifetime: Lifetime,
    },
    /// Take addresses off their interfaces; one that is not there is no failure.
    RemoveAddresses {
        /// Whose.
        instance: Tag,
        /// The addresses.
        addresses: Vec<VirtualAddress>,
    },
    /// See to it that an instance's macvlan exists as described, made anew if need be, and is set up or down; answered
    /// with `Event::VirtualLinkMade` or `Event::VirtualLinkFailed`.
    EnsureLink {
        /// Whose.
        instance: Tag,
        /// The interface.
        link: VirtualLink,
    },
    /// Delete an instance's macvlan; one that is not there, or not ours, is left alone.
    RemoveLink {
        /// Whose.
        instance: Tag,
        /// Its name.
        link: LinkName,
    },
    /// Ask the kernel for changes of other objects, in this order; each is answered with `ObjectEvent::Performed`. What
    /// is installed needs addresses that are installed with it, and those that are removed need it gone.
    Objects(Vec<Request>),
    /// While an instance holds its addresses: packets for some are refused, and removing one on some interfaces does not
    /// take others of its network along (`promote_secondaries`). All of the wish; empty lists end it. What is more than
    /// before is done before the addresses of the same list are put up, what is less when they are gone.
    Guard {
        /// Whose.
        instance: Tag,
        /// The addresses that take no packets.
        refused: Vec<IpAddr>,
        /// The interfaces.
        promoting: Vec<LinkName>,
    },
    /// Let these of the kernel's daemons for connections run and no others; with none, take away what we started.
    IpvsSync(Option<WantedSync>),
    /// Send gratuitous ARP (IPv4) or unsolicited neighbour advertisements (IPv6), back to back.
    Announce {
        /// Whose.
        instance: Tag,
        /// One frame each, made by `wire::announce`.
        announcements: Arc<[Announcement]>,
        /// How many times the whole list is sent.
        repeat: u8,
    },
    /// Run a tracked script; answer with `Event::ScriptFinished`. The core never asks again before that.
    RunScript {
        /// The script.
        script: Name,
        /// What to run.
        run: Arc<Command>,
    },
    /// Kill a running tracked script; `Event::ScriptFinished` follows as for any other end. One that is no longer in the
    /// plan needs no answer.
    StopScript {
        /// The script.
        script: Name,
    },
    /// Queue a notify command; those of one object run one after the other, in this order.
    Notify(Box<Notification>),
    /// Let it be known.
    Report(Fact),
}

/// A socket for adverts: one per interface and family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The interface.
    pub link: LinkName,
    /// Its number now; a listener on an older number is dead and must be replaced.
    pub index: LinkIndex,
    /// The family.
    pub family: Family,
    /// Whether to join the VRRP group (some instance is not unicast).
    pub multicast: bool,
    /// The identifiers to let through, ascending; the kernel's filter is made from them.
    pub vrids: Vec<Vrid>,
}

/// A macvlan that has the hardware address of a virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualLink {
    /// Its name.
    pub name: LinkName,
    /// The interface it sits on.
    pub base: LinkName,
    /// Its hardware address.
    pub mac: Mac,
    /// Whether it takes part: only a master's does.
    pub up: bool,
}

impl fmt::Display for VirtualLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, base, mac, up } = self;
        write!(f, "{name}@{base} {mac} {}", if *up { "up" } else { "down" })
    }
}

/// An advert ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertPacket {
    /// One per destination; a multicast instance has one, unless it has more paths.
    pub copies: Vec<AdvertCopy>,
    /// The keys to sign each of them with when it is sent.
    pub signer: Option<Arc<Keyring>>,
}

/// One datagram of protocol 112.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertCopy {
    /// The interface to send by.
    pub link: LinkName,
    /// Source address; the checksum covers it, so no other may be used.
    pub source: IpAddr,
    /// The VRRP group or a unicast peer.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The hardware address it leaves with, if not the interface's own.
    pub mac: Option<Mac>,
    /// What follows the IP header, checksum filled in.
    pub payload: Vec<u8>,
}

/// One address to announce: becomes a gratuitous ARP or an unsolicited neighbour advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// The interface to send by.
    pub link: LinkName,
    /// Its number.
    pub index: LinkIndex,
    /// The hardware address that answers for it.
    pub mac: Mac,
    /// The virtual address.
    pub address: IpAddr,
}

/// A command to run, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The user to run it as; the global script user when absent.
    pub user: Option<String>,
    /// It is ended after this long.
    pub timeout: Duration,
}

/// What a notify command is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// An instance.
    Instance(Name),
    /// A sync group.
    Group(Name),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(n) => write!(f, "instance {n}"),
            Self::Group(n) => write!(f, "group {n}"),
        }
    }
}

/// The states a notify command can be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotifyState {
    /// It became master.
    Master,
    /// It became backup.
    Backup,
    /// It is in fault.
    Fault,
    /// It was stopped: the last one of its object.
    Stop,
    /// A reload removed it: the last one of its object.
    Deleted,
    /// As master it heard an advert with a lower priority.
    LowerPriority,
    /// As master it has another priority.
    MasterPriority,
    /// As backup it has another priority.
    BackupPriority,
}

impl NotifyState {
    /// The word for scripts, as keepalived has them.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::LowerPriority => "MASTER_RX_LOWER_PRI",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        }
    }
}

/// A notify command with its occasion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Whose.
    pub object: Object,
    /// The state that was entered.
    pub state: NotifyState,
    /// The effective priority then; 0 for a group.
    pub priority: u8,
    /// Why, in words.
    pub reason: String,
    /// What to run, arguments complete; none: the readers of named pipes are told.
    pub run: Option<Command>,
}

impl Notification {
    /// The line for a reader of a named pipe: keepalived's.
    #[must_use]
    pub fn line(&self) -> String {
        let (kind, name) = match &self.object {
            Object::Instance(name) => ("INSTANCE", name),
            Object::Group(name) => ("GROUP", name),
        };
        format!("{kind} \"{name}\" {} {}", self.state.word(), self.priority)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenListener(l) => {
                write!(f, "listen {} {} vrids={}", l.link, l.family, list(l.vrids.iter()))?;
                if l.multicast { f.write_str(" multicast") } else { f.write_str(" unicast") }
            }
            Self::CloseListener { link, family } => write!(f, "close {link} {family}"),
            Self::SendAdvert { instance, priority, .. } => write!(f, "advert {instance} priority={priority}"),
            Self::InstallAddresses { instance, addresses, lifetime } => {
                write!(f, "install {instance} {} lifetime={lifetime}", list(addresses.iter()))
            }
            Self::RefreshAddresses { instance, addresses, lifetime } => {
                write!(f, "refresh {instance} {} lifetime={lifetime}", list(addresses.iter()))
            }
            Self::RemoveAddresses { instance, addresses } => {
                write!(f, "remove {instance} {}", list(addresses.iter()))
            }
            Self::EnsureLink { instance, link } => write!(f, "link {instance} {link}"),
            Self::RemoveLink { instance, link } => write!(f, "remove link {instance} {link}"),
            Self::IpvsSync(wanted) => match wanted {
                Some(wanted) => write!(f, "ipvs sync {wanted}"),
                None => f.write_str("ipvs sync ended"),
            },
            Self::Objects(requests) => {
                f.write_str("objects")?;
                for Request { verb, object } in requests {
                    let sign = match verb {
                        Verb::Remove => "-",
                        Verb::Install => "+",
                        Verb::Check => "?",
                        Verb::Replace => "=",
                    };
                    write!(f, " {sign}({object})")?;
                }
                Ok(())
            }
            Self::Guard { instance, refused, promoting } => {
                let (refused, promoting) = (list(refused.iter()), list(promoting.iter()));
                write!(f, "guard {instance} refused={refused} promoting={promoting}")
            }
            Self::Announce { instance, announcements, repeat } => {
                write!(
                    f,
                    "announce {instance} {} repeat={repeat}",
                    list(announcements.iter().map(|a| a.address))
                )
            }
            Self::RunScript { script, .. } => write!(f, "run script {script}"),
            Self::StopScript { script } => write!(f, "stop script {script}"),
            Self::Notify(n) => {
                let run =
                    n.run.as_ref().map_or_else(String::new, |run| format!(" run={}", run.argv.join(" ")));
                write!(f, "notify {} {} priority={}{run}", n.object, n.state.word(), n.priority)
            }
            Self::Report(fact) => write!(f, "report {fact}"),
        }
    }
}

/// Items with commas between them.
fn list<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let mut text = String::new();
    for item in items {
        if !text.is_empty() {
            text.push(',');
        }
        // Writing into a String cannot fail.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{item}"));
    }
    text
}
