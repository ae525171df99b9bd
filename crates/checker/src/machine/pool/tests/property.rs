//! Random plans, outcomes, restarts and reloads: what must hold whatever happens.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct ServerSpec {
    host: u8,
    weight: u32,
    inhibit: bool,
    check: u8,
}

#[derive(Clone, Debug)]
struct ServiceSpec {
    address: u8,
    quorum: u32,
    hysteresis: u32,
    sorry: bool,
    servers: Vec<ServerSpec>,
}

fn server() -> impl Strategy<Value = ServerSpec> {
    (0_u8..6, 0_u32..4, any::<bool>(), 0_u8..3).prop_map(|(host, weight, inhibit, check)| ServerSpec {
        host,
        weight,
        inhibit,
        check,
    })
}

fn service() -> impl Strategy<Value = ServiceSpec> {
    (0_u8..4, 1_u32..5, 0_u32..3, any::<bool>(), prop::collection::vec(server(), 0..5)).prop_map(
        |(address, quorum, hysteresis, sorry, servers)| ServiceSpec {
            address,
            quorum,
            hysteresis: hysteresis.min(quorum - 1),
            sorry,
            servers,
        },
    )
}

fn write(services: &[ServiceSpec]) -> String {
    let mut text = String::new();
    let mut addresses = BTreeSet::new();
    for service in services.iter().filter(|service| addresses.insert(service.address)) {
        text.push_str(&format!(
            "[[virtual_server]]\naddress = \"192.0.2.{}:80\"\nquorum = {}\nhysteresis = {}\n",
            service.address + 1,
            service.quorum,
            service.hysteresis
        ));
        if service.sorry {
            text.push_str("sorry_server = \"10.0.0.99\"\n");
        }
        let mut hosts = BTreeSet::new();
        for server in service.servers.iter().filter(|server| hosts.insert(server.host)) {
            let check = [
                "[]",
                "{ type = \"tcp\", retries = 0, interval = 1, warm_up = 0 }",
                "{ type = \"tcp\", retries = 1, interval = 2, retry_delay = 1, rise = 2, initial = \"down\" }",
            ];
            text.push_str(&format!(
                "[[virtual_server.real_server]]\naddress = \"10.0.0.{}\"\nweight = {}\ninhibit_on_failure = {}\ncheck = {}\n",
                server.host + 1, server.weight, server.inhibit, check[usize::from(server.check)]
            ));
        }
    }
    text
}

#[derive(Clone, Debug)]
enum Happening {
    Pass(usize, u64),
    Fail(usize, u64),
    Unknown(usize, u64),
    Time(u64),
    Reload(Vec<ServiceSpec>),
    Restart(bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (any::<usize>(), 0_u64..500).prop_map(|(check, took)| Happening::Pass(check, took)),
        4 => (any::<usize>(), 0_u64..500).prop_map(|(check, took)| Happening::Fail(check, took)),
        1 => (any::<usize>(), 0_u64..500).prop_map(|(check, took)| Happening::Unknown(check, took)),
        3 => (0_u64..5000).prop_map(Happening::Time),
        1 => prop::collection::vec(service(), 0..4).prop_map(Happening::Reload),
        1 => any::<bool>().prop_map(Happening::Restart),
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
                | Action::Local(..) => {}
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
        self.lab.pool.settle(&mut out);
        self.act(out);
    }

    fn advance(&mut self, ms: u64) {
        self.lab.now += Duration::from_millis(ms);
        let mut out = Vec::new();
        self.lab.pool.handle_timeout(self.lab.now, &mut out);
        self.lab.pool.settle(&mut out);
        self.act(out);
        assert!(self.lab.pool.poll_timeout().is_none_or(|at| at > self.lab.now));
    }

