//! The life of one child, from being wanted to being gone. Pure: time comes in, actions go out.
//!
//! ```text
//!            wanted                 due              Spawned            first answer
//!   Idle ───────────► Down ───────────► Spawning ───────────► Starting ───────────► Up ◄─┐ hello,
//!    ▲                 ▲ ▲                  │                  │    │              │  │  └─┘ answer
//!    │                 │ └── SpawnFailed ───┘      too late    │    │ asked,       │  │
//!    │                 │                        ┌──────────────┘    │ closed       │  │ silent
//!    │                 │                        ▼                   ▼              │  │
//!    │ not wanted      ├───────── exited ── Killed ◄─ too late ─ Stopping ◄────────┘  │
//!    └─────────────────┴───────── exited ──── ▲ ──────────────────┘                   │
//!                                             └───────────────────────────────────────┘
//! ```
//! From `Starting` and `Up` a child may also just die: `Down`, or `Idle` if nobody wants it any more. One that was ready
//! and died without taking down what it held goes from either to `Spawning` once more when it is asked to stop, for its
//! farewell.

use super::backoff::BackOff;
use super::fact::{Ended, Fact, Pid, Reason};
use super::mercy::Mercy;
use super::state::{Hello, Hellos, State, Wanted};
use super::{Action, ChildId, Limits};
use common::exit::Exit;
use std::time::{Duration, Instant};

/// A child that has closed its connection is dying, as a rule: it gets this long to be found dead by itself.
const DYING: Duration = Duration::from_millis(200);
/// Between two attempts to reach a child whose socket is crowded.
const CROWDED: Duration = Duration::from_millis(100);
/// A killed child that is still there after this long is reported as stuck in the kernel.
const STUCK: Duration = Duration::from_secs(5);
/// The watchdog itself may be late by this much before it stops trusting its own patience.
const OVERSLEPT: Duration = Duration::from_millis(100);
/// So many deaths before it was ready, and a child starts without the state of its predecessor.
const POISONED: u32 = 2;

/// One child.
#[derive(Clone, Debug)]
pub struct Child {
    id: ChildId,
    state: State,
    pub(super) wanted: Wanted,
    restarts: u64,
    last_reason: Option<Reason>,
    hellos: Hellos,
    backoff: BackOff,
    mercy: Mercy,
    /// Deaths by own fault since the last time an incarnation was ready.
    stillborn: u32,
    /// The next incarnation gets no state from the one before.
    afresh: bool,
    /// One that was ready is gone without having taken down what it held, or may go so.
    holds: bool,
    limits: Limits,
}

impl Child {
    pub(super) fn new(id: ChildId, limits: Limits) -> Self {
        Self {
            id,
            state: State::Idle,
            wanted: Wanted::No,
            restarts: 0,
            last_reason: None,
            hellos: Hellos::default(),
            backoff: BackOff::default(),
            mercy: Mercy::default(),
            stillborn: 0,
            afresh: false,
            holds: false,
            limits,
        }
    }

    /// It goes on from what another watchdog's child held.
    pub(super) fn inherit(&mut self) {
        self.holds = true;
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Which one it is.
    #[must_use]
    pub fn id(&self) -> ChildId {
        self.id
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Does the configuration ask for it?
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// How often it had to be started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Why it was started again the last time.
    #[must_use]
    pub fn last_reason(&self) -> Option<&Reason> {
        self.last_reason.as_ref()
    }

    /// Its hellos so far.
    #[must_use]
    pub fn hellos(&self) -> Hellos {
        self.hellos
    }

    /// The live process, if there is one.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Idle | State::Down { .. } | State::Spawning { .. } => None,
            State::Starting { pid, .. }
            | State::Up { pid, .. }
            | State::Stopping { pid, .. }
            | State::Killed { pid, .. } => Some(pid),
        }
    }

    /// It is there if it is wanted.
    pub(super) fn is_as_wanted(&self) -> bool {
        self.wanted == Wanted::No || matches!(self.state, State::Up { .. })
    }

