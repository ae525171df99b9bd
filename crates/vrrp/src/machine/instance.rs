//! One virtual router: who is master here, as RFC 9568 6.4 and RFC 3768 6.4 have it.
//!
//! ```text
//!            started            silence, group willing
//!   Init ───────────► Backup ─────────────────────────► Master
//!    ▲ ▲               ▲ │ ▲        better advert         │ │
//!    │ │               │ │ └──────────────────────────────┘ │ stop, removal, group:
//!    │ │       no cause│ │cause                             │ priority 0 sent
//!    │ └───── stop ──  Fault ◄───────── cause ──────────────┤
//!    └──────────────── Releasing ◄──────────────────────────┘
//!                successor heard and announced, or bound reached (then Init, or Backup)
//! ```
//!
//! Every deadline lives in the state it belongs to. `transition.rs` has what happens on the way between states,
//! `receive.rs` what a packet does, `hold.rs` what a master does for its addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::action::{Action, AdvertPacket, Announcement, NotifyState};
use super::address::VirtualAddress;
use super::announce::Announcer;
use super::fact::{Cause, Fact, Mover, Reason, StateName};
use super::id::Tag;
use super::limiter::Limiter;
use super::links::Links;
use super::owned::{Holder, Request};
use super::packet;
use super::peers::Peers;
use super::replay::Replay;
use super::timing::{hand_over_bound, master_down_interval, skew_time};
use crate::plan::{InstancePlan, Wish};
use crate::wire::admit::{Admitted, Reject, Settings};

mod guard;
mod hold;
mod order;
mod past;
mod receive;
mod reconfigure;
mod transition;
mod virtual_link;
mod ways;

pub(super) use order::Restraint;
pub(super) use past::{Change, Past};
pub(super) use transition::notify_group;
pub(super) use ways::{Condition, View as WayView, Ways};

/// How often a repeated report about one thing is let through.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What an instance works with besides itself.
pub(super) struct Cx<'a> {
    pub(super) now: Instant,
    pub(super) links: &'a mut Links,
    pub(super) out: &'a mut Vec<Action>,
}

/// A virtual router.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) tag: Tag,
    pub(super) plan: Arc<InstancePlan>,
    pub(super) state: State,
    pub(super) since: Instant,
    /// The priority in adverts: the configured one and the trackers' weights.
    pub(super) priority: u8,
    pub(super) causes: BTreeSet<Cause>,
    /// A member of a sync group becomes master only when the group says so.
    pub(super) grouped: bool,
    /// It was started and not stopped.
    pub(super) active: bool,
    /// The configuration no longer has it; it is dropped once it is in `Init`.
    pub(super) removed: bool,
    /// The address adverts are sent from.
    pub(super) source: Option<IpAddr>,
    pub(super) statistics: Statistics,
    pub(super) past: Past,
    pub(super) ways: Ways,
    settings: Settings,
    packet: Option<(u8, Arc<AdvertPacket>)>,
    announcements: Arc<[Announcement]>,
    leased: Arc<[VirtualAddress]>,
    rejected: BTreeMap<Reject, (u64, Limiter)>,
    pub(super) peers: Peers,
    pub(super) replay: Replay,
    inferior: Limiter,
    effects: Limiter,
    // A worse advert was heard; its sync group has yet to be told.
    contested: bool,
    /// The master that it takes over from, until that is told.
    superseded: Option<IpAddr>,
    /// How it came into its state, for its sync group.
    pub(super) moved: Option<Mover>,
    tie: virtual_link::Tie,
    guard: guard::Guard,
    /// What an operator's order keeps it from.
    restraint: Restraint,
}

/// Counters since the process started.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Statistics {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) transitions: u64,
    pub(super) send_failed: u64,
}

/// The state with its deadlines.
#[derive(Debug)]
pub(super) enum State {
    /// Not started, stopped, or waiting for the first result of a script.
    Init,
    /// Some cause keeps it from its work.
    Fault,
    /// It waits for the master to fall silent.
    Backup(Backup),
    /// It holds the addresses.
    Master(Master),
    /// It said it is leaving and holds the addresses until its successor is heard.
    Releasing(Releasing),
}

