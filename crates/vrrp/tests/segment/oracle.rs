//! What no router may ever do, judged at every step from the outside: by what it hears, says and reports.
//!
//! The rules are those of RFC 9568 6.4 (by the ids of `docs/conformance.md`) and of our own promises: leases, sync
//! groups, restarts. Times are those of the machine's own clock.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrp::machine::fact::{Fact, Reason, StateName};
use vrrp::machine::order::{Order, Turned};
use vrrp::machine::timing::{master_down_interval, skew_time};
use vrrp::plan::{InstancePlan, Plan, Wish};

use super::world::{Node, World};

/// What rounding of clocks may cost.
const TINY: Duration = Duration::from_micros(5);
/// Longer than a killed process takes to be back.
const RESTART: Duration = Duration::from_millis(20);
/// After a stall, all is as it should be again after so many intervals.
const RECOVERED: u32 = 12;

/// What is known of one virtual router of a machine.
#[derive(Debug, Clone)]
struct Seen {
    state: StateName,
    /// It said it is leaving, and holds the addresses until it hears its successor.
    leaving: bool,
    priority: u8,
    /// When it last heard of a master that it has to let be, or began to listen.
    heard: Instant,
    /// It has heard nobody yet and need not wait for the whole time: it wished to be master at its start, or was one
    /// until it was stalled or nobody took over from its group.
    hasty: bool,
    /// What it waits longer after its start, until it hears somebody.
    delay: Duration,
    /// When its master said goodbye, if nothing was heard since.
    goodbye: Option<Instant>,
    /// When it began to be backup.
    backup_since: Instant,
    sent: Instant,
    /// So much later than an interval may the next advert be.
    slack: Duration,
    /// An operator wants it to let its successor be.
    held_off: bool,
}

impl Seen {
    /// The silence after which it takes over.
    fn down(&self, plan: &InstancePlan) -> Duration {
        if self.hasty {
            plan.interval + skew_time(plan.version, self.priority, plan.interval) + self.delay
        } else {
            master_down_interval(plan.version, self.priority, plan.interval, plan.down_timer_adverts)
                + self.delay
        }
    }
}

/// The judge of one machine.
#[derive(Debug)]
pub(crate) struct Watcher {
    seen: Vec<Seen>,
    /// As of the last checkpoint.
    saved: Vec<Seen>,
    /// The next life, and the life of the moment, go on from a checkpoint older than the rules allow.
    will_be_blind: bool,
    blind: bool,
    /// A stall that is not forgotten: its end, once it has ended.
    stall: Option<Option<Instant>>,
}

/// An advert that is about to be taken in.
#[derive(Debug)]
pub(crate) struct Heard {
    instance: usize,
    priority: u8,
    from: IpAddr,
    was: Seen,
}

