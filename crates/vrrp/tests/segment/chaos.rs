//! A random run: storms in which anything may happen, calms after which all must be well and stay well, and things done on
//! purpose that no client may notice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vrrp::machine::address::Lifetime;
use vrrp::machine::fact::StateName;

use super::random::Random;
use super::world::{Checkpoint, Wire, World, plan};
use super::{MS, SECOND, Settings, vip, world};

/// So many runs are some millions of steps.
pub(crate) const RUNS: u64 = 300;
/// From a kill to the successor's start.
const RESTART: Duration = Duration::from_millis(12);
/// What `preempt_delay` and `startup_delay` are set to where they are.
const DELAY: Duration = Duration::from_secs(2);

/// What a random run is made of.
struct Chaos {
    settings: Vec<Settings>,
    interval: Duration,
    instances: usize,
    hand_over: bool,
    /// A bounded loss that nobody may mind.
    harmless_loss: u64,
    delayed: bool,
}

/// Something that happens to a machine or to the wire.
#[derive(Debug, Clone, Copy)]
enum Blow {
    PowerOff(usize),
    /// Killed, and away for this long.
    Restart(usize, Checkpoint, Duration),
    Death(usize),
    Stop(usize),
    Start(usize),
    Partition,
    Heal,
    Stall(usize, Duration),
    Carrier(usize, bool),
    Priority(usize, u8),
    Flush(usize),
    Script(usize, bool),
    /// An operator has an instance hand over.
    Failover(usize, usize, Option<Duration>),
    /// An operator has a machine be master of nothing.
    Maintenance(usize, Option<Duration>),
    /// An operator ends all orders.
    Release(usize),
}

impl Chaos {
    fn draw(random: &mut Random) -> Self {
        let most = random.pick(&[2, 3, 6]);
        let n = 2 + usize::try_from(random.below(most)).unwrap();
        let (version, interval) =
            random.pick(&[(2, SECOND), (3, SECOND), (3, 100 * MS), (3, 10 * MS), (2, 2 * SECOND)]);
        let instances = 1 + usize::try_from(random.below(3)).unwrap();
        let group = instances > 1 && random.permille(600);
        let script = random.permille(400);
        let all_preempt = random.permille(600);
        let extra = random.pick(&[
            "",
            "",
            "state = \"master\"",
            "address_lease = false",
            "hand_over = false",
            "down_timer_adverts = 5",
            "announce = { spacing = \"1ms\", refresh = \"3s\" }",
            "preempt_delay = \"2s\"",
            "startup_delay = \"2s\"",
            "answer_inferior = false",
        ]);
        let extra = if extra.starts_with("preempt") && !all_preempt { "" } else { extra };
        let priorities: &[u8] =
            if random.permille(500) { &[50, 100, 100, 150, 200] } else { &[50, 100, 100, 150, 200, 254] };
        let settings: Vec<Settings> = (0..n)
            .map(|_| Settings {
                version,
                interval,
                instances,
                group,
                script,
                priority: random.pick(priorities),
                preempt: all_preempt || random.permille(500),
                extra: extra.to_owned(),
            })
            .collect();
        // Two adverts in a row may be lost where the skew is longer than what clocks and delays make of three intervals.
        let harmless_loss = if priorities.contains(&254) { 1 } else { 2 };
        let (hand_over, delayed) = (!extra.starts_with("hand_over"), extra.contains("_delay"));
        Self { settings, interval, instances, hand_over, harmless_loss, delayed }
    }

    /// Longer than anybody waits for anything.
    fn settle_time(&self) -> Duration {
        // Down interval with the longest skew of either version, a hand-over; twice, as groups may take two attempts.
        let delay = if self.delayed { 2 * DELAY } else { Duration::ZERO };
        (self.interval * 8 + SECOND + SECOND) * 2 + delay
    }

