//! Between the states: what is sent, installed, removed, announced and told, in which order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::past::Change;
use super::{Backup, Cx, Expect, Heard, Instance, Master, Releasing, State, Then};
use crate::machine::action::{Action, Notification, NotifyState, Object};
use crate::machine::announce::Announcer;
use crate::machine::fact::{Cause, Fact, Mover, Reason, StateName};
use crate::machine::owned::{self, Holder};
use crate::machine::timing::HAND_OVER_LINGER;
use crate::plan::NotifyPlan;
use crate::wire::admit::Admitted;

impl Instance {
    /// Startup (S1, S2): to work, or to fault if something keeps it from that.
    pub(in crate::machine) fn start(&mut self, causes: BTreeSet<Cause>, cx: &mut Cx<'_>) {
        self.active = true;
        if !self.plan.is_owner() {
            self.remove_leftovers(cx);
        }
        self.prepare_virtual_link(cx);
        if causes.is_empty() {
            self.begin(Reason::Started, cx);
        } else {
            self.set_causes(causes, cx);
        }
    }

    /// An owner is master at once (S1); everybody else listens first (S2).
    fn begin(&mut self, reason: Reason, cx: &mut Cx<'_>) {
        if self.owns() && !self.grouped {
            self.enter_master(Reason::Owner, cx);
            return;
        }
        let from = self.state_name();
        let delayed = reason == Reason::Started && !self.plan.startup_delay.is_zero();
        let wait = if reason == Reason::Started {
            self.wish_interval() + self.plan.startup_delay
        } else {
            self.down_interval(self.plan.interval)
        };
        self.state = State::Backup(Backup {
            down_at: cx.now + wait,
            interval: self.plan.interval,
            master: None,
            preempt_at: None,
            expect: Expect::Silence,
            // The owners of a group do not wait for silence, only for each other.
            silent: self.owns(),
            delayed,
            graced: false,
        });
        self.transition_from(from, reason, cx);
    }

    /// Our addresses from an earlier run must not stay with a router that is not master.
    fn remove_leftovers(&mut self, cx: &mut Cx<'_>) {
        let (mut leftovers, mut foreign) = (Vec::new(), Vec::new());
        for address in &self.plan.addresses {
            match cx.links.address(address.link, address.address) {
                Some(observed) if observed.ours => leftovers.push(address.clone()),
                Some(_) if !self.plan.is_owner() => foreign.push(address.clone()),
                Some(_) | None => {}
            }
        }
        owned::remove(&self.tag, &leftovers, cx.links, cx.out);
        for address in foreign {
            cx.out.push(Action::Report(Fact::ForeignAddress { instance: self.tag.clone(), address }));
        }
    }

    /// S4: advert, then addresses, then announcements, then the word of it.
    pub(in crate::machine) fn enter_master(&mut self, reason: Reason, cx: &mut Cx<'_>) {
        let from = self.state_name();
        self.superseded = match &self.state {
            State::Backup(backup) => backup.master.map(|master| master.address),
            State::Init | State::Fault | State::Master(_) | State::Releasing(_) => None,
        };
        self.derive_from_links(cx.links);
        self.send(self.priority, cx);
        self.raise_virtual_link(cx);
        self.guard(true, cx);
        let holder = Holder::take(&self.request(cx.now), cx.links, cx.out);
        self.state = State::Master(Master {
            advert_at: cx.now + self.plan.interval,
            answered_at: None,
            announcer: Announcer::start(&self.plan.announce, cx.now),
            holder,
        });
        self.announce_due(cx);
        self.transition_from(from, reason, cx);
    }

    /// Master again after a restart: nobody noticed, so nothing is announced, and the adverts go on in step.
    pub(in crate::machine) fn resume_master(&mut self, advert_at: Instant, cx: &mut Cx<'_>) {
        self.active = true;
        let from = self.state_name();
        self.derive_from_links(cx.links);
        self.raise_virtual_link(cx);
        self.guard(true, cx);
        let holder = Holder::take(&self.request(cx.now), cx.links, cx.out);
        let announcer = Announcer::resume(&self.plan.announce, cx.now);
        self.state = State::Master(Master { advert_at, answered_at: None, announcer, holder });
        self.record(from, Reason::Restored, cx);
        if advert_at <= cx.now {
            self.advertise(cx);
            if let State::Master(master) = &mut self.state {
                master.advert_at = cx.now + self.plan.interval;
            }
        }
    }

