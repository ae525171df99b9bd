use super::*;
use proptest::prelude::*;

fn origin() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "tests need one moment to count from")]
    Instant::now()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn timing() -> Timing {
    Timing {
        interval: ms(1000),
        timeout: ms(300),
        retries: 2,
        retry_delay: ms(100),
        warm_up: ms(1000),
        rise: 1,
        fall: 1,
        initial: Initial::Up,
    }
}

struct Bench {
    timing: Timing,
    zero: Instant,
    beat: Beat,
    schedule: Schedule,
}

impl Bench {
    fn new(timing: Timing, belief: Belief) -> Self {
        let zero = origin();
        let beat = Beat::new(zero);
        let schedule = Schedule::new(zero, belief, beat);
        Self { timing, zero, beat, schedule }
    }

    fn at(&mut self) -> u64 {
        let at = self.beat.instant(self.schedule.deadline().expect("a deadline"));
        u64::try_from((at - self.zero).as_millis()).unwrap()
    }

    /// Starts what is due and ends it `took` later; the meaning and the next deadline.
    fn attempt(&mut self, verdict: &Verdict, took: u64) -> (Meaning, u64) {
        let at = self.beat.instant(self.schedule.deadline().expect("a deadline"));
        assert_eq!(self.schedule.due(&self.timing, at, self.beat), Some(Due::Start));
        let meaning = self.schedule.finished(&self.timing, verdict, at + ms(took), self.beat);
        (meaning, self.at())
    }
}

fn pass() -> Verdict {
    Verdict::pass("fine")
}

fn fail() -> Verdict {
    Verdict::fail("broken")
}

#[test]
fn attempts_stay_on_the_grid_however_long_they_take() {
    let mut bench = Bench::new(timing(), Belief::Known(true));
    assert_eq!(bench.attempt(&pass(), 0), (Meaning::Same, 1000));
    assert_eq!(bench.attempt(&pass(), 290), (Meaning::Same, 2000));
    assert_eq!(bench.attempt(&pass(), 1000), (Meaning::Same, 4000));
    assert_eq!(bench.attempt(&pass(), 2500), (Meaning::Same, 7000));
}

#[test]
fn a_server_that_is_up_goes_down_after_its_retries() {
    let mut bench = Bench::new(timing(), Belief::Known(true));
    assert_eq!(bench.attempt(&fail(), 20), (Meaning::Same, 120));
    assert_eq!(bench.attempt(&fail(), 20), (Meaning::Same, 240));
    assert_eq!(bench.attempt(&fail(), 20), (Meaning::Turned, 1000));
    assert_eq!(bench.schedule.belief(), Belief::Known(false));
}

#[test]
fn a_pass_gives_all_retries_back() {
    let mut bench = Bench::new(timing(), Belief::Known(true));
    bench.attempt(&fail(), 0);
    bench.attempt(&fail(), 0);
    assert_eq!(bench.attempt(&pass(), 0).0, Meaning::Same);
    assert_eq!(bench.attempt(&fail(), 0).0, Meaning::Same);
    assert_eq!(bench.attempt(&fail(), 0).0, Meaning::Same);
    assert_eq!(bench.attempt(&fail(), 0).0, Meaning::Turned);
}

#[test]
fn a_server_that_is_down_is_not_retried_and_comes_back_with_one_pass() {
    let mut bench = Bench::new(timing(), Belief::Known(false));
    assert_eq!(bench.attempt(&fail(), 0), (Meaning::Same, 1000));
    assert_eq!(bench.attempt(&pass(), 0), (Meaning::Turned, 2000));
}

#[test]
fn the_first_outcome_decides_at_once() {
    for (assumed, outcome, up) in
        [(true, fail(), false), (true, pass(), true), (false, pass(), true), (false, fail(), false)]
    {
        let mut timing = timing();
        timing.rise = 3;
        timing.fall = 3;
        let mut bench = Bench::new(timing, Belief::Assumed(assumed));
        assert_eq!(bench.attempt(&outcome, 0), (Meaning::First, 1000), "{assumed} {outcome}");
        assert_eq!(bench.schedule.belief(), Belief::Known(up));
    }
}

#[test]
fn an_inherited_verdict_is_retried_when_up_and_decided_at_once_otherwise() {
    let mut bench = Bench::new(timing(), Belief::Inherited(true));
    assert_eq!(bench.attempt(&fail(), 0).0, Meaning::Same);
    assert_eq!(bench.attempt(&fail(), 0).0, Meaning::Same);
    assert_eq!(bench.attempt(&fail(), 0).0, Meaning::First);
    assert_eq!(bench.schedule.belief(), Belief::Known(false));

    for (inherited, outcome, up) in [(true, pass(), true), (false, pass(), true), (false, fail(), false)] {
        let mut bench = Bench::new(timing(), Belief::Inherited(inherited));
        assert_eq!(bench.attempt(&outcome, 0).0, Meaning::First);
        assert_eq!(bench.schedule.belief(), Belief::Known(up));
    }
}

