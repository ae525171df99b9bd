//! Some routers on one wire, or on two (`also_via`), in memory: one clock, a lossy network, a kernel that keeps addresses and their leases.
//!
//! Everything is performed as the shell would: actions in order, effects answered by events a little later, reads
//! before deadlines, the checkpoint written when the shell writes it. Each machine has a clock that runs a little fast or
//! slow. Nothing here looks inside a router; what routers may never do is judged by `oracle.rs` at every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use common::config::{Diagnostics, Document, Sources};
use vrrp::machine::action::{Action, AdvertCopy};
use vrrp::machine::event::{Event, ScriptOutcome};
use vrrp::machine::fact::{Fact, StateName};
use vrrp::machine::id::{LinkName, Name};
use vrrp::machine::router::Router;
use vrrp::plan::Plan;
use vrrp::wire::admit::Datagram;

use super::oracle::Watcher;
use super::random::Random;

// This file was named by its path: they stand beside it.
mod fate;
mod kernel;
mod wire;

pub(crate) use fate::Checkpoint;
use kernel::Kernel;
pub(crate) use wire::Wire;

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
    static ETH0: LazyLock<LinkName> = LazyLock::new(|| LinkName::new("eth0").unwrap());
    *ETH0
}

/// The second way of adverts.
pub(crate) fn eth1() -> LinkName {
    static ETH1: LazyLock<LinkName> = LazyLock::new(|| LinkName::new("eth1").unwrap());
    *ETH1
}

/// How old a checkpoint can be that comes with a hello's answer.
const HELLO: Duration = Duration::from_secs(5);
/// What a clock may be off by, in millionths: far more than any real one.
const DRIFT: u64 = 3000;

/// One machine.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) plan: Plan,
    pub(crate) router: Option<Router>,
    kernel: Kernel,
    pub(crate) own: IpAddr,
    /// Its address on eth1.
    second: IpAddr,
    /// What its clock is off by, in millionths.
    drift: i64,
    pub(crate) checkpoint: Option<Vec<u8>>,
    saved_at: Option<Instant>,
    /// Whether anybody will need the checkpoint: writing it is dear.
    pub(crate) saving: bool,
    /// What the last hello brought, and when.
    hello: Option<(Instant, Vec<u8>)>,
    pub(crate) watcher: Watcher,
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

impl Node {
    /// The process runs, is not stalled, and has its link.
    pub(crate) const fn is_well(&self) -> bool {
        self.router.is_some() && !self.stopping && self.stalled_until.is_none() && self.kernel.carrier
    }
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
    /// The same on eth1.
    pub(crate) second_part_of: Vec<u8>,
    flying: BTreeMap<(Instant, u64), (usize, IpAddr, AdvertCopy)>,
    /// Adverts lost in a row, by sender, receiver and virtual router.
    lost: BTreeMap<(usize, usize, u8), u64>,
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
        let mut random = Random::new(seed);
        let nodes: Vec<Node> = plans
            .into_iter()
            .enumerate()
            .map(|(n, plan)| Node {
                drift: i64::try_from(random.below(2 * DRIFT)).unwrap() - i64::try_from(DRIFT).unwrap(),
                saving: true,
                hello: None,
                watcher: Watcher::new(&plan),
                plan,
                router: None,
                kernel: Kernel { carrier: true, ..Kernel::default() },
                own: Ipv4Addr::new(10, 0, 0, u8::try_from(n + 1).unwrap()).into(),
                // In the other order, so that whoever confuses them is found out.
                second: Ipv4Addr::new(10, 1, 0, u8::try_from(99 - n).unwrap()).into(),
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
            second_part_of: vec![0; nodes.len()],
            nodes,
            wire: Wire { delay_max: Duration::from_micros(200), ..Wire::default() },
            flying: BTreeMap::new(),
            lost: BTreeMap::new(),
            sequence: 0,
            random,
            steps: 0,
            trace: std::env::var_os("TRACE").is_some(),
        }
    }

