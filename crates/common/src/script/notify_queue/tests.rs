use proptest::prelude::*;

use super::*;
use crate::event_loop::clock;

type Queue = NotifyQueue<&'static str, u32>;
type Action = NotifyAction<&'static str, u32>;

const LIMIT: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(8);

fn state(jobs: &[u32]) -> Notice<u32> {
    Notice { class: Class::State, jobs: jobs.iter().map(|job| (*job, LIMIT)).collect() }
}

fn event(job: u32) -> Notice<u32> {
    Notice { class: Class::Event(1), jobs: vec![(job, LIMIT)] }
}

fn start(number: u64, object: &'static str, job: u32, time_limit: Duration) -> Action {
    NotifyAction::Start { number: JobNumber(number), object, job, time_limit }
}

/// A queue, its time and what it asked for since the last look.
struct Bench {
    queue: Queue,
    now: Instant,
    out: Vec<Action>,
}

impl Bench {
    fn new() -> Self {
        Self { queue: Queue::default(), now: clock::now(), out: vec![] }
    }

    fn push(&mut self, object: &'static str, notice: Notice<u32>) -> bool {
        self.queue.push(&object, notice, self.now, &mut self.out)
    }

    fn finished(&mut self, number: u64) {
        self.queue.finished(JobNumber(number), self.now, &mut self.out);
    }

    fn stop(&mut self, object: &'static str, jobs: &[u32]) {
        let jobs = jobs.iter().map(|job| (*job, LIMIT)).collect();
        self.queue.stop(&object, jobs, STOP, self.now, &mut self.out);
    }

    fn pass(&mut self, by: Duration) {
        self.now += by;
        self.queue.timeout(self.now, &mut self.out);
    }

    #[track_caller]
    fn asks(&mut self, expected: &[Action]) {
        assert_eq!(std::mem::take(&mut self.out), expected);
    }
}

#[test]
fn one_job_at_a_time_for_an_object_and_objects_side_by_side() {
    let mut bench = Bench::new();
    bench.push("a", state(&[1, 2]));
    bench.push("b", state(&[3]));
    bench.asks(&[start(1, "a", 1, LIMIT), start(2, "b", 3, LIMIT)]);
    bench.finished(1);
    bench.asks(&[start(3, "a", 2, LIMIT)]);
    bench.finished(3);
    bench.finished(2);
    bench.asks(&[]);
    assert!(bench.queue.is_idle());
}

#[test]
fn a_waiting_state_is_replaced_by_a_newer_one() {
    let mut bench = Bench::new();
    bench.push("a", state(&[1, 2]));
    bench.push("a", state(&[3]));
    bench.push("a", state(&[4]));
    bench.asks(&[start(1, "a", 1, LIMIT)]);
    bench.finished(1);
    bench.asks(&[start(2, "a", 2, LIMIT)]);
    bench.finished(2);
    bench.asks(&[start(3, "a", 4, LIMIT)]);
}

#[test]
fn a_newer_state_does_not_overtake_an_event_from_before_it() {
    let mut bench = Bench::new();
    bench.push("a", state(&[1]));
    bench.push("a", state(&[2]));
    bench.push("a", event(3));
    bench.push("a", state(&[4]));
    bench.finished(1);
    bench.finished(2);
    bench.asks(&[start(1, "a", 1, LIMIT), start(2, "a", 3, LIMIT), start(3, "a", 4, LIMIT)]);
}

#[test]
fn stop_replaces_what_waits_and_runs_last_in_what_is_left_of_its_time() {
    let mut bench = Bench::new();
    bench.push("a", state(&[1, 2]));
    bench.push("a", state(&[3]));
    bench.stop("a", &[9, 10]);
    assert!(!bench.push("a", state(&[4])), "nothing follows a stop");
    bench.asks(&[start(1, "a", 1, LIMIT)]);
    bench.pass(Duration::from_secs(1));
    bench.finished(1);
    bench.asks(&[start(2, "a", 9, Duration::from_secs(7))]);
    bench.pass(Duration::from_secs(2));
    bench.finished(2);
    bench.asks(&[start(3, "a", 10, Duration::from_secs(5))]);
    bench.finished(3);
    assert!(bench.queue.is_idle());
    assert!(bench.push("a", state(&[5])), "the object may come back");
}

