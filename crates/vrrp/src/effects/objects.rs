//! Routes, rules and static addresses in the kernel.
//!
//! Requests are gathered and sent before and after those about virtual addresses: what needs an address goes before it
//! and comes after it. Names of interfaces become numbers here, and the other way round in what the kernel shows.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::event_loop::{Drained, Interest, Registration, Registry};
use common::netlink::monitor::{self, Monitor};
use common::netlink::{Failure, Message, NetlinkError, Socket, address, route, rule};
use nix::errno::Errno;

use super::addresses;
use super::kernel::Names;
use crate::machine::action::{Request, Verb};
use crate::machine::address::Lifetime;
use crate::machine::event::{Event, ObjectEvent, Outcome};
use crate::machine::id::Family;
use crate::machine::ledger::NO_LINK;
use crate::machine::object::{
    Hop, IPV6_METRIC, Key, Metrics, Object, Place, Route, RouteKind, Rule, RuleAction,
};

/// How many datagrams are read before others have their turn.
const BUDGET: usize = 64;
/// When watching failed, it is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

/// Requests that are still to be sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    before: Vec<Request>,
    after: Vec<Request>,
}

impl Batch {
    /// Whether nothing is to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Adds requests. Those to install something that is removed by a later one are dropped.
    pub(super) fn add(&mut self, requests: Vec<Request>) {
        for request in requests {
            if request.verb == Verb::Remove {
                let key = request.object.key();
                self.after.retain(|other| other.object.key() != key);
                self.before.push(request);
            } else {
                self.after.push(request);
            }
        }
    }

    /// Sends what is to go before addresses do.
    pub(super) fn send_before(&mut self, socket: &mut Socket, names: &Names, news: &mut Vec<Event<'static>>) {
        send(&mut self.before, socket, names, news);
    }

    /// Sends what may need addresses.
    pub(super) fn send_after(&mut self, socket: &mut Socket, names: &Names, news: &mut Vec<Event<'static>>) {
        send(&mut self.after, socket, names, news);
    }
}

fn send(requests: &mut Vec<Request>, socket: &mut Socket, names: &Names, news: &mut Vec<Event<'static>>) {
    let mut messages = Vec::with_capacity(requests.len());
    let mut sent = Vec::with_capacity(requests.len());
    for request in requests.drain(..) {
        match message(&request, names) {
            Some(message) => {
                messages.push(message);
                sent.push((request, Outcome::Done));
            }
            // With the interface went what was on it.
            None if request.verb == Verb::Remove => news.push(performed(request, Outcome::Done)),
            None => news.push(performed(request, Outcome::Failed(NO_LINK.to_owned()))),
        }
    }
    if messages.is_empty() {
        return;
    }
    match socket.batch(&messages) {
        Ok(refused) => {
            for (position, why) in refused {
                if let Some((request, outcome)) = sent.get_mut(position) {
                    *outcome = judge(request, &why);
                }
            }
        }
        // Unknown which were carried out: all are tried again.
        Err(why) => {
            for (_, outcome) in &mut sent {
                *outcome = Outcome::Failed(why.to_string());
            }
        }
    }
    news.extend(sent.into_iter().map(|(request, outcome)| performed(request, outcome)));
}

const fn performed(request: Request, outcome: Outcome) -> Event<'static> {
    Event::Object(ObjectEvent::Performed(request, outcome))
}

fn judge(request: &Request, why: &Failure) -> Outcome {
    let gone = match &request.object {
        Object::Address(_) => address::is_gone(why),
        Object::Route(_) => route::is_gone(why),
        Object::Rule(_) => rule::is_gone(why),
    };
    match (request.verb, why) {
        (Verb::Remove, _) if gone => Outcome::Done,
        (Verb::Install | Verb::Check, Failure::Refused { errno: Errno::EEXIST, .. }) => Outcome::Exists,
        // In the words of the core, which may know already.
        (_, Failure::Refused { errno: Errno::ENODEV, .. }) => Outcome::Failed(NO_LINK.to_owned()),
        (Verb::Remove | Verb::Install | Verb::Check | Verb::Replace, _) => Outcome::Failed(why.to_string()),
    }
}

/// The request for the kernel; none if an interface it names is not there.
fn message(request: &Request, names: &Names) -> Option<Message> {
    Some(match &request.object {
        Object::Address(wanted) => {
            let asked = addresses::request(wanted, names.index(wanted.link)?, Lifetime::Forever);
            match request.verb {
                Verb::Remove => asked.remove_message(),
                Verb::Install | Verb::Check => asked.create_message(),
                Verb::Replace => asked.install_message(),
            }
        }
        Object::Route(wanted) => {
            let asked = kernel_route(wanted, names)?;
            match request.verb {
                Verb::Remove => asked.remove_message(),
                Verb::Install | Verb::Check => asked.create_message(),
                Verb::Replace => asked.install_message(),
            }
        }
        Object::Rule(wanted) => {
            let asked = kernel_rule(wanted);
            match request.verb {
                Verb::Remove => asked.remove_message(),
                Verb::Install | Verb::Check | Verb::Replace => asked.install_message(),
            }
        }
    })
}