    /// It was master, and away for so long that somebody may have taken over from it.
    pub(in crate::machine) fn resume_stalled(&mut self, away: Duration, cx: &mut Cx<'_>) {
        self.active = true;
        self.report_stall(away, cx);
        self.remove_leftovers(cx);
        self.yield_to(None, Reason::Stalled, cx);
    }

    /// Backup again after a restart, with the time that is left.
    pub(in crate::machine) fn resume_backup(&mut self, backup: Backup, cx: &mut Cx<'_>) {
        self.active = true;
        let from = self.state_name();
        self.remove_leftovers(cx);
        self.prepare_virtual_link(cx);
        self.state = State::Backup(backup);
        self.record(from, Reason::Restored, cx);
    }

    /// S11: a better master is there (or may be): the addresses go at once, nothing is sent.
    pub(super) fn yield_to(&mut self, advert: Option<Admitted>, reason: Reason, cx: &mut Cx<'_>) {
        let from = self.state_name();
        self.drop_addresses(cx);
        let interval = advert.map_or(self.plan.interval, |a| a.interval);
        let wait = match advert {
            Some(_) => self.down_interval(interval),
            None => interval + self.skew(interval),
        };
        self.state = State::Backup(Backup {
            down_at: cx.now + wait,
            interval,
            // By a further way it has another address.
            master: advert.filter(|a| a.path == 0).map(|a| Heard { address: a.source, priority: a.priority }),
            preempt_at: None,
            expect: Expect::Silence,
            silent: false,
            delayed: false,
            graced: false,
        });
        self.transition_from(from, reason, cx);
    }

