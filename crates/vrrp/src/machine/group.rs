//! Sync groups: instances that move together.
//!
//! A group is master only when every member would be; a member that yields, or is in fault, takes the others along.
//! This file holds what a group is and decides; [`Router`](super::router::Router) carries it out.

use super::fact::{Mover, Reason, StateName};
use super::id::InstanceId;
use super::instance::{Instance, State};
use crate::plan::GroupPlan;

/// A sync group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) plan: GroupPlan,
    pub(super) members: Vec<InstanceId>,
    pub(super) state: StateName,
}

/// What the members are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// Nothing.
    Stay,
    /// All that are not master yet become master.
    Promote,
    /// All masters release.
    Release,
}

/// What a look at the members says.
pub(super) fn decide<'i>(members: &(impl Iterator<Item = &'i Instance> + Clone)) -> Move {
    let ready = |m: &Instance| m.is_master() || m.wants_master();
    if members.clone().all(ready) {
        return if members.clone().all(Instance::is_master) { Move::Stay } else { Move::Promote };
    }
    if members.clone().any(Instance::is_master) { Move::Release } else { Move::Stay }
}

/// The state of the whole; nothing while a member is still handing over.
pub(super) fn state<'i>(members: &(impl Iterator<Item = &'i Instance> + Clone)) -> Option<StateName> {
    let any = |state: fn(&State) -> bool| members.clone().any(|m| state(&m.state));
    if any(|s| matches!(s, State::Releasing(_))) {
        return None;
    }
    let state = if any(|s| matches!(s, State::Fault)) {
        StateName::Fault
    } else if any(|s| matches!(s, State::Init)) {
        StateName::Init
    } else if any(|s| matches!(s, State::Backup(_))) {
        StateName::Backup
    } else {
        StateName::Master
    };
    Some(state)
}

/// The member that brought this state of the whole about. Several may have entered it: one that did so of itself
/// explains more than those that went along, then `by`, whose event it is that moves the group now, then the last.
pub(super) fn mover<'i>(
    members: impl Iterator<Item = &'i Instance>,
    state: StateName,
    by: Option<InstanceId>,
) -> Option<Mover> {
    let there = members.filter(|member| member.state_name() == state);
    let explains = |member: &&Instance| {
        let weight = member.moved.as_ref().map(|moved| moved.reason.weight());
        (weight, Some(member.tag.id) == by, member.since)
    };
    let member = there.max_by_key(explains)?;
    member.moved.clone().or_else(|| {
        // One that a reload brought and that waits for something.
        let cause = member.causes.first()?.clone();
        let reason = Reason::Faulted(cause);
        Some(Mover { member: member.tag.name.clone(), reason, priority: member.priority, peer: None })
    })
}