    /// It is gone, or not even KILL has got rid of it: nothing is left to wait for.
    pub(super) fn is_given_up(&self) -> bool {
        match &self.state {
            State::Idle => !self.holds,
            State::Killed { stuck_at, .. } => stuck_at.is_none(),
            State::Down { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Up { .. }
            | State::Stopping { .. } => false,
        }
    }

    /// It is gone and not wanted, and something of it is left: it is to be started for its farewell.
    #[must_use]
    pub fn owes_farewell(&self) -> bool {
        self.holds && self.wanted == Wanted::No && self.state == State::Idle
    }

    pub(super) fn want(&mut self, wanted: Wanted, now: Instant) {
        self.wanted = wanted;
        if self.state == State::Idle && wanted != Wanted::No {
            self.state = State::Down { restart_at: now, after: None };
        }
    }

    /// The configuration has changed: whatever keeps it dying may be gone, so try at once.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.backoff.forgive();
        self.mercy.refill();
        if let State::Down { restart_at, .. } = &mut self.state {
            *restart_at = (*restart_at).min(now);
        }
    }

    /// It is not wanted any more: ask it to stop if it runs. If it is dead and has left something in the kernel, it is
    /// started once more: `spawned` asks it to stop at once, which is how a child takes down what it finds.
    pub(super) fn stop(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.wanted = Wanted::No;
        match self.state {
            State::Idle | State::Down { .. } if self.holds => {
                // Once: if that one dies as well, so be it.
                self.holds = false;
                out.push(self.fact(Fact::Farewell));
                self.state = State::Spawning { after: None };
                let afresh = std::mem::take(&mut self.afresh);
                out.push(Action::Spawn { child: self.id, afresh });
            }
            State::Down { .. } => self.state = State::Idle,
            State::Starting { pid, .. } | State::Up { pid, .. } => {
                out.push(Action::Terminate { child: self.id });
                self.state = State::Stopping {
                    pid,
                    since: now,
                    healthy: self.healthy(now),
                    kill_at: now + self.limits.stop,
                    fault: None,
                };
            }
            // `spawned` looks at `wanted`; the others are on their way already.
            State::Idle | State::Spawning { .. } | State::Stopping { .. } | State::Killed { .. } => {}
        }
    }

    pub(super) fn spawned(&mut self, pid: Pid, now: Instant, out: &mut Vec<Action>) {
        let State::Spawning { after } = &mut self.state else {
            return;
        };
        if let Some(reason) = after.take() {
            self.restarts += 1;
            self.last_reason = Some(reason.clone());
            let restarts = self.restarts;
            out.push(self.fact(Fact::Restarted { pid, restarts, reason }));
        }
        self.state = State::Starting { pid, since: now, ready_by: now + self.limits.start, hello_at: None };
        if self.wanted == Wanted::No {
            self.stop(now, out);
        } else {
            self.hello(out);
        }
    }

    pub(super) fn spawn_failed(&mut self, now: Instant, out: &mut Vec<Action>) {
        let State::Spawning { .. } = self.state else {
            return;
        };
        let retry_in = self.backoff.died(Duration::ZERO).max(Duration::from_secs(1));
        out.push(self.fact(Fact::NotSpawned { retry_in }));
        self.gone(now + retry_in, Reason::NotSpawned);
    }

    /// The connection could not take the hello, its socket being crowded: try again soon.
    pub(super) fn hello_not_sent(&mut self, now: Instant) {
        self.hellos.sent = self.hellos.sent.saturating_sub(1);
        if let State::Starting { hello_at, .. } = &mut self.state {
            *hello_at = Some(now + CROWDED);
        }
    }

    pub(super) fn hello_answered(&mut self, now: Instant, out: &mut Vec<Action>) {
        match &mut self.state {
            State::Starting { pid, since, .. } => {
                let (pid, since) = (*pid, *since);
                self.state = State::Up {
                    pid,
                    since,
                    healthy_since: now,
                    hello: Hello::Answered { at: now, next_at: now + self.limits.hello_interval },
                };
                self.stillborn = 0;
                self.holds = true;
                let took = now.saturating_duration_since(since);
                self.hellos.last_rtt = Some(took);
                self.hellos.answered += 1;
                out.push(self.fact(Fact::Ready { pid, took }));
            }
            State::Up { hello, .. } => {
                let Hello::Outstanding { sent_at, .. } = *hello else {
                    return;
                };
                self.hellos.last_rtt = Some(now.saturating_duration_since(sent_at));
                self.hellos.answered += 1;
                *hello =
                    Hello::Answered { at: now, next_at: (sent_at + self.limits.hello_interval).max(now) };
            }
            // An answer from somebody who is on his way out changes nothing.
            State::Idle
            | State::Down { .. }
            | State::Spawning { .. }
            | State::Stopping { .. }
            | State::Killed { .. } => {}
        }
    }

