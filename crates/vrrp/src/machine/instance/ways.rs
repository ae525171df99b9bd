//! The ways adverts go and come by: the instance's own interface and, where `also_via` names some, further ones.
//!
//! A further way carries the same adverts, so that one cut cable does not make a second master. Who the master is, by its
//! address, is learned by the own interface alone: by another it has another address. So routers of equal priority
//! compare addresses there, too, and by a further way only where they do not hear each other otherwise; and since one may hear
//! what the other does not, a tie that is not settled in time is settled by the further way after all.

use std::net::IpAddr;
use std::time::Instant;

use super::receive::is_higher;
use super::{Cx, Instance, State};
use crate::machine::action::Action;
use crate::machine::fact::{Cause, Fact};
use crate::plan::{InstancePlan, Transport};
use crate::wire::admit::Admitted;

/// The address adverts can be sent from by a further way, or what keeps them.
pub(in crate::machine) type Condition = Result<IpAddr, Cause>;

/// All ways, the own interface first.
#[derive(Debug)]
pub(in crate::machine) struct Ways {
    list: Vec<Way>,
    tie: Option<Tie>,
}

#[derive(Debug)]
struct Way {
    /// As people know it.
    label: String,
    /// When it began to be listened to.
    born: Instant,
    /// Of further ways; the own interface has its faults.
    condition: Option<Condition>,
    heard: Option<Heard>,
    /// Others brought adverts, it did not.
    silent: bool,
    received: u64,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    at: Instant,
    from: IpAddr,
}

/// Another master of our priority is heard.
#[derive(Debug, Clone, Copy)]
struct Tie {
    since: Instant,
    last: Instant,
}

/// A way as the status shows it.
#[derive(Debug)]
pub(in crate::machine) struct View<'a> {
    pub(in crate::machine) label: &'a str,
    pub(in crate::machine) source: Option<IpAddr>,
    pub(in crate::machine) lost: Option<String>,
    pub(in crate::machine) heard: Option<(Instant, IpAddr)>,
    pub(in crate::machine) received: u64,
}

const SILENT: &str = "nothing is heard by it, and adverts come by another way";

impl Way {
    fn lost(&self) -> Option<String> {
        match &self.condition {
            Some(Err(cause)) => Some(cause.to_string()),
            Some(Ok(_)) | None => self.silent.then(|| SILENT.to_owned()),
        }
    }
}

impl Ways {
    pub(super) fn new(plan: &InstancePlan, now: Instant) -> Self {
        let own = std::iter::once((plan.key.link, &plan.transport));
        let further = plan.also_via.iter().map(|via| (via.link, &via.transport));
        let way = |(link, transport): (_, &Transport)| Way {
            label: match transport {
                Transport::Multicast => format!("{link}"),
                Transport::Unicast(unicast) => {
                    let peers: Vec<String> =
                        unicast.peers.iter().map(|peer| peer.address.to_string()).collect();
                    format!("{link} to {}", peers.join(" "))
                }
            },
            born: now,
            condition: None,
            heard: None,
            silent: false,
            received: 0,
        };
        Self { list: own.chain(further).map(way).collect(), tie: None }
    }

    /// There is more than the own interface.
    const fn are_many(&self) -> bool {
        self.list.len() > 1
    }

    /// The address to send from by a further way, if it can be used.
    pub(in crate::machine) fn source(&self, at: usize) -> Option<IpAddr> {
        self.list.get(at)?.condition.as_ref()?.as_ref().ok().copied()
    }

    /// Whether an address is one we send from.
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        (1..self.list.len()).any(|at| self.source(at) == Some(address))
    }

    fn can_be_used(&self) -> bool {
        (1..self.list.len()).any(|at| self.source(at).is_some())
    }

    /// Who was heard last by a way.
    pub(super) fn last_sender(&self, at: usize) -> Option<IpAddr> {
        Some(self.list.get(at)?.heard?.from)
    }

    fn heard_since(&self, at: usize, since: Option<Instant>) -> bool {
        let heard = self.list.get(at).and_then(|way| way.heard);
        heard.is_some_and(|heard| since.is_none_or(|since| heard.at >= since))
    }

    /// What the status shows, if there is more than the own interface.
    pub(in crate::machine) fn views(&self, own: Option<IpAddr>) -> impl Iterator<Item = View<'_>> {
        let shown = if self.are_many() { self.list.as_slice() } else { &[] };
        shown.iter().enumerate().map(move |(at, way)| View {
            label: &way.label,
            source: if at == 0 { own } else { self.source(at) },
            lost: way.lost(),
            heard: way.heard.map(|heard| (heard.at, heard.from)),
            received: way.received,
        })
    }
}

