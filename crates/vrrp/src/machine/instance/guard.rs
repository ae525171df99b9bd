//! What surrounds the addresses while they are held: packets for them are refused (`accept = false`), settings of the
//! interfaces they are on are ours (`promote_secondaries`).
//!
//! All of it is one wish, told anew whenever it changes: the shell knows what was before.

use std::net::IpAddr;

use super::{Cx, Instance, State};
use crate::machine::action::Action;
use crate::machine::id::LinkName;

/// What was wished last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Guard {
    refused: Vec<IpAddr>,
    promoting: Vec<LinkName>,
}

impl Instance {
    /// To be called before addresses are put up, with true, and after they are taken away, with false.
    pub(super) fn guard(&mut self, holding: bool, cx: &mut Cx<'_>) {
        let wish = if holding { self.wish() } else { Guard::default() };
        if wish != self.guard {
            self.guard = wish;
            self.tell_guard(cx);
        }
    }

    /// The plan is another one.
    pub(super) fn change_guard(&mut self, cx: &mut Cx<'_>) {
        let holding = matches!(self.state, State::Master(_) | State::Releasing(_));
        self.guard(holding, cx);
    }

    /// An interface was made anew: what was set on it is gone.
    pub(super) fn guard_again(&self, link: LinkName, cx: &mut Cx<'_>) {
        if self.guard.promoting.contains(&link) {
            self.tell_guard(cx);
        }
    }

    fn tell_guard(&self, cx: &mut Cx<'_>) {
        let Guard { refused, promoting } = &self.guard;
        let (refused, promoting) = (refused.clone(), promoting.clone());
        cx.out.push(Action::Guard { instance: self.tag.clone(), refused, promoting });
    }

    fn wish(&self) -> Guard {
        let plan = &self.plan;
        // S16: an owner takes packets, always.
        let refuse = !plan.accept && !plan.is_owner();
        let refused = plan.addresses.iter().filter(|_| refuse).map(|a| a.address).collect();
        // Of IPv4 only: IPv6 addresses do not hang on each other.
        let on = plan.addresses.iter().filter(|a| plan.promote_secondaries && a.address.is_ipv4());
        let mut promoting: Vec<LinkName> = on.map(|a| a.link).collect();
        promoting.sort_unstable();
        promoting.dedup();
        Guard { refused, promoting }
    }

    /// It could not be done as wished; the shell tries again by itself.
    pub(in crate::machine) fn guard_failed(&mut self, error: String, cx: &mut Cx<'_>) {
        self.effect_failed(error, cx);
    }
}