    pub(super) fn connection_closed(&mut self, now: Instant) {
        match self.state {
            State::Starting { pid, .. } | State::Up { pid, .. } => {
                self.state = State::Stopping {
                    pid,
                    since: now,
                    healthy: self.healthy(now),
                    kill_at: now + DYING,
                    fault: Some(Reason::Disconnected),
                };
            }
            State::Idle
            | State::Down { .. }
            | State::Spawning { .. }
            | State::Stopping { .. }
            | State::Killed { .. } => {}
        }
    }

    /// It holds up a reload that is decided: it goes, and its successor starts from the new text.
    pub(super) fn late_commit(&mut self, now: Instant, out: &mut Vec<Action>) {
        if let State::Starting { pid, .. } | State::Up { pid, .. } = self.state {
            out.push(self.fact(Fact::LateCommit { pid }));
            self.kill(pid, Some(Reason::LateCommit), now, out);
        }
    }

    /// It is dead and reaped. Answers the exit code that ends the whole daemon, if this death does.
    pub(super) fn exited(&mut self, ended: Ended, now: Instant, out: &mut Vec<Action>) -> Option<Exit> {
        let healthy = self.healthy(now);
        let (pid, fault) = match &self.state {
            State::Idle | State::Down { .. } | State::Spawning { .. } => return None,
            State::Starting { pid, .. } | State::Up { pid, .. } => (*pid, Some(Reason::Died(ended))),
            // It was dying when it closed its connection, and here is what of.
            State::Stopping { pid, fault, .. } => (*pid, fault.as_ref().map(|_| Reason::Died(ended))),
            State::Killed { pid, fault, .. } => (*pid, fault.clone()),
        };
        let permanent = match ended {
            Ended::Code(code) => Exit::from_code(code).filter(|exit| exit.is_permanent()),
            Ended::Signal(_) => None,
        };
        if permanent.is_some() && matches!(fault, None | Some(Reason::Died(_))) {
            // No successor gets any further.
            self.holds = false;
        }
        let Some(reason) = fault else {
            if ended == Ended::Code(0) {
                out.push(self.fact(Fact::Stopped { pid }));
                // What it had to hand on, it has undone: a later incarnation starts from nothing.
                self.afresh = true;
                self.holds = false;
            } else {
                out.push(self.fact(Fact::Died { pid, ended }));
            }
            self.state = if self.wanted == Wanted::No {
                State::Idle
            } else {
                State::Down { restart_at: now, after: None }
            };
            return None;
        };
        out.push(self.fact(Fact::Died { pid, ended }));
        let last_word = match reason {
            Reason::Died(_) => permanent,
            Reason::Silent
            | Reason::Disconnected
            | Reason::NotReady
            | Reason::LateCommit
            | Reason::NotSpawned => None,
        };
        let wanted = self.wanted;
        // Whom we kill has another reason than `Died`: this KILL came from elsewhere.
        let blameless = reason == Reason::Died(ended) && ended.is_kill() && self.mercy.take(now);
        let wait = if blameless {
            Duration::ZERO
        } else {
            self.stillborn += u32::from(healthy.is_none());
            if self.stillborn >= POISONED && !self.afresh && wanted == Wanted::Yes {
                self.afresh = true;
                out.push(self.fact(Fact::StartsAfresh));
            }
            self.backoff.died(healthy.unwrap_or_default())
        };
        self.gone(now + wait, reason);
        if wanted == Wanted::Yes { last_word } else { None }
    }

