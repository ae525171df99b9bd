//! Random plans, outcomes, restarts and reloads: what must hold whatever happens.

use super::*;
use crate::machine::Order;
use common::steer::Origin;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct ServerSpec {
    host: u8,
    weight: u32,
    inhibit: bool,
    backup: bool,
    check: u8,
    needed: u8,
}

#[derive(Clone, Debug)]
struct ServiceSpec {
    address: u8,
    quorum: u32,
    hysteresis: u32,
    /// None, unchecked, checked, inhibited and checked.
    sorry: u8,
    backup_below: u8,
    drain: u8,
    slow_start: u8,
    suspend: bool,
    servers: Vec<ServerSpec>,
}

fn server() -> impl Strategy<Value = ServerSpec> {
    let weight = prop_oneof![0_u32..4, 0_u32..40];
    (0_u8..6, weight, any::<bool>(), prop::bool::weighted(0.3), 0_u8..4, 0_u8..3).prop_map(
        |(host, weight, inhibit, backup, check, needed)| ServerSpec {
            host,
            weight,
            inhibit,
            backup,
            check,
            needed,
        },
    )
}

fn service() -> impl Strategy<Value = ServiceSpec> {
    let numbers = (0_u8..4, 1_u32..5, 0_u32..3, 0_u8..4, prop_oneof![Just(0_u8), 1_u8..=100]);
    let times = (0_u8..4, 0_u8..4, prop::bool::weighted(0.2));
    (numbers, times, prop::collection::vec(server(), 0..5)).prop_map(
        |((address, quorum, hysteresis, sorry, backup_below), (drain, slow_start, suspend), servers)| {
            ServiceSpec {
                address,
                quorum,
                hysteresis: hysteresis.min(quorum - 1),
                sorry,
                backup_below,
                drain,
                slow_start,
                suspend,
                servers,
            }
        },
    )
}

fn write(services: &[ServiceSpec]) -> String {
    let mut text = String::new();
    let mut addresses = BTreeSet::new();
    let checks = [
        "[]",
        "{ type = \"tcp\", retries = 0, interval = 1, warm_up = 0 }",
        "{ type = \"tcp\", retries = 1, interval = 2, retry_delay = 1, rise = 2, initial = \"down\" }",
        "[{ type = \"tcp\", retries = 0, interval = 1, warm_up = 0 }, { type = \"tcp\", port = 81, retries = 0, interval = 3 }]",
    ];
    for service in services.iter().filter(|service| addresses.insert(service.address)) {
        text.push_str(&format!(
            "[[virtual_server]]\naddress = \"192.0.2.{}:80\"\nquorum = {}\nhysteresis = {}\nha_suspend = {}\ndrain = {}\nslow_start = {}\n",
            service.address + 1, service.quorum, service.hysteresis, service.suspend, service.drain, service.slow_start * 4
        ));
        match service.sorry {
            0 => {}
            1 => text.push_str("sorry_server = \"10.0.0.99\"\n"),
            sorry => text.push_str(&format!(
                "sorry_server = {{ address = \"10.0.0.99\", inhibit_on_failure = {}, check = {} }}\n",
                sorry == 3,
                checks[1]
            )),
        }
        if service.backup_below > 0 && service.servers.iter().any(|server| server.backup) {
            text.push_str(&format!("backup_below = {}\n", service.backup_below));
        }
        let mut hosts = BTreeSet::new();
        for server in service.servers.iter().filter(|server| hosts.insert(server.host)) {
            let check = usize::from(server.check);
            let needed = if check == 3 && server.needed > 0 { server.needed } else { 1 };
            text.push_str(&format!(
                "[[virtual_server.real_server]]\naddress = \"10.0.0.{}\"\nweight = {}\ninhibit_on_failure = {}\nbackup = {}\nchecks_needed = {needed}\ncheck = {}\n",
                server.host + 1, server.weight, server.inhibit, server.backup, checks[check]
            ));
        }
    }
    text
}

