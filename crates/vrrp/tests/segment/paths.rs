//! Routers with a second way for their adverts (`also_via`): what one cut cable must not do, whichever it is.

use std::time::Duration;

use vrrp::machine::fact::StateName;

use super::random::Random;
use super::world::World;
use super::{MS, SECOND, Settings, set, vip, world};

fn with(priority: u8) -> Settings {
    let extra = "also_via = [{ interface = \"eth1\" }]".to_owned();
    Settings { interval: 100 * MS, extra, ..Settings::new(priority) }
}

fn settled(seed: u64, priorities: &[u8]) -> World {
    let settings: Vec<Settings> = priorities.iter().map(|priority| with(*priority)).collect();
    let mut w = world(seed, &settings);
    w.start_all();
    w.run(5 * SECOND);
    assert_eq!(w.masters(0).len(), 1);
    w
}

fn transitions(w: &World) -> Vec<u64> {
    w.nodes.iter().map(|node| node.transitions).collect()
}

fn told(w: &World, n: usize, what: &str) -> usize {
    w.nodes[n].facts.iter().filter(|(_, fact)| fact.contains(what)).count()
}

#[test]
fn one_cut_path_moves_nobody_and_is_told() {
    for (own, second) in [(vec![0, 1, 2], vec![0, 0, 0]), (vec![0, 0, 0], vec![0, 1, 2])] {
        let mut w = settled(11, &[200, 100, 150]);
        let before = transitions(&w);
        w.part_of.clone_from(&own);
        w.second_part_of.clone_from(&second);
        w.watch(20 * SECOND, &mut |w| assert_eq!(w.holders(vip(0)), set(&[0])));
        assert_eq!(transitions(&w), before);
        let path = if own[1] == 1 { "path=\"eth0\"" } else { "path=\"eth1\"" };
        for n in [1, 2] {
            assert_eq!(told(&w, n, "path of adverts lost"), 1, "{:?}", w.nodes[n].facts);
            assert_eq!(told(&w, n, path), 1, "{:?}", w.nodes[n].facts);
        }
        w.part_of = vec![0; 3];
        w.second_part_of = vec![0; 3];
        w.run(SECOND);
        assert_eq!((told(&w, 1, "path of adverts is back"), transitions(&w)), (1, before));
    }
}

#[test]
fn both_cut_is_a_split_and_a_healed_path_ends_it() {
    for own in [true, false] {
        for priorities in [[200, 100], [100, 100]] {
            let mut w = settled(12, &priorities);
            w.part_of = vec![0, 1];
            w.second_part_of = vec![0, 1];
            w.run(3 * SECOND);
            assert_eq!(w.masters(0), set(&[0, 1]), "nobody can know of the other");
            if own {
                w.part_of = vec![0, 0];
            } else {
                w.second_part_of = vec![0, 0];
            }
            w.run(3 * SECOND);
            assert_eq!(w.masters(0).len(), 1, "own={own} {priorities:?}");
            let before = transitions(&w);
            w.part_of = vec![0, 0];
            w.second_part_of = vec![0, 0];
            w.run(10 * SECOND);
            assert_eq!((w.masters(0).len(), transitions(&w)), (1, before));
        }
    }
}

/// Priority 0 goes by the way that is left: the skew, not the silence.
#[test]
fn a_master_whose_cable_is_pulled_hands_over_by_the_second_path() {
    let mut w = settled(13, &[200, 100]);
    w.carrier(0, false);
    w.run(100 * MS * 156 / 256 + 2 * MS);
    assert_eq!(w.masters(0), set(&[1]));
    assert_eq!(w.state(0, 0), Some(StateName::Fault));
}

#[test]
fn a_pair_that_starts_with_a_cut_own_path_has_one_master() {
    for priorities in [[200, 100], [100, 200], [100, 100]] {
        let settings: Vec<Settings> = priorities.iter().map(|priority| with(*priority)).collect();
        let mut w = world(14, &settings);
        w.part_of = vec![0, 1];
        w.start_all();
        w.run(3 * SECOND);
        w.watch(10 * SECOND, &mut |w| assert_eq!(w.masters(0).len(), 1, "{priorities:?}"));
    }
}

/// One path after the other is cut anywhere, never two at once: one is master, and stays.
#[test]
fn paths_cut_in_turn_are_never_a_split() {
    let runs: u64 = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(30);
    for seed in 1..=runs {
        let mut random = Random::new(seed);
        let count = usize::try_from(2 + random.below(3)).unwrap();
        let equal = random.permille(300);
        let priority = |n: usize| if equal { 100 } else { 200 - 20 * u8::try_from(n).unwrap() };
        let priorities: Vec<u8> = (0..count).map(priority).collect();
        let mut w = settled(seed, &priorities);
        w.wire.delay_max = Duration::from_micros(random.below(3000));
        let (master, before) = (w.masters(0), transitions(&w));
        for _ in 0..20 {
            let parts: Vec<u8> = (0..count).map(|_| u8::try_from(random.below(2)).unwrap()).collect();
            let whole = vec![0; count];
            (w.part_of, w.second_part_of) =
                if random.permille(500) { (parts, whole) } else { (whole, parts) };
            let time = Duration::from_millis(random.below(3000));
            w.watch(time, &mut |w| assert_eq!(w.masters(0), master, "seed {seed}"));
        }
        assert_eq!(transitions(&w), before, "seed {seed}");
    }
}