    /// Takes the addresses off, if they are held.
    fn drop_addresses(&mut self, cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.state, State::Init) {
            State::Master(Master { holder, .. }) | State::Releasing(Releasing { holder, .. }) => {
                holder.release(&self.request(cx.now), cx.links, cx.out);
                self.guard(false, cx);
                self.lower_virtual_link(cx);
            }
            other @ (State::Init | State::Fault | State::Backup(_)) => self.state = other,
        }
    }

    /// A master leaves on purpose: priority 0 is sent (S13), and unless told otherwise the addresses stay until the
    /// successor is heard.
    pub(in crate::machine) fn release(&mut self, then: Then, cx: &mut Cx<'_>) {
        let until = self.hand_over_until(cx.now);
        self.release_by(then, until, cx);
    }

    /// The same with another bound.
    pub(in crate::machine) fn release_by(&mut self, then: Then, until: Instant, cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.state, State::Init) {
            State::Master(Master { holder, .. }) => {
                self.send(0, cx);
                let until = if self.plan.hand_over { until } else { cx.now };
                self.state = State::Releasing(Releasing { until, successor: None, holder, then });
                if until <= cx.now {
                    self.released(cx);
                    return;
                }
                let at_most_ms = u64::try_from((until - cx.now).as_millis()).unwrap_or(u64::MAX);
                cx.out.push(Action::Report(Fact::HandingOver { instance: self.tag.clone(), at_most_ms }));
            }
            State::Releasing(releasing) => {
                // Who goes for good does not come back for want of a successor.
                let then = if then == Then::Return { releasing.then } else { then };
                self.state = State::Releasing(Releasing { then, ..releasing });
            }
            other @ (State::Init | State::Fault | State::Backup(_)) => self.state = other,
        }
    }

    /// The successor was heard: it is master, and about to take the addresses and to announce them. Until that is done,
    /// clients still ask here.
    pub(super) fn succeeded(&mut self, successor: Admitted, cx: &mut Cx<'_>) {
        // With IPv6, an answer of ours to its duplicate address detection would make the address useless for it.
        let linger = if successor.source.is_ipv4() { HAND_OVER_LINGER } else { Duration::ZERO };
        if let State::Releasing(releasing) = &mut self.state {
            if releasing.successor.is_none() {
                releasing.until = releasing.until.min(cx.now + linger);
            }
            releasing.successor = Some(successor);
            if releasing.until <= cx.now {
                self.released(cx);
            }
        }
    }

    /// The successor had its time, or nobody came forward.
    pub(super) fn released(&mut self, cx: &mut Cx<'_>) {
        let State::Releasing(releasing) = &self.state else {
            return;
        };
        let successor = releasing.successor;
        match releasing.then.clone() {
            Then::Return if successor.is_none() && self.plan.hand_over => self.take_back(cx),
            Then::Return => {
                let to = successor.map(|advert| advert.source);
                let reason = to.map_or(Reason::Ordered, |to| Reason::HandedOver { to: Some(to) });
                self.yield_to(successor, reason, cx);
            }
            Then::Backup(reason) => {
                let reason = match successor {
                    Some(advert) => Reason::HandedOver { to: Some(advert.source) },
                    None => reason,
                };
                self.yield_to(successor, reason, cx);
            }
            Then::Init(reason) => {
                let reason = successor.map_or(reason, |a| Reason::HandedOver { to: Some(a.source) });
                self.enter_init(reason, cx);
            }
        }
    }

    fn enter_init(&mut self, reason: Reason, cx: &mut Cx<'_>) {
        let from = self.state_name();
        self.drop_addresses(cx);
        self.state = State::Init;
        self.remove_virtual_link(cx);
        self.transition_from(from, reason, cx);
    }

    /// S8, S13: an orderly stop. Done when the state is `Init`.
    pub(in crate::machine) fn stop(&mut self, reason: Reason, cx: &mut Cx<'_>) {
        self.active = false;
        match &self.state {
            State::Init => self.remove_virtual_link(cx),
            State::Fault | State::Backup(_) => self.enter_init(reason, cx),
            State::Master(_) | State::Releasing(_) => self.release(Then::Init(reason), cx),
        }
    }

    /// As `stop`, but without waiting for a successor: the addresses are wanted elsewhere.
    pub(in crate::machine) fn stop_now(&mut self, reason: Reason, cx: &mut Cx<'_>) {
        self.active = false;
        if self.is_master() {
            self.send(0, cx);
        }
        if matches!(self.state, State::Init) {
            self.remove_virtual_link(cx);
        } else {
            self.enter_init(reason, cx);
        }
    }

    /// The group says so.
    pub(in crate::machine) fn promote(&mut self, cx: &mut Cx<'_>) {
        if let State::Backup(backup) = &self.state {
            let reason = if self.plan.is_owner() { Reason::Owner } else { backup.expect.reason() };
            self.enter_master(reason, cx);
        }
    }

    /// What keeps it from its work changed.
    pub(in crate::machine) fn set_causes(&mut self, mut causes: BTreeSet<Cause>, cx: &mut Cx<'_>) {
        if self.is_running() {
            // The first result of a tracker that a reload brought is waited for without stopping.
            causes.retain(|c| !c.is_pending());
        }
        if !self.active && !matches!(self.state, State::Releasing(_)) {
            self.causes = causes;
            return;
        }
        if causes == self.causes {
            return;
        }
        let before = std::mem::replace(&mut self.causes, causes);
        for cause in before.difference(&self.causes) {
            cx.out.push(Action::Report(Fact::CauseGone { instance: self.tag.clone(), cause: cause.clone() }));
        }
        for cause in self.causes.difference(&before) {
            cx.out
                .push(Action::Report(Fact::CauseArose { instance: self.tag.clone(), cause: cause.clone() }));
        }
        let Some(cause) = self.causes.iter().find(|c| !c.is_pending()).or_else(|| self.causes.first()) else {
            self.recover(cx);
            return;
        };
        // Waiting for a first result is no fault yet.
        if cause.is_pending() && matches!(self.state, State::Init) {
            return;
        }
        if !matches!(self.state, State::Fault) {
            let cause = cause.clone();
            self.enter_fault(cause, cx);
        }
    }

    fn recover(&mut self, cx: &mut Cx<'_>) {
        match self.state {
            State::Init => self.begin(Reason::Started, cx),
            State::Fault => self.begin(Reason::Recovered, cx),
            State::Backup(_) | State::Master(_) | State::Releasing(_) => {}
        }
    }

    fn enter_fault(&mut self, cause: Cause, cx: &mut Cx<'_>) {
        if let State::Releasing(Releasing { then: Then::Init(reason), .. }) = &self.state {
            let reason = reason.clone();
            self.enter_init(reason, cx);
            return;
        }
        let from = self.state_name();
        // The peers need not wait for the silence.
        if self.is_master() {
            if self.causes.iter().all(|c| c.lets_send(self.plan.key.link)) {
                self.send(0, cx);
            } else if !self.causes.iter().any(|c| matches!(c, Cause::NoKey(_))) {
                self.leave_by_further_ways(cx);
            }
        }
        self.drop_addresses(cx);
        self.state = State::Fault;
        self.transition_from(from, Reason::Faulted(cause), cx);
    }

    fn transition_from(&mut self, from: StateName, reason: Reason, cx: &mut Cx<'_>) {
        let to = self.state_name();
        if from == to {
            return;
        }
        let words = reason.to_string();
        self.record(from, reason, cx);
        let state =
            if self.removed && to == StateName::Init { NotifyState::Deleted } else { notify_state(to) };
        self.notify(state, &words, cx.out);
    }

    /// Tells everybody who wants to know.
    pub(super) fn notify(&self, state: NotifyState, reason: &str, out: &mut Vec<Action>) {
        let object = Object::Instance(self.tag.name.clone());
        notify(&self.plan.notify, &object, state, self.priority, reason, out);
    }

    /// Reports and counts without running anything.
    fn record(&mut self, from: StateName, reason: Reason, cx: &mut Cx<'_>) {
        self.since = cx.now;
        self.statistics.transitions += 1;
        self.past.push(Change {
            at: cx.now,
            from,
            to: self.state_name(),
            priority: self.priority,
            reason: reason.to_string(),
        });
        let superseded = self.superseded.take();
        let peer = reason.peer().or(superseded);
        self.moved = Some(Mover {
            member: self.tag.name.clone(),
            reason: reason.clone(),
            priority: self.priority,
            peer,
        });
        cx.out.push(Action::Report(Fact::Transition {
            instance: self.tag.clone(),
            from,
            to: self.state_name(),
            peer,
            reason,
            priority: self.priority,
            vrid: self.plan.key.vrid.get(),
        }));
    }
}