    /// Acts on everything that is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        match &mut self.state {
            State::Down { restart_at, after } if *restart_at <= now => {
                let after = after.take();
                self.state = State::Spawning { after };
                let afresh = std::mem::take(&mut self.afresh);
                out.push(Action::Spawn { child: self.id, afresh });
            }
            State::Starting { pid, since, ready_by, .. } if *ready_by <= now => {
                let (pid, after) = (*pid, now.saturating_duration_since(*since));
                out.push(self.fact(Fact::NotReady { pid, after }));
                self.kill(pid, Some(Reason::NotReady), now, out);
            }
            State::Starting { hello_at, .. } if hello_at.is_some_and(|at| at <= now) => {
                *hello_at = None;
                self.hello(out);
            }
            State::Up { pid, hello, .. } => {
                let (pid, hello) = (*pid, *hello);
                self.handle_hello_timeout(pid, hello, now, out);
            }
            State::Stopping { pid, since, kill_at, fault, .. } if *kill_at <= now => {
                let (pid, fault) = (*pid, fault.clone());
                let after = now.saturating_duration_since(*since);
                out.push(self.fact(match fault {
                    None => Fact::StopOverdue { pid, after },
                    Some(_) => Fact::Disconnected { pid },
                }));
                self.kill(pid, fault, now, out);
            }
            State::Killed { pid, stuck_at, .. } if stuck_at.is_some_and(|at| at <= now) => {
                *stuck_at = None;
                let pid = *pid;
                out.push(self.fact(Fact::Unkillable { pid }));
            }
            State::Idle
            | State::Down { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Stopping { .. }
            | State::Killed { .. } => {}
        }
    }

    fn handle_hello_timeout(&mut self, pid: Pid, current: Hello, now: Instant, out: &mut Vec<Action>) {
        match current {
            Hello::Answered { at, next_at } if next_at <= now => {
                self.set_hello(Hello::Outstanding {
                    last: at,
                    sent_at: now,
                    answer_by: now + self.limits.hello_timeout,
                    excused: false,
                });
                self.hello(out);
            }
            Hello::Outstanding { last, sent_at, answer_by, excused } if answer_by <= now => {
                // If it was us who were away (stopped, swapped out, the whole machine paused), the child has
                // had less time than we think: give back, once, what we slept through.
                let overslept = now.saturating_duration_since(answer_by);
                if overslept > OVERSLEPT && !excused {
                    self.set_hello(Hello::Outstanding {
                        last,
                        sent_at,
                        answer_by: now + overslept.min(self.limits.hello_timeout),
                        excused: true,
                    });
                    return;
                }
                let silent_for = now.saturating_duration_since(last);
                out.push(self.fact(Fact::Silent { pid, silent_for }));
                self.kill(pid, Some(Reason::Silent), now, out);
            }
            Hello::Answered { .. } | Hello::Outstanding { .. } => {}
        }
    }

    /// When it wants to be looked at next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle | State::Spawning { .. } => None,
            State::Down { restart_at, .. } => Some(*restart_at),
            State::Starting { ready_by, hello_at, .. } => {
                Some(hello_at.map_or(*ready_by, |at| at.min(*ready_by)))
            }
            State::Up { hello, .. } => Some(match hello {
                Hello::Answered { next_at, .. } => *next_at,
                Hello::Outstanding { answer_by, .. } => *answer_by,
            }),
            State::Stopping { kill_at, .. } => Some(*kill_at),
            State::Killed { stuck_at, .. } => *stuck_at,
        }
    }

    fn hello(&mut self, out: &mut Vec<Action>) {
        self.hellos.sent += 1;
        out.push(Action::SendHello { child: self.id });
    }

    fn set_hello(&mut self, new: Hello) {
        if let State::Up { hello, .. } = &mut self.state {
            *hello = new;
        }
    }

    fn kill(&mut self, pid: Pid, fault: Option<Reason>, now: Instant, out: &mut Vec<Action>) {
        out.push(Action::Kill { child: self.id });
        self.state = State::Killed { pid, healthy: self.healthy(now), stuck_at: Some(now + STUCK), fault };
    }

    /// It is gone through a fault: it is started again at `restart_at`, if anybody wants it.
    fn gone(&mut self, restart_at: Instant, reason: Reason) {
        self.state = match self.wanted {
            Wanted::Yes => State::Down { restart_at, after: Some(reason) },
            Wanted::Trial | Wanted::No => State::Idle,
        };
        if self.wanted == Wanted::Trial {
            self.wanted = Wanted::No;
        }
    }

    /// For how long it has been answering; `None` if it never has.
    fn healthy(&self, now: Instant) -> Option<Duration> {
        match &self.state {
            State::Idle | State::Down { .. } | State::Spawning { .. } | State::Starting { .. } => None,
            State::Up { healthy_since, .. } => Some(now.saturating_duration_since(*healthy_since)),
            State::Stopping { healthy, .. } | State::Killed { healthy, .. } => *healthy,
        }
    }

    fn fact(&self, fact: Fact) -> Action {
        Action::Report { child: self.id, fact }
    }
}
