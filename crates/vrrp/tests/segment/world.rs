//! Some routers on one wire, in memory: one clock, a lossy network, a kernel that keeps addresses and their leases.
//!
//! Everything is performed as the shell would: actions in order, effects answered by events a little later, reads
//! before deadlines. Nothing here looks inside a router.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use common::config::{Diagnostics, Document, Sources};
use vrrp::machine::action::{Action, AdvertCopy};
use vrrp::machine::address::{Lifetime, ObservedAddress, VirtualAddress};
use vrrp::machine::event::{Event, LinkFacts, ObservedLink, ScriptOutcome};
use vrrp::machine::fact::{Fact, StateName};
use vrrp::machine::id::{LinkIndex, LinkName, Mac, Name};
use vrrp::machine::router::Router;
use vrrp::plan::Plan;
use vrrp::wire::admit::Datagram;

use super::random::Random;

/// Makes a plan of text; the text is known to be good.
pub(crate) fn plan(text: &str) -> Plan {
    let sources = Sources::from_text("segment.toml", text);
    let mut d = Diagnostics::new();
    let document = Document::parse(&sources, &mut d);
    let plan = vrrp::plan::plan(&mut document.root(), &mut d);
    assert!(!d.has_errors(), "{}", d.render(&sources));
    plan
}

pub(crate) fn eth0() -> LinkName {
    LinkName::new("eth0").unwrap()
}

/// How often the watchdog asks for a checkpoint at least.
const HELLO: Duration = Duration::from_secs(5);

/// What is left of the state of a killed process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Checkpoint {
    /// All of it.
    Fresh,
    /// What the last hello brought, up to five seconds ago.
    Old,
    /// Nothing: the watchdog died too, or the power went.
    Lost,
}

/// What the kernel of a machine has.
#[derive(Debug, Default)]
struct Kernel {
    /// Virtual addresses with the end of their lease.
    held: BTreeMap<(LinkName, IpAddr), (u8, Option<Instant>)>,
    listening: bool,
    carrier: bool,
}

/// One machine.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) plan: Plan,
    pub(crate) router: Option<Router>,
    kernel: Kernel,
    own: IpAddr,
    checkpoint: Option<Vec<u8>>,
    saved_at: Option<Instant>,
    /// Packets in the socket's buffer.
    inbox: VecDeque<(IpAddr, AdvertCopy)>,
    /// News from netlink and from scripts, each with its time.
    news: VecDeque<(Instant, Event<'static>)>,
    stalled_until: Option<Instant>,
    stopping: bool,
    script_good: bool,
    pub(crate) transitions: u64,
    pub(crate) facts: Vec<(Duration, String)>,
}

/// The wire.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wire {
    pub(crate) loss_permille: u64,
    pub(crate) duplicate_permille: u64,
    pub(crate) delay_max: Duration,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    pub(crate) wire: Wire,
    /// Machines with the same number hear each other.
    pub(crate) part_of: Vec<u8>,
    flying: BTreeMap<(Instant, u64), (usize, IpAddr, AdvertCopy)>,
    sequence: u64,
    pub(crate) random: Random,
    pub(crate) steps: u64,
    pub(crate) trace: bool,
}

#[expect(clippy::disallowed_methods, reason = "a point to count from; nothing depends on which")]
fn any_instant() -> Instant {
    Instant::now() + Duration::from_secs(1000)
}

