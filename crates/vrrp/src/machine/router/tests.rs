//! The routers of one machine, seen from outside: events in, lines of actions out.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Router;
use crate::machine::action::{Action, AdvertPacket};
use crate::machine::address::ObservedAddress;
use crate::machine::event::{Event, LinkFacts, ObservedLink};
use crate::machine::fact::StateName;
use crate::machine::id::{InstanceId, LinkIndex, LinkName, Mac};
use crate::machine::timing::HAND_OVER_LINGER;
use crate::plan::Plan;
use crate::plan::tests::parse;
use crate::wire::admit::Datagram;
use crate::wire::advert::{Addresses, Advert, Auth, MAX_LEN, Version, group};
use crate::wire::checksum::Form;

mod addresses;
mod groups;
mod guard;
mod ipvs_sync;
mod notify;
mod objects;
mod orders;
mod processes;
mod properties;
mod reload;
mod restart;
mod rfc;
mod signed;
mod trackers;
mod unicast;
mod virtual_link;
mod ways;
mod why;
mod wire;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn link(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn facts(index: u32) -> LinkFacts {
    LinkFacts {
        index: LinkIndex(index),
        up: true,
        carrier: true,
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        mtu: 1500,
        parent: None,
    }
}

fn observed(address: &str, ours: bool) -> ObservedAddress {
    ObservedAddress { address: ip(address), prefix: 24, ours, usable: true }
}

/// Two interfaces, each with an address of either family.
fn links() -> Vec<ObservedLink> {
    let one = |name, index, v4, v6| ObservedLink {
        link: link(name),
        facts: facts(index),
        addresses: vec![observed(v4, false), observed(v6, false)],
    };
    vec![one("eth0", 2, "10.0.0.2", "fe80::2"), one("eth1", 3, "10.1.0.2", "fe80::12")]
}

/// An instance on eth0 with further lines.
fn instance(lines: &str) -> String {
    format!(
        "[[vrrp.instance]]\nname = \"A\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
         virtual_addresses = [\"192.0.2.1/24\"]\n{lines}\n"
    )
}

/// A machine under test.
struct Machine {
    router: Router,
    now: Instant,
    start: Instant,
}

impl Machine {
    /// Knows its interfaces and is not started.
    fn new(text: &str) -> Self {
        Self::with_links(text, links())
    }

    fn with_links(text: &str, links: Vec<ObservedLink>) -> Self {
        let now = common::event_loop::clock::now();
        let mut router = Router::new(parse(text), now);
        let mut out = Vec::new();
        router.handle(Event::LinksObserved(links), now, &mut out);
        assert_eq!(out, [], "nothing is done before the start");
        Self { router, now, start: now }
    }

    /// Started, whatever that did.
    fn started(text: &str) -> Self {
        let mut machine = Self::new(text);
        machine.begin();
        machine
    }

    /// A master of one instance, quiet.
    fn master(text: &str) -> Self {
        let mut machine = Self::started(text);
        machine.pass(10 * SECOND);
        assert_eq!(machine.state(), StateName::Master, "{:?}", machine.router.status(machine.now));
        machine
    }

    fn begin(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        self.router.start(self.now, &mut out);
        self.check(&out)
    }

    fn handle(&mut self, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.router.handle(event, self.now, &mut out);
        self.check(&out)
    }

    fn check(&self, out: &[Action]) -> Vec<String> {
        out.iter().map(ToString::to_string).collect()
    }

    /// Lets time pass as a punctual loop would; every line with its time.
    fn pass(&mut self, time: Duration) -> Vec<(Duration, String)> {
        let end = self.now + time;
        let mut lines = Vec::new();
        while let Some(at) = self.router.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let mut out = Vec::new();
            self.router.handle_timeout(self.now, &mut out);
            let at = self.now - self.start;
            lines.extend(self.check(&out).into_iter().map(|line| (at, line)));
        }
        self.now = end;
        lines
    }

    /// Lets time pass without the loop getting a turn; then it does.
    fn stall(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.wake()
    }

    fn wake(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        self.router.handle_timeout(self.now, &mut out);
        assert!(self.router.poll_timeout().is_none_or(|at| at > self.now), "all that is due is done");
        self.check(&out)
    }

    fn state(&self) -> StateName {
        self.router.states().next().unwrap().1
    }

    fn states(&self) -> Vec<StateName> {
        self.router.states().map(|(_, state)| state).collect()
    }

    fn next(&self) -> Option<Duration> {
        self.router.poll_timeout().map(|at| at - self.now)
    }

    /// An advert that fits the first instance of a plan, but for these.
    fn hear(&mut self, from: &str, priority: u8) -> Vec<String> {
        let interval = self.router.plan().instances[0].interval;
        self.hear_from(0, from, priority, interval)
    }

    /// What follows when a successor is heard and has had its time.
    fn succeed(&mut self, at: usize, from: &str, priority: u8, interval: Duration) -> Vec<String> {
        let mut lines = self.hear_from(at, from, priority, interval);
        lines.extend(self.pass(HAND_OVER_LINGER).into_iter().map(|(_, line)| line));
        lines
    }

    fn hear_from(&mut self, at: usize, from: &str, priority: u8, interval: Duration) -> Vec<String> {
        let plan = self.router.plan().instances[at].clone();
        let listed = plan.advertised();
        let advert = Advert {
            version: plan.version,
            vrid: plan.key.vrid,
            priority,
            interval,
            auth: if plan.version == Version::V2 { plan.auth } else { Auth::None },
            addresses: Addresses::new(plan.key.family, &listed),
        };
        let form = if plan.version == Version::V2 { Form::Plain } else { Form::PseudoHeader };
        let destination = group(plan.key.family);
        let mut buffer = [0; MAX_LEN];
        let len = advert.encode(form, ip(from), destination, &mut buffer).unwrap();
        self.packet(from, &buffer[..len])
    }

    fn packet(&mut self, from: &str, payload: &[u8]) -> Vec<String> {
        let family = crate::machine::id::Family::of(ip(from));
        let datagram =
            Datagram { link: link("eth0"), source: ip(from), destination: group(family), ttl: 255, payload };
        self.handle(Event::DatagramReceived(datagram))
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut LinkFacts)) -> Vec<String> {
        let mut facts = facts(if name == "eth0" { 2 } else { 3 });
        change(&mut facts);
        self.handle(Event::LinkChanged { link: link(name), facts })
    }

    fn reload(&mut self, text: &str) -> Vec<String> {
        let mut out = Vec::new();
        self.router.reconfigure(parse(text), self.now, &mut out);
        self.check(&out)
    }

    /// The adverts as they would leave.
    fn packets(&mut self, time: Duration) -> Vec<std::sync::Arc<AdvertPacket>> {
        let end = self.now + time;
        let mut packets = Vec::new();
        while let Some(at) = self.router.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let mut out = Vec::new();
            self.router.handle_timeout(self.now, &mut out);
            for action in out {
                if let Action::SendAdvert { packet, .. } = action {
                    packets.push(packet);
                }
            }
        }
        self.now = end;
        packets
    }
}

/// Only the lines that begin with one of these words.
fn only(lines: &[String], words: &[&str]) -> Vec<String> {
    lines.iter().filter(|l| words.iter().any(|w| l.starts_with(w))).cloned().collect()
}

/// The lines without facts.
fn effects(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|l| !l.starts_with("report ")).cloned().collect()
}

fn timed(lines: &[(Duration, String)], words: &[&str]) -> Vec<(Duration, String)> {
    lines.iter().filter(|(_, l)| words.iter().any(|w| l.starts_with(w))).cloned().collect()
}

fn plan_of(text: &str) -> Plan {
    parse(text)
}

const ID: InstanceId = InstanceId(0);