/// The state of a backup.
#[derive(Debug)]
pub(super) struct Backup {
    /// Active_Down_Timer.
    pub(super) down_at: Instant,
    /// Active_Adver_Interval: the master's, ours until one is heard.
    pub(super) interval: Duration,
    /// The master, if one was heard.
    pub(super) master: Option<Heard>,
    /// Until when a master with a lower priority is let be.
    pub(super) preempt_at: Option<Instant>,
    /// Why it becomes master if nothing more is heard.
    pub(super) expect: Expect,
    /// The timer ran out; the sync group holds it back.
    pub(super) silent: bool,
    /// The startup delay is part of the timer; the first advert heard ends it.
    pub(super) delayed: bool,
    /// The timer ran out while this process was stalled; it was given once more time to hear a living master.
    pub(super) graced: bool,
}

/// A master that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) address: IpAddr,
    pub(super) priority: u8,
}

/// Why a backup will become master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Silence,
    Leave,
    Preemption,
}

/// The state of a master.
#[derive(Debug)]
pub(super) struct Master {
    /// Adver_Timer.
    pub(super) advert_at: Instant,
    answered_at: Option<Instant>,
    announcer: Announcer,
    holder: Holder,
}

/// The state of a master that is leaving.
#[derive(Debug)]
pub(super) struct Releasing {
    /// The bound.
    pub(super) until: Instant,
    /// Who was heard. It has until then to announce the addresses.
    successor: Option<Admitted>,
    holder: Holder,
    pub(super) then: Then,
}

/// What comes after a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    /// Backup if there is a successor; master as before if nobody comes forward.
    Return,
    Backup(Reason),
    Init(Reason),
}

impl Instance {
    pub(super) fn new(tag: Tag, plan: Arc<InstancePlan>, now: Instant) -> Self {
        Self {
            settings: plan.admission(),
            ways: Ways::new(&plan, now),
            priority: plan.priority,
            tag,
            plan,
            state: State::Init,
            since: now,
            causes: BTreeSet::new(),
            grouped: false,
            active: false,
            removed: false,
            source: None,
            statistics: Statistics::default(),
            past: Past::default(),
            packet: None,
            announcements: Arc::from([]),
            leased: Arc::from([]),
            rejected: BTreeMap::new(),
            peers: Peers::default(),
            replay: Replay::default(),
            inferior: Limiter::default(),
            effects: Limiter::default(),
            contested: false,
            superseded: None,
            moved: None,
            tie: virtual_link::Tie::default(),
            guard: guard::Guard::default(),
            restraint: Restraint::None,
        }
    }

    /// The state as others name it. Whoever still holds the addresses is a master to them.
    pub(super) const fn state_name(&self) -> StateName {
        match self.state {
            State::Init => StateName::Init,
            State::Fault => StateName::Fault,
            State::Backup(_) => StateName::Backup,
            State::Master(_) | State::Releasing(_) => StateName::Master,
        }
    }

    /// A group member whose timer ran out, or that owns its addresses: it would be master.
    pub(super) const fn wants_master(&self) -> bool {
        matches!(self.state, State::Backup(Backup { silent: true, .. }))
    }

    /// The master that a backup has heard.
    pub(super) fn master_heard(&self) -> Option<IpAddr> {
        match &self.state {
            State::Backup(backup) => backup.master.map(|heard| heard.address),
            State::Init | State::Fault | State::Master(_) | State::Releasing(_) => None,
        }
    }

    pub(super) const fn is_master(&self) -> bool {
        matches!(self.state, State::Master(_))
    }