impl World {
    pub(crate) fn new(seed: u64, plans: Vec<Plan>) -> Self {
        let start = any_instant();
        let nodes: Vec<Node> = plans
            .into_iter()
            .enumerate()
            .map(|(n, plan)| Node {
                plan,
                router: None,
                kernel: Kernel { carrier: true, ..Kernel::default() },
                own: Ipv4Addr::new(10, 0, 0, u8::try_from(n + 1).unwrap()).into(),
                checkpoint: None,
                saved_at: None,
                inbox: VecDeque::new(),
                news: VecDeque::new(),
                stalled_until: None,
                stopping: false,
                script_good: true,
                transitions: 0,
                facts: Vec::new(),
            })
            .collect();
        Self {
            start,
            now: start,
            part_of: vec![0; nodes.len()],
            nodes,
            wire: Wire { delay_max: Duration::from_micros(200), ..Wire::default() },
            flying: BTreeMap::new(),
            sequence: 0,
            random: Random::new(seed),
            steps: 0,
            trace: std::env::var_os("TRACE").is_some(),
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(5000) + (self.now - self.start)
    }

    /// Starts the process of a machine, with the checkpoint of the one before if there is one.
    pub(crate) fn start(&mut self, n: usize) {
        let (now, uptime) = (self.now, self.uptime());
        let mut out = Vec::new();
        self.expire(n);
        let observed = self.observed(n);
        let node = &mut self.nodes[n];
        node.inbox.clear();
        node.news.clear();
        node.kernel.listening = false;
        node.stopping = false;
        node.stalled_until = None;
        let mut router = Router::new(node.plan.clone(), now);
        router.handle(Event::LinksObserved(observed), now, &mut out);
        if let Some(checkpoint) = &node.checkpoint {
            router.restore(checkpoint, now, uptime).unwrap();
        }
        router.start(now, &mut out);
        node.router = Some(router);
        self.perform(n, out);
    }

    pub(crate) fn start_all(&mut self) {
        for n in 0..self.nodes.len() {
            self.start(n);
        }
    }

    /// SIGKILL of the process.
    pub(crate) fn kill(&mut self, n: usize, checkpoint: Checkpoint) {
        self.say(n, &format!("killed, checkpoint {checkpoint:?}"));
        match checkpoint {
            Checkpoint::Fresh => self.save(n),
            Checkpoint::Old => {}
            Checkpoint::Lost => self.nodes[n].checkpoint = None,
        }
        self.nodes[n].router = None;
        self.nodes[n].saved_at = None;
    }

    /// The machine goes dark: nothing of its kernel's state is left.
    pub(crate) fn power_off(&mut self, n: usize) {
        self.kill(n, Checkpoint::Lost);
        self.nodes[n].kernel.held.clear();
    }

    /// An orderly stop.
    pub(crate) fn stop(&mut self, n: usize) {
        self.say(n, "stop");
        self.nodes[n].checkpoint = None;
        self.nodes[n].stopping = true;
        self.feed(n, Event::StopRequested);
    }

    /// SIGSTOP for a while.
    pub(crate) fn stall(&mut self, n: usize, time: Duration) {
        self.say(n, "stalled");
        self.nodes[n].stalled_until = Some(self.now + time);
    }

    pub(crate) fn carrier(&mut self, n: usize, carrier: bool) {
        self.say(n, if carrier { "carrier" } else { "no carrier" });
        self.nodes[n].kernel.carrier = carrier;
        let at = self.now;
        self.nodes[n].news.push_back((at, Event::LinkChanged { link: eth0(), facts: facts(carrier) }));
    }

    pub(crate) fn reload(&mut self, n: usize, plan: Plan) {
        self.say(n, "reload");
        self.nodes[n].plan = plan.clone();
        let mut out = Vec::new();
        let now = self.now;
        if let Some(router) = &mut self.nodes[n].router {
            router.reconfigure(plan, now, &mut out);
        }
        self.perform(n, out);
    }

    /// A foreign program removes whatever virtual addresses are there.
    pub(crate) fn flush(&mut self, n: usize) {
        self.say(n, "addresses flushed");
        let held = std::mem::take(&mut self.nodes[n].kernel.held);
        let at = self.now;
        for ((link, address), _) in held {
            self.nodes[n].news.push_back((at, Event::AddressVanished { link, address }));
        }
    }

    pub(crate) fn script(&mut self, n: usize, good: bool) {
        self.nodes[n].script_good = good;
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, &mut |_| ());
    }

    /// Lets time pass and looks after every step.
    pub(crate) fn watch(&mut self, time: Duration, look: &mut dyn FnMut(&Self)) {
        let end = self.now + time;
        self.run_until(end, look);
    }

    fn run_until(&mut self, end: Instant, look: &mut dyn FnMut(&Self)) {
        loop {
            self.work(look);
            let next = self.next_event().filter(|at| *at <= end);
            match next {
                Some(at) => self.now = at.max(self.now),
                None => break,
            }
        }
        self.now = end;
        self.work(look);
    }

    fn next_event(&self) -> Option<Instant> {
        let wire = self.flying.keys().next().map(|(at, _)| *at);
        let nodes = self.nodes.iter().flat_map(|node| {
            let busy = |at: Instant| node.stalled_until.map_or(at, |until| until.max(at));
            let timer = node.router.as_ref().and_then(Router::poll_timeout).map(busy);
            let news = node.news.front().map(|(at, _)| busy(*at));
            let lease = node.kernel.held.values().filter_map(|(_, end)| *end).min();
            [timer, news, lease, node.stalled_until]
        });
        nodes.flatten().chain(wire).min()
    }