fn kernel_route(wanted: &Route, names: &Names) -> Option<route::Route> {
    let (address, length) = wanted.place.destination;
    let mut asked = route::Route::new(address, length);
    asked.kind = match wanted.kind {
        RouteKind::Unicast => route::Kind::Unicast,
        RouteKind::Local => route::Kind::Local,
        RouteKind::Blackhole => route::Kind::Blackhole,
        RouteKind::Unreachable => route::Kind::Unreachable,
        RouteKind::Prohibit => route::Kind::Prohibit,
        RouteKind::Throw => route::Kind::Throw,
    };
    asked.table = wanted.place.table;
    asked.tos = wanted.place.tos;
    asked.metric = Some(wanted.place.metric).filter(|metric| *metric != 0);
    asked.scope = address::Scope(wanted.scope);
    asked.source = wanted.source;
    let Metrics { mtu, mtu_locked, advmss, initcwnd, initrwnd } = wanted.metrics;
    asked.metrics = route::Metrics { mtu, mtu_locked, advmss, initcwnd, initrwnd };
    for hop in &wanted.hops {
        let interface = match hop.link {
            Some(link) => Some(names.index(link)?),
            None => None,
        };
        let (gateway, weight, onlink) = (hop.via, hop.weight, hop.onlink);
        asked.next_hops.push(route::NextHop { gateway, interface, weight, onlink });
    }
    Some(asked)
}

fn kernel_rule(wanted: &Rule) -> rule::Rule {
    let family = match wanted.family {
        Family::Ipv4 => rule::Family::V4,
        Family::Ipv6 => rule::Family::V6,
    };
    let (action, table, suppress) = match wanted.action {
        RuleAction::Lookup { table, suppress } => (rule::TO_TABLE, table, suppress),
        RuleAction::Blackhole => (rule::BLACKHOLE, 0, None),
        RuleAction::Unreachable => (rule::UNREACHABLE, 0, None),
        RuleAction::Prohibit => (rule::PROHIBIT, 0, None),
    };
    let mut asked = rule::Rule::new(family, table);
    asked.action = action;
    asked.suppress_prefix_length = suppress;
    asked.priority = Some(wanted.priority);
    asked.from = wanted.from;
    asked.to = wanted.to;
    asked.mark = wanted.fwmark;
    asked.input = wanted.input.map(|link| link.as_str().to_owned());
    asked.output = wanted.output.map(|link| link.as_str().to_owned());
    asked
}

/// A route as the core has them; none if it is of a kind we never make.
fn shown_route(shown: &route::Route, names: &Names) -> Option<Route> {
    let kind = match shown.kind {
        route::Kind::Unicast => RouteKind::Unicast,
        route::Kind::Local => RouteKind::Local,
        route::Kind::Blackhole => RouteKind::Blackhole,
        route::Kind::Unreachable => RouteKind::Unreachable,
        route::Kind::Prohibit => RouteKind::Prohibit,
        route::Kind::Throw => RouteKind::Throw,
        route::Kind::Other(_) => return None,
    };
    let hop = |hop: &route::NextHop| Hop {
        via: hop.gateway,
        link: hop.interface.and_then(|index| names.name(index)),
        weight: hop.weight,
        onlink: hop.onlink,
    };
    let route::Metrics { mtu, mtu_locked, advmss, initcwnd, initrwnd } = shown.metrics;
    Some(Route {
        place: place(shown),
        kind,
        scope: shown.scope.0,
        source: shown.source,
        hops: shown.next_hops.iter().map(hop).collect(),
        metrics: Metrics { mtu, mtu_locked, advmss, initcwnd, initrwnd },
    })
}

fn place(shown: &route::Route) -> Place {
    let usual = if shown.destination.0.is_ipv6() { IPV6_METRIC } else { 0 };
    Place {
        table: shown.table,
        destination: shown.destination,
        tos: shown.tos,
        metric: shown.metric.unwrap_or(usual),
    }
}

fn shown_rule(shown: &rule::Rule) -> Option<Rule> {
    let link = |name: &Option<String>| match name {
        Some(name) => crate::machine::id::LinkName::new(name).map(Some),
        None => Some(None),
    };
    let network = |end: Option<(IpAddr, u8)>| end.filter(|(_, length)| *length > 0);
    Some(Rule {
        family: match shown.family {
            rule::Family::V4 => Family::Ipv4,
            rule::Family::V6 => Family::Ipv6,
        },
        priority: shown.priority.unwrap_or(0),
        from: network(shown.from),
        to: network(shown.to),
        fwmark: shown.mark,
        input: link(&shown.input)?,
        output: link(&shown.output)?,
        action: match shown.action {
            rule::TO_TABLE => {
                RuleAction::Lookup { table: shown.table, suppress: shown.suppress_prefix_length }
            }
            rule::BLACKHOLE => RuleAction::Blackhole,
            rule::UNREACHABLE => RuleAction::Unreachable,
            rule::PROHIBIT => RuleAction::Prohibit,
            _ => return None,
        },
    })
}

