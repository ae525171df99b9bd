//! What a successor of this process needs, so that its death is not noticed: who is master, and the deadlines.
//!
//! Instants do not outlive a process; they are saved as time since boot, which the shell reads at the same moment as
//! `now`. A blob that cannot be read is no tragedy: the successor starts like any other.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::steer::{MAX_LASTING, Origin};
use serde::{Deserialize, Serialize};

use super::{Phase, Router};
use crate::machine::action::Action;
use crate::machine::address::Lifetime;
use crate::machine::fact::StateName;
use crate::machine::id::{Family, InstanceId, Key, LinkName, Vrid};
use crate::machine::instance::{Backup, Change, Cx, Expect, Heard, Instance, State};
use crate::machine::order::Standing;

const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    format: u32,
    instances: Vec<SavedInstance>,
    scripts: Vec<SavedScript>,
    #[serde(default)]
    processes: Vec<SavedProcess>,
    // Of every instance, also of those that a successor starts afresh.
    #[serde(default)]
    pasts: Vec<SavedPast>,
    // Absent in what earlier versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maintenance: Option<SavedOrder>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failovers: Vec<SavedFailover>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedPast {
    link: String,
    ipv6: bool,
    vrid: u8,
    changes: Vec<SavedChange>,
}

/// When in milliseconds since boot, from, to, priority, reason.
type SavedChange = (u64, String, String, u8, String);

#[derive(Debug, Serialize, Deserialize)]
struct SavedInstance {
    link: String,
    ipv6: bool,
    vrid: u8,
    transitions: u64,
    // The last numbers of signed adverts, so that a restart is no time for replays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signed: Vec<(IpAddr, u64)>,
    // Deadlines in nanoseconds since boot.
    #[serde(flatten)]
    state: SavedState,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(super) enum SavedState {
    Master {
        advert_at: u64,
    },
    Backup {
        down_at: u64,
        interval: u64,
        master: Option<(IpAddr, u8)>,
        // Absent in what earlier versions wrote.
        #[serde(default)]
        preempt_at: Option<u64>,
        #[serde(default)]
        delayed: bool,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedScript {
    name: String,
    up: bool,
    streak: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedProcess {
    name: String,
    up: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedOrder {
    // In nanoseconds since boot.
    until: Option<u64>,
    uid: Option<u32>,
    user: Option<String>,
    // Absent in what earlier versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sudo_user: Option<String>,
    at: u64,
    reason: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedFailover {
    link: String,
    ipv6: bool,
    vrid: u8,
    order: SavedOrder,
}

impl SavedOrder {
    fn of(standing: &Standing, clock: Clock) -> Self {
        let Origin { uid, user, sudo_user, at, reason } = standing.origin.clone();
        Self { until: standing.until.map(|until| clock.save(until)), uid, user, sudo_user, at, reason }
    }

    fn load(self, clock: Clock) -> Standing {
        let Self { until, uid, user, sudo_user, at, reason } = self;
        let ahead = |saved| Duration::from_nanos(saved).saturating_sub(clock.uptime).min(MAX_LASTING);
        // One whose end lies beyond all time has none.
        let until = until.and_then(|saved| clock.now.checked_add(ahead(saved)));
        Standing { until, origin: Origin { uid, user, sudo_user, at, reason } }
    }
}

/// Why a checkpoint was not used.
#[derive(Debug)]
pub enum RestoreError {
    /// It is not one, or it is damaged.
    Unreadable(serde_json::Error),
    /// Another version of this program wrote it.
    Format(u32),
    /// The router was started already.
    Started,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(_) => f.write_str("the checkpoint cannot be read"),
            Self::Format(format) => write!(f, "the checkpoint has the unknown format {format}"),
            Self::Started => f.write_str("the router was started already"),
        }
    }
}

impl std::error::Error for RestoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::Format(_) | Self::Started => None,
        }
    }
}

/// `now`, and the time since boot at the same moment.
#[derive(Debug, Clone, Copy)]
struct Clock {
    now: Instant,
    uptime: Duration,
}

impl Clock {
    fn save(self, at: Instant) -> u64 {
        let ahead = self.uptime + at.saturating_duration_since(self.now);
        let behind = self.now.saturating_duration_since(at);
        nanos(ahead.saturating_sub(behind))
    }