#[test]
fn rise_and_fall_count_outcomes_in_a_row() {
    let mut timing = timing();
    timing.retries = 0;
    timing.rise = 2;
    timing.fall = 3;
    let mut bench = Bench::new(timing, Belief::Known(true));
    let outcomes = [fail(), fail(), pass(), fail(), fail(), fail(), pass(), fail(), pass(), pass()];
    let meanings: Vec<Meaning> = outcomes.iter().map(|outcome| bench.attempt(outcome, 0).0).collect();
    let turned: Vec<usize> =
        meanings.iter().enumerate().filter(|(_, m)| **m == Meaning::Turned).map(|(i, _)| i).collect();
    assert_eq!(turned, [5, 9]);
}

#[test]
fn an_error_of_this_machine_changes_nothing_and_is_retried_soon() {
    let mut bench = Bench::new(timing(), Belief::Known(true));
    bench.attempt(&fail(), 0);
    bench.attempt(&fail(), 0);
    for _ in 0..5 {
        let before = bench.at();
        assert_eq!(
            bench.attempt(&Verdict::Unknown("no descriptors".into()), 0),
            (Meaning::Same, before + 100)
        );
    }
    assert_eq!(bench.schedule.belief(), Belief::Known(true));
    assert_eq!(bench.attempt(&fail(), 0).0, Meaning::Turned);
}

#[test]
fn an_attempt_expires_at_its_limit_and_waits_for_the_answer() {
    let mut bench = Bench::new(timing(), Belief::Known(true));
    let zero = bench.zero;
    assert_eq!(bench.schedule.due(&bench.timing, zero, bench.beat), Some(Due::Start));
    assert_eq!(bench.at(), 300);
    assert_eq!(bench.schedule.due(&bench.timing, zero + ms(299), bench.beat), None);
    assert_eq!(bench.schedule.due(&bench.timing, zero + ms(300), bench.beat), Some(Due::Expire));
    assert_eq!(bench.schedule.deadline(), None);
    assert!(bench.schedule.running());
    bench.schedule.finished(&bench.timing, &fail(), zero + ms(300), bench.beat);
    assert_eq!(bench.at(), 400);
}

#[test]
fn first_attempts_are_spread_without_bursts() {
    for count in [7_usize, 100, 10_000] {
        let mut spread = Spread::new(0xDEAD_BEEF);
        let mut slots = vec![0_usize; 100];
        for _ in 0..count {
            let at = spread.next(Duration::from_secs(10));
            slots[usize::try_from(at.as_millis() / 100).unwrap()] += 1;
        }
        let most = slots.iter().max().unwrap();
        assert!(*most <= count / 100 + 2, "{count}: {most} in one slot");
        let least = slots.iter().min().unwrap();
        assert!(*least + 2 >= count / 100, "{count}: {least} in one slot");
    }
}

fn outcome() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(pass()), Just(fail()), Just(Verdict::Unknown("here".into()))]
}

proptest! {
    #[test]
    fn a_beat_is_never_early_and_less_than_a_step_late(offset in 0_u64..10_000_000_000) {
        let zero = origin();
        let at = zero + Duration::from_nanos(offset);
        let beat = Beat::new(zero);
        let beat = beat.instant(beat.at_or_after(at));
        prop_assert!(beat >= at && beat - at < Beat::STEP);
        prop_assert_eq!((beat - zero).as_nanos() % Beat::STEP.as_nanos(), 0);
    }

    /// A belief turns only through an outcome of that kind, never faster than rise, fall and retries allow,
    /// and something is always due later.
    #[test]
    fn beliefs_turn_only_for_their_reasons(
        outcomes in prop::collection::vec((outcome(), 0_u64..2500), 1..60),
        retries in 0_u32..4, rise in 1_u32..4, fall in 1_u32..4, start in any::<bool>(),
    ) {
        let timing = Timing { retries, rise, fall, ..timing() };
        let mut bench = Bench::new(timing, Belief::Known(start));
        let (mut fails, mut passes) = (0_u32, 0_u32);
        for (outcome, took) in outcomes {
            let before = bench.schedule.belief();
            let started = bench.at();
            match &outcome {
                Verdict::Pass { .. } => { passes += 1; fails = 0; }
                Verdict::Fail(_) => { fails += 1; passes = 0; }
                Verdict::Unknown(_) => {}
            }
            let (meaning, next) = bench.attempt(&outcome, took);
            prop_assert!(next >= started + took);
            prop_assert!(next <= started + took + 1000 + 10);
            let after = bench.schedule.belief();
            prop_assert_eq!(before != after, meaning == Meaning::Turned);
            if before != after && after.up() {
                prop_assert!(passes >= rise);
            }
            if before != after && !after.up() {
                prop_assert!(fails >= (retries + 1) * fall);
            }
            if before == after && before.up() {
                prop_assert!(fails < (retries + 1) * fall);
            }
            if before != after { fails = 0; passes = 0; }
        }
    }
}
