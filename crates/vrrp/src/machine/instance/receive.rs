//! What a received packet does: judged, counted, and taken by the state.

use std::net::IpAddr;

use super::{Cx, Expect, Heard, Instance, REPORT_EVERY, State};
use crate::machine::action::{Action, NotifyState};
use crate::machine::fact::{Fact, Reason};
use crate::machine::limiter::Limiter;
use crate::machine::timing::skew_time;
use crate::wire::admit::{Admitted, Datagram, Reject, admit, describe};
use crate::wire::hmac::Stamp;

/// Inferior adverts are answered at most this many times in an interval, so that two routers that each think the
/// other inferior do not storm.
const ANSWERS_PER_INTERVAL: u32 = 8;

impl Instance {
    /// A datagram with our identifier came in.
    pub(in crate::machine) fn receive(
        &mut self,
        datagram: &Datagram<'_>,
        time: Option<Stamp>,
        cx: &mut Cx<'_>,
    ) {
        if matches!(self.state, State::Init | State::Fault) {
            return;
        }
        let verdict =
            admit(&self.settings, datagram, time, |a| self.source == Some(a) || self.ways.is_own(a));
        if let (Some(keyring), Some(sequence)) = (&self.settings.keyring, verdict.sequence)
            && !self.replay.is_new(keyring, datagram.source, sequence, time)
        {
            self.reject(Reject::Replayed, datagram, cx);
            return;
        }
        if let Some(field) = verdict.differs {
            let settings = &self.settings;
            let report =
                self.peers.differs(datagram.source, field, cx.now, || describe(field, settings, datagram));
            if let Some(difference) = report {
                cx.out.push(Action::Report(Fact::IncompatiblePeer {
                    instance: self.tag.clone(),
                    peer: datagram.source,
                    difference,
                }));
            }
        } else if verdict.outcome.is_ok() {
            self.peers.agrees(datagram.source);
        }
        match verdict.outcome {
            Ok(advert) => {
                self.statistics.received += 1;
                self.heard_by(&advert, cx);
                self.advert(advert, cx);
            }
            Err(reason) => self.reject(reason, datagram, cx),
        }
    }

    fn reject(&mut self, reason: Reject, datagram: &Datagram<'_>, cx: &mut Cx<'_>) {
        let (count, limiter) = self.rejected.entry(reason).or_insert_with(|| (0, Limiter::default()));
        *count += 1;
        if let Some(suppressed) = limiter.allow(REPORT_EVERY, cx.now) {
            cx.out.push(Action::Report(Fact::Rejected {
                instance: Some(self.tag.clone()),
                link: datagram.link,
                source: datagram.source,
                reason,
                suppressed,
            }));
        }
    }

    fn advert(&mut self, advert: Admitted, cx: &mut Cx<'_>) {
        match &self.state {
            State::Init | State::Fault => {}
            State::Backup(_) if advert.priority == 0 && self.is_stale_goodbye(&advert) => {}
            State::Backup(_) => self.advert_as_backup(advert, cx),
            State::Master(_) => self.advert_as_master(advert, cx),
            // Priority 0 is somebody else leaving; any other advert is our successor's.
            State::Releasing(_) if advert.priority == 0 => {}
            State::Releasing(_) => self.succeeded(advert, cx),
        }
    }