    /// Whether an address is one of eth1.
    pub(crate) fn is_second(address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(v4) if v4.octets()[1] == 1)
    }

    /// What a machine's clock shows.
    pub(crate) fn clock(&self, n: usize) -> Instant {
        self.start + Duration::from_nanos(self.shown(n, nanos(self.now - self.start)))
    }

    /// What a machine's clock has added when this much has passed.
    fn shown(&self, n: usize, passed: u64) -> u64 {
        let drift = self.nodes[n].drift;
        // Never below zero: the drift is a small part of the whole.
        passed.strict_add_signed(
            (passed / 1_000_000).cast_signed() * drift
                + (passed % 1_000_000).cast_signed() * drift / 1_000_000,
        )
    }

    /// When a machine's clock shows this, or at the next nanosecond after.
    fn when(&self, n: usize, shown: Instant) -> Instant {
        let shown = nanos(shown.saturating_duration_since(self.start));
        let mut passed = shown - shown / 1_000_000 * DRIFT;
        while let Some(missing) = shown.checked_sub(self.shown(n, passed)).filter(|missing| *missing > 0) {
            passed += missing - missing / 1_000_000 * DRIFT + u64::from(missing < 1_000_000 / DRIFT);
        }
        self.start + Duration::from_nanos(passed)
    }

    fn uptime(&self, n: usize) -> Duration {
        Duration::from_secs(5000) + (self.clock(n) - self.start)
    }

    /// Starts the process of a machine, with the checkpoint of the one before if there is one.
    pub(crate) fn start(&mut self, n: usize) {
        let (now, uptime) = (self.clock(n), self.uptime(n));
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
        Watcher::started(node, now);
        router.start(now, &mut out);
        node.router = Some(router);
        self.perform(n, out);
        self.save(n);
    }

    pub(crate) fn start_all(&mut self) {
        for n in 0..self.nodes.len() {
            self.start(n);
        }
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
        let nodes = self.nodes.iter().enumerate().flat_map(|(n, node)| {
            let busy = |at: Instant| node.stalled_until.map_or(at, |until| until.max(at));
            let timer = node.router.as_ref().and_then(Router::poll_timeout).map(|at| busy(self.when(n, at)));
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
            if node.router.is_some() && node.kernel.listening && (node.kernel.carrier || copy.link == eth1())
            {
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
                link: copy.link,
                source: from,
                destination: copy.destination,
                ttl: copy.ttl,
                payload: &copy.payload,
            };
            let now = self.clock(n);
            let heard = Watcher::before(&mut self.nodes[n], from, &copy.payload, now);
            self.feed(n, Event::DatagramReceived(datagram));
            if let Some(heard) = heard {
                Watcher::after(&self.nodes[n], &heard, now);
            }
            look(self);
        }
        while self.nodes[n].news.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, event) = self.nodes[n].news.pop_front().unwrap();
            self.feed(n, event);
            look(self);
        }
        let now = self.clock(n);
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
        Watcher::at_rest(node, now);
        if node.stopping && node.router.as_ref().is_some_and(Router::stopped) {
            node.router = None;
            node.stopping = false;
        }
    }

    fn feed(&mut self, n: usize, event: Event<'_>) {
        let now = self.clock(n);
        self.steps += 1;
        let mut out = Vec::new();
        if let Some(router) = &mut self.nodes[n].router {
            router.handle(event, now, &mut out);
        }
        self.perform(n, out);
    }

    fn perform(&mut self, n: usize, actions: Vec<Action>) {
        let (clock, mut moved) = (self.clock(n), false);
        for action in actions {
            if self.trace {
                self.say(n, &action.to_string());
            }
            self.steps += 1;
            match action {
                Action::SendAdvert { packet, .. } => {
                    self.nodes[n].watcher.said(&packet.copies[0].payload, clock);
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
                Action::Report(fact) => {
                    moved |= matches!(fact, Fact::Transition { .. });
                    self.report(n, &fact);
                }
                Action::Announce { .. }
                | Action::Notify(_)
                | Action::StopScript { .. }
                | Action::Guard { .. }
                | Action::EnsureLink { .. }
                | Action::RemoveLink { .. }
                | Action::Objects(_)
                | Action::IpvsSync(_) => {}
            }
        }
        let node = &self.nodes[n];
        let spacing = node.plan.instances[0].interval / 2;
        if node.saving && (moved || node.saved_at.is_none_or(|at| at + spacing <= self.now)) {
            self.save(n);
        }
    }

    /// Writes the checkpoint, as the shell does at the end of a turn.
    pub(crate) fn save(&mut self, n: usize) {
        let (clock, uptime, now) = (self.clock(n), self.uptime(n), self.now);
        let node = &mut self.nodes[n];
        if let Some(router) = node.router.as_ref().filter(|_| !node.stopping) {
            let saved = router.checkpoint(clock, uptime);
            if node.hello.as_ref().is_none_or(|(at, _)| *at + HELLO <= now) {
                node.hello = Some((now, saved.clone()));
            }
            node.checkpoint = Some(saved);
            node.saved_at = Some(now);
            node.watcher.saved();
        }
    }

    fn report(&mut self, n: usize, fact: &Fact) {
        let clock = self.clock(n);
        let node = &mut self.nodes[n];
        Watcher::told(node, fact, clock);
        if let Fact::Transition { .. } = fact {
            node.transitions += 1;
        }
        if node.facts.len() < 50 {
            node.facts.push((self.now - self.start, fact.to_string()));
        }
    }

    fn script_ends(&mut self, n: usize, script: Name) {
        let code = i32::from(!self.nodes[n].script_good);
        let at = self.now + Duration::from_millis(20);
        let event = Event::ScriptFinished { script, outcome: ScriptOutcome::Exited(code) };
        self.nodes[n].news.push_back((at, event));
    }

    fn say(&self, n: usize, what: &str) {
        if self.trace {
            println!("{:>12.6} node{} {what}", (self.now - self.start).as_secs_f64(), n + 1);
        }
    }

    /// The process runs, is not stalled, and has its link.
    pub(crate) fn healthy(&self, n: usize) -> bool {
        self.nodes[n].is_well()
    }

    /// The process runs, and would be master.
    pub(crate) fn willing(&self, n: usize) -> bool {
        self.nodes[n].router.as_ref().is_some_and(|router| router.maintenance().is_none())
    }

    /// The state of an instance of a machine.
    pub(crate) fn state(&self, n: usize, instance: usize) -> Option<StateName> {
        self.nodes[n].router.as_ref()?.states().nth(instance).map(|(_, state)| state)
    }

    /// Whether a machine answers for an address.
    pub(crate) fn holds(&self, n: usize, address: IpAddr) -> bool {
        self.nodes[n].kernel.held.contains_key(&(eth0(), address))
    }

    /// The machines that answer for an address.
    pub(crate) fn holders(&self, address: IpAddr) -> BTreeSet<usize> {
        (0..self.nodes.len()).filter(|n| self.holds(*n, address)).collect()
    }

    /// The machines that are master of an instance.
    pub(crate) fn masters(&self, instance: usize) -> BTreeSet<usize> {
        (0..self.nodes.len()).filter(|n| self.state(*n, instance) == Some(StateName::Master)).collect()
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap()
}