/// Everything of ours that is there; addresses as far as `is_static` says that they are no virtual ones.
///
/// # Errors
/// The kernel could not be asked.
pub(super) fn list(
    socket: &mut Socket,
    names: &Names,
    is_known: impl Fn(&Key) -> bool,
) -> Result<Vec<Object>, NetlinkError> {
    let mut objects = Vec::new();
    for address in address::list(socket)?.iter().filter(|address| address.is_ours()) {
        let Some(link) = names.name(address.interface) else { continue };
        objects.push(Object::Address(crate::machine::address::VirtualAddress {
            address: address.address,
            prefix: address.prefix,
            link,
            label: address.label.clone(),
            scope: None,
            broadcast: address.broadcast,
            options: crate::machine::address::Options { peer: address.peer, ..Default::default() },
            advertised: false,
        }));
    }
    let routes = route::list_ours(socket)?;
    objects.extend(routes.iter().filter_map(|shown| shown_route(shown, names)).map(Object::Route));
    let rules = rule::list(socket)?;
    let ours = rules.iter().filter(|rule| rule.is_ours());
    objects.extend(ours.filter_map(shown_rule).map(Object::Rule));
    objects.retain(|object| is_known(&object.key()));
    Ok(objects)
}

/// The watch over routes and rules; there is none where nobody has any.
#[derive(Debug)]
pub struct Watch<K: Copy> {
    open: Option<Open<K>>,
    key: K,
    registry: Registry<K>,
    wanted: bool,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct Open<K: Copy> {
    _registration: Registration<K>,
    monitor: Monitor,
}

impl<K: Copy> Watch<K> {
    /// Not watching yet; what is reported becomes readable under `key`.
    pub const fn new(key: K, registry: Registry<K>) -> Self {
        Self { open: None, key, registry, wanted: false, retry_at: None }
    }

    /// Watches, or stops to.
    pub fn set(&mut self, wanted: bool, now: Instant) {
        self.wanted = wanted;
        if !wanted {
            self.open = None;
            self.retry_at = None;
        } else if self.open.is_none() {
            self.retry_at = None;
            match self.begin() {
                Ok(open) => self.open = Some(open),
                Err(error) => {
                    log::warn!("routes and rules are not watched, trying again: {error}");
                    self.retry_at = Some(now + RETRY);
                }
            }
        }
    }

    fn begin(&self) -> std::io::Result<Open<K>> {
        let monitor = Monitor::open_routing().map_err(std::io::Error::other)?;
        let registration = self.registry.add(&monitor, self.key, Interest::Read)?;
        Ok(Open { _registration: registration, monitor })
    }

    /// When [`Self::timeout`] has something to do.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Begins to watch where that failed before; what happened meanwhile is not known.
    pub fn timeout(&mut self, now: Instant, news: &mut Vec<Event<'static>>) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.set(self.wanted, now);
            news.push(Event::Object(ObjectEvent::Unsure));
        }
    }

    /// It is readable.
    pub fn ready(&mut self, now: Instant, news: &mut Vec<Event<'static>>) -> Drained {
        let Some(open) = &mut self.open else { return Drained::Yes };
        for _ in 0..BUDGET {
            match open.monitor.read(|report| news.extend(translate(report).map(Event::Object))) {
                Ok(true) => {}
                Ok(false) => return Drained::Yes,
                Err(failure) => {
                    log::error!("cannot read what the kernel reports of routes: {failure}");
                    self.open = None;
                    self.retry_at = Some(now + RETRY);
                    return Drained::Yes;
                }
            }
        }
        Drained::More
    }
}

fn translate(report: monitor::Event) -> Option<ObjectEvent> {
    match report {
        monitor::Event::RouteGone(route) if route.is_ours() => {
            Some(ObjectEvent::Vanished(Key::Route(place(&route))))
        }
        monitor::Event::RouteReplaced(route) if !route.is_ours() => {
            Some(ObjectEvent::Displaced(Key::Route(place(&route))))
        }
        monitor::Event::RuleGone(rule) if rule.is_ours() => {
            shown_rule(&rule).map(|rule| ObjectEvent::Vanished(Key::Rule(rule)))
        }
        monitor::Event::Resync => Some(ObjectEvent::Unsure),
        monitor::Event::RouteGone(_)
        | monitor::Event::RouteReplaced(_)
        | monitor::Event::RuleGone(_)
        | monitor::Event::LinkSet(_)
        | monitor::Event::LinkGone(_)
        | monitor::Event::AddressSet(_)
        | monitor::Event::AddressGone(_) => None,
    }
}

#[cfg(test)]
mod tests;
