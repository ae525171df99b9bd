//! Two to seven routers on one wire in memory: whatever happens to them, one of them is master in the end.
//!
//! A run is made of a seed. A failing one is printed; `SEED=n cargo test -p holdfast-vrrp --test segment` replays it,
//! `TRACE=1` prints what everybody did, `RUNS=n` makes more of them. `oracle.rs` judges every step of every test here.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of a test: a panic is a failure"
)]

#[path = "segment/chaos.rs"]
mod chaos;
#[path = "segment/oracle.rs"]
mod oracle;
#[path = "segment/paths.rs"]
mod paths;
#[path = "segment/random.rs"]
mod random;
#[path = "segment/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use world::{Checkpoint, World, plan};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn vip(instance: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, 200 + u8::try_from(instance).unwrap()])
}

/// A machine's configuration.
#[derive(Debug, Clone)]
struct Settings {
    version: u8,
    interval: Duration,
    instances: usize,
    group: bool,
    script: bool,
    priority: u8,
    preempt: bool,
    extra: String,
}

impl Settings {
    fn new(priority: u8) -> Self {
        Self {
            version: 3,
            interval: SECOND,
            instances: 1,
            group: false,
            script: false,
            priority,
            preempt: true,
            extra: String::new(),
        }
    }

    fn text(&self) -> String {
        let Self { version, priority, preempt, extra, .. } = self;
        let ms = self.interval.as_millis();
        let mut text = format!(
            "[vrrp]\ninterface = \"eth0\"\nversion = {version}\npriority = {priority}\npreempt = {preempt}\n\
             advert_interval = \"{ms}ms\"\n{extra}\n"
        );
        if self.script {
            text += "[[vrrp.script]]\nname = \"s\"\ncommand = \"/bin/true\"\nweight = -120\n";
        }
        for i in 0..self.instances {
            let (id, vip) = (i + 1, vip(i));
            text += &format!(
                "[[vrrp.instance]]\nname = \"V{id}\"\nvirtual_router_id = {id}\nvirtual_addresses = [\"{vip}\"]\n"
            );
            if self.script {
                text += "track_scripts = [\"s\"]\n";
            }
        }
        if self.group {
            let names: Vec<String> = (1..=self.instances).map(|i| format!("\"V{i}\"")).collect();
            text += &format!("[[vrrp.sync_group]]\nname = \"G\"\ninstances = [{}]\n", names.join(", "));
        }
        text
    }
}

fn world(seed: u64, settings: &[Settings]) -> World {
    World::new(seed, settings.iter().map(|s| plan(&s.text())).collect())
}

fn set(of: &[usize]) -> BTreeSet<usize> {
    of.iter().copied().collect()
}

#[test]
fn the_highest_priority_becomes_master_and_nothing_moves_after() {
    let mut w = world(1, &[Settings::new(100), Settings::new(200), Settings::new(150)]);
    w.start_all();
    w.run(5 * SECOND);
    assert_eq!(w.masters(0), set(&[1]));
    let before: Vec<u64> = w.nodes.iter().map(|n| n.transitions).collect();
    w.watch(60 * SECOND, &mut |w| assert_eq!(w.holders(vip(0)), set(&[1])));
    let after: Vec<u64> = w.nodes.iter().map(|n| n.transitions).collect();
    assert_eq!(before, after, "no flapping");
}

#[test]
fn a_dead_master_is_replaced_within_the_down_interval() {
    for interval in [10 * MS, 100 * MS, SECOND] {
        let with = |priority| Settings { interval, ..Settings::new(priority) };
        let mut w = world(2, &[with(200), with(100)]);
        w.start_all();
        w.run(20 * SECOND);
        assert_eq!(w.masters(0), set(&[0]));
        w.power_off(0);
        // 3 intervals and (256 - 100) / 256 of one, counted from the last advert: never more from now.
        w.run(interval * 3 + interval * 156 / 256 + MS);
        assert_eq!(w.masters(0), set(&[1]), "{interval:?}");
    }
}

