//! The sockets wanted: one per interface and family that some instance uses, with the identifiers to let through.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Router;
use crate::machine::action::{Action, Listener};
use crate::machine::id::{Family, LinkName};
use crate::plan::Transport;

/// A socket that could not be had is asked for again after this long.
const RETRY: Duration = Duration::from_secs(1);

/// Which socket.
pub(super) type Which = (LinkName, Family);

/// What was asked of the shell.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    open: BTreeMap<Which, Open>,
}

#[derive(Debug)]
struct Open {
    listener: Listener,
    error: Option<String>,
    retry_at: Option<Instant>,
}

impl Listeners {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Why a socket is not there.
    pub(super) fn error(&self, which: Which) -> Option<&str> {
        self.open.get(&which)?.error.as_deref()
    }

    pub(super) fn retry_at(&self, which: Which) -> Option<Instant> {
        self.open.get(&which)?.retry_at
    }

    /// A socket could not be had; says whether that is news.
    pub(super) fn failed(&mut self, which: Which, error: String, now: Instant) -> bool {
        let Some(open) = self.open.get_mut(&which) else {
            return false;
        };
        open.retry_at = Some(now + RETRY);
        let news = open.error.as_ref() != Some(&error);
        open.error = Some(error);
        news
    }

    /// A socket is there; says whether it was missed.
    pub(super) fn opened(&mut self, which: Which) -> bool {
        let Some(open) = self.open.get_mut(&which) else {
            return false;
        };
        open.retry_at = None;
        open.error.take().is_some()
    }

    /// Asks again. The fault stays until the socket is there.
    pub(super) fn retry(&mut self, which: Which, now: Instant, out: &mut Vec<Action>) {
        if let Some(open) = self.open.get_mut(&which) {
            open.retry_at = Some(now + RETRY);
            out.push(Action::OpenListener(open.listener.clone()));
        }
    }

    /// Makes what is open what is wanted.
    fn become_wanted(&mut self, wanted: &BTreeMap<Which, Listener>, out: &mut Vec<Action>) {
        let unwanted: Vec<Which> = self.open.keys().filter(|w| !wanted.contains_key(w)).copied().collect();
        for which in unwanted {
            self.open.remove(&which);
            out.push(Action::CloseListener { link: which.0, family: which.1 });
        }
        for (which, listener) in wanted {
            if self.open.get(which).is_some_and(|o| o.listener == *listener) {
                continue;
            }
            let error = self.open.remove(which).and_then(|o| o.error);
            // An open one that is changed is taken for granted until told otherwise; a failed one is not.
            self.open.insert(*which, Open { listener: listener.clone(), error, retry_at: None });
            out.push(Action::OpenListener(listener.clone()));
        }
    }
}

impl Router {
    /// Opens, changes and closes sockets as the plan and the interfaces want it.
    pub(super) fn listen(&mut self, out: &mut Vec<Action>) {
        let mut wanted: BTreeMap<Which, Listener> = BTreeMap::new();
        for (key, id) in self.by_key.iter().chain(&self.leaving) {
            let Some(instance) = self.instances.get(id) else { continue };
            let ways = instance.plan.also_via.iter().map(|via| (via.link, &via.transport));
            for (link, transport) in std::iter::once((key.link, &instance.plan.transport)).chain(ways) {
                let Some(facts) = self.links.facts(link) else { continue };
                let listener = wanted.entry((link, key.family)).or_insert_with(|| Listener {
                    link,
                    index: facts.index,
                    family: key.family,
                    multicast: false,
                    vrids: Vec::new(),
                });
                listener.multicast |= *transport == Transport::Multicast;
                if let Err(at) = listener.vrids.binary_search(&key.vrid) {
                    listener.vrids.insert(at, key.vrid);
                }
            }
        }
        let before: Vec<Which> = self.listeners.open.keys().copied().collect();
        self.listeners.become_wanted(&wanted, out);
        for which in before.into_iter().chain(wanted.into_keys()) {
            self.schedule_listener(which);
        }
    }

    /// A socket failed or is tried again: whoever uses it is judged anew.
    pub(super) fn listeners_changed(&mut self, link: LinkName, now: Instant, out: &mut Vec<Action>) {
        for id in self.index.on_link(link) {
            self.refresh_links(id, now, out);
            self.assess(id, now, out);
        }
    }
}