#[test]
fn a_stop_hurries_what_it_waits_for_and_does_not_wait_for_ever() {
    let mut bench = Bench::new();
    bench.push("a", state(&[1]));
    bench.stop("a", &[9]);
    bench.asks(&[start(1, "a", 1, LIMIT)]);
    bench.pass(STOP / 2);
    bench.asks(&[NotifyAction::Terminate { number: JobNumber(1) }]);
    bench.pass(STOP / 4);
    bench.asks(&[start(2, "a", 9, STOP / 4)]);
    bench.finished(1);
    bench.asks(&[]);
    bench.pass(STOP / 4);
    bench.asks(&[NotifyAction::Terminate { number: JobNumber(2) }]);
    assert!(bench.queue.is_idle());
    assert_eq!(bench.queue.poll_timeout(), None);
}

#[test]
fn a_stop_without_jobs_still_lets_the_running_one_end() {
    let mut bench = Bench::new();
    bench.push("a", state(&[1]));
    bench.stop("a", &[]);
    assert!(!bench.queue.is_idle());
    bench.finished(1);
    assert!(bench.queue.is_idle());
    bench.stop("b", &[]);
    assert!(bench.queue.is_idle());
}

#[test]
fn closing_ends_what_runs_and_leaves_a_stop_its_own_notice() {
    let mut bench = Bench::new();
    bench.push("a", state(&[1]));
    bench.push("a", state(&[2]));
    bench.push("b", state(&[3]));
    bench.stop("b", &[4]);
    bench.out.clear();
    bench.queue.close(STOP, bench.now, &mut bench.out);
    bench.asks(&[]);
    bench.finished(2);
    bench.asks(&[start(3, "b", 4, STOP)]);
    bench.finished(3);
    bench.pass(STOP / 2);
    bench.asks(&[Action::Terminate { number: JobNumber(1) }]);
    bench.pass(STOP / 2);
    assert!(bench.queue.is_idle(), "what waits is not told, and what hangs is not waited for");
}

proptest! {
    /// Jobs are numbered in the order of the pushes. Whatever the timing: per object they start in that order, one
    /// at a time; the newest state starts in the end; the stop is last, and the whole is over within its limit.
    #[test]
    fn order_holds_whatever_the_timing(
        operations in proptest::collection::vec((0_u8..6, 0_u64..3000), 1..150)
    ) {
        let mut bench = Bench::new();
        let (mut started, mut running, mut newest) = (Vec::new(), None, None);
        for (job, (operation, millis)) in (1_u32..).zip(operations) {
            match operation {
                0 | 1 => {
                    bench.push("a", state(&[job]));
                    newest = Some(job);
                }
                2 => {
                    bench.push("a", event(job));
                }
                3 => if let Some(number) = running.take() {
                    bench.queue.finished(number, bench.now, &mut bench.out);
                },
                _ => bench.pass(Duration::from_millis(millis)),
            }
            for action in bench.out.drain(..) {
                let NotifyAction::Start { number, job, .. } = action else { panic!("{action:?}") };
                prop_assert_eq!(running.replace(number), None, "one at a time");
                started.push(job);
            }
        }
        prop_assert!(started.is_sorted(), "{:?}", started);
        let mut drained = bench.queue.clone();
        let (mut next, mut all) = (running, started.clone());
        while let Some(number) = next.take() {
            let mut out = Vec::new();
            drained.finished(number, bench.now, &mut out);
            for action in out {
                let NotifyAction::Start { number, job, .. } = action else { panic!("{action:?}") };
                next = Some(number);
                all.push(job);
            }
        }
        prop_assert!(newest.is_none_or(|job| all.contains(&job)), "the newest state is always told");

        bench.stop("a", &[u32::MAX]);
        let end = bench.now + STOP;
        while let Some(due) = bench.queue.poll_timeout() {
            prop_assert!(due <= end);
            bench.now = due;
            bench.pass(Duration::ZERO);
        }
        prop_assert!(bench.queue.is_idle());
        let last = bench.out.iter().rev().find_map(|action| match action {
            NotifyAction::Start { job, .. } => Some(*job),
            NotifyAction::Terminate { .. } => None,
        });
        prop_assert_eq!(last, Some(u32::MAX));
    }
}