/// Queues the commands for a state: its own, then the general one.
fn notify(
    plan: &NotifyPlan,
    object: &Object,
    state: NotifyState,
    priority: u8,
    reason: &str,
    out: &mut Vec<Action>,
) {
    let mut push = |run| {
        let (object, reason) = (object.clone(), reason.to_owned());
        out.push(Action::Notify(Box::new(Notification { object, state, priority, reason, run })));
    };
    if let Some(command) = plan.of(state) {
        push(Some(command.clone()));
    }
    if plan.tell {
        push(None);
    }
    if let Some(command) = &plan.any {
        let mut command = command.clone();
        let (kind, name) = match object {
            Object::Instance(name) => ("INSTANCE", name),
            Object::Group(name) => ("GROUP", name),
        };
        command.argv.extend([
            kind.to_owned(),
            name.to_string(),
            state.word().to_owned(),
            priority.to_string(),
        ]);
        push(Some(command));
    }
}

/// The commands of a group.
pub(in crate::machine) fn notify_group(
    plan: &NotifyPlan,
    object: &Object,
    to: StateName,
    out: &mut Vec<Action>,
) {
    let state = notify_state(to);
    notify(plan, object, state, 0, "sync group", out);
}

const fn notify_state(state: StateName) -> NotifyState {
    match state {
        StateName::Master => NotifyState::Master,
        StateName::Backup => NotifyState::Backup,
        StateName::Fault => NotifyState::Fault,
        StateName::Init => NotifyState::Stop,
    }
}
