//! The interface with the virtual MAC: there while the router works, set up only while it is master.
//!
//! ```text
//!   Down ──── master ────► Rising ──── seen up ────► Holding(index)
//!    ▲                       ▲                          │
//!    └── addresses dropped   └─ deleted, set down, … ───┘
//! ```
//!
//! A backup's is down, so it takes no frames to the virtual MAC and says nothing from it. Whatever makes the kernel's
//! interface differ from what is wanted is put right, at once the first time and then at most once a second.

use std::time::{Duration, Instant};

use super::{Cx, Instance, State};
use crate::machine::action::{Action, VirtualLink};
use crate::machine::event::LinkFacts;
use crate::machine::fact::{Cause, Fact};
use crate::machine::id::{LinkIndex, LinkName};
use crate::machine::links::Links;
use crate::plan::InstancePlan;

/// Time between two attempts to put it right, so that a quarrel with another program stays cheap.
const SPACING: Duration = Duration::from_secs(1);

/// What is known of the interface with the virtual MAC.
#[derive(Debug, Default)]
pub(super) struct Tie {
    stage: Stage,
    /// Why it is not there.
    error: Option<String>,
    asked_at: Option<Instant>,
    due: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Down,
    /// It is being set up; what is to be on it is put there by whoever became master if it is this one.
    Rising(Option<LinkIndex>),
    Holding(LinkIndex),
}

impl Instance {
    /// The name of its interface, if it has one.
    pub(in crate::machine) fn virtual_link(&self) -> Option<LinkName> {
        self.plan.virtual_mac.map(|own| own.link)
    }

    /// Why that is not there.
    pub(in crate::machine) fn virtual_link_cause(&self) -> Option<Cause> {
        let (link, error) = (self.virtual_link()?, self.tie.error.clone()?);
        Some(Cause::NoVirtualLink(link, error))
    }

    pub(super) const fn virtual_link_due(&self) -> Option<Instant> {
        self.tie.due
    }

    /// Its own interface is about to come back: whatever was on it is put there then.
    pub(super) fn is_rising(&self, link: LinkName) -> bool {
        self.virtual_link() == Some(link) && self.tie.stage == Stage::Rising(None)
    }

    fn wanted_link(&self) -> Option<VirtualLink> {
        let own = self.plan.virtual_mac?;
        let up = matches!(self.state, State::Master(_) | State::Releasing(_));
        Some(VirtualLink { name: own.link, base: self.plan.key.link, mac: own.mac, up })
    }

    /// At the start: make it, or take over what an earlier run left.
    pub(super) fn prepare_virtual_link(&mut self, cx: &mut Cx<'_>) {
        if let Some(wanted) = self.wanted_link()
            && cx.links.facts(wanted.base).is_some()
        {
            self.ask(wanted, cx);
        }
    }

    /// It is about to become master.
    pub(super) fn raise_virtual_link(&mut self, cx: &mut Cx<'_>) {
        let Some(wanted) = self.wanted_link() else { return };
        let wanted = VirtualLink { up: true, ..wanted };
        self.tie.stage = match found(&wanted, cx.links) {
            Some(facts) if facts.up => Stage::Holding(facts.index),
            Some(facts) => Stage::Rising(Some(facts.index)),
            None => Stage::Rising(None),
        };
        self.ask(wanted, cx);
    }

    /// It holds its addresses no longer.
    pub(super) fn lower_virtual_link(&mut self, cx: &mut Cx<'_>) {
        let Some(wanted) = self.wanted_link() else { return };
        let wanted = VirtualLink { up: false, ..wanted };
        self.tie.stage = Stage::Down;
        if found(&wanted, cx.links).is_some() {
            self.ask(wanted, cx);
        }
    }

    /// It does not work any more: nothing of it is left.
    pub(super) fn remove_virtual_link(&mut self, cx: &mut Cx<'_>) {
        let plan = std::sync::Arc::clone(&self.plan);
        self.give_up_virtual_link(&plan, cx);
    }