#[test]
fn an_orderly_stop_leaves_no_moment_without_a_holder() {
    for (seed, version) in [(3, 2), (4, 3)] {
        let with = |priority| Settings { version, ..Settings::new(priority) };
        let mut w = world(seed, &[with(200), with(100)]);
        w.start_all();
        w.run(5 * SECOND);
        w.stop(0);
        w.watch(3 * SECOND, &mut |w| {
            assert!(!w.holders(vip(0)).is_empty(), "version {version} at {:?}", w.now - w.start);
        });
        assert_eq!(w.holders(vip(0)), set(&[1]));
        assert!(w.nodes[0].router.is_none(), "stopped");
    }
}

#[test]
fn a_lonely_master_stops_within_the_bound() {
    let mut w = world(5, &[Settings::new(200)]);
    w.start_all();
    w.run(5 * SECOND);
    w.stop(0);
    w.run(SECOND + 100 * MS);
    assert!(w.nodes[0].router.is_none(), "stopped");
    assert_eq!(w.holders(vip(0)), set(&[]));
}

#[test]
fn a_lowered_priority_hands_over_without_a_gap() {
    let with = |priority| Settings { script: true, ..Settings::new(priority) };
    let mut w = world(6, &[with(200), with(100)]);
    w.start_all();
    w.run(6 * SECOND);
    assert_eq!(w.masters(0), set(&[0]));
    w.script(0, false);
    w.watch(8 * SECOND, &mut |w| assert!(!w.holders(vip(0)).is_empty()));
    assert_eq!(w.masters(0), set(&[1]));
    assert_eq!(w.holders(vip(0)), set(&[1]));
}

#[test]
fn a_killed_and_restarted_master_is_not_missed() {
    for interval in [100 * MS, SECOND] {
        let with = |priority| Settings { interval, ..Settings::new(priority) };
        let mut w = world(7, &[with(200), with(100)]);
        w.start_all();
        w.run(20 * SECOND);
        for _ in 0..200 {
            let pause = w.random.below(u64::try_from(3 * interval.as_millis()).unwrap());
            w.run(Duration::from_millis(pause));
            w.kill(0, Checkpoint::Fresh);
            w.run(15 * MS);
            w.start(0);
            w.watch(5 * MS, &mut |w| assert_eq!(w.holders(vip(0)), set(&[0])));
        }
        assert_eq!(w.masters(0), set(&[0]), "{interval:?}");
        assert_eq!(w.nodes[1].transitions, 1, "the backup never noticed: {:?}", w.nodes[1].facts);
    }
}

#[test]
fn addresses_of_a_machine_whose_processes_are_all_dead_end_with_the_lease() {
    let mut w = world(8, &[Settings::new(200), Settings::new(100)]);
    w.start_all();
    w.run(5 * SECOND);
    w.kill(0, Checkpoint::Lost);
    w.run(3600 * MS + 700 * MS);
    assert_eq!(w.holders(vip(0)), set(&[1]));
}

#[test]
fn a_stalled_backup_does_not_seize_the_address() {
    for interval in [100 * MS, SECOND] {
        let with = |priority| Settings { interval, ..Settings::new(priority) };
        let mut w = world(9, &[with(200), with(100)]);
        w.start_all();
        w.run(20 * SECOND);
        for _ in 0..20 {
            // Its socket is empty when it wakes up: the packets of the stall are lost, as with a paused machine.
            w.part_of[1] = 1;
            w.stall(1, interval * 8);
            w.run(interval * 8 - MS);
            w.part_of[1] = 0;
            w.watch(interval * 6, &mut |w| assert_eq!(w.masters(0), set(&[0])));
        }
    }
}