    fn blow(&self, w: &mut World) -> Option<Blow> {
        let n = usize::try_from(w.random.below(w.nodes.len() as u64)).unwrap();
        let alive = w.nodes[n].router.is_some();
        // Over before the next calm, or not at all.
        let lasting = w.random.pick(&[None, None, Some(SECOND)]);
        Some(match w.random.below(18) {
            0 => Blow::PowerOff(n),
            1 | 2 if alive => {
                // As a rule at once; sometimes the watchdog was away, or a back-off had to be waited for.
                let away = Duration::from_millis(w.random.below(8000));
                let away = w.random.pick(&[RESTART, RESTART, away, self.interval * 5 / 2]);
                Blow::Restart(
                    n,
                    w.random.pick(&[Checkpoint::Fresh, Checkpoint::Fresh, Checkpoint::Old]),
                    away,
                )
            }
            3 if alive => Blow::Death(n),
            4 if alive => Blow::Stop(n),
            5..=7 if !alive => Blow::Start(n),
            8 => Blow::Partition,
            9 => Blow::Heal,
            10 if alive => Blow::Stall(n, Duration::from_millis(w.random.below(8000))),
            11 => Blow::Carrier(n, w.random.permille(500)),
            12 if alive => Blow::Priority(n, w.random.pick(&[50, 100, 150, 200])),
            13 => Blow::Flush(n),
            14 if self.settings[n].script => Blow::Script(n, w.random.permille(500)),
            15 if alive => {
                let instance = w.random.below(self.instances as u64);
                Blow::Failover(n, usize::try_from(instance).unwrap(), lasting)
            }
            16 if alive => Blow::Maintenance(n, lasting),
            17 if alive => Blow::Release(n),
            _ => return None,
        })
    }

    fn strike(&self, w: &mut World, blow: Blow) {
        match blow {
            Blow::PowerOff(n) => w.power_off(n),
            Blow::Restart(n, checkpoint, away) if w.nodes[n].router.is_some() => {
                w.kill(n, checkpoint);
                w.run(away);
                w.start(n);
                w.nodes[n].saving = false;
            }
            Blow::Death(n) => w.kill(n, Checkpoint::Lost),
            Blow::Stop(n) => w.stop(n),
            Blow::Start(n) if w.nodes[n].router.is_none() => w.start(n),
            Blow::Partition => {
                let parts = w.nodes.len() as u64;
                w.part_of = (0..parts).map(|_| u8::try_from(w.random.below(2)).unwrap()).collect();
            }
            Blow::Heal => w.part_of.fill(0),
            Blow::Stall(n, time) => w.stall(n, time),
            Blow::Carrier(n, carrier) => w.carrier(n, carrier),
            Blow::Priority(n, priority) if w.healthy(n) => {
                let settings = Settings { priority, ..self.settings[n].clone() };
                w.reload(n, plan(&settings.text()));
            }
            Blow::Flush(n) => w.flush(n),
            Blow::Script(n, good) => w.script(n, good),
            Blow::Failover(n, instance, lasting) if w.healthy(n) => w.fail_over(n, instance, lasting),
            Blow::Maintenance(n, lasting) if w.healthy(n) => w.maintain(n, lasting),
            Blow::Release(n) if w.healthy(n) => w.release(n),
            Blow::Restart(..)
            | Blow::Start(_)
            | Blow::Priority(..)
            | Blow::Failover(..)
            | Blow::Maintenance(..)
            | Blow::Release(_) => {}
        }
    }

    /// Lets time pass before a blow; a process that is about to be killed keeps its checkpoint.
    fn before(&self, w: &mut World, blow: Option<Blow>, time: Duration, look: &mut dyn FnMut(&World)) {
        if let Some(Blow::Restart(n, ..)) = blow {
            w.nodes[n].saving = true;
            w.save(n);
        }
        w.watch(time, look);
    }

    fn storm(&self, w: &mut World) {
        w.wire = Wire {
            loss_permille: w.random.pick(&[0, 0, 10, 100, 300]),
            loss_run: 0,
            duplicate_permille: w.random.pick(&[0, 50]),
            // The longest of these let adverts overtake each other.
            delay_max: w.random.pick(&[MS / 10, self.interval / 20, self.interval * 2]),
        };
        for _ in 0..1 + w.random.below(10) {
            let limit = u64::try_from(self.interval.as_millis()).unwrap() * 6;
            let pause = Duration::from_millis(w.random.below(limit) + 1);
            let blow = self.blow(w);
            self.before(w, blow, pause, &mut |w| no_stray_addresses(w, self.instances));
            if let Some(blow) = blow {
                self.strike(w, blow);
            }
        }
    }

