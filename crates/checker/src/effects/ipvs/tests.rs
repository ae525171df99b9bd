//! The reconciler over a kernel in memory.

mod model;
mod reload;

use common::ipvs::{Destination, DestinationKey, Forward, SchedulerFlags, Service, Timeouts};
use proptest::prelude::*;

use super::*;
use model::Model;

/// A reconciler over a model, with a run directory of its own.
struct Bench {
    model: Model,
    reconciler: Reconciler<Model>,
    now: Instant,
    _folder: Folder,
}

struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("holdfast-ipvs-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

impl Bench {
    fn new() -> Self {
        let model = Model::default();
        let folder = Folder::new();
        let reconciler = Reconciler::new(model.clone(), &folder.0);
        Self { model, reconciler, now: common::event_loop::clock::now(), _folder: folder }
    }

    fn started(wanted: Table) -> Self {
        let mut bench = Self::new();
        bench.reconciler.start(wanted, bench.now);
        bench
    }

    /// Another life of the process: the kernel and the run directory stay.
    fn restarted(self, wanted: Table) -> Self {
        let reconciler = Reconciler::new(self.model.clone(), &self._folder.0);
        let mut bench = Self { reconciler, ..self };
        bench.reconciler.start(wanted, bench.now);
        bench
    }

    /// Lets time pass to the next deadline.
    fn next(&mut self) {
        self.now = self.reconciler.poll_timeout().expect("there is always an audit to come").max(self.now);
        self.reconciler.handle_timeout(self.now);
        assert!(
            self.reconciler.poll_timeout().unwrap() > self.now,
            "a deadline that does not pass is a busy loop"
        );
    }

    fn table(&self) -> Table {
        self.model.0.borrow().table.clone()
    }

    /// What another program does.
    fn foreign(&self, op: &TableOp) {
        self.model.0.borrow_mut().perform(op).unwrap();
    }

    fn take_batches(&self) -> Vec<Vec<TableOp>> {
        std::mem::take(&mut self.model.0.borrow_mut().batches)
    }
}

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn at(last: u8) -> DestinationKey {
    DestinationKey { address: std::net::Ipv4Addr::new(10, 0, 0, last).into(), port: 80 }
}

fn server(weight: u32) -> Destination {
    Destination { forward: Forward::DirectRoute, weight, upper_threshold: 0, lower_threshold: 0 }
}

fn entry(scheduler: &str, weights: &[(u8, u32)]) -> Entry {
    let scheduler = scheduler.parse().unwrap();
    let flags = SchedulerFlags::default();
    let service = Service { scheduler, flags, one_packet: false, persistence: None };
    Entry {
        service,
        destinations: weights.iter().map(|(last, weight)| (at(*last), server(*weight))).collect(),
    }
}

fn table(entries: &[(&str, Entry)]) -> Table {
    Table { services: entries.iter().map(|(text, entry)| (key(text), entry.clone())).collect() }
}

const A: &str = "tcp 192.0.2.1:80";
const B: &str = "tcp 192.0.2.2:80";
const FOREIGN: &str = "tcp 198.51.100.1:80";

#[test]
fn what_is_there_already_is_adopted_without_a_request() {
    let wanted = table(&[(A, entry("rr", &[(1, 1), (2, 1)])), (B, entry("wlc", &[]))]);
    let bench = Bench::started(wanted.clone()).restarted(wanted.clone());
    assert_eq!(bench.take_batches().len(), 1, "only the first life sends anything");
    assert_eq!(bench.table(), wanted);
}

#[test]
fn a_successor_repairs_and_removes_what_the_dead_one_left_and_nothing_else() {
    let bench = Bench::started(table(&[(A, entry("rr", &[(1, 1), (2, 1)])), (B, entry("rr", &[]))]));
    bench.foreign(&TableOp::AddService(key(FOREIGN), entry("rr", &[]).service));
    bench.foreign(&TableOp::DeleteDestination(key(A), at(1)));
    bench.take_batches();
    let wanted = table(&[(A, entry("rr", &[(1, 1), (2, 1)]))]);
    let bench = bench.restarted(wanted.clone());
    let ops = bench.take_batches().concat();
    assert_eq!(ops, [TableOp::AddDestination(key(A), at(1), server(1)), TableOp::DeleteService(key(B))]);
    let mut expected = wanted;
    expected.services.insert(key(FOREIGN), entry("rr", &[]));
    assert_eq!(bench.table(), expected);
}

#[test]
fn a_change_costs_one_request_and_no_reading_however_large_the_table() {
    let entries: Vec<(u8, u32)> = (1..=10).map(|last| (last, 1)).collect();
    let keys: Vec<_> = (0..1000).map(|n| key(&format!("tcp 192.0.2.1:{}", 1000 + n))).collect();
    let services = keys.iter().map(|key| (*key, entry("rr", &entries))).collect();
    let mut bench = Bench::started(Table { services });
    assert_eq!(bench.take_batches().concat().len(), 11_000);
    let reads = bench.model.0.borrow().reads;
    assert_eq!(reads, 1, "an empty kernel is listed once");
    let mut changed = entry("rr", &entries);
    changed.destinations.insert(at(7), server(0));
    bench.reconciler.want(keys[500], Some(changed));
    bench.reconciler.settle(bench.now);
    assert_eq!(bench.take_batches(), [vec![TableOp::EditDestination(keys[500], at(7), server(0))]]);
    assert_eq!(bench.model.0.borrow().reads, reads);
    assert_eq!(bench.reconciler.summary().destinations, 10_000);
}

#[test]
fn wanting_what_is_there_sends_nothing() {
    let mut bench = Bench::started(table(&[(A, entry("rr", &[(1, 1)]))]));
    bench.take_batches();
    bench.reconciler.want(key(A), Some(entry("rr", &[(1, 2)])));
    bench.reconciler.want(key(A), Some(entry("rr", &[(1, 1)])));
    bench.reconciler.settle(bench.now);
    assert_eq!(bench.take_batches(), Vec::<Vec<TableOp>>::new());
}

#[test]
fn an_audit_repairs_what_another_program_changed() {
    let wanted = table(&[(A, entry("rr", &[(1, 1), (2, 1)])), (B, entry("rr", &[(1, 1)]))]);
    let mut bench = Bench::started(wanted.clone());
    bench.foreign(&TableOp::EditDestination(key(A), at(2), server(9)));
    bench.foreign(&TableOp::AddDestination(key(A), at(3), server(1)));
    bench.foreign(&TableOp::DeleteService(key(B)));
    bench.take_batches();
    bench.next();
    assert_eq!(bench.table(), wanted);
    assert_eq!(bench.reconciler.summary().repairs, 2);
    bench.take_batches();
    bench.next();
    assert_eq!(bench.take_batches(), Vec::<Vec<TableOp>>::new());
}

#[test]
fn audits_reach_every_service_in_turn() {
    let keys: Vec<_> = (0..300).map(|n| key(&format!("tcp 192.0.2.1:{}", 1000 + n))).collect();
    let services: BTreeMap<_, _> = keys.iter().map(|key| (*key, entry("rr", &[(1, 1)]))).collect();
    let mut bench = Bench::started(Table { services: services.clone() });
    for key in &keys {
        bench.foreign(&TableOp::EditDestination(*key, at(1), server(2)));
    }
    for left in [172, 44, 0] {
        bench.next();
        let table = bench.table();
        assert_eq!(keys.iter().filter(|key| table.services[key] != services[key]).count(), left);
    }
}

#[test]
fn a_table_that_is_not_what_it_was_taken_for_is_read_again() {
    let mut bench = Bench::started(table(&[(A, entry("rr", &[(1, 1), (2, 1)]))]));
    bench.foreign(&TableOp::DeleteDestination(key(A), at(2)));
    let wanted = table(&[(A, entry("rr", &[(1, 1), (2, 5)]))]);
    bench.reconciler.want(key(A), Some(wanted.services[&key(A)].clone()));
    bench.reconciler.settle(bench.now);
    assert_eq!(bench.table(), wanted, "in the same turn");
}

#[test]
fn a_refusal_is_kept_to_its_service_and_tried_again_ever_more_rarely() {
    let wanted = table(&[(A, entry("nosuch", &[(1, 1), (2, 1)])), (B, entry("rr", &[(1, 1)]))]);
    let mut bench = Bench::started(wanted);
    assert_eq!(bench.table(), table(&[(B, entry("rr", &[(1, 1)]))]));
    let refused = bench.reconciler.summary().refused;
    assert_eq!(refused, [format!("add service {A} (scheduler nosuch): No such file or directory (ENOENT)")]);
    bench.take_batches();
    let (start, mut tries) = (bench.now, 0);
    while bench.now < start + Duration::from_secs(600) {
        bench.next();
        tries += bench.take_batches().len();
    }
    assert!((8..=16).contains(&tries), "{tries} tries in ten minutes");
    bench.reconciler.want(key(A), Some(entry("wrr", &[(1, 1)])));
    bench.reconciler.settle(bench.now);
    assert_eq!(bench.table(), table(&[(A, entry("wrr", &[(1, 1)])), (B, entry("rr", &[(1, 1)]))]));
    assert_eq!(bench.reconciler.summary().refused, Vec::<String>::new());
}

#[test]
fn a_refusal_is_forgotten_once_the_kernel_has_what_it_refused() {
    let mut bench = Bench::started(table(&[(A, entry("nosuch", &[]))]));
    bench.model.0.borrow_mut().knows_all = true;
    bench.foreign(&TableOp::AddService(key(A), entry("nosuch", &[]).service));
    bench.next();
    assert_eq!(bench.reconciler.summary().refused, Vec::<String>::new());
}

#[test]
fn stop_removes_what_is_ours_and_only_that() {
    let mut bench = Bench::started(table(&[(A, entry("rr", &[(1, 1)])), (B, entry("nosuch", &[]))]));
    bench.foreign(&TableOp::AddService(key(FOREIGN), entry("rr", &[]).service));
    assert!(bench.reconciler.stop(bench.now));
    assert_eq!(bench.table(), table(&[(FOREIGN, entry("rr", &[]))]));
    assert_eq!(std::fs::read_dir(&bench._folder.0).unwrap().count(), 0, "nothing is ours any more");
}

#[test]
fn a_lost_kernel_is_found_again() {
    let mut bench = Bench::started(table(&[(A, entry("rr", &[(1, 1)]))]));
    bench.model.0.borrow_mut().failing = 5;
    let wanted = table(&[(A, entry("rr", &[(1, 3)]))]);
    bench.reconciler.want(key(A), Some(wanted.services[&key(A)].clone()));
    bench.reconciler.settle(bench.now);
    assert!(!bench.reconciler.summary().reachable);
    let start = bench.now;
    while !bench.reconciler.summary().reachable {
        bench.next();
    }
    assert!(bench.now > start + Duration::from_secs(10), "the pauses grow");
    assert_eq!(bench.table(), wanted);
}

#[derive(Clone, Debug)]
enum Step {
    Want(ServiceKey, Option<Entry>),
    Foreign(TableOp),
    Fail(usize, bool),
    Settle,
    Next,
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = prop::sample::select(vec![A, B, "fwmark 7 ipv6", FOREIGN]).prop_map(key);
    let ours = prop::sample::select(vec![A, B, "fwmark 7 ipv6"]).prop_map(self::key);
    let weights = prop::collection::btree_map(1_u8..4, 0_u32..3, 0..4);
    let scheduler = prop::sample::select(vec!["rr", "wrr", "nosuch"]);
    let any_entry = (scheduler, weights)
        .prop_map(|(scheduler, weights)| entry(scheduler, &weights.into_iter().collect::<Vec<_>>()));
    let op = (key, 0..5, 1_u8..4, 0_u32..3).prop_map(|(key, kind, last, weight)| match kind {
        0 => TableOp::AddService(key, entry("lc", &[]).service),
        1 => TableOp::EditService(key, entry("sed", &[]).service),
        2 => TableOp::DeleteService(key),
        3 => TableOp::AddDestination(key, at(last), server(weight)),
        _ => TableOp::DeleteDestination(key, at(last)),
    });
    prop_oneof![
        4 => (ours, prop::option::of(any_entry)).prop_map(|(key, entry)| Step::Want(key, entry)),
        3 => op.prop_map(Step::Foreign),
        1 => (1_usize..5, any::<bool>()).prop_map(|(calls, carried_out)| Step::Fail(calls, carried_out)),
        3 => Just(Step::Settle),
        2 => Just(Step::Next),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn the_kernel_ends_up_as_wanted_whatever_happens(steps in prop::collection::vec(any_step(), 0..40)) {
        let mut bench = Bench::started(Table::default());
        let mut wanted: BTreeMap<ServiceKey, Entry> = BTreeMap::new();
        let mut foreign: BTreeMap<ServiceKey, Entry> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Want(key, entry) => {
                    match &entry {
                        Some(entry) => drop(wanted.insert(key, entry.clone())),
                        None => drop(wanted.remove(&key)),
                    }
                    bench.reconciler.want(key, entry);
                }
                Step::Foreign(op) => {
                    let _refused = bench.model.0.borrow_mut().perform(&op);
                }
                Step::Fail(calls, carried_out) => {
                    let mut inside = bench.model.0.borrow_mut();
                    (inside.failing, inside.carried_out) = (calls, carried_out);
                }
                Step::Settle => bench.reconciler.settle(bench.now),
                Step::Next => bench.next(),
                Step::Restart => {
                    let table = Table { services: wanted.clone() };
                    bench = bench.restarted(table);
                }
            }
            let table = bench.table();
            if let Some(entry) = table.services.get(&key(FOREIGN)) {
                foreign.insert(key(FOREIGN), entry.clone());
            } else {
                foreign.remove(&key(FOREIGN));
            }
        }
        bench.model.0.borrow_mut().failing = 0;
        let end = bench.now + Duration::from_secs(200);
        while bench.now < end {
            bench.next();
        }
        let table = bench.table();
        for (key, entry) in &wanted {
            let there = table.services.get(key);
            if entry.service.scheduler.as_str() == "nosuch" {
                // The kernel has no such scheduler: the rest of the service is as wanted where it exists.
                let same = there.is_none_or(|there| there.destinations == entry.destinations);
                prop_assert!(same, "{}: {:?}", key, there);
            } else {
                prop_assert_eq!(there, Some(entry), "{}", key);
            }
        }
        prop_assert_eq!(table.services.get(&key(FOREIGN)), foreign.get(&key(FOREIGN)));
        prop_assert!(bench.reconciler.stop(bench.now));
        for key in wanted.keys() {
            prop_assert!(!bench.table().services.contains_key(key), "{} is left", key);
        }
    }
}