#[derive(Clone, Debug)]
enum Happening {
    Pass(usize, u64),
    Heavy(usize, u32),
    Fail(usize, u64),
    Unknown(usize, u64),
    Time(u64),
    Holds(u8),
    Counted(u8),
    Reload(Vec<ServiceSpec>),
    Restart(bool),
    Steer(usize, Order, Option<u64>),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (any::<usize>(), 0_u64..500).prop_map(|(check, took)| Happening::Pass(check, took)),
        1 => (any::<usize>(), 0_u32..30).prop_map(|(check, weight)| Happening::Heavy(check, weight)),
        4 => (any::<usize>(), 0_u64..500).prop_map(|(check, took)| Happening::Fail(check, took)),
        1 => (any::<usize>(), 0_u64..500).prop_map(|(check, took)| Happening::Unknown(check, took)),
        3 => (0_u64..5000).prop_map(Happening::Time),
        1 => any::<u8>().prop_map(Happening::Holds),
        1 => any::<u8>().prop_map(Happening::Counted),
        1 => prop::collection::vec(service(), 0..4).prop_map(Happening::Reload),
        1 => any::<bool>().prop_map(Happening::Restart),
        2 => (any::<usize>(), order(), prop::option::of(1_u64..20))
            .prop_map(|(pick, order, seconds)| Happening::Steer(pick, order, seconds)),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Drain),
        Just(Order::Disable),
        Just(Order::Force),
        Just(Order::Enable),
        Just(Order::Release),
        (0_u32..30).prop_map(Order::Weight),
    ]
}

struct World {
    lab: Lab,
    text: String,
    running: BTreeSet<CheckId>,
}

impl World {
    fn act(&mut self, out: Actions) -> Actions {
        for action in &out {
            match action {
                Action::Start(id) => assert!(self.running.insert(*id), "started twice"),
                Action::Expire(id) => assert!(self.running.contains(id), "expired but not running"),
                Action::Cancel(id) => assert!(self.running.remove(id), "cancelled but not running"),
                Action::Reconcile(_)
                | Action::Notify(..)
                | Action::Changed(..)
                | Action::Failed(..)
                | Action::Local(..)
                | Action::Count(_)
                | Action::Leaving(..)
                | Action::Suspended(..)
                | Action::Steered(..)
                | Action::Warned(..) => {}
            }
        }
        out
    }

    fn end(&mut self, pick: usize, took: u64, verdict: Verdict) {
        self.advance(took);
        if self.running.is_empty() {
            return;
        }
        let check = *self.running.iter().nth(pick % self.running.len()).unwrap();
        self.running.remove(&check);
        let mut out = Vec::new();
        let event = Event::Finished { check, verdict, took: Duration::from_millis(took) };
        self.lab.pool.handle(event, self.lab.now, &mut out);
        self.lab.pool.settle(self.lab.now, &mut out);
        self.act(out);
    }

    fn take(&mut self, event: Event) {
        let before = self.lab.pool.wanted().clone();
        let mut out = Vec::new();
        self.lab.pool.handle(event, self.lab.now, &mut out);
        self.lab.pool.settle(self.lab.now, &mut out);
        self.told(&before, &out);
        self.act(out);
    }

    fn advance(&mut self, ms: u64) {
        self.lab.now += Duration::from_millis(ms);
        let mut out = Vec::new();
        self.lab.pool.handle_timeout(self.lab.now, &mut out);
        self.lab.pool.settle(self.lab.now, &mut out);
        self.act(out);
        assert!(self.lab.pool.poll_timeout().is_none_or(|at| at > self.lab.now));
    }

