use proptest::prelude::*;

use super::*;
use crate::event_loop::clock;

const LIMIT: Duration = Duration::from_secs(5);
const GRACE: Duration = RunTable::<u8>::GRACE;

fn steps(table: &mut RunTable<u8>, now: Instant) -> Vec<(u8, Step)> {
    let mut out = Vec::new();
    table.timeout(now, &mut out);
    out
}

fn one() -> (RunTable<u8>, Instant) {
    let now = clock::now();
    let mut table = RunTable::default();
    table.started(1, now, LIMIT);
    (table, now)
}

#[test]
fn a_run_that_ends_in_time_is_gone_and_its_status_counts() {
    let (mut table, now) = one();
    assert!(!table.is_condemned(1));
    assert_eq!(table.poll_timeout(), Some(now + LIMIT));
    assert_eq!(steps(&mut table, now + LIMIT - Duration::from_nanos(1)), []);
    assert_eq!(table.exited(1), Some(Exit::Natural));
    assert!(table.is_empty());
    assert_eq!(table.poll_timeout(), None);
    assert_eq!(table.exited(1), None);
}

#[test]
fn the_limit_brings_term_then_kill_then_giving_up() {
    let (mut table, now) = one();
    assert_eq!(steps(&mut table, now + LIMIT), [(1, Step::Terminate)]);
    assert_eq!(table.poll_timeout(), Some(now + LIMIT + GRACE));
    assert_eq!(steps(&mut table, now + LIMIT + GRACE), [(1, Step::Kill)]);
    assert_eq!(steps(&mut table, now + LIMIT + GRACE * 2), [(1, Step::GiveUp(Ending::TimeLimit))]);
    assert_eq!(table.poll_timeout(), None);
    assert_eq!(table.len(), 1, "still there: it hangs in the kernel");
    assert_eq!(table.exited(1), Some(Exit::Late));
    assert!(table.is_empty());
}

#[test]
fn what_a_terminated_script_had_started_gets_its_grace_too() {
    let (mut table, now) = one();
    steps(&mut table, now + LIMIT);
    assert_eq!(table.exited(1), Some(Exit::Remains(Ending::TimeLimit)));
    assert_eq!(table.exited(1), None, "its exit was told before");
    assert_eq!(steps(&mut table, now + LIMIT + GRACE), [(1, Step::Bury)]);
    assert!(table.is_empty());
}

#[test]
fn a_killed_script_is_reaped_at_once() {
    let (mut table, now) = one();
    steps(&mut table, now + LIMIT);
    steps(&mut table, now + LIMIT + GRACE);
    assert_eq!(table.exited(1), Some(Exit::Forced(Ending::TimeLimit)));
    assert!(table.is_empty());
}

#[test]
fn a_stopped_run_gets_term_once_and_is_not_called_late() {
    let (mut table, now) = one();
    assert!(table.stop(1, now));
    assert!(!table.stop(1, now), "it has got its TERM");
    assert!(!table.stop(2, now), "unknown");
    assert!(table.is_condemned(1));
    assert_eq!(steps(&mut table, now + GRACE), [(1, Step::Kill)]);
    assert_eq!(table.exited(1), Some(Exit::Forced(Ending::Stopped)));
}

#[test]
fn after_a_stall_the_grace_still_counts_from_term() {
    let (mut table, now) = one();
    let late = now + LIMIT * 10;
    assert_eq!(steps(&mut table, late), [(1, Step::Terminate)]);
    assert_eq!(table.poll_timeout(), Some(late + GRACE));
}

proptest! {
    /// Whatever happens in whatever order: TERM comes before KILL, each at most once a run, nothing is due
    /// after `timeout`, and no deadline outlives its run.
    #[test]
    fn steps_come_in_order_and_deadlines_belong_to_runs(
        operations in proptest::collection::vec((0_u8..4, 0_u8..5, 0_u64..4000), 1..200)
    ) {
        let mut table = RunTable::default();
        let mut now = clock::now();
        let mut last: BTreeMap<u8, Step> = BTreeMap::new();
        for (operation, id, millis) in operations {
            now += Duration::from_millis(millis);
            match operation {
                0 if !table.runs.contains_key(&id) => {
                    table.started(id, now, Duration::from_millis(millis));
                    last.remove(&id);
                }
                1 if table.stop(id, now) => {
                    prop_assert_eq!(last.insert(id, Step::Terminate), None);
                }
                2 => {
                    table.exited(id);
                }
                _ => {}
            }
            let mut out = Vec::new();
            table.timeout(now, &mut out);
            for (id, step) in out {
                let before = last.insert(id, step);
                match step {
                    Step::Terminate => prop_assert_eq!(before, None),
                    Step::Kill | Step::Bury => prop_assert_eq!(before, Some(Step::Terminate)),
                    Step::GiveUp(_) => prop_assert_eq!(before, Some(Step::Kill)),
                }
            }
            prop_assert!(table.poll_timeout().is_none_or(|due| due > now));
            let held = table.runs.values().filter(|phase| phase.until().is_some()).count();
            prop_assert_eq!(table.deadlines.len(), held);
        }
    }
}
