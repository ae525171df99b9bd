//! Facts: what the core wants known. One line each, message first, then `key=value`.

use std::fmt;
use std::net::IpAddr;

use common::config::format_duration;
use common::steer::Origin;

use super::address::VirtualAddress;
use super::id::{LinkName, Name, Tag};
use super::ledger::ObjectNews;
use super::object::Object;
use super::order::{Order, Turned};
use crate::wire::admit::{Difference, Reject};

mod cause;
mod state;

pub use cause::Cause;
pub use state::{Reason, StateName};

/// How loud a fact is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Decisions, for whoever looks closely.
    Debug,
    /// State changes.
    Info,
    /// An operator should look.
    Warn,
}

/// How an instance came into its state; in a change of its sync group's state, the member that brought it about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mover {
    /// Which.
    pub member: Name,
    /// Why.
    pub reason: Reason,
    /// Its effective priority then.
    pub priority: u8,
    /// The other router in it.
    pub peer: Option<IpAddr>,
}

/// Something worth knowing. Those a peer can provoke are limited in rate by the core; `suppressed` says how many more
/// there were since the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Something became of an operator's order.
    Order {
        /// What was ordered.
        order: Order,
        /// For whom; none for all.
        instance: Option<Tag>,
        /// What became of it.
        turned: Turned,
        /// Who gave it, or ended it.
        origin: Origin,
    },
    /// No master is heard any more, and an operator's order keeps this machine from being it.
    Unserved {
        /// Which virtual router.
        instance: Tag,
    },
    /// An instance changed its state.
    Transition {
        /// The instance.
        instance: Tag,
        /// Before.
        from: StateName,
        /// Now.
        to: StateName,
        /// Why.
        reason: Reason,
        /// Its effective priority.
        priority: u8,
        /// Its virtual router identifier.
        vrid: u8,
        /// The other router in it: who is master now, or was until now.
        peer: Option<IpAddr>,
    },
    /// A sync group changed its state.
    GroupTransition {
        /// The group.
        group: Name,
        /// Before.
        from: StateName,
        /// Now.
        to: StateName,
        /// The member that brought it about; none where none of them has done anything yet.
        mover: Option<Box<Mover>>,
    },
    /// A master said it is leaving and keeps the addresses until its successor is heard, at most this long.
    HandingOver {
        /// The instance.
        instance: Tag,
        /// The bound, in milliseconds.
        at_most_ms: u64,
    },
    /// A cause of fault arose.
    CauseArose {
        /// The instance.
        instance: Tag,
        /// The cause.
        cause: Cause,
    },
    /// A cause of fault went away.
    CauseGone {
        /// The instance.
        instance: Tag,
        /// The cause.
        cause: Cause,
    },
    /// The effective priority changed.
    Priority {
        /// The instance.
        instance: Tag,
        /// Before.
        from: u8,
        /// Now.
        to: u8,
    },
    /// A backup hears another master than before.
    MasterHeard {
        /// The instance.
        instance: Tag,
        /// The master.
        master: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// A master heard a worse advert and answered it.
    InferiorHeard {
        /// The instance.
        instance: Tag,
        /// The sender.
        sender: IpAddr,
        /// Its priority.
        priority: u8,
        /// Not reported before this one.
        suppressed: u64,
    },
    /// A way of adverts is not there, or brings nothing.
    PathLost {
        /// The instance.
        instance: Tag,
        /// The interface, and the peers where it has some.
        path: String,
        /// Why, in words.
        why: String,
    },
    /// A way of adverts is there again.
    PathBack {
        /// The instance.
        instance: Tag,
        /// The interface, and the peers where it has some.
        path: String,
    },
    /// A tracked script changed its verdict.
    Script {
        /// The script.
        script: Name,
        /// The verdict now.
        up: bool,
        /// How its last run ended, in words.
        outcome: String,
    },
    /// A tracked process changed its verdict.
    Process {
        /// The process.
        process: Name,
        /// The verdict now.
        up: bool,
        /// How many run.
        count: u32,
        /// How many are wanted, in words.
        wanted: String,
    },
    /// A packet was dropped.
    Rejected {
        /// The instance it was for, if there is one.
        instance: Option<Tag>,
        /// The interface.
        link: LinkName,
        /// The sender.
        source: IpAddr,
        /// Why.
        reason: Reject,
        /// Not reported before this one.
        suppressed: u64,
    },
    /// A peer with our identifier has other settings than we have.
    IncompatiblePeer {
        /// The instance.
        instance: Tag,
        /// The peer.
        peer: IpAddr,
        /// The field, mine and theirs.
        difference: Difference,
    },
    /// An address of a master went away and is put back.
    Repaired {
        /// The instance.
        instance: Tag,
        /// The address.
        address: VirtualAddress,
    },
    /// The kernel took an address of a master away, which was not refreshed in time, and it is put back.
    LeaseRanOut {
        /// The instance.
        instance: Tag,
        /// The address.
        address: VirtualAddress,
    },
    /// A virtual address is on the interface although we are not master, and it is not ours to remove.
    ForeignAddress {
        /// The instance.
        instance: Tag,
        /// The address.
        address: VirtualAddress,
    },
    /// The interface with the virtual MAC was deleted, set down or changed by somebody, and is put right.
    LinkRepaired {
        /// The instance.
        instance: Tag,
        /// The interface.
        link: LinkName,
    },
    /// Something about a route, a rule or a static address.
    Object {
        /// The instance it belongs to; none for a static one.
        owner: Option<Name>,
        /// The object.
        object: Box<Object>,
        /// What.
        news: ObjectNews,
    },
    /// An effect failed; it is tried again.
    EffectFailed {
        /// The instance.
        instance: Tag,
        /// What failed and why.
        error: String,
        /// Not reported before this one.
        suppressed: u64,
    },
    /// This process was late by more than an advert interval.
    Stalled {
        /// The instance.
        instance: Tag,
        /// By how much, in milliseconds.
        late_ms: u64,
    },
}