    fn step(&mut self, happening: Happening) {
        match happening {
            Happening::Pass(pick, took) => self.end(pick, took, Verdict::pass("fine")),
            Happening::Heavy(pick, weight) => {
                self.end(
                    pick,
                    0,
                    Verdict::Pass { words: "said so".into(), weight: Some(Weight::Set(weight)) },
                );
            }
            Happening::Holds(mask) => {
                let held = (0..4).filter(|bit| mask & (1 << bit) != 0);
                let held = held.map(|last| IpAddr::from([192, 0, 2, last + 1])).collect();
                self.take(Event::Holds(held));
            }
            Happening::Counted(mask) => {
                let all = (0..8).filter(|bit| mask & (1 << bit) != 0);
                let busy =
                    all.map(|last| DestinationKey { address: IpAddr::from([10, 0, 0, last + 1]), port: 80 });
                let busy: BTreeSet<_> = busy.collect();
                let services: Vec<_> = self.lab.pool.virtual_servers.keys().copied().collect();
                for service in services {
                    self.take(Event::Counted { service, busy: busy.clone() });
                }
            }
            Happening::Fail(pick, took) => self.end(pick, took, Verdict::fail("bad")),
            Happening::Unknown(pick, took) => self.end(pick, took, Verdict::Unknown("here".into())),
            Happening::Time(ms) => self.advance(ms),
            Happening::Reload(services) => {
                self.text = write(&services);
                let before = self.lab.pool.wanted().clone();
                let mut out = Vec::new();
                self.lab.pool.reconfigure(&plan(&self.text), self.lab.now, &mut out);
                self.lab.pool.settle(self.lab.now, &mut out);
                self.told(&before, &out);
                self.act(out);
                let mut again = Vec::new();
                self.lab.pool.reconfigure(&plan(&self.text), self.lab.now, &mut again);
                self.lab.pool.settle(self.lab.now, &mut again);
                assert_eq!(again, [], "the same plan again changes nothing");
            }
            Happening::Restart(kernel) => self.restart(kernel),
            Happening::Steer(pick, order, seconds) => {
                let services = self.lab.pool.virtual_servers.values();
                let real: Vec<_> = services.flat_map(real_servers_of).map(|(_, id)| id).collect();
                if real.is_empty() {
                    return;
                }
                let servers = vec![real[pick % real.len()]];
                let until = seconds.map(|seconds| self.lab.now + Duration::from_secs(seconds));
                self.take(Event::Steer { servers, order, until, origin: Origin::default() });
            }
        }
    }

    /// Every difference of the table is told, and nothing else.
    fn told(&self, before: &Table, out: &Actions) {
        let after = self.lab.pool.wanted();
        let told: BTreeSet<ServiceKey> = out
            .iter()
            .filter_map(|action| if let Action::Reconcile(key) = action { Some(*key) } else { None })
            .collect();
        let keys = before.services.keys().chain(after.services.keys());
        let differ: BTreeSet<ServiceKey> =
            keys.filter(|key| before.services.get(key) != after.services.get(key)).copied().collect();
        assert_eq!(told, differ);
    }

    fn restart(&mut self, kernel: bool) {
        let wanted = self.lab.pool.wanted().clone();
        self.lab.pool.changed = true;
        let checkpoint = self.lab.pool.checkpoint().unwrap();
        let uptime = UPTIME + self.lab.now.duration_since(self.lab.zero);
        let held = self.lab.pool.held.clone();
        let mut pool = Pool::new(7, self.lab.now, uptime);
        let mut out = Vec::new();
        pool.reconfigure(&plan(&self.text), self.lab.now, &mut out);
        pool.handle(Event::Holds(held), self.lab.now, &mut out);
        assert!(pool.restore(&checkpoint, self.lab.now));
        if kernel {
            pool.adopt(|key| wanted.services.get(&key).map(|entry| entry.destinations.clone()));
        }
        pool.settle(self.lab.now, &mut out);
        assert_eq!(*pool.wanted(), wanted, "a restart changes nothing");
        assert!(!out.iter().any(|action| matches!(action, Action::Changed(..) | Action::Notify(..))));
        self.lab.pool = pool;
        self.running.clear();
    }

