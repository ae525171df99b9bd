//! Random events, clock jumps and reloads: what must hold after each step does.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::machine::event::ScriptOutcome;

#[derive(Debug, Clone)]
enum Step {
    Pass(u16),
    Stall(u16),
    Hear { at: usize, from: u8, priority: u8, centiseconds: u16 },
    Bytes(Vec<u8>),
    Link { which: bool, up: bool, carrier: bool, index: u8 },
    LinkGone(bool),
    Address { vip: u8, ours: bool },
    AddressGone(u8),
    Resync(bool),
    Script(i32),
    ListenerFailed,
    ListenerOpened,
    Reload(usize),
    Restart,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3000_u16).prop_map(Step::Pass),
        2 => (0..9000_u16).prop_map(Step::Stall),
        8 => (0..3_usize, 1..=3_u8, prop::sample::select(vec![0_u8, 1, 90, 100, 110, 255]), 1..400_u16)
            .prop_map(|(at, from, priority, centiseconds)| Step::Hear { at, from, priority, centiseconds }),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Bytes),
        2 => (any::<bool>(), any::<bool>(), any::<bool>(), 2..4_u8)
            .prop_map(|(which, up, carrier, index)| Step::Link { which, up, carrier, index }),
        1 => any::<bool>().prop_map(Step::LinkGone),
        2 => (1..4_u8, any::<bool>()).prop_map(|(vip, ours)| Step::Address { vip, ours }),
        2 => (1..4_u8).prop_map(Step::AddressGone),
        1 => any::<bool>().prop_map(Step::Resync),
        2 => (0..2_i32).prop_map(Step::Script),
        1 => Just(Step::ListenerFailed),
        1 => Just(Step::ListenerOpened),
        2 => (0..PLANS.len()).prop_map(Step::Reload),
        1 => Just(Step::Restart),
        1 => Just(Step::Stop),
    ]
}

const HEAD: &str = "[vrrp]\ninterface = \"eth0\"\n[[vrrp.script]]\nname = \"s\"\ncommand = \"/bin/true\"\n";
const PLANS: [&str; 5] = [
    "[[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1\"]\ntrack_scripts = [\"s\"]\n\
     [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2\"]\n\
     [[vrrp.instance]]\nname = \"C\"\nvirtual_router_id = 3\nvirtual_addresses = [\"192.0.2.3\"]\n",
    "[[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\npriority = 255\nvirtual_addresses = [\"192.0.2.1\"]\n\
     [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2\"]\npreempt = false\n\
     [[vrrp.instance]]\nname = \"C\"\nvirtual_router_id = 3\nvirtual_addresses = [\"192.0.2.3\"]\npreempt_delay = \"3s\"\n",
    "[[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1\", \"192.0.2.2\"]\n\
     [[vrrp.instance]]\nname = \"C\"\nvirtual_router_id = 3\nvirtual_addresses = [\"192.0.2.3\"]\ntrack_interfaces = [{ interface = \"eth1\", weight = -50 }]\n\
     [[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"C\"]\ntrack_scripts = [\"s\"]\n",
    "[[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1\"]\naddress_lease = false\n\
     [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nversion = 2\nvirtual_addresses = [\"192.0.2.2\"]\nhand_over = false\n\
     [[vrrp.instance]]\nname = \"C\"\nvirtual_router_id = 3\nvirtual_addresses = [\"192.0.2.3\"]\nadvert_interval = \"10ms\"\n\
     [[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\", \"C\"]\n",
    "[[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1\"]\nannounce = { spacing = \"7ms\", refresh = \"1s\" }\n",
];

fn text(plan: usize) -> String {
    format!("{HEAD}{}", PLANS[plan])
}

/// What the actions so far amount to.
#[derive(Default)]
struct Ledger {
    held: BTreeSet<IpAddr>,
    listening: bool,
    running: u32,
}