#[test]
fn timeouts_are_set_kept_and_given_back() {
    let before = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };
    let settings =
        |tcp, udp| TableSettings { timeouts: Timeouts { tcp, tcp_fin: 0, udp }, ..TableSettings::default() };
    let mut bench = Bench::new();
    bench.model.0.borrow_mut().timeouts = before;
    let now = |bench: &Bench| bench.model.0.borrow().timeouts;
    bench.reconciler.configure(&settings(60, 0));
    bench.reconciler.start(Table::default(), bench.now);
    assert_eq!(now(&bench), Timeouts { tcp: 60, ..before });
    // Another program.
    bench.model.0.borrow_mut().timeouts.tcp = 7;
    bench.next();
    assert_eq!(now(&bench), Timeouts { tcp: 60, ..before });
    assert_eq!(bench.reconciler.summary().repairs, 1);
    // A reload.
    bench.reconciler.configure(&settings(0, 30));
    bench.reconciler.settle(bench.now);
    assert_eq!(now(&bench), Timeouts { udp: 30, ..before });
    // A process that was killed leaves it so; its successor knows what was before.
    let mut bench = bench.restarted(Table::default());
    assert_eq!(now(&bench), Timeouts { udp: 30, ..before }, "nobody said anything yet");
    bench.reconciler.configure(&settings(0, 40));
    bench.reconciler.settle(bench.now);
    assert_eq!(now(&bench), Timeouts { udp: 40, ..before });
    assert!(bench.reconciler.stop(bench.now));
    assert_eq!(now(&bench), before);
    assert!(!bench._folder.0.join("ipvs.timeouts").exists());
}