    /// The instant, `now` if it has passed, and how long ago that was.
    fn load(self, saved: u64) -> (Instant, Duration) {
        let saved = Duration::from_nanos(saved);
        // A deadline a day ahead was not written by us.
        let ahead = saved.saturating_sub(self.uptime).min(Duration::from_secs(86_400));
        (self.now + ahead, self.uptime.saturating_sub(saved))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// States to be resumed at start.
pub(super) type Resumes = BTreeMap<Key, (Clocked, u64)>;

/// A saved state with its clock.
#[derive(Debug, Clone)]
pub(super) struct Clocked {
    state: SavedState,
    clock: Clock,
}

impl Router {
    /// The state a successor needs. `uptime` is the time since boot (monotonic) at the moment of `now`.
    #[must_use]
    pub fn checkpoint(&self, now: Instant, uptime: Duration) -> Vec<u8> {
        let clock = Clock { now, uptime };
        let instances = self.by_key.iter().filter_map(|(key, id)| {
            let instance = self.instances.get(id)?;
            Some(SavedInstance {
                link: key.link.to_string(),
                ipv6: key.family == Family::Ipv6,
                vrid: key.vrid.get(),
                transitions: instance.statistics.transitions,
                signed: instance.replay.marks().to_vec(),
                state: save(instance, clock)?,
            })
        });
        let scripts = self.scripts.values().filter_map(|script| {
            let name = script.plan.name.to_string();
            Some(SavedScript { name, up: script.up?, streak: script.streak })
        });
        let processes = self.processes.values().filter_map(|process| {
            Some(SavedProcess { name: process.plan.name.to_string(), up: process.up? })
        });
        let pasts = self.by_key.iter().filter_map(|(key, id)| {
            let past = &self.instances.get(id)?.past;
            Some(SavedPast {
                link: key.link.to_string(),
                ipv6: key.family == Family::Ipv6,
                vrid: key.vrid.get(),
                changes: past.iter().map(|change| save_change(change, clock)).collect(),
            })
        });
        let failovers = self.by_key.iter().filter_map(|(key, id)| {
            let (_, standing) = self.orders.failovers.get(id)?;
            Some(SavedFailover {
                link: key.link.to_string(),
                ipv6: key.family == Family::Ipv6,
                vrid: key.vrid.get(),
                order: SavedOrder::of(standing, clock),
            })
        });
        let saved = Saved {
            format: FORMAT,
            pasts: pasts.collect(),
            instances: instances.collect(),
            scripts: scripts.collect(),
            processes: processes.collect(),
            maintenance: self.orders.maintenance.as_ref().map(|standing| SavedOrder::of(standing, clock)),
            failovers: failovers.collect(),
        };
        // Nothing in it can fail to be written.
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    /// Takes over from an earlier run; to be called after the links were told and before `start`.
    ///
    /// # Errors
    /// When the bytes are of no use; the router can be started all the same.
    pub fn restore(&mut self, bytes: &[u8], now: Instant, uptime: Duration) -> Result<(), RestoreError> {
        if self.phase != Phase::New {
            return Err(RestoreError::Started);
        }
        let saved: Saved = serde_json::from_slice(bytes).map_err(RestoreError::Unreadable)?;
        if saved.format != FORMAT {
            return Err(RestoreError::Format(saved.format));
        }
        let clock = Clock { now, uptime };
        self.orders.maintenance = saved.maintenance.map(|order| order.load(clock));
        for SavedFailover { link, ipv6, vrid, order } in saved.failovers {
            let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
            if let (Some(link), Some(vrid)) = (LinkName::new(&link), Vrid::new(vrid))
                && let Some(id) = self.by_key.get(&Key { link, family, vrid })
                && let Some(instance) = self.instances.get(id)
            {
                self.orders.failovers.insert(*id, (instance.tag.clone(), order.load(clock)));
            }
        }
        self.resume_orders(now);
        for script in saved.scripts {
            if let Some(known) = self.scripts.get_mut(&script.name.as_str().into()) {
                known.up = Some(script.up);
                known.fresh = false;
                known.streak = script.streak;
            }
        }
        for process in saved.processes {
            if let Some(known) = self.processes.get_mut(&process.name.as_str().into()) {
                known.restore(process.up, now);
            }
        }
        for instance in saved.instances {
            let family = if instance.ipv6 { Family::Ipv6 } else { Family::Ipv4 };
            if let (Some(link), Some(vrid)) = (LinkName::new(&instance.link), Vrid::new(instance.vrid)) {
                let key = Key { link, family, vrid };
                if let Some(known) = self.by_key.get(&key).and_then(|id| self.instances.get_mut(id)) {
                    for (sender, sequence) in instance.signed {
                        known.replay.remember(sender, sequence);
                    }
                }
                self.resumes.insert(key, (Clocked { state: instance.state, clock }, instance.transitions));
            }
        }
        for past in saved.pasts {
            let family = if past.ipv6 { Family::Ipv6 } else { Family::Ipv4 };
            let key = LinkName::new(&past.link).zip(Vrid::new(past.vrid));
            let key = key.map(|(link, vrid)| Key { link, family, vrid });
            let known = key.and_then(|key| self.instances.get_mut(self.by_key.get(&key)?));
            let changes = past.changes.into_iter().filter_map(|change| load_change(change, clock));
            if let Some(known) = known {
                changes.for_each(|change| known.past.push(change));
            }
        }
        Ok(())
    }

    /// Brings an instance back to where its predecessor was; says whether that was possible.
    pub(super) fn resume(&mut self, id: InstanceId, now: Instant, out: &mut Vec<Action>) -> bool {
        let Some(instance) = self.instances.get_mut(&id) else {
            return false;
        };
        let Some((Clocked { state, clock }, transitions)) = self.resumes.remove(&instance.plan.key) else {
            return false;
        };
        instance.statistics.transitions = transitions;
        let mut cx = Cx { now, links: &mut self.links, out };
        match state {
            // It would have handed over the next moment.
            SavedState::Master { .. } if !instance.may_be_master() => false,
            SavedState::Master { advert_at } => {
                let (advert_at, overdue) = clock.load(advert_at);
                // Within the silence every backup allows nobody else is master. Later, addresses that are still
                // leased to us say the same: nobody has refreshed them but the predecessor.
                let unnoticed =
                    instance.plan.interval * u32::from(instance.plan.down_timer_adverts.saturating_sub(1));
                if overdue >= unnoticed {
                    if !still_held(instance, &cx) {
                        return false;
                    }
                    if !instance.plan.preempt && !instance.plan.is_owner() {
                        // Somebody may have taken over, and we promised not to take it back: listen first.
                        instance.resume_stalled(overdue, &mut cx);
                        return true;
                    }
                }
                let advert_at = advert_at.min(now + instance.plan.interval);
                instance.resume_master(advert_at, &mut cx);
                true
            }
            SavedState::Backup { down_at, interval, master, preempt_at, delayed } => {
                let (down_at, overdue) = clock.load(down_at);
                // No protocol has a longer one: what says more was not written by us.
                let interval = Duration::from_nanos(interval).min(Duration::from_secs(255));
                if instance.owns() || !overdue.is_zero() || interval.is_zero() {
                    // A master may have been heard by nobody meanwhile: listen for the whole time.
                    return false;
                }
                let whole = instance.down_interval(interval);
                // What was said while nobody listened is no silence: a master has time for one more advertisement.
                let others = interval * u32::from(instance.plan.down_timer_adverts.saturating_sub(1));
                let least = now + whole.saturating_sub(others);
                let delay = if delayed { instance.plan.startup_delay } else { Duration::ZERO };
                let down_at = down_at.max(least).min(now + whole + delay);
                let backup = Backup {
                    down_at,
                    interval,
                    master: master.map(|(address, priority)| Heard { address, priority }),
                    preempt_at: preempt_at.map(|at| clock.load(at).0),
                    expect: Expect::Silence,
                    silent: false,
                    delayed,
                    graced: false,
                };
                instance.resume_backup(backup, &mut cx);
                true
            }
        }
    }
}

fn save(instance: &Instance, clock: Clock) -> Option<SavedState> {
    match &instance.state {
        State::Init | State::Fault | State::Releasing(_) => None,
        State::Master(master) => Some(SavedState::Master { advert_at: clock.save(master.advert_at) }),
        State::Backup(backup) => Some(SavedState::Backup {
            down_at: clock.save(backup.down_at),
            interval: nanos(backup.interval),
            master: backup.master.map(|m| (m.address, m.priority)),
            preempt_at: backup.preempt_at.map(|at| clock.save(at)),
            delayed: backup.delayed,
        }),
    }
}

fn save_change(change: &Change, clock: Clock) -> SavedChange {
    let words = (change.from.word().to_owned(), change.to.word().to_owned());
    (clock.save(change.at) / 1_000_000, words.0, words.1, change.priority, change.reason.clone())
}

/// Nothing, if another program wrote it.
fn load_change((at, from, to, priority, reason): SavedChange, clock: Clock) -> Option<Change> {
    let (_, ago) = clock.load(at.saturating_mul(1_000_000));
    let at = clock.now.checked_sub(ago)?;
    let (from, to) = StateName::from_word(&from).zip(StateName::from_word(&to))?;
    Some(Change { at, from, to, priority, reason })
}

fn still_held(instance: &Instance, cx: &Cx<'_>) -> bool {
    let plan = &instance.plan;
    let held = |a: &crate::machine::address::VirtualAddress| {
        cx.links.address(a.link, a.address).is_some_and(|o| o.ours)
    };
    matches!(plan.lifetime, Lifetime::Lease(_))
        && !plan.addresses.is_empty()
        && plan.addresses.iter().all(held)
}