impl Ledger {
    fn book(&mut self, out: &[Action]) {
        for action in out {
            match action {
                Action::InstallAddresses { addresses, .. } => {
                    self.held.extend(addresses.iter().map(|a| a.address));
                }
                Action::RefreshAddresses { addresses, .. } => {
                    for a in addresses.iter() {
                        assert!(self.held.contains(&a.address), "only what is held is refreshed: {action}");
                    }
                }
                Action::RemoveAddresses { addresses, .. } => {
                    for a in addresses {
                        self.held.remove(&a.address);
                    }
                }
                Action::OpenListener(_) => self.listening = true,
                Action::CloseListener { .. } => self.listening = false,
                Action::SendAdvert { packet, .. } => {
                    assert!(!packet.copies.is_empty(), "an advert that can be sent");
                }
                Action::RunScript { .. } => {
                    self.running += 1;
                    assert_eq!(self.running, 1, "a script never runs twice at once");
                }
                Action::Announce { .. }
                | Action::Guard { .. }
                | Action::EnsureLink { .. }
                | Action::RemoveLink { .. }
                | Action::StopScript { .. }
                | Action::Notify(_)
                | Action::Objects(_)
                | Action::IpvsSync(_)
                | Action::Report(_) => {}
            }
        }
    }
}

fn run(plan: usize, steps: Vec<Step>) {
    let mut m = Machine::with_links(&text(plan), links());
    let mut ledger = Ledger::default();
    let mut present: BTreeSet<IpAddr> = BTreeSet::new();
    let mut out = Vec::new();
    m.router.start(m.now, &mut out);
    let mut stopped = false;
    for step in steps {
        ledger.book(&out);
        check(&m, &ledger, stopped);
        out.clear();
        match step {
            Step::Pass(ms) => {
                let end = m.now + MS * u32::from(ms);
                let mut turns = 0;
                while let Some(at) = m.router.poll_timeout().filter(|at| *at <= end) {
                    m.now = m.now.max(at);
                    m.router.handle_timeout(m.now, &mut out);
                    assert!(m.router.poll_timeout().is_none_or(|at| at > m.now), "what is due is done");
                    ledger.book(&out);
                    check(&m, &ledger, stopped);
                    out.clear();
                    turns += 1;
                    assert!(turns < 20_000, "a busy loop");
                }
                m.now = end;
            }
            Step::Stall(ms) => {
                m.now += MS * u32::from(ms);
                m.router.handle_timeout(m.now, &mut out);
            }
            Step::Hear { at, from, priority, centiseconds } => {
                let instances = m.router.plan().instances.len();
                let at = at % instances;
                let version = m.router.plan().instances[at].version;
                let interval = match version {
                    Version::V2 => SECOND,
                    Version::V3 => MS * 10 * u32::from(centiseconds),
                };
                feed_advert(&mut m, at, from, priority, interval, &mut out);
            }
            Step::Bytes(payload) => {
                let datagram = Datagram {
                    link: link("eth0"),
                    source: ip("10.0.0.9"),
                    destination: ip("224.0.0.18"),
                    ttl: 255,
                    payload: &payload,
                };
                m.router.handle(Event::DatagramReceived(datagram), m.now, &mut out);
            }
            Step::Link { which, up, carrier, index } => {
                let facts = LinkFacts { index: LinkIndex(index.into()), up, carrier, ..facts(2) };
                let link = link(if which { "eth0" } else { "eth1" });
                m.router.handle(Event::LinkChanged { link, facts }, m.now, &mut out);
            }
            Step::LinkGone(which) => {
                let link = link(if which { "eth0" } else { "eth1" });
                m.router.handle(Event::LinkVanished { link }, m.now, &mut out);
            }
            Step::Address { vip, ours } => {
                let address = observed(&format!("192.0.2.{vip}"), ours);
                // Somebody else's address is not ours to remove, so it does not count as held.
                if !ours {
                    continue;
                }
                present.insert(address.address);
                m.router.handle(Event::AddressAppeared { link: link("eth0"), address }, m.now, &mut out);
            }
            Step::AddressGone(vip) => {
                let address = ip(&format!("192.0.2.{vip}"));
                present.remove(&address);
                m.router.handle(Event::AddressVanished { link: link("eth0"), address }, m.now, &mut out);
            }
            Step::Resync(with) => {
                let mut all = links();
                if with {
                    all[0].addresses.extend(present.iter().map(|a| observed(&a.to_string(), true)));
                }
                m.router.handle(Event::LinksObserved(all), m.now, &mut out);
            }
            Step::Script(code) => {
                if ledger.running > 0 {
                    ledger.running = 0;
                    let outcome = ScriptOutcome::Exited(code);
                    m.router.handle(Event::ScriptFinished { script: "s".into(), outcome }, m.now, &mut out);
                }
            }
            Step::ListenerFailed => {
                let (link, family) = (link("eth0"), crate::machine::id::Family::Ipv4);
                let error = "broken".to_owned();
                m.router.handle(Event::ListenerFailed { link, family, error }, m.now, &mut out);
            }
            Step::ListenerOpened => {
                let (link, family) = (link("eth0"), crate::machine::id::Family::Ipv4);
                m.router.handle(Event::ListenerOpened { link, family }, m.now, &mut out);
            }
            Step::Reload(plan) => m.router.reconfigure(parse(&text(plan)), m.now, &mut out),
            Step::Restart => {
                if stopped {
                    continue;
                }
                let checkpoint = m.router.checkpoint(m.now, 9 * SECOND);
                let plan = m.router.plan().clone();
                let mut all = links();
                all[0].addresses.extend(ledger.held.iter().map(|a| observed(&a.to_string(), true)));
                m.router = Router::new(plan, m.now);
                m.router.handle(Event::LinksObserved(all), m.now, &mut out);
                m.router.restore(&checkpoint, m.now, 9 * SECOND).unwrap();
                m.router.start(m.now, &mut out);
                // Whatever ran before is not ours any more; addresses of instances that are gone end with their lease.
                let known: BTreeSet<IpAddr> = m
                    .router
                    .plan()
                    .instances
                    .iter()
                    .flat_map(|i| i.addresses.iter().map(|a| a.address))
                    .collect();
                ledger.held.retain(|a| known.contains(a));
                ledger.running = 0;
            }
            Step::Stop => {
                m.router.handle(Event::StopRequested, m.now, &mut out);
                stopped = true;
            }
        }
    }
    ledger.book(&out);
    // Whatever happened: an orderly stop ends, and leaves nothing.
    out.clear();
    m.router.handle(Event::StopRequested, m.now, &mut out);
    m.now += 4 * SECOND;
    m.router.handle_timeout(m.now, &mut out);
    ledger.book(&out);
    assert!(m.router.stopped());
    assert_eq!(ledger.held, BTreeSet::new());
}