#[test]
fn a_stalled_master_yields_or_speaks_up_when_it_wakes() {
    let mut w = world(10, &[Settings::new(200), Settings::new(100)]);
    w.start_all();
    w.run(5 * SECOND);
    w.stall(0, 6 * SECOND);
    w.run(5 * SECOND);
    assert_eq!(w.holders(vip(0)), set(&[1]), "the lease took the stalled one's address away");
    w.run(2 * SECOND);
    assert_eq!(w.masters(0), set(&[0]), "the better one is back");
    assert_eq!(w.holders(vip(0)), set(&[0]));
}

#[test]
fn a_stalled_master_that_promised_not_to_preempt_stays_away() {
    let with = |priority| Settings { preempt: false, ..Settings::new(priority) };
    let mut w = world(11, &[with(200), with(100)]);
    w.start_all();
    w.run(5 * SECOND);
    w.stall(0, 8 * SECOND);
    w.run(20 * SECOND);
    assert_eq!(w.masters(0), set(&[1]));
    assert_eq!(w.holders(vip(0)), set(&[1]));
}

#[test]
fn a_partition_has_a_master_on_each_side_and_one_when_it_heals() {
    let mut w = world(12, &[Settings::new(200), Settings::new(100), Settings::new(100)]);
    w.start_all();
    w.run(5 * SECOND);
    w.part_of = vec![0, 1, 1];
    w.run(5 * SECOND);
    let masters = w.masters(0);
    assert!(masters.len() == 2 && masters.contains(&0), "of equals one: {masters:?}");
    w.part_of = vec![0, 0, 0];
    w.run(2 * SECOND);
    assert_eq!(w.masters(0), set(&[0]));
}

#[test]
fn a_flushed_address_comes_back() {
    let mut w = world(13, &[Settings::new(200), Settings::new(100)]);
    w.start_all();
    w.run(5 * SECOND);
    for _ in 0..5 {
        w.flush(0);
        w.run(1100 * MS);
        assert_eq!(w.holders(vip(0)), set(&[0]));
    }
    assert_eq!(w.nodes[0].transitions, 2);
}

#[test]
fn groups_move_together() {
    let with = |priority| Settings { instances: 3, group: true, ..Settings::new(priority) };
    let mut w = world(14, &[with(200), with(100)]);
    w.start_all();
    w.run(10 * SECOND);
    for i in 0..3 {
        assert_eq!(w.masters(i), set(&[0]), "instance {i}");
    }
    w.power_off(0);
    w.run(10 * SECOND);
    for i in 0..3 {
        assert_eq!(w.masters(i), set(&[1]), "instance {i}");
    }
    w.start(0);
    w.run(10 * SECOND);
    for i in 0..3 {
        assert_eq!(w.masters(i), set(&[0]), "instance {i}");
        assert_eq!(w.holders(vip(i)), set(&[0]), "instance {i}");
    }
}

#[test]
fn reloads_without_a_change_are_not_noticed() {
    let mut w = world(15, &[Settings::new(200), Settings::new(100)]);
    w.start_all();
    w.run(5 * SECOND);
    let before: Vec<u64> = w.nodes.iter().map(|n| n.transitions).collect();
    for _ in 0..50 {
        let plan = w.nodes[0].plan.clone();
        w.reload(0, plan);
        w.watch(200 * MS, &mut |w| assert_eq!(w.holders(vip(0)), set(&[0])));
    }
    let after: Vec<u64> = w.nodes.iter().map(|n| n.transitions).collect();
    assert_eq!(before, after);
}

#[test]
fn whatever_happens_one_is_master_in_the_end() {
    let number = |key: &str| std::env::var(key).ok().and_then(|v| v.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        chaos::run(seed);
        return;
    }
    let runs = number("RUNS").unwrap_or(chaos::RUNS);
    let mut steps = 0;
    for seed in 0..runs {
        match catch_unwind(AssertUnwindSafe(|| chaos::run(seed))) {
            Ok(n) => steps += n,
            Err(panic) => {
                println!(
                    "failing seed: SEED={seed} TRACE=1 cargo test -p holdfast-vrrp --test segment whatever"
                );
                resume_unwind(panic);
            }
        }
    }
    println!("{runs} runs, {steps} steps");
}
