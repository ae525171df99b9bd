//! One check's timing and its verdict: when the next attempt starts, when it is given up, and what a row
//! of outcomes means.
//!
//! Attempts start on a grid of the check's interval, so that checks that were spread at the start stay
//! spread for ever, however long their attempts take. Every start and every limit is rounded up to the
//! common [`Beat`], so that thousands of checks share their wake-ups.
//!
//! ```text
//!            due                     outcome
//! Waiting ────────► Running ──────────────────────► Waiting (retry: after retry_delay; else: next on the grid)
//!                      │ limit passed                  ▲
//!                      └──────────► Expired ───────────┘ outcome
//! ```

use std::time::{Duration, Instant};

use crate::checks::Verdict;

/// The timing of a check, as the configuration gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timing {
    /// From the start of one attempt to the start of the next.
    pub interval: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Further attempts, `retry_delay` apart, before a failure counts while the server is up.
    pub retries: u32,
    /// From the end of a failed attempt to its repetition; also after an error of this machine.
    pub retry_delay: Duration,
    /// The first attempts are spread over this time.
    pub warm_up: Duration,
    /// Passes in a row that bring a server up.
    pub rise: u32,
    /// Failures in a row (each after its retries) that take a server down.
    pub fall: u32,
    /// What holds until the first outcome.
    pub initial: Initial,
}

/// What is believed of a server before its first check has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Initial {
    /// It works: it serves from the start.
    #[default]
    Up,
    /// It does not: it serves after its first pass.
    Down,
}

/// The common time grid of all checks of a process.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    origin: Instant,
}

/// A moment since the origin of a [`Beat`], in nanoseconds: half the size of an [`Instant`]. What was before counts as
/// the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Beat {
    /// How far apart two wake-ups are at the least.
    pub const STEP: Duration = Duration::from_nanos(Self::STEP_NS);
    const STEP_NS: u64 = 10_000_000;

    /// A grid through this moment.
    pub fn new(origin: Instant) -> Self {
        Self { origin }
    }

    /// A moment in the small form.
    pub fn moment(self, at: Instant) -> Moment {
        let since = at.saturating_duration_since(self.origin).as_nanos();
        Moment(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// And back.
    pub fn instant(self, at: Moment) -> Instant {
        self.origin + Duration::from_nanos(at.0)
    }

    /// The first beat at or after this moment.
    pub fn at_or_after(self, at: Instant) -> Moment {
        self.moment(at).rounded_up()
    }
}

impl Moment {
    /// The first beat at or after it.
    fn rounded_up(self) -> Self {
        Self(self.0.div_ceil(Beat::STEP_NS).saturating_mul(Beat::STEP_NS))
    }
}

/// Spreads the first attempts of checks evenly, however many there will be: the fractional parts of the
/// multiples of the golden ratio never leave a large gap.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    position: u64,
}

impl Spread {
    /// 2^64 divided by the golden ratio.
    const STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

    /// Two machines with different seeds don't check in step.
    pub fn new(seed: u64) -> Self {
        Self { position: seed }
    }

    /// The next check's share of this time.
    pub fn next(&mut self, over: Duration) -> Duration {
        self.position = self.position.wrapping_add(Self::STRIDE);
        nanos((over.as_nanos().min(u128::from(u64::MAX)) * u128::from(self.position)) >> 64)
    }
}

/// What is believed of a target, and on what ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// Nothing was ever heard: the first outcome decides at once.
    Assumed(bool),
    /// Others judged so (the same server's former check): the first pass decides at once, a failure of a
    /// server that was up is retried as usual.
    Inherited(bool),
    /// Its own outcomes say so.
    Known(bool),
}

impl Belief {
    /// Whether the target is taken to work.
    pub fn up(self) -> bool {
        match self {
            Self::Assumed(up) | Self::Inherited(up) | Self::Known(up) => up,
        }
    }
}

/// What an outcome meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing changes.
    Same,
    /// The first outcome of this check: it now speaks for itself.
    First,
    /// The belief turned.
    Turned,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// An attempt has to start.
    Start,
    /// The running attempt has to be given up.
    Expire,
}

/// A check's place in time and its verdict.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// A point of this check's own grid.
    anchor: Moment,
    /// When a waiting check's attempt starts, or a running one is given up.
    at: Moment,
    phase: Phase,
    belief: Belief,
    /// Retries used up since the last pass.
    retried: u16,
    /// Outcomes in a row against the belief.
    row: u16,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Waiting,
    Running,
    Expired,
    /// Nothing is to be asked for the time being.
    Resting,
}

impl Schedule {
    /// A check whose first attempt is at `first`, on the beat.
    pub fn new(first: Instant, belief: Belief, beat: Beat) -> Self {
        let first = beat.at_or_after(first);
        Self { anchor: first, phase: Phase::Waiting, at: first, belief, retried: 0, row: 0 }
    }

    /// What is believed of the target.
    pub fn belief(&self) -> Belief {
        self.belief
    }