    fn step(&mut self, happening: Happening) {
        match happening {
            Happening::Pass(pick, took) => self.end(pick, took, Verdict::pass("fine")),
            Happening::Fail(pick, took) => self.end(pick, took, Verdict::fail("bad")),
            Happening::Unknown(pick, took) => self.end(pick, took, Verdict::Unknown("here".into())),
            Happening::Time(ms) => self.advance(ms),
            Happening::Reload(services) => {
                self.text = write(&services);
                let before = self.lab.pool.wanted().clone();
                let mut out = Vec::new();
                self.lab.pool.reconfigure(&plan(&self.text), self.lab.now, &mut out);
                self.lab.pool.settle(&mut out);
                self.told(&before, &out);
                self.act(out);
                let mut again = Vec::new();
                self.lab.pool.reconfigure(&plan(&self.text), self.lab.now, &mut again);
                self.lab.pool.settle(&mut again);
                assert_eq!(again, [], "the same plan again changes nothing");
            }
            Happening::Restart(kernel) => self.restart(kernel),
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
        let mut pool = Pool::new(7, self.lab.now);
        let mut out = Vec::new();
        pool.reconfigure(&plan(&self.text), self.lab.now, &mut out);
        assert!(pool.restore(&checkpoint));
        if kernel {
            pool.adopt(|key| wanted.services.get(&key).map(|entry| entry.destinations.clone()));
        }
        pool.settle(&mut out);
        assert_eq!(*pool.wanted(), wanted, "a restart changes nothing");
        assert!(!out.iter().any(|action| matches!(action, Action::Changed(..) | Action::Notify(..))));
        self.lab.pool = pool;
        self.running.clear();
    }

    /// What is kept up to date step by step is what it would be worked out anew.
    fn consistent(&self) {
        let pool = &self.lab.pool;
        for (id, server) in &pool.servers {
            let service = &pool.virtual_servers[&server.service];
            assert_eq!(service.servers[server.place], *id);
            let planned = &service.plan.real_servers[server.place];
            assert_eq!(pool.judge(&server.links, planned.weight), (server.alive, server.weight));
            for (link, check) in server.links.iter().zip(&planned.checks) {
                assert_eq!(pool.by_plan[check], link.check);
                assert!(pool.checks[&link.check].subscribers.contains(id));
            }
        }
        for (id, service) in &pool.virtual_servers {
            let servers = || service.servers.iter().map(|id| &pool.servers[id]);
            assert_eq!(
                service.alive,
                servers().map(|server| u64::from(server.effective_weight())).sum::<u64>()
            );
            assert_eq!(service.total, servers().map(|server| u64::from(server.weight)).sum::<u64>());
            assert_eq!(service.quorum_met, service.quorum(service.quorum_met), "{id}: the quorum is settled");
            for key in &service.plan.services {
                assert_eq!(pool.wanted.services[key], service.entry(*key, &pool.servers));
            }
            if service.plan.sorry.is_some() && service.alive == 0 {
                assert!(service.sorry_active());
            }
        }
        let services: usize = pool.virtual_servers.values().map(|service| service.plan.services.len()).sum();
        assert_eq!(pool.wanted.services.len(), services);
        let deadlines: BTreeSet<(Instant, CheckId)> =
            pool.checks.iter().filter_map(|(id, check)| Some((check.schedule.deadline()?, *id))).collect();
        assert_eq!(pool.deadlines, deadlines);
        assert_eq!(pool.by_plan.len(), pool.checks.len());
        let running: BTreeSet<CheckId> =
            pool.checks.iter().filter(|(_, check)| check.schedule.running()).map(|(id, _)| *id).collect();
        assert_eq!(running, self.running);
        // Nobody dead gets connections.
        for (id, service) in &pool.virtual_servers {
            for key in &service.plan.services {
                for (at, destination) in &pool.wanted.services[key].destinations {
                    let place = service.plan.real_servers.iter().position(|server| server.key(*key) == *at);
                    let Some(place) = place else { continue };
                    let alive = pool.servers[&service.servers[place]].alive;
                    assert!(alive || destination.weight == 0, "{id} {at}");
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