impl Instance {
    /// What the interfaces of further ways have become.
    pub(in crate::machine) fn ways_changed(&mut self, conditions: Vec<Condition>, cx: &mut Cx<'_>) {
        for (way, condition) in self.ways.list.iter_mut().skip(1).zip(conditions) {
            if way.condition.as_ref() == Some(&condition) {
                continue;
            }
            let before = way.condition.replace(condition);
            // Its copies are other ones now.
            self.packet = None;
            let (instance, path) = (self.tag.clone(), way.label.clone());
            match (before, &way.condition) {
                (_, Some(Err(cause))) => {
                    let why = cause.to_string();
                    cx.out.push(Action::Report(Fact::PathLost { instance, path, why }));
                }
                (Some(Err(_)), _) if !way.silent => {
                    way.born = cx.now;
                    cx.out.push(Action::Report(Fact::PathBack { instance, path }));
                }
                _ => {}
            }
        }
    }

    /// An advert was taken: notes by which way, and which ways are missing it.
    pub(super) fn heard_by(&mut self, advert: &Admitted, cx: &mut Cx<'_>) {
        if !self.ways.are_many() || advert.priority == 0 {
            return;
        }
        let limit = self.down_interval(advert.interval);
        let as_backup = matches!(self.state, State::Backup(_)).then_some(self.since);
        for (at, way) in self.ways.list.iter_mut().enumerate() {
            let (instance, path) = (self.tag.clone(), way.label.clone());
            if at == advert.path {
                way.heard = Some(Heard { at: cx.now, from: advert.source });
                way.received += 1;
                if std::mem::take(&mut way.silent) {
                    cx.out.push(Action::Report(Fact::PathBack { instance, path }));
                }
                continue;
            }
            // A master hears nobody: only a backup can miss something.
            let Some(since) = as_backup.filter(|_| !way.silent && !matches!(way.condition, Some(Err(_))))
            else {
                continue;
            };
            let from = way.heard.map_or(way.born, |heard| heard.at).max(since);
            if cx.now >= from + limit {
                way.silent = true;
                let why = SILENT.to_owned();
                cx.out.push(Action::Report(Fact::PathLost { instance, path, why }));
            }
        }
    }

    /// A goodbye by a further way is that of the master whose adverts came by it, not of one that is gone already.
    pub(super) fn is_stale_goodbye(&self, advert: &Admitted) -> bool {
        advert.path > 0 && self.ways.last_sender(advert.path) != Some(advert.source)
    }

    /// Another master has our priority. `None`: it is not for this advert to say.
    pub(super) fn loses_tie(&mut self, advert: &Admitted, now: Instant) -> Option<bool> {
        let by_own = || self.source.is_some_and(|own| is_higher(advert.source, own));
        if !self.ways.are_many() {
            return Some(by_own());
        }
        let limit = self.down_interval(self.plan.interval);
        let since = match self.ways.tie {
            Some(tie) if tie.since >= self.since && now < tie.last + limit => tie.since,
            Some(_) | None => now,
        };
        self.ways.tie = Some(Tie { since, last: now });
        if advert.path == 0 {
            return Some(by_own());
        }
        let patience =
            if self.ways.heard_since(0, now.checked_sub(limit)) { limit } else { 2 * self.plan.interval };
        let own = self.ways.source(advert.path)?;
        (now >= since + patience).then(|| is_higher(advert.source, own))
    }

    /// The goodbye of a master whose own interface is gone: by the ways that are left.
    pub(super) fn leave_by_further_ways(&mut self, cx: &mut Cx<'_>) {
        if self.ways.can_be_used() {
            let packet = self.packet_of(None, 0);
            self.emit(0, packet, cx);
        }
    }

    /// A new plan: ways that are as they were keep what is known of them.
    pub(super) fn rebuild_ways(&mut self, now: Instant) {
        let old = std::mem::replace(&mut self.ways, Ways::new(&self.plan, now));
        self.ways.tie = old.tie;
        for way in old.list {
            if let Some(new) = self.ways.list.iter_mut().find(|new| new.label == way.label) {
                *new = way;
            }
        }
    }
}