impl Watcher {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            seen: Vec::with_capacity(plan.instances.len()),
            saved: Vec::new(),
            will_be_blind: false,
            blind: false,
            stall: None,
        }
    }

    /// A process begins, with or without the checkpoint of the one before.
    pub(crate) fn started(node: &mut Node, now: Instant) {
        let priority = |i: usize| node.plan.instances[i].priority;
        let resumed = node.checkpoint.is_some();
        let watcher = &mut node.watcher;
        watcher.blind = std::mem::take(&mut watcher.will_be_blind);
        watcher.stall = None;
        let fresh = |i| Seen {
            state: StateName::Init,
            leaving: false,
            priority: priority(i),
            heard: now,
            hasty: node.plan.instances[i].wish == Wish::Master,
            delay: node.plan.instances[i].startup_delay,
            goodbye: None,
            backup_since: now,
            sent: now,
            slack: RESTART,
            held_off: false,
        };
        let grouped = !node.plan.groups.is_empty();
        let overdue = |i: usize, saved: &Seen| {
            let plan = &node.plan.instances[i];
            let skew = skew_time(plan.version, saved.priority, plan.interval);
            let left = saved.goodbye.is_some_and(|at| at + skew <= now);
            saved.state == StateName::Backup && !grouped && (left || saved.heard + saved.down(plan) <= now)
        };
        watcher.seen = (0..node.plan.instances.len())
            .map(|i| match watcher.saved.get(i).filter(|_| resumed) {
                // Nothing was heard for longer than a master may be silent: it has to listen anew.
                Some(saved) if overdue(i, saved) => fresh(i),
                Some(saved) => Seen {
                    state: StateName::Init,
                    leaving: false,
                    priority: priority(i),
                    slack: RESTART,
                    ..saved.clone()
                },
                None => fresh(i),
            })
            .collect();
    }

    /// The checkpoint was written.
    pub(crate) fn saved(&mut self) {
        self.saved.clone_from(&self.seen);
    }

    /// The next life begins with a checkpoint older than the last.
    pub(crate) const fn forget(&mut self) {
        self.will_be_blind = true;
    }

    /// The process is about to be stopped for a while.
    pub(crate) const fn stalled(&mut self) {
        self.stall = Some(None);
    }

    /// The plan is another: what was promised under the old one is not judged.
    pub(crate) fn reloaded(&mut self) {
        for seen in &mut self.seen {
            seen.goodbye = None;
        }
    }

    /// An advert is about to be taken in.
    pub(crate) fn before(node: &mut Node, from: IpAddr, payload: &[u8], now: Instant) -> Option<Heard> {
        let (instance, priority) = (usize::from(payload[1]) - 1, payload[2]);
        let seen = node.watcher.seen.get_mut(instance)?;
        let was = seen.clone();
        if was.state == StateName::Backup {
            seen.delay = Duration::ZERO;
            if priority == 0 {
                seen.goodbye.get_or_insert(now);
            } else {
                seen.goodbye = None;
                let ignored = node.plan.instances[instance].preempt && priority < seen.priority;
                if !ignored {
                    (seen.heard, seen.hasty) = (now, false);
                }
            }
        }
        Some(Heard { instance, priority, from, was })
    }

    /// It was taken in.
    pub(crate) fn after(node: &Node, heard: &Heard, now: Instant) {
        let Heard { instance, priority, from, was } = heard;
        let watcher = &node.watcher;
        let (seen, plan) = (&watcher.seen[*instance], &node.plan.instances[*instance]);
        if was.state != StateName::Master || was.leaving || watcher.stall.is_some() {
            return;
        }
        if *priority == was.priority && World::is_second(*from) {
            // By a second path a tie is settled only where it is not settled otherwise: `paths.rs` looks at the end.
            return;
        }
        let better = *priority > was.priority || (*priority == was.priority && *from > node.own);
        if *priority == 0 {
            assert!(seen.sent == now, "S10: a master that hears a goodbye says at once that it is there");
        } else if better {
            let yields = seen.state != StateName::Master;
            assert!(
                yields,
                "S11: {} with {} hears {from} with {priority} and stays master",
                node.own, was.priority
            );
        } else {
            assert!(
                seen.state == StateName::Master,
                "S12: {} with {} yields to {from} with {priority}",
                node.own,
                was.priority
            );
            let answered = now.saturating_duration_since(seen.sent) <= plan.interval / 8;
            assert!(answered || !plan.answer_inferior, "S12: an inferior advert is not answered");
        }
    }

    /// It sent an advert.
    pub(crate) fn said(&mut self, payload: &[u8], now: Instant) {
        if let Some(seen) = self.seen.get_mut(usize::from(payload[1]) - 1) {
            (seen.sent, seen.slack) = (now, Duration::ZERO);
        }
    }

    /// It reports something.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not judged here needs no naming")]
    pub(crate) fn told(node: &mut Node, fact: &Fact, now: Instant) {
        let index = |name: &str| name.trim_start_matches('V').parse::<usize>().unwrap() - 1;
        match fact {
            Fact::Priority { instance, to, .. } => {
                let seen = &mut node.watcher.seen[index(&instance.name.to_string())];
                (seen.priority, seen.goodbye) = (*to, None);
            }
            Fact::Order { order: Order::Failover, instance: Some(instance), turned, .. } => {
                let seen = &mut node.watcher.seen[index(&instance.name.to_string())];
                seen.held_off = matches!(turned, Turned::Begun(_));
                // Nobody came forward: it is master as before.
                seen.leaving &= *turned != Turned::Alone;
            }
            Fact::HandingOver { instance, .. } => {
                node.watcher.seen[index(&instance.name.to_string())].leaving = true;
            }
            Fact::Transition { instance, to, reason, .. } => {
                let at = index(&instance.name.to_string());
                Self::judge(node, at, *to, reason, now);
                let seen = &mut node.watcher.seen[at];
                (seen.state, seen.leaving) = (*to, false);
                if *to == StateName::Backup && *reason != Reason::Restored {
                    (seen.backup_since, seen.heard, seen.goodbye) = (now, now, None);
                    if *reason != Reason::Started {
                        seen.delay = Duration::ZERO;
                    }
                    let wish = node.plan.instances[at].wish == Wish::Master;
                    seen.hasty = (wish && *reason == Reason::Started)
                        || matches!(reason, Reason::Stalled | Reason::Group(_) | Reason::Ordered);
                }
            }
            _ => {}
        }
    }

    /// May it do this?
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not judged here needs no naming")]
    fn judge(node: &Node, at: usize, to: StateName, reason: &Reason, now: Instant) {
        let (seen, plan) = (&node.watcher.seen[at], &node.plan.instances[at]);
        let silence = now.saturating_duration_since(seen.heard) + TINY;
        let skew = skew_time(plan.version, seen.priority, plan.interval);
        let down = seen.down(plan);
        let who = format!("{} V{} with {}", node.own, at + 1, seen.priority);
        let away = node.router.as_ref().is_some_and(|router| router.maintenance().is_some());
        assert!(to != StateName::Master || !away, "{who} becomes master under maintenance: {reason}");
        match reason {
            Reason::MasterSilent | Reason::MasterLeft if to == StateName::Master && !node.watcher.blind => {
                let since = seen.goodbye.map(|at| now.saturating_duration_since(at) + TINY);
                let may = silence >= down || since.is_some_and(|since| since >= skew);
                assert!(
                    may,
                    "S4, S5: {who} takes over after a silence of {silence:?}, not {down:?}; after a goodbye {since:?}, \
                     not {skew:?}"
                );
            }
            Reason::Restored if to == StateName::Master && !plan.preempt => {
                let away = now.saturating_duration_since(seen.sent);
                let noticed = plan.interval * u32::from(plan.down_timer_adverts);
                assert!(away <= noticed + TINY, "{who} takes back after {away:?} what it promised not to");
            }
            Reason::Preempted => {
                let waited = now.saturating_duration_since(seen.backup_since) + TINY;
                let delay = plan.preempt_delay;
                assert!(plan.preempt && waited >= delay, "{who} pre-empts after {waited:?}, not {delay:?}");
                let held_off = seen.held_off && !node.watcher.blind;
                assert!(!held_off, "{who} takes back what an operator had it hand over");
            }
            Reason::BetterMaster { master, priority } => {
                let better = *priority > seen.priority || (*priority == seen.priority && *master > node.own);
                assert!(better, "S11: {who} yields to {master} with {priority}");
            }
            _ => {}
        }
    }

    /// Everything that was due is done.
    pub(crate) fn at_rest(node: &mut Node, now: Instant) {
        let healthy = node.is_well();
        let interval = node.plan.instances[0].interval;
        let away = node.router.as_ref().is_some_and(|router| router.maintenance().is_some());
        let watcher = &mut node.watcher;
        if let Some(end) = &mut watcher.stall {
            let end = *end.get_or_insert(now);
            if now.saturating_duration_since(end) >= interval * RECOVERED {
                watcher.stall = None;
            }
            return;
        }
        if !healthy {
            return;
        }
        let grouped = !node.plan.groups.is_empty();
        let is_master = |seen: &Seen| seen.state == StateName::Master && !seen.leaving;
        for (i, seen) in watcher.seen.iter_mut().enumerate() {
            let plan = &node.plan.instances[i];
            if away {
                // Who may not be master takes up no goodbye; after that, silence has to tell.
                seen.goodbye = None;
            }
            if is_master(seen) {
                let quiet = now.saturating_duration_since(seen.sent);
                let most = plan.interval + seen.slack + TINY;
                assert!(
                    quiet <= most,
                    "S9: {} V{} is master and says nothing for {quiet:?}",
                    node.own,
                    i + 1
                );
            }
            if let Some(goodbye) = seen.goodbye.filter(|_| seen.state == StateName::Backup && !grouped) {
                let skew = skew_time(plan.version, seen.priority, plan.interval);
                let since = now.saturating_duration_since(goodbye);
                assert!(
                    since <= skew + TINY,
                    "S5: {} V{} is still backup {since:?} after the goodbye of its master",
                    node.own,
                    i + 1
                );
            }
        }
        if grouped {
            let masters = watcher.seen.iter().filter(|seen| is_master(seen)).count();
            let together = masters == 0 || masters == watcher.seen.len();
            assert!(together, "{}: a group is divided: {:?}", node.own, watcher.seen);
        }
    }

    /// The kernel took an address away. `well` is a process that runs.
    pub(crate) fn lease_ended(&self, well: bool, address: IpAddr) {
        let excused = !well || self.stall.is_some();
        assert!(excused, "the lease of {address} ran out under a living process");
    }
}