impl Fact {
    /// How loud it is to be logged.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Transition { to: StateName::Fault, .. }
            | Self::CauseArose { .. }
            | Self::Rejected { .. }
            | Self::IncompatiblePeer { .. }
            | Self::PathLost { .. }
            | Self::Repaired { .. }
            | Self::LeaseRanOut { .. }
            | Self::ForeignAddress { .. }
            | Self::LinkRepaired { .. }
            | Self::Object {
                news:
                    ObjectNews::PutBack
                    | ObjectNews::Failed(_)
                    | ObjectNews::NotRemoved(_)
                    | ObjectNews::LeftBehind,
                ..
            }
            | Self::Unserved { .. }
            | Self::Order { turned: Turned::Begun(_) | Turned::Dropped | Turned::Alone, .. }
            | Self::EffectFailed { .. }
            | Self::Stalled { .. } => Severity::Warn,
            Self::Transition { .. }
            | Self::GroupTransition { .. }
            | Self::HandingOver { .. }
            | Self::Order { turned: Turned::Expired | Turned::Released, .. }
            | Self::CauseGone { .. }
            | Self::Priority { .. }
            | Self::MasterHeard { .. }
            | Self::InferiorHeard { .. }
            | Self::PathBack { .. }
            | Self::Object { news: ObjectNews::Healed, .. }
            | Self::Script { .. }
            | Self::Process { .. } => Severity::Info,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transition { instance, from, to, reason, priority, vrid: _, peer } => {
                write!(
                    f,
                    "state changed instance={instance} from={from} to={to} priority={priority} reason=\"{reason}\""
                )?;
                peer.map_or(Ok(()), |peer| write!(f, " peer={peer}"))
            }
            Self::GroupTransition { group, from, to, mover } => {
                write!(f, "state changed group={group} from={from} to={to}")?;
                let Some(Mover { member, reason, priority, peer }) = mover.as_deref() else {
                    return Ok(());
                };
                write!(f, " member={member} priority={priority} reason=\"{reason}\"")?;
                peer.map_or(Ok(()), |peer| write!(f, " peer={peer}"))
            }
            Self::HandingOver { instance, at_most_ms } => {
                write!(f, "handing over instance={instance} at_most_ms={at_most_ms}")
            }
            Self::CauseArose { instance, cause } => write!(f, "fault instance={instance} cause=\"{cause}\""),
            Self::CauseGone { instance, cause } => {
                write!(f, "fault gone instance={instance} cause=\"{cause}\"")
            }
            Self::Priority { instance, from, to } => {
                write!(f, "priority changed instance={instance} from={from} to={to}")
            }
            Self::MasterHeard { instance, master, priority } => {
                write!(f, "master heard instance={instance} master={master} priority={priority}")
            }
            Self::InferiorHeard { instance, sender, priority, suppressed } => {
                write!(
                    f,
                    "inferior advert answered instance={instance} sender={sender} priority={priority}"
                )?;
                more(f, *suppressed)
            }
            Self::PathLost { instance, path, why } => {
                write!(f, "path of adverts lost instance={instance} path=\"{path}\" reason=\"{why}\"")
            }
            Self::PathBack { instance, path } => {
                write!(f, "path of adverts is back instance={instance} path=\"{path}\"")
            }
            Self::Script { script, up, outcome } => {
                write!(
                    f,
                    "script {} script={script} outcome=\"{outcome}\"",
                    if *up { "succeeds" } else { "fails" }
                )
            }
            Self::Process { process, up, count, wanted } => {
                let verdict = if *up { "runs" } else { "does not run as wanted" };
                write!(f, "process {verdict} process={process} count={count} wanted=\"{wanted}\"")
            }
            Self::Rejected { instance, link, source, reason, suppressed } => {
                write!(f, "packet dropped interface={link} source={source} reason=\"{reason}\"")?;
                if let Some(instance) = instance {
                    write!(f, " instance={instance}")?;
                }
                more(f, *suppressed)
            }
            Self::IncompatiblePeer { instance, peer, difference } => {
                write!(f, "incompatible peer instance={instance} peer={peer} {difference}")
            }
            Self::Repaired { instance, address } => {
                write!(
                    f,
                    "address was removed by somebody: putting it back instance={instance} address={address}"
                )
            }
            Self::LeaseRanOut { instance, address } => {
                write!(
                    f,
                    "lease of an address ran out while this process had no turn: putting it back instance={instance} \
                     address={address}"
                )
            }
            Self::ForeignAddress { instance, address } => {
                write!(
                    f,
                    "virtual address is present but not ours: left alone instance={instance} address={address}"
                )
            }
            Self::LinkRepaired { instance, link } => {
                write!(
                    f,
                    "interface of the virtual MAC was changed by somebody: putting it right instance={instance} interface={link}"
                )
            }
            Self::Object { owner, object, news } => {
                let kind = object.kind();
                match news {
                    ObjectNews::PutBack => write!(f, "{kind} was removed or lost: put back")?,
                    ObjectNews::Failed(error) => write!(f, "{kind} not installed, trying again: {error}")?,
                    ObjectNews::NotRemoved(error) => write!(f, "{kind} not removed, trying again: {error}")?,
                    ObjectNews::Healed => write!(f, "{kind} installed after all")?,
                    ObjectNews::LeftBehind => {
                        write!(f, "removing a {kind} that an earlier run left behind")?;
                    }
                }
                if let Some(owner) = owner {
                    write!(f, " instance={owner}")?;
                }
                write!(f, " object=\"{object}\"")
            }
            Self::EffectFailed { instance, error, suppressed } => {
                write!(f, "{error} instance={instance}")?;
                more(f, *suppressed)
            }
            Self::Unserved { instance } => {
                write!(
                    f,
                    "no master is heard, and an order keeps this machine from being it instance={instance}"
                )
            }
            Self::Order { order, instance, turned, origin } => {
                let word = order.word();
                let about = instance.as_ref().map(|tag| format!(" instance={tag}")).unwrap_or_default();
                match turned {
                    Turned::Begun(left) => {
                        let left = left.map_or_else(|| "until it is released".to_owned(), format_duration);
                        write!(f, "override: {word}{about} for=\"{left}\" {origin}")
                    }
                    Turned::Expired => write!(f, "override is over: {word}{about} ordered_{origin}"),
                    Turned::Released => write!(f, "override released: {word}{about} {origin}"),
                    Turned::Dropped => {
                        write!(
                            f,
                            "override dropped, its instance has left the configuration: {word}{about} ordered_{origin}"
                        )
                    }
                    Turned::Alone => {
                        write!(f, "override is over, nobody else is master: {word}{about} ordered_{origin}")
                    }
                }
            }
            Self::Stalled { instance, late_ms } => {
                write!(f, "this process was stalled instance={instance} late_ms={late_ms}")
            }
        }
    }
}

fn more(f: &mut fmt::Formatter<'_>, suppressed: u64) -> fmt::Result {
    if suppressed == 0 { Ok(()) } else { write!(f, " suppressed={suppressed}") }
}