    /// What is kept up to date step by step is what it would be worked out anew.
    fn consistent(&self) {
        let pool = &self.lab.pool;
        for (id, server) in pool.servers.iter() {
            let service = &pool.virtual_servers[&server.service];
            assert_eq!(service.servers[server.place], *id);
            let planned = service.plan.member(server.place).unwrap();
            assert_eq!(
                reconfigure::judge(&pool.checks, &server.links, planned, server.steering.as_deref()),
                (server.alive, server.weight)
            );
            for (link, check) in server.links.iter().zip(planned.checks()) {
                assert_eq!(pool.checks[&link.check].plan, check);
                assert!(pool.checks[&link.check].subscribers.contains(id));
            }
            assert_eq!(server.serving, service.holds(server));
            let end = server.steering.as_ref().map(|steering| steering.deadline());
            let alarms = pool.alarms.iter().filter(|(_, alarm)| *alarm == Alarm::Steered(*id));
            assert_eq!(alarms.map(|(at, _)| *at).collect::<Vec<_>>(), Vec::from_iter(end.flatten()));
            if let Some(ramp) = server.ramp() {
                assert!(server.alive);
                assert_eq!(Ramp::at(ramp.since, planned.terms.slow_start, self.lab.now), Some(ramp));
                assert!(pool.alarms.contains(&(ramp.next(planned.terms.slow_start), Alarm::Ramp(*id))));
            }
        }
        for (id, service) in pool.virtual_servers.iter() {
            let members = || service.plan.members().zip(service.servers.iter().map(|id| &pool.servers[id]));
            let real = || members().take(service.plan.real_servers.len());
            let sum = |backup: bool, of: fn(&RealServer) -> u32| {
                let some =
                    real().filter(|(planned, server)| planned.terms.backup == backup && !server.standby);
                some.map(|(_, server)| u64::from(of(server))).sum::<u64>()
            };
            assert_eq!(service.alive, sum(false, |server| server.share().counted()));
            assert_eq!(service.total, sum(false, |server| server.weight));
            assert_eq!(service.helping, sum(true, |server| server.share().counted()));
            assert_eq!(service.quorum_met, service.quorum(service.quorum_met), "{id}: the quorum is settled");
            assert_eq!(
                service.suspended,
                service.plan.suspend.as_ref().is_some_and(|w| w.is_disjoint(&pool.held))
            );
            let mut again = service.clone();
            let mut servers = pool.servers.clone();
            again.call_backups(&mut servers);
            assert!(service.servers.iter().all(|id| servers[id].standby == pool.servers[id].standby));
            // Backups are called in their order, and none more than needed.
            let called: Vec<u64> = real()
                .filter(|(planned, server)| planned.terms.backup && !server.standby)
                .map(|(_, server)| u64::from(server.share().counted()))
                .collect();
            if let Some((last, others)) =
                called.iter().rposition(|weight| *weight > 0).map(|at| (called[at], &called[..at]))
            {
                assert!(last > 0 && service.alive + others.iter().sum::<u64>() < service.enough());
            }
            for key in &service.plan.services {
                let entry = &pool.wanted.services[key];
                assert_eq!(*entry, service.entry(*key, &pool.servers));
                let serving = entry.destinations.values().any(|destination| destination.weight > 0);
                let could = real().any(|(_, server)| server.alive && server.weight > 0 && !server.away());
                assert!(
                    serving || !could || service.sorry_active(),
                    "{id}: all are out though one could serve"
                );
                assert!(serving || !service.sorry_up || service.quorum_met, "{id}: nobody serves");
            }
            if service.sorry_up && service.counted() == 0 {
                assert!(service.sorry_active());
            }
            assert!(service.leaving.values().all(|leaving| leaving.until > self.lab.now));
            let watches = pool.alarms.iter().filter(|(_, alarm)| *alarm == Alarm::Leaving(*id)).count();
            assert!(watches == 1 || service.leaving.is_empty() && watches <= 1);
        }
        let services: usize = pool.virtual_servers.values().map(|service| service.plan.services.len()).sum();
        assert_eq!(pool.wanted.services.len(), services);
        let deadlines: BTreeSet<(Moment, CheckId)> =
            pool.checks.iter().filter_map(|(id, check)| Some((check.schedule.deadline()?, *id))).collect();
        assert_eq!(pool.deadlines, deadlines);
        assert_eq!(pool.by_identity.len(), pool.checks.len());
        let running: BTreeSet<CheckId> =
            pool.checks.iter().filter(|(_, check)| check.schedule.running()).map(|(id, _)| *id).collect();
        assert_eq!(running, self.running);
        for check in pool.checks.values() {
            let rests = |server| pool.virtual_servers[&pool.servers[server].service].suspended;
            assert_eq!(check.schedule.resting(), check.subscribers.iter().all(rests));
        }
        // Nobody dead gets connections, nobody who leaves, no backup that is not called.
        for (id, service) in pool.virtual_servers.iter() {
            for key in &service.plan.services {
                for (at, destination) in &pool.wanted.services[key].destinations {
                    let place = service.plan.members().position(|server| server.key(*key) == *at);
                    let serves =
                        place.is_some_and(|place| service.serves(&pool.servers[&service.servers[place]]));
                    assert!(serves || destination.weight == 0, "{id} {at}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn what_must_hold_whatever_happens(
        start in prop::collection::vec(service(), 1..4),
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let text = write(&start);
        let mut world = World { lab: Lab::empty(), text: text.clone(), running: BTreeSet::new() };
        world.lab.load(&text);
        world.consistent();
        for happening in happenings {
            world.step(happening);
            world.consistent();
        }
    }
}
