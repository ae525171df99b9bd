//! Operators' orders: whom they are for, what they do, and how they end.
//!
//! **Failover**: a master hands over as at a stop, and then lets whoever took over be, whatever its priority. It ends
//! when it is released, when its time is over, or when nobody else is master any more: then this machine is.
//! **Maintenance**: every master here hands over, and none is one again before it ends, not even if nobody else is
//! there.

use std::time::Instant;

use common::steer::{Origin, nearest};

use super::{Owner, Phase, Router};
use crate::machine::action::Action;
use crate::machine::fact::{Fact, Reason};
use crate::machine::id::{InstanceId, Name, Tag};
use crate::machine::instance::{Cx, Instance, Restraint, Then};
use crate::machine::order::{Order, Released, Standing, Turned};

impl Router {
    /// Who hands over when this instance or sync group is to: all members of the group.
    ///
    /// # Errors
    /// There is no such thing, or it cannot hand over; in words.
    pub fn failover_targets(&self, name: &str) -> Result<Vec<InstanceId>, String> {
        let ids = self.named(name)?;
        if self.orders.maintenance.is_some() {
            return Err("this machine is under maintenance: it is master of nothing".to_owned());
        }
        for id in &ids {
            let Some(instance) = self.instances.get(id) else { continue };
            if instance.plan.is_owner() {
                return Err(format!(
                    "{} has priority 255: it owns its addresses, and listens to no other master",
                    instance.tag.name
                ));
            }
            if instance.is_master() {
                continue;
            }
            let state = match (&instance.state, instance.master_heard()) {
                (super::State::Releasing(_), _) => "it is handing over already".to_owned(),
                (_, Some(master)) => format!("it is {}, and {master} is master", instance.state_name()),
                (_, None) => format!("it is {}", instance.state_name()),
            };
            return Err(format!("{} is not master here, so it cannot hand over: {state}", instance.tag.name));
        }
        Ok(ids)
    }

    /// What is to be released by this name; by none, everything.
    ///
    /// # Errors
    /// There is no such thing.
    pub fn release_targets(&self, name: Option<&str>) -> Result<Released, String> {
        match name {
            None => Ok(Released::All),
            Some("maintenance") => Ok(Released::Maintenance),
            Some(name) => self.named(name).map(Released::Instances),
        }
    }

    fn named(&self, name: &str) -> Result<Vec<InstanceId>, String> {
        let of_group = self.groups.iter().find(|group| group.plan.name.as_str() == name);
        let of_instance = self.by_key.values().find(|id| self.is_called(**id, name));
        let ids = match (of_group, of_instance) {
            (Some(group), Some(id)) if !group.members.contains(id) => {
                return Err(format!("\"{name}\" is an instance and a sync group that it does not belong to"));
            }
            (Some(group), _) => group.members.clone(),
            // The members of a group move together.
            (None, Some(id)) => match self.index.group_of(*id).and_then(|at| self.groups.get(at)) {
                Some(group) => group.members.clone(),
                None => vec![*id],
            },
            (None, None) => {
                let instances = self.plan.instances.iter().map(|instance| instance.name.to_string());
                let groups = self.plan.groups.iter().map(|group| group.name.to_string());
                let names = nearest(name, instances.chain(groups));
                return Err(format!("no instance or sync group \"{name}\": {names}"));
            }
        };
        Ok(ids)
    }

    fn is_called(&self, id: InstanceId, name: &str) -> bool {
        self.instances.get(&id).is_some_and(|instance| instance.tag.name.as_str() == name)
    }

    /// The maintenance that is in force.
    #[must_use]
    pub const fn maintenance(&self) -> Option<&Standing> {
        self.orders.maintenance.as_ref()
    }

    /// The failovers that are in force, by the names of their instances.
    pub fn failovers(&self) -> impl Iterator<Item = (&Name, &Standing)> {
        self.orders.failovers.iter().map(|(id, (tag, standing))| (self.current(*id, tag), standing))
    }