    /// Everything that is due now: the wire, then each machine, reads before deadlines.
    fn work(&mut self, look: &mut dyn FnMut(&Self)) {
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, from, copy) = entry.remove();
            let node = &mut self.nodes[to];
            if node.router.is_some() && node.kernel.listening && node.kernel.carrier {
                node.inbox.push_back((from, copy));
            }
        }
        for n in 0..self.nodes.len() {
            self.expire(n);
            if self.nodes[n].stalled_until.is_some_and(|until| until > self.now) {
                continue;
            }
            self.nodes[n].stalled_until = None;
            self.turn(n, look);
        }
        look(self);
    }

    /// One turn of a machine's loop.
    fn turn(&mut self, n: usize, look: &mut dyn FnMut(&Self)) {
        while let Some((from, copy)) = self.nodes[n].inbox.pop_front() {
            let datagram = Datagram {
                link: eth0(),
                source: from,
                destination: copy.destination,
                ttl: copy.ttl,
                payload: &copy.payload,
            };
            self.feed(n, Event::DatagramReceived(datagram));
            look(self);
        }
        while self.nodes[n].news.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, event) = self.nodes[n].news.pop_front().unwrap();
            self.feed(n, event);
            look(self);
        }
        let now = self.now;
        let mut out = Vec::new();
        if let Some(router) = &mut self.nodes[n].router
            && router.poll_timeout().is_some_and(|at| at <= now)
        {
            router.handle_timeout(now, &mut out);
            assert!(
                router.poll_timeout().is_none_or(|at| at > now),
                "a deadline that is due was left undone"
            );
        }
        self.perform(n, out);
        let node = &mut self.nodes[n];
        if node.stopping && node.router.as_ref().is_some_and(Router::stopped) {
            node.router = None;
            node.stopping = false;
        }
    }

    fn feed(&mut self, n: usize, event: Event<'_>) {
        let now = self.now;
        let mut out = Vec::new();
        if let Some(router) = &mut self.nodes[n].router {
            router.handle(event, now, &mut out);
        }
        self.perform(n, out);
    }

    fn perform(&mut self, n: usize, actions: Vec<Action>) {
        for action in actions {
            self.say(n, &action.to_string());
            self.steps += 1;
            match action {
                Action::SendAdvert { packet, .. } => {
                    for copy in &packet.copies {
                        self.send(n, copy);
                    }
                }
                Action::InstallAddresses { addresses, lifetime, .. } => {
                    for address in &addresses {
                        self.install(n, address, lifetime);
                    }
                }
                Action::RefreshAddresses { addresses, lifetime, .. } => {
                    for address in addresses.iter() {
                        self.install(n, address, lifetime);
                    }
                }
                Action::RemoveAddresses { addresses, .. } => {
                    for a in &addresses {
                        if self.nodes[n].kernel.held.remove(&(a.link, a.address)).is_some() {
                            self.news(n, Event::AddressVanished { link: a.link, address: a.address });
                        }
                    }
                }
                Action::OpenListener(listener) => {
                    self.nodes[n].kernel.listening = true;
                    let (link, family) = (listener.link, listener.family);
                    self.news(n, Event::ListenerOpened { link, family });
                }
                Action::CloseListener { .. } => self.nodes[n].kernel.listening = false,
                Action::RunScript { script, .. } => self.script_ends(n, script),
                Action::Report(fact) => self.report(n, &fact),
                Action::Announce { .. } | Action::Notify(_) | Action::StopScript { .. } => {}
            }
        }
        // As old as a hello's answer can be; `kill` decides whether a fresh one is there.
        if !self.nodes[n].stopping && self.nodes[n].saved_at.is_none_or(|at| at + HELLO <= self.now) {
            self.save(n);
        }
    }

    fn save(&mut self, n: usize) {
        let (now, uptime) = (self.now, self.uptime());
        let node = &mut self.nodes[n];
        if let Some(router) = &node.router {
            node.checkpoint = Some(router.checkpoint(now, uptime));
            node.saved_at = Some(now);
        }
    }

    fn report(&mut self, n: usize, fact: &Fact) {
        let node = &mut self.nodes[n];
        if let Fact::Transition { .. } = fact {
            node.transitions += 1;
        }
        node.facts.push((self.now - self.start, fact.to_string()));
    }

    fn script_ends(&mut self, n: usize, script: Name) {
        let code = i32::from(!self.nodes[n].script_good);
        let at = self.now + Duration::from_millis(20);
        let event = Event::ScriptFinished { script, outcome: ScriptOutcome::Exited(code) };
        self.nodes[n].news.push_back((at, event));
    }

    fn install(&mut self, n: usize, address: &VirtualAddress, lifetime: Lifetime) {
        let end = match lifetime {
            Lifetime::Forever => None,
            // Never early, late by up to 0.6 s (measured).
            Lifetime::Lease(d) => Some(self.now + d + Duration::from_millis(self.random.below(600))),
        };
        self.nodes[n].kernel.held.insert((address.link, address.address), (address.prefix, end));
        let observed = observed(address.address, address.prefix);
        self.news(n, Event::AddressAppeared { link: address.link, address: observed });
    }

    fn news(&mut self, n: usize, event: Event<'static>) {
        let at = self.now + Duration::from_micros(50);
        self.nodes[n].news.push_back((at, event));
    }

    fn expire(&mut self, n: usize) {
        let now = self.now;
        let held = &mut self.nodes[n].kernel.held;
        let due = |end: &Option<Instant>| end.is_some_and(|at| at <= now);
        let gone: Vec<_> = held.iter().filter(|(_, (_, end))| due(end)).map(|(key, _)| *key).collect();
        for (link, address) in gone {
            self.nodes[n].kernel.held.remove(&(link, address));
            self.news(n, Event::AddressVanished { link, address });
        }
    }

    fn send(&mut self, n: usize, copy: &AdvertCopy) {
        if !self.nodes[n].kernel.carrier {
            return;
        }
        for to in 0..self.nodes.len() {
            let addressed = copy.destination.is_multicast() || copy.destination == self.nodes[to].own;
            if to == n || !addressed || self.part_of[to] != self.part_of[n] {
                continue;
            }
            let copies = 1 + u8::from(self.random.permille(self.wire.duplicate_permille));
            for _ in 0..copies {
                if self.random.permille(self.wire.loss_permille) {
                    continue;
                }
                let delay = self.random.below(u64::try_from(self.wire.delay_max.as_nanos()).unwrap() + 1);
                self.sequence += 1;
                let key = (self.now + Duration::from_nanos(delay), self.sequence);
                self.flying.insert(key, (to, copy.source, copy.clone()));
            }
        }
    }

    fn observed(&self, n: usize) -> Vec<ObservedLink> {
        let node = &self.nodes[n];
        let mut addresses =
            vec![ObservedAddress { address: node.own, prefix: 24, ours: false, usable: true }];
        addresses.extend(node.kernel.held.iter().map(|((_, a), (prefix, _))| observed(*a, *prefix)));
        vec![ObservedLink { link: eth0(), facts: facts(node.kernel.carrier), addresses }]
    }

    fn say(&self, n: usize, what: &str) {
        if self.trace {
            println!("{:>12.6} node{} {what}", (self.now - self.start).as_secs_f64(), n + 1);
        }
    }

    /// The process runs, is not stalled, and has its link.
    pub(crate) fn healthy(&self, n: usize) -> bool {
        let node = &self.nodes[n];
        node.router.is_some() && !node.stopping && node.stalled_until.is_none() && node.kernel.carrier
    }

    /// The state of an instance of a machine.
    pub(crate) fn state(&self, n: usize, instance: usize) -> Option<StateName> {
        self.nodes[n].router.as_ref()?.states().nth(instance).map(|(_, state)| state)
    }

    /// The machines that answer for an address.
    pub(crate) fn holders(&self, address: IpAddr) -> BTreeSet<usize> {
        let holds = |node: &Node| node.kernel.held.contains_key(&(eth0(), address));
        (0..self.nodes.len()).filter(|n| holds(&self.nodes[*n])).collect()
    }

    /// The machines that are master of an instance.
    pub(crate) fn masters(&self, instance: usize) -> BTreeSet<usize> {
        (0..self.nodes.len()).filter(|n| self.state(*n, instance) == Some(StateName::Master)).collect()
    }
}

fn facts(carrier: bool) -> LinkFacts {
    LinkFacts { index: LinkIndex(2), up: true, carrier, mac: Some(Mac([2, 0, 0, 0, 0, 1])), mtu: 1500 }
}

fn observed(address: IpAddr, prefix: u8) -> ObservedAddress {
    ObservedAddress { address, prefix, ours: true, usable: true }
}