    /// The wire is whole, or cut in two for good; who is dead stays dead unless nobody is left.
    fn calm(&self, w: &mut World) {
        w.wire = Wire { delay_max: w.random.pick(&[MS / 10, self.interval / 20]), ..Wire::default() };
        if w.random.permille(700) {
            w.part_of.fill(0);
        }
        let released = w.random.permille(500);
        for n in 0..w.nodes.len() {
            w.carrier(n, true);
            w.script(n, true);
            if released {
                w.release(n);
            }
        }
        if w.nodes.iter().all(|n| n.router.is_none()) {
            w.start(0);
        }
        // Stalls end, leases of the dead run out, and then everybody comes to terms.
        w.run(8 * SECOND);
        w.run(self.settle_time());
        self.settled(w);
        // Loss that nobody may mind.
        if w.random.permille(500) {
            w.wire = Wire {
                loss_permille: 400,
                loss_run: self.harmless_loss,
                delay_max: MS / 10,
                ..Wire::default()
            };
        }
        let before = transitions(w);
        w.watch(self.interval * 20, &mut |w| self.one_master_each(w));
        assert_eq!(before, transitions(w), "it flaps");
        w.wire = Wire { delay_max: MS / 10, ..Wire::default() };
    }

    /// The machines that hear each other, of those whose processes run.
    fn parts(w: &World) -> BTreeMap<u8, Vec<usize>> {
        let mut parts: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for n in (0..w.nodes.len()).filter(|n| w.nodes[*n].router.is_some()) {
            parts.entry(w.part_of[n]).or_default().push(n);
        }
        parts
    }

    /// One master for each virtual router in each part of the network, if anybody there would be it, and never one that
    /// would not.
    fn one_master_each(&self, w: &World) {
        for (_, part) in Self::parts(w) {
            for i in 0..self.instances {
                let masters = part.iter().filter(|n| w.state(**n, i) == Some(StateName::Master)).count();
                let willing = part.iter().any(|n| w.willing(*n));
                assert_eq!(masters, usize::from(willing), "instance {i} of {part:?}");
                let unwilling =
                    part.iter().find(|n| !w.willing(**n) && w.state(**n, i) == Some(StateName::Master));
                assert_eq!(unwilling, None, "instance {i}: master under maintenance");
            }
        }
    }

    /// One master, one holder, the right one.
    fn settled(&self, w: &World) {
        self.one_master_each(w);
        for (_, part) in Self::parts(w) {
            for i in 0..self.instances {
                let of_part = |set: BTreeSet<usize>| -> BTreeSet<usize> {
                    set.into_iter().filter(|n| part.contains(n)).collect()
                };
                let masters = of_part(w.masters(i));
                assert_eq!(of_part(w.holders(vip(i))), masters, "instance {i}");
                let Some(master) = masters.first().copied() else { continue };
                if w.nodes[master].plan.groups.len() == 1 {
                    assert_eq!(masters, of_part(w.masters(0)), "a group is divided");
                }
                let priority = |n: usize| {
                    w.nodes[n].router.as_ref().unwrap().status(w.clock(n)).instances[i].effective_priority
                };
                let best = part.iter().filter(|n| w.willing(**n)).map(|n| priority(*n)).max().unwrap();
                let held_off =
                    part.iter().any(|n| w.nodes[*n].router.as_ref().unwrap().failovers().count() > 0);
                if !held_off && w.nodes.iter().all(|n| n.plan.instances[0].preempt) {
                    assert_eq!(priority(master), best, "instance {i}");
                }
            }
        }
        // Without leases the dead keep what they had; with them, nobody does.
        let forever = w.nodes.iter().any(|n| n.plan.instances[0].lifetime == Lifetime::Forever);
        for n in (0..w.nodes.len()).filter(|n| !forever && w.nodes[*n].router.is_none()) {
            for i in 0..self.instances {
                assert!(!w.holders(vip(i)).contains(&n), "the dead node {} still holds {}", n + 1, vip(i));
            }
        }
    }