    /// Whether an orderly stop was asked for.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping)
    }

    /// Who is master here.
    pub fn masters_here(&self) -> impl Iterator<Item = &Name> {
        let masters = self.by_key.values().filter_map(|id| self.instances.get(id)).filter(|i| i.is_master());
        masters.map(|instance| &instance.tag.name)
    }

    /// Whose failovers would be released.
    pub fn released_by<'a>(&'a self, released: &'a Released) -> impl Iterator<Item = &'a Name> {
        let meant = move |id: &InstanceId| match released {
            Released::All => true,
            Released::Maintenance => false,
            Released::Instances(ids) => ids.contains(id),
        };
        let failovers = self.orders.failovers.iter().filter(move |(id, _)| meant(id));
        failovers.map(|(id, (tag, _))| self.current(*id, tag))
    }

    /// A reload may have given it another name.
    fn current<'a>(&'a self, id: InstanceId, tag: &'a Tag) -> &'a Name {
        self.instances.get(&id).map_or(&tag.name, |instance| &instance.tag.name)
    }

    /// What some instances are called.
    pub fn names_of<'a>(&'a self, ids: &'a [InstanceId]) -> impl Iterator<Item = &'a Name> {
        ids.iter().filter_map(|id| Some(&self.instances.get(id)?.tag.name))
    }

    pub(super) fn fail_over(
        &mut self,
        ids: &[InstanceId],
        standing: &Standing,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        if self.phase != Phase::Running {
            return;
        }
        let masters: Vec<InstanceId> = ids
            .iter()
            .copied()
            .filter(|id| self.instances.get(id).is_some_and(Instance::is_master))
            .collect();
        // A group that finds nobody returns as one.
        let until = masters.iter().filter_map(|id| self.instances.get(id)?.give_way_until(now)).max();
        for id in &masters {
            let Some(tag) = self.instances.get(id).map(|instance| instance.tag.clone()) else { continue };
            let turned = Turned::Begun(standing.left(now));
            tell(Order::Failover, Some(tag.clone()), turned, &standing.origin, out);
            self.orders.failovers.insert(*id, (tag, standing.clone()));
        }
        self.each(&masters, now, out, |i, cx| i.restrain(Restraint::Preemption, cx));
        if let Some(until) = until {
            for id in &masters {
                self.with(*id, now, out, |i, cx| i.release_by(Then::Return, until, cx));
            }
        }
        self.schedule_orders();
    }

    pub(super) fn maintain(&mut self, standing: Standing, now: Instant, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        if let Some(before) = &self.orders.maintenance {
            let origin = before.origin.clone();
            tell(Order::Maintenance, None, Turned::Released, &origin, out);
        }
        tell(Order::Maintenance, None, Turned::Begun(standing.left(now)), &standing.origin, out);
        self.orders.maintenance = Some(standing);
        let ids: Vec<InstanceId> = self.by_key.values().copied().collect();
        self.each(&ids, now, out, |i, cx| i.restrain(Restraint::Mastership, cx));
        for id in &ids {
            self.with(*id, now, out, |i, cx| i.release(Then::Backup(Reason::Ordered), cx));
        }
        self.schedule_orders();
    }

    pub(super) fn release_orders(
        &mut self,
        released: &Released,
        origin: &Origin,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let (all, of) = match released {
            Released::All => (true, self.orders.failovers.keys().copied().collect()),
            Released::Maintenance => (true, Vec::new()),
            Released::Instances(ids) => (false, ids.clone()),
        };
        let mut freed: Vec<InstanceId> = Vec::new();
        for id in of {
            if let Some((tag, _)) = self.orders.failovers.remove(&id) {
                tell(Order::Failover, Some(tag), Turned::Released, origin, out);
                freed.push(id);
            }
        }
        if all && self.orders.maintenance.take().is_some() {
            tell(Order::Maintenance, None, Turned::Released, origin, out);
            freed = self.by_key.values().copied().collect();
        }
        self.free(&freed, now, out);
    }

    /// Ends what is over by now.
    pub(super) fn expire_orders(&mut self, now: Instant, out: &mut Vec<Action>) {
        let mut freed: Vec<InstanceId> = Vec::new();
        let over = self.orders.failovers.iter().filter(|(_, (_, standing))| standing.is_over(now));
        for id in over.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some((tag, standing)) = self.orders.failovers.remove(&id) {
                tell(Order::Failover, Some(tag), Turned::Expired, &standing.origin, out);
                freed.push(id);
            }
        }
        if let Some(standing) = self.orders.maintenance.take_if(|standing| standing.is_over(now)) {
            tell(Order::Maintenance, None, Turned::Expired, &standing.origin, out);
            freed = self.by_key.values().copied().collect();
        }
        self.free(&freed, now, out);
    }

    /// Drops the orders that have become pointless: their instance is gone, or is master because nobody else is.
    pub(super) fn tidy_orders(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.orders.failovers.is_empty() {
            return;
        }
        let mut freed = Vec::new();
        for id in self.orders.failovers.keys().copied().collect::<Vec<_>>() {
            let instance = self.instances.get(&id).filter(|instance| !instance.removed);
            let turned = match instance {
                None => Turned::Dropped,
                Some(instance) if instance.is_master() => Turned::Alone,
                Some(_) => continue,
            };
            if let Some((tag, standing)) = self.orders.failovers.remove(&id) {
                tell(Order::Failover, Some(tag), turned, &standing.origin, out);
                freed.push(id);
            }
        }
        self.free(&freed, now, out);
    }

    /// What the orders in force keep an instance from.
    pub(super) fn restraint(&self, id: InstanceId) -> Restraint {
        if self.orders.maintenance.is_some() {
            Restraint::Mastership
        } else if self.orders.failovers.contains_key(&id) {
            Restraint::Preemption
        } else {
            Restraint::None
        }
    }

    fn free(&mut self, ids: &[InstanceId], now: Instant, out: &mut Vec<Action>) {
        for id in ids {
            let restraint = self.restraint(*id);
            self.with(*id, now, out, |i, cx| i.restrain(restraint, cx));
        }
        self.schedule_orders();
    }

    /// Orders of a predecessor are in force, before the start.
    pub(super) fn resume_orders(&mut self, now: Instant) {
        let ids: Vec<InstanceId> = self.by_key.values().copied().collect();
        let mut out = Vec::new();
        for id in ids {
            let restraint = self.restraint(id);
            if let Some(instance) = self.instances.get_mut(&id) {
                // Nothing comes of it: it is not started.
                instance.restrain(restraint, &mut Cx { now, links: &mut self.links, out: &mut out });
            }
        }
        self.schedule_orders();
    }

    pub(super) fn schedule_orders(&mut self) {
        self.deadlines.set(&Owner::Orders, self.orders.deadline());
    }
}

fn tell(order: Order, instance: Option<Tag>, turned: Turned, origin: &Origin, out: &mut Vec<Action>) {
    out.push(Action::Report(Fact::Order { order, instance, turned, origin: origin.clone() }));
}