    /// Sets what is believed (after a restart, from the checkpoint).
    pub fn restore(&mut self, belief: Belief) {
        self.belief = belief;
        self.retried = 0;
        self.row = 0;
    }

    /// When something is due; none while the answer to an expired attempt is awaited.
    pub fn deadline(&self) -> Option<Moment> {
        match self.phase {
            Phase::Waiting | Phase::Running => Some(self.at),
            Phase::Expired | Phase::Resting => None,
        }
    }

    /// Whether an attempt is under way.
    pub fn running(&self) -> bool {
        match self.phase {
            Phase::Waiting | Phase::Resting => false,
            Phase::Running | Phase::Expired => true,
        }
    }

    /// Whether it rests.
    pub fn resting(&self) -> bool {
        matches!(self.phase, Phase::Resting)
    }

    /// No attempts until it is woken; what is believed stays. An attempt under way is nobody's any more.
    pub fn rest(&mut self) {
        self.phase = Phase::Resting;
    }

    /// Attempts again, the first of them now. What is believed is old: the first outcome decides at once.
    pub fn wake(&mut self, first: Instant, beat: Beat) {
        self.anchor = beat.at_or_after(first);
        (self.phase, self.at) = (Phase::Waiting, self.anchor);
        self.restore(Belief::Assumed(self.belief.up()));
    }

    /// What is due now, if anything; the phase moves on accordingly.
    pub fn due(&mut self, timing: &Timing, now: Instant, beat: Beat) -> Option<Due> {
        match self.phase {
            Phase::Waiting if self.at <= beat.moment(now) => {
                let expires = beat.at_or_after(now + timing.timeout);
                (self.phase, self.at) = (Phase::Running, expires);
                Some(Due::Start)
            }
            Phase::Running if self.at <= beat.moment(now) => {
                self.phase = Phase::Expired;
                Some(Due::Expire)
            }
            Phase::Waiting | Phase::Running | Phase::Expired | Phase::Resting => None,
        }
    }

    /// The attempt is over: takes its outcome, sets the next start, says what it meant.
    pub fn finished(&mut self, timing: &Timing, verdict: &Verdict, now: Instant, beat: Beat) -> Meaning {
        let mut next = self.next_on_grid(timing.interval, beat.moment(now)).rounded_up();
        let meaning = match verdict {
            Verdict::Unknown(_) => {
                next = beat.at_or_after(now + timing.retry_delay);
                Meaning::Same
            }
            Verdict::Pass { .. } => self.passed(timing),
            Verdict::Fail(_) => {
                let (meaning, again) = self.failed(timing);
                if again {
                    next = beat.at_or_after(now + timing.retry_delay);
                }
                meaning
            }
        };
        (self.phase, self.at) = (Phase::Waiting, next);
        meaning
    }

    fn passed(&mut self, timing: &Timing) -> Meaning {
        self.retried = 0;
        match self.belief {
            Belief::Known(true) => {
                self.row = 0;
                Meaning::Same
            }
            Belief::Known(false) => {
                self.row = self.row.saturating_add(1);
                if u32::from(self.row) < timing.rise {
                    return Meaning::Same;
                }
                self.row = 0;
                self.belief = Belief::Known(true);
                Meaning::Turned
            }
            Belief::Assumed(_) | Belief::Inherited(_) => self.decide(true),
        }
    }

    /// What the failure means, and whether the attempt is to be repeated soon.
    fn failed(&mut self, timing: &Timing) -> (Meaning, bool) {
        match self.belief {
            Belief::Known(true) | Belief::Inherited(true) => {
                if u32::from(self.retried) < timing.retries {
                    self.retried = self.retried.saturating_add(1);
                    return (Meaning::Same, true);
                }
                self.retried = 0;
                self.row = self.row.saturating_add(1);
                if u32::from(self.row) < timing.fall {
                    return (Meaning::Same, false);
                }
                self.row = 0;
                let meaning =
                    if self.belief == Belief::Known(true) { Meaning::Turned } else { Meaning::First };
                self.belief = Belief::Known(false);
                (meaning, false)
            }
            Belief::Known(false) => {
                self.row = 0;
                (Meaning::Same, false)
            }
            Belief::Assumed(_) | Belief::Inherited(false) => (self.decide(false), false),
        }
    }

    fn decide(&mut self, up: bool) -> Meaning {
        self.row = 0;
        self.belief = Belief::Known(up);
        Meaning::First
    }

    fn next_on_grid(&mut self, interval: Duration, now: Moment) -> Moment {
        if self.anchor <= now {
            let interval = u64::try_from(interval.max(Beat::STEP).as_nanos()).unwrap_or(u64::MAX);
            let whole = (now.0 - self.anchor.0) / interval;
            self.anchor.0 = self.anchor.0.saturating_add((whole + 1).saturating_mul(interval));
        }
        self.anchor
    }
}

fn nanos(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