fn feed_advert(
    m: &mut Machine,
    at: usize,
    from: u8,
    priority: u8,
    interval: Duration,
    out: &mut Vec<Action>,
) {
    let plan = m.router.plan().instances[at].clone();
    let listed = plan.advertised();
    let advert = Advert {
        version: plan.version,
        vrid: plan.key.vrid,
        priority,
        interval,
        auth: Auth::None,
        addresses: Addresses::new(plan.key.family, &listed),
    };
    let form = if plan.version == Version::V2 { Form::Plain } else { Form::PseudoHeader };
    let (source, destination) = (IpAddr::from([10, 0, 0, from]), ip("224.0.0.18"));
    let mut buffer = [0; MAX_LEN];
    let len = advert.encode(form, source, destination, &mut buffer).unwrap();
    let datagram = Datagram { link: link("eth0"), source, destination, ttl: 255, payload: &buffer[..len] };
    m.router.handle(Event::DatagramReceived(datagram), m.now, out);
}

/// The invariants.
fn check(m: &Machine, ledger: &Ledger, stopped: bool) {
    let status = m.router.status(m.now);
    let mut allowed = BTreeSet::new();
    for i in &status.instances {
        let addresses = i.addresses.iter().map(|a| ip(a.split('/').next().unwrap()));
        match i.state {
            "master" => {
                allowed.extend(addresses);
                assert!(
                    !i.faults.iter().any(|f| !f.contains("has not finished")),
                    "a master in fault: {i:?}"
                );
            }
            "fault" => assert!(!i.faults.is_empty(), "a fault without a cause: {i:?}"),
            "backup" => assert!(!stopped || i.handing_over, "a backup after the stop: {i:?}"),
            "init" => {}
            other => panic!("unknown state {other}"),
        }
        assert!(i.priority == 255 || (1..=254).contains(&i.effective_priority), "{i:?}");
        let waits = matches!(i.state, "backup" | "master");
        assert!(!waits || m.router.poll_timeout().is_some(), "somebody waits for nothing: {i:?}");
    }
    for address in &ledger.held {
        assert!(allowed.contains(address), "{address} is held by nobody: {status:?}");
    }
    for group in &status.sync_groups {
        let states: BTreeSet<&str> = status
            .instances
            .iter()
            .filter(|i| group.instances.contains(&i.name) && !i.handing_over)
            .map(|i| i.state)
            .collect();
        assert!(stopped || !states.contains("master") || states.len() == 1, "a divided group: {status:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold(plan in 0..PLANS.len(), steps in prop::collection::vec(step(), 1..60)) {
        run(plan, steps);
    }
}