    /// As a plan has it, which may be an older one.
    pub(super) fn give_up_virtual_link(&mut self, plan: &InstancePlan, cx: &mut Cx<'_>) {
        let Some(own) = plan.virtual_mac else { return };
        let failed = self.tie.error.is_some();
        self.tie = Tie::default();
        if !failed && cx.links.facts(own.link).is_some() {
            cx.out.push(Action::RemoveLink { instance: self.tag.clone(), link: own.link });
        }
    }

    /// The plan is another one: the old interface goes, unless it is the new one too.
    pub(super) fn change_virtual_link(&mut self, old: &InstancePlan, cx: &mut Cx<'_>) {
        if old.virtual_mac == self.plan.virtual_mac {
            return;
        }
        if old.virtual_mac.map(|own| own.link) != self.virtual_link() {
            self.give_up_virtual_link(old, cx);
        }
        match &self.state {
            State::Master(_) | State::Releasing(_) => self.raise_virtual_link(cx),
            State::Init | State::Fault | State::Backup(_) if self.active => self.prepare_virtual_link(cx),
            State::Init | State::Fault | State::Backup(_) => {}
        }
    }

    fn ask(&mut self, link: VirtualLink, cx: &mut Cx<'_>) {
        self.tie.asked_at = Some(cx.now);
        // Until the answer: were it lost, this is asked again.
        self.tie.due = Some(cx.now + SPACING);
        cx.out.push(Action::EnsureLink { instance: self.tag.clone(), link });
    }

    /// Compares what is with what is wanted.
    pub(super) fn keep_virtual_link(&mut self, cx: &mut Cx<'_>) {
        let Some(wanted) = self.wanted_link() else { return };
        let working = self.active || wanted.up;
        if !working || cx.links.facts(wanted.base).is_none() {
            // Without the interface below it there is none, which is a cause of its own.
            (self.tie.due, self.tie.error) = (None, None);
            return;
        }
        if self.tie.error.is_none()
            && let Some(facts) = found(&wanted, cx.links).filter(|facts| facts.up == wanted.up)
        {
            let index = facts.index;
            self.tie.due = None;
            self.risen(wanted, index, cx);
            return;
        }
        if let Stage::Holding(_) = self.tie.stage {
            self.tie.stage = Stage::Rising(None);
            let fact = Fact::LinkRepaired { instance: self.tag.clone(), link: wanted.name };
            cx.out.push(Action::Report(fact));
        }
        let earliest = self.tie.asked_at.map_or(cx.now, |at| at + SPACING);
        if earliest <= cx.now {
            self.ask(wanted, cx);
        } else {
            self.tie.due = Some(earliest);
        }
    }

    /// It is as wanted. What was on one that somebody deleted or set down is gone, and forgotten by the network.
    fn risen(&mut self, wanted: VirtualLink, index: LinkIndex, cx: &mut Cx<'_>) {
        let (before, now) = (self.tie.stage, Stage::Holding(index));
        if !wanted.up || before == now {
            return;
        }
        self.tie.stage = now;
        if before != Stage::Rising(Some(index)) {
            self.link_usable(wanted.name, cx);
        }
    }

    /// The kernel did as it was asked.
    pub(in crate::machine) fn virtual_link_made(&mut self, cx: &mut Cx<'_>) {
        self.tie.error = None;
        self.keep_virtual_link(cx);
    }

    /// It did not.
    pub(in crate::machine) fn virtual_link_failed(&mut self, error: String, cx: &Cx<'_>) {
        self.tie.error = Some(error);
        self.tie.due = Some(cx.now + SPACING);
    }
}

/// The interface, if it is the one that is wanted, up or down.
fn found<'l>(wanted: &VirtualLink, links: &'l Links) -> Option<&'l LinkFacts> {
    let base = links.facts(wanted.base)?.index;
    links.facts(wanted.name).filter(|facts| facts.mac == Some(wanted.mac) && facts.parent == Some(base))
}
