//! A new plan for a running instance: state, deadlines and addresses are kept as far as they still mean the same.

use std::sync::Arc;

use super::{Cx, Instance, Releasing, State, Then};
use crate::machine::fact::Reason;
use crate::machine::owned::{self, Request};
use crate::plan::InstancePlan;

impl Instance {
    /// First pass of a reload: what the new plan no longer has goes, so that others can take it.
    pub(in crate::machine) fn shed(&self, plan: &InstancePlan, cx: &mut Cx<'_>) {
        if matches!(self.state, State::Master(_) | State::Releasing(_)) {
            owned::shed(&self.tag, &self.plan.addresses, &plan.addresses, cx.links, cx.out);
        }
    }

    /// Second pass: the new plan takes effect.
    pub(in crate::machine) fn reconfigure(&mut self, plan: InstancePlan, cx: &mut Cx<'_>) {
        let old = std::mem::replace(&mut self.plan, Arc::new(plan));
        let plan = Arc::clone(&self.plan);
        self.tag.name = plan.name.clone();
        let settings = plan.admission();
        if settings != self.settings {
            self.settings = settings;
            self.peers = super::Peers::default();
        }
        if (&plan.also_via, &plan.transport) != (&old.also_via, &old.transport) {
            self.rebuild_ways(cx.now);
        }
        self.packet = None;
        self.leased = Arc::from([]);
        self.change_virtual_link(&old, cx);
        self.change_guard(cx);
        self.derive_from_links(cx.links);
        if self.removed {
            self.removed = false;
            self.active = true;
            if let State::Releasing(Releasing { then, .. }) = &mut self.state {
                *then = Then::Backup(Reason::Started);
            }
        }
        let old_down = self.interval_of(&old);
        let new_down = self.interval_of(&plan);
        let request =
            Request { tag: &self.tag, addresses: &plan.addresses, lifetime: plan.lifetime, now: cx.now };
        let mut announce = false;
        match &mut self.state {
            State::Init | State::Fault => {}
            State::Backup(backup) => {
                if backup.master.is_none() {
                    backup.interval = plan.interval;
                }
                // The silence heard so far counts.
                let at = (backup.down_at + new_down).checked_sub(old_down);
                backup.down_at = at.unwrap_or(cx.now).max(cx.now);
                if !plan.preempt || plan.preempt_delay != old.preempt_delay {
                    backup.preempt_at = None;
                }
            }
            State::Master(master) => {
                master.holder.adopt(&old.addresses, old.lifetime, &request, cx.links, cx.out);
                master.advert_at = master.advert_at.min(cx.now + plan.interval);
                if plan.announce != old.announce {
                    master.announcer.rearm(&plan.announce, cx.now);
                }
                announce = plan.addresses.iter().any(|a| !old.addresses.contains(a));
            }
            State::Releasing(releasing) => {
                releasing.holder.adopt(&old.addresses, old.lifetime, &request, cx.links, cx.out);
            }
        }
        if announce {
            self.announce_again(cx);
        }
        let becomes_owner = self.owns() && !old.is_owner();
        if becomes_owner && !self.grouped && matches!(self.state, State::Backup(_)) {
            self.enter_master(Reason::Owner, cx);
        }
    }

    /// The down interval a backup has under a plan.
    fn interval_of(&self, plan: &InstancePlan) -> std::time::Duration {
        let interval = match &self.state {
            State::Backup(backup) if backup.master.is_some() => backup.interval,
            State::Init | State::Fault | State::Backup(_) | State::Master(_) | State::Releasing(_) => {
                plan.interval
            }
        };
        crate::machine::timing::master_down_interval(
            plan.version,
            self.priority,
            interval,
            plan.down_timer_adverts,
        )
    }
}