    /// It does its work: the first results of new trackers are waited for without stopping it.
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.state, State::Backup(_) | State::Master(_) | State::Releasing(_))
    }

    /// Counts of dropped packets.
    pub(super) fn rejected(&self) -> impl Iterator<Item = (Reject, u64)> {
        self.rejected.iter().map(|(reason, (count, _))| (*reason, *count))
    }

    fn skew(&self, interval: Duration) -> Duration {
        skew_time(self.plan.version, self.priority, interval)
    }

    pub(super) fn down_interval(&self, interval: Duration) -> Duration {
        let plan = &self.plan;
        master_down_interval(plan.version, self.priority, interval, plan.down_timer_adverts)
    }

    fn request(&self, now: Instant) -> Request<'_> {
        Request { tag: &self.tag, addresses: &self.plan.addresses, lifetime: self.plan.lifetime, now }
    }

    /// When something is due next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.state_due(), self.virtual_link_due()].into_iter().flatten().min()
    }

    fn state_due(&self) -> Option<Instant> {
        match &self.state {
            State::Init | State::Fault => None,
            State::Backup(backup) => Some(backup.down_at),
            State::Master(master) => {
                let others = [master.announcer.deadline(), master.holder.deadline()];
                others.into_iter().flatten().chain([master.advert_at]).min()
            }
            State::Releasing(releasing) => {
                releasing.holder.deadline().into_iter().chain([releasing.until]).min()
            }
        }
    }

    /// Does everything that is due.
    pub(super) fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        if self.virtual_link_due().is_some_and(|due| due <= cx.now) {
            self.keep_virtual_link(cx);
        }
        match &mut self.state {
            State::Init | State::Fault => {}
            State::Backup(backup) if backup.down_at <= cx.now => self.silence(cx),
            State::Backup(_) => {}
            State::Master(master) => {
                if master.advert_at <= cx.now {
                    self.advert_due(cx);
                }
                self.hold(cx);
            }
            State::Releasing(releasing) if releasing.until <= cx.now => self.released(cx),
            State::Releasing(_) => self.hold(cx),
        }
    }

    /// The master-down timer ran out (S4).
    fn silence(&mut self, cx: &mut Cx<'_>) {
        if self.silence_kept(cx) {
            return;
        }
        let (priority, version) = (self.priority, self.plan.version);
        let down_interval = self.own_down_interval();
        let grouped = self.grouped;
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        let late = cx.now.saturating_duration_since(backup.down_at);
        if late >= backup.interval && !backup.graced {
            // We were stalled, and packets may have been lost meanwhile: a living master is heard within an interval.
            backup.graced = true;
            backup.down_at = cx.now + backup.interval + skew_time(version, priority, backup.interval);
            self.report_stall(late, cx);
            return;
        }
        if grouped {
            // The group decides; until it does, go on listening.
            backup.silent = true;
            backup.down_at = cx.now + down_interval;
            return;
        }
        let reason = backup.expect.reason();
        self.enter_master(reason, cx);
    }

    /// The down interval with what was learned of the master.
    fn own_down_interval(&self) -> Duration {
        let interval = match &self.state {
            State::Backup(backup) => backup.interval,
            State::Init | State::Fault | State::Master(_) | State::Releasing(_) => self.plan.interval,
        };
        self.down_interval(interval)
    }

    /// Adver_Timer ran out (S9).
    fn advert_due(&mut self, cx: &mut Cx<'_>) {
        let State::Master(master) = &self.state else {
            return;
        };
        let late = cx.now.saturating_duration_since(master.advert_at);
        if self.is_stalled(late) {
            self.report_stall(late, cx);
            if !self.plan.preempt && !self.plan.is_owner() {
                // Somebody may have taken over, and we promised not to take it back: listen first.
                self.yield_to(None, Reason::Stalled, cx);
                return;
            }
            self.announce_again(cx);
        }
        self.advertise(cx);
        self.refresh_with_advert(cx);
        // In step with what was planned, so that small delays do not add up.
        let interval = self.plan.interval;
        if let State::Master(master) = &mut self.state {
            let planned = master.advert_at + interval;
            master.advert_at = if planned > cx.now { planned } else { cx.now + interval };
        }
    }

    /// Late by so much that the lowest-skew peer has taken over meanwhile.
    fn is_stalled(&self, late: Duration) -> bool {
        late >= self.plan.interval * u32::from(self.plan.down_timer_adverts.saturating_sub(1).max(1))
    }

    fn report_stall(&self, late: Duration, cx: &mut Cx<'_>) {
        let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        cx.out.push(Action::Report(Fact::Stalled { instance: self.tag.clone(), late_ms }));
    }

    /// Sends an advert with the effective priority.
    fn advertise(&mut self, cx: &mut Cx<'_>) {
        self.send(self.priority, cx);
    }

    fn send(&mut self, priority: u8, cx: &mut Cx<'_>) {
        let Some(source) = self.source else {
            return;
        };
        let packet = match &self.packet {
            Some((made_for, packet)) if *made_for == priority => Arc::clone(packet),
            Some(_) | None => {
                let packet = self.packet_of(Some(source), priority);
                if priority != 0 {
                    self.packet = Some((priority, Arc::clone(&packet)));
                }
                packet
            }
        };
        self.emit(priority, packet, cx);
    }

    fn packet_of(&self, source: Option<IpAddr>, priority: u8) -> Arc<AdvertPacket> {
        packet::build(&self.plan, &self.settings.addresses, source, &self.ways, priority)
    }

    fn emit(&mut self, priority: u8, packet: Arc<AdvertPacket>, cx: &mut Cx<'_>) {
        self.statistics.sent += 1;
        cx.out.push(Action::SendAdvert { instance: self.tag.clone(), priority, packet });
    }

    /// An advert could not be sent.
    pub(super) fn send_failed(&mut self, error: String, cx: &mut Cx<'_>) {
        self.statistics.send_failed += 1;
        self.effect_failed(error, cx);
    }

    fn effect_failed(&mut self, error: String, cx: &mut Cx<'_>) {
        if let Some(suppressed) = self.effects.allow(REPORT_EVERY, cx.now) {
            cx.out.push(Action::Report(Fact::EffectFailed { instance: self.tag.clone(), error, suppressed }));
        }
    }

    /// The effective priority changed.
    pub(super) fn set_priority(&mut self, priority: u8, cx: &mut Cx<'_>) {
        if priority == self.priority {
            return;
        }
        let from = std::mem::replace(&mut self.priority, priority);
        let fact = Fact::Priority { instance: self.tag.clone(), from, to: priority };
        cx.out.push(Action::Report(fact));
        let state = match self.state {
            State::Backup(_) => Some(NotifyState::BackupPriority),
            State::Master(_) => Some(NotifyState::MasterPriority),
            State::Init | State::Fault | State::Releasing(_) => None,
        };
        if let Some(state) = state.filter(|_| self.plan.notify.priority_changes) {
            self.notify(state, &format!("priority {from} -> {priority}"), cx.out);
        }
        let version = self.plan.version;
        match &mut self.state {
            State::Init | State::Fault | State::Releasing(_) => {}
            State::Backup(backup) => {
                // Only the skew depends on the priority; the silence heard so far counts.
                let old = skew_time(version, from, backup.interval);
                let new = skew_time(version, priority, backup.interval);
                backup.down_at = backup.down_at + new - old;
            }
            // Said at once: a better peer need not wait for the next regular one.
            State::Master(_) => self.advertise(cx),
        }
    }

    fn wish_interval(&self) -> Duration {
        match self.plan.wish {
            Wish::Backup => self.down_interval(self.plan.interval),
            Wish::Master => self.plan.interval + self.skew(self.plan.interval),
        }
    }

    fn hand_over_until(&self, now: Instant) -> Instant {
        now + hand_over_bound(self.plan.version, self.plan.interval)
    }
}

impl Expect {
    const fn reason(self) -> Reason {
        match self {
            Self::Silence => Reason::MasterSilent,
            Self::Leave => Reason::MasterLeft,
            Self::Preemption => Reason::Preempted,
        }
    }
}