    /// What an operator does on purpose leaves no moment without a holder, and what a watchdog does nobody notices.
    fn grace(&self, w: &mut World) {
        w.part_of.fill(0);
        for n in 0..w.nodes.len() {
            if w.nodes[n].router.is_none() {
                w.start(n);
            }
            w.release(n);
        }
        w.run(4 * SECOND + self.settle_time());
        self.settled(w);
        for _ in 0..1 + w.random.below(4) {
            let Some(blow) = self.blow(w) else { continue };
            let pause = Duration::from_millis(w.random.below(2000));
            self.before(w, Some(blow), pause, &mut |w| self.one_master_each(w));
            let before = transitions(w);
            let mut held = |w: &World| {
                for i in 0..self.instances {
                    let holders = w.holders(vip(i));
                    assert!(!holders.is_empty(), "{blow:?} leaves instance {i} without a holder");
                }
            };
            match blow {
                Blow::Restart(n, ..) if self.interval > RESTART * 4 => {
                    w.kill(n, Checkpoint::Fresh);
                    w.watch(RESTART, &mut held);
                    w.start(n);
                    w.watch(self.interval * 10, &mut held);
                    w.nodes[n].saving = false;
                    // That of the restart itself is told, no other.
                    let mut after = transitions(w);
                    after[n] -= u64::try_from(self.instances).unwrap();
                    assert_eq!(before, after, "{blow:?} was noticed");
                }
                Blow::Stop(n) if self.hand_over => {
                    w.stop(n);
                    w.watch(self.settle_time(), &mut held);
                    w.start(n);
                    w.watch(self.settle_time(), &mut held);
                }
                Blow::Failover(n, ..) | Blow::Maintenance(n, _) if self.hand_over => {
                    self.strike(w, blow);
                    w.watch(self.settle_time(), &mut held);
                    w.release(n);
                    w.watch(self.settle_time(), &mut held);
                }
                Blow::Priority(..) | Blow::Script(..) => {
                    self.strike(w, blow);
                    // A script needs three failures in a row, and as long again if the other one comes first.
                    w.watch(self.settle_time() + 8 * SECOND, &mut held);
                }
                Blow::PowerOff(n) => {
                    w.power_off(n);
                    w.run(8 * SECOND + self.settle_time());
                    self.settled(w);
                    w.start(n);
                    w.watch(self.settle_time(), &mut held);
                }
                Blow::Restart(n, ..) => w.nodes[n].saving = false,
                Blow::Death(_)
                | Blow::Stop(_)
                | Blow::Start(_)
                | Blow::Partition
                | Blow::Heal
                | Blow::Stall(..)
                | Blow::Carrier(..)
                | Blow::Failover(..)
                | Blow::Maintenance(..)
                | Blow::Release(_)
                | Blow::Flush(_) => {}
            }
            w.run(self.settle_time());
            self.settled(w);
        }
    }
}

fn transitions(w: &World) -> Vec<u64> {
    w.nodes.iter().map(|n| n.transitions).collect()
}

/// A machine that runs and is not master holds nothing; judged when nothing is on its way.
fn no_stray_addresses(w: &World, instances: usize) {
    for n in (0..w.nodes.len()).filter(|n| w.healthy(*n)) {
        for i in 0..instances {
            let state = w.state(n, i);
            if state != Some(StateName::Master) {
                assert!(!w.holds(n, vip(i)), "node {} holds {} as {state:?}", n + 1, vip(i));
            }
        }
    }
}

/// One run; returns its steps.
pub(crate) fn run(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let chaos = Chaos::draw(&mut random);
    let mut w = world(seed, &chaos.settings);
    for node in &mut w.nodes {
        node.saving = false;
    }
    w.start_all();
    for _ in 0..1 + random.below(3) {
        chaos.storm(&mut w);
        chaos.calm(&mut w);
        if random.permille(500) {
            chaos.grace(&mut w);
        }
    }
    w.steps
}