    /// RFC 9568 6.4.2.
    fn advert_as_backup(&mut self, advert: Admitted, cx: &mut Cx<'_>) {
        let down_interval = self.down_interval(advert.interval);
        let priority = self.priority;
        let (preempt, delay) = (self.preempts(), self.plan.preempt_delay);
        let tag = self.tag.clone();
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        if advert.priority == 0 {
            // S5: the master is leaving. Never later than it would have been.
            backup.delayed = false;
            let skew = skew_time(self.plan.version, priority, backup.interval);
            backup.down_at = backup.down_at.min(cx.now + skew);
            backup.expect = Expect::Leave;
            return;
        }
        let heard = Heard { address: advert.source, priority: advert.priority };
        // By a further way the master has another address.
        let own = advert.path == 0;
        if own && backup.master.map(|m| m.address) != Some(heard.address) {
            cx.out.push(Action::Report(Fact::MasterHeard {
                instance: tag,
                master: heard.address,
                priority: heard.priority,
            }));
        }
        if own {
            backup.master = Some(heard);
        }
        if std::mem::take(&mut backup.delayed) {
            // The network is there: nothing more to wait for than anybody else does.
            backup.down_at = backup.down_at.min(cx.now + down_interval);
        }
        let inferior = advert.priority < priority;
        if !inferior {
            backup.preempt_at = None;
        } else if preempt {
            let preempt_at = *backup.preempt_at.get_or_insert(cx.now + delay);
            if preempt_at <= cx.now {
                // S7: the timer goes on as if nothing had been heard.
                backup.expect = Expect::Preemption;
                return;
            }
        }
        // S6: equal priority included; addresses are not compared here.
        backup.interval = advert.interval;
        backup.down_at = cx.now + down_interval;
        backup.expect = Expect::Silence;
        backup.silent = false;
        backup.graced = false;
    }

    /// RFC 9568 6.4.3.
    fn advert_as_master(&mut self, advert: Admitted, cx: &mut Cx<'_>) {
        if advert.priority == 0 {
            // S10: another master is leaving; tell the backups at once that there is one.
            self.advertise(cx);
            self.rearm_advert(cx);
            return;
        }
        let better = if advert.priority == self.priority {
            match self.loses_tie(&advert, cx.now) {
                Some(loses) => loses,
                None => return,
            }
        } else {
            advert.priority > self.priority
        };
        if better {
            if self.plan.answer_better {
                self.advertise(cx);
            }
            let reason = Reason::BetterMaster { master: advert.source, priority: advert.priority };
            self.yield_to(Some(advert), reason, cx);
            return;
        }
        let State::Master(master) = &self.state else {
            return;
        };
        let late = cx.now.saturating_duration_since(master.advert_at);
        if self.is_stalled(late) {
            self.report_stall(late, cx);
            if !self.plan.preempt && !self.plan.is_owner() {
                // It took over while this process was stalled, and we promised not to take it back.
                self.yield_to(Some(advert), Reason::Stalled, cx);
                return;
            }
        }
        self.inferior_heard(advert, cx);
    }

    /// S12: RFC 9568 6.4.3 wants an advert at once, and bridges learn anew where we are.
    fn inferior_heard(&mut self, advert: Admitted, cx: &mut Cx<'_>) {
        let spacing = self.plan.interval / ANSWERS_PER_INTERVAL;
        let State::Master(master) = &mut self.state else {
            return;
        };
        if master.answered_at.is_some_and(|at| cx.now < at + spacing) {
            return;
        }
        master.answered_at = Some(cx.now);
        self.contested = true;
        if self.plan.answer_inferior {
            self.advertise(cx);
            self.rearm_advert(cx);
        }
        self.announce_for_inferior(cx);
        if let Some(suppressed) = self.inferior.allow(REPORT_EVERY, cx.now) {
            let words = format!("worse advert from {} priority {}", advert.source, advert.priority);
            self.notify(NotifyState::LowerPriority, &words, cx.out);
            cx.out.push(Action::Report(Fact::InferiorHeard {
                instance: self.tag.clone(),
                sender: advert.source,
                priority: advert.priority,
                suppressed,
            }));
        }
    }

    /// Whether a worse advert was heard since the last call.
    pub(in crate::machine) const fn take_contested(&mut self) -> bool {
        std::mem::replace(&mut self.contested, false)
    }

    fn rearm_advert(&mut self, cx: &Cx<'_>) {
        let interval = self.plan.interval;
        if let State::Master(master) = &mut self.state {
            master.advert_at = cx.now + interval;
        }
    }
}

/// Unsigned, in network order (RFC 9568 6.4.3).
pub(super) fn is_higher(theirs: IpAddr, own: IpAddr) -> bool {
    match (theirs, own) {
        (IpAddr::V4(t), IpAddr::V4(o)) => t.octets() > o.octets(),
        (IpAddr::V6(t), IpAddr::V6(o)) => t.octets() > o.octets(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}