#[test]
fn without_timeouts_nothing_is_asked_and_nothing_written() {
    let mut bench = Bench::started(Table::default());
    bench.reconciler.configure(&TableSettings::default());
    bench.next();
    assert!(!bench._folder.0.join("ipvs.timeouts").exists());
}

#[test]
fn a_flush_removes_what_is_not_ours_and_keeps_what_is() {
    let others = || TableOp::AddService(key(FOREIGN), entry("rr", &[]).service);
    let wanted = table(&[(A, entry("rr", &[(1, 1)]))]);
    let mut bench = Bench::new();
    bench.foreign(&others());
    for op in common::ipvs::table::diff(&wanted, &Table::default()) {
        bench.foreign(&op);
    }
    bench.reconciler.flush();
    bench.reconciler.start(wanted.clone(), bench.now);
    assert_eq!(bench.table(), wanted);
    let requests: Vec<String> = bench.take_batches().concat().iter().map(ToString::to_string).collect();
    assert_eq!(requests, ["remove service tcp 198.51.100.1:80"]);
    // Later ones are left alone until the end.
    bench.foreign(&others());
    bench.next();
    assert_eq!(bench.table().services.len(), 2);
    bench.reconciler.configure(&TableSettings { flush_at_stop: true, ..TableSettings::default() });
    assert!(bench.reconciler.stop(bench.now));
    assert_eq!(bench.table(), Table::default());
}
