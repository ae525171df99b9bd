//! What objects there should be in the kernel, what is known to be there, and what to ask for.
//!
//! The router says what is wanted, the shell what became of each request and what the kernel reports. An object that
//! cannot be installed is tried again, after 1, 2, 4 … 60 s and whenever an interface or address it needs appears; one
//! that may have gone is asked for again in a way that fails if it is still there. What somebody else has put in its
//! place is left alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::action::Action;
use super::fact::Fact;
use super::id::{LinkName, Name};
use super::object::{Key, Object};

/// Whether an object is there is found out after this, if nothing gives a reason before.
const DOUBT: Duration = Duration::from_secs(1);
/// An object is put back at most this often, so that a quarrel with another program stays cheap.
const REPAIR_SPACING: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Why nothing can be put on an interface that is gone.
pub(crate) const NO_LINK: &str = "the interface does not exist";
const TAKEN: &str = "there is one of somebody else in its place, which is left alone";

/// A request about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub verb: Verb,
    /// The object.
    pub object: Object,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Take it away; it is no failure if it is gone.
    Remove,
    /// Put it there; fails if there is one of the same key.
    Install,
    /// Put it there if it is not; to the kernel the same request.
    Check,
    /// Put it there in place of ours of the same key.
    Replace,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out, or there was nothing to take away.
    Done,
    /// There is one of the same key.
    Exists,
    /// It was refused.
    Failed(String),
}

/// What the shell tells of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectEvent {
    /// What there is of ours at the start.
    Found(Vec<Object>),
    /// What became of a request.
    Performed(Request, Outcome),
    /// The kernel reports that one of ours is gone.
    Vanished(Key),
    /// The kernel reports that another one took the place of ours.
    Displaced(Key),
    /// Reports were lost.
    Unsure,
}

/// What there is to say of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectNews {
    /// It was gone and was put back.
    PutBack,
    /// It could not be installed; it is tried again.
    Failed(String),
    /// It could not be removed; it is tried again.
    NotRemoved(String),
    /// It is there after all.
    Healed,
    /// It was left behind by an earlier run and is removed.
    LeftBehind,
}

/// An object with whose it is; nobody's are the static ones.
pub(super) type Owned = (Object, Option<Name>);

/// The objects.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    items: BTreeMap<Key, Item>,
    // Those whose removal was refused.
    leaving: BTreeMap<Key, Leaving>,
}

#[derive(Debug)]
struct Item {
    object: Object,
    owner: Option<Name>,
    /// Something of ours is in the kernel under its key, or was asked for.
    there: bool,
    /// It was found at the start, and is as the kernel shows it.
    found: bool,
    /// The kernel said that it was gone.
    lost: bool,
    repaired_at: Option<Instant>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Asked for, or there.
    Settled,
    /// It may be gone.
    Doubtful { check_at: Instant },
    /// It cannot be installed now.
    Waiting { retry_at: Instant, attempts: u32, error: Option<String> },
}

#[derive(Debug)]
struct Leaving {
    object: Object,
    retry_at: Instant,
    attempts: u32,
}

/// How an object stands, for the status.
pub(super) struct Standing<'a> {
    pub(super) object: &'a Object,
    pub(super) owner: Option<&'a Name>,
    pub(super) error: Option<&'a str>,
}

impl Ledger {
    /// What there is of ours, before anything is wanted.
    pub(super) fn found(&mut self, objects: Vec<Object>) {
        for object in objects {
            let item = Item { found: true, ..Item::new(object, None) };
            self.items.insert(item.object.key(), item);
        }
    }

    /// Asks for what it takes to have this and nothing else.
    pub(super) fn want(&mut self, mut wanted: BTreeMap<Key, Owned>, out: &mut Vec<Action>) {
        let mut requests = Vec::new();
        self.items.retain(|key, item| match wanted.remove(key) {
            Some((object, owner)) => {
                item.owner = owner;
                item.change(object, &mut requests);
                true
            }
            None => {
                if item.found {
                    out.push(item.news(ObjectNews::LeftBehind));
                }
                if item.there {
                    requests.push(Request { verb: Verb::Remove, object: item.object.clone() });
                }
                false
            }
        });
        for (key, (object, owner)) in wanted {
            // What could not be removed before is ours.
            let verb = if self.leaving.remove(&key).is_some() { Verb::Replace } else { Verb::Install };
            requests.push(Request { verb, object: object.clone() });
            self.items.insert(key, Item::new(object, owner));
        }
        ask(requests, out);
    }

    /// What became of a request.
    pub(super) fn performed(
        &mut self,
        request: Request,
        outcome: Outcome,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let key = request.object.key();
        if request.verb == Verb::Remove {
            self.removed(key, request.object, outcome, now, out);
        } else if let Some(item) = self.items.get_mut(&key)
            // An older request for what is by now wanted otherwise says nothing.
            && item.object == request.object
        {
            item.performed(request.verb, outcome, now, out);
        }
    }

    fn removed(&mut self, key: Key, object: Object, outcome: Outcome, now: Instant, out: &mut Vec<Action>) {
        match outcome {
            Outcome::Done | Outcome::Exists => {
                self.leaving.remove(&key);
            }
            Outcome::Failed(error) => {
                let attempts = self.leaving.get(&key).map_or(0, |leaving| leaving.attempts);
                if attempts == 0 {
                    out.push(Action::Report(Fact::Object {
                        owner: None,
                        object: Box::new(object.clone()),
                        news: ObjectNews::NotRemoved(error),
                    }));
                }
                let leaving =
                    Leaving { object, retry_at: now + wait(attempts), attempts: attempts.saturating_add(1) };
                self.leaving.insert(key, leaving);
            }
        }
    }

    /// The kernel reports that one of ours is gone.
    pub(super) fn vanished(&mut self, key: &Key, now: Instant, out: &mut Vec<Action>) {
        let Some(item) = self.items.get_mut(key).filter(|item| item.there) else { return };
        item.lost = true;
        let earliest = item.repaired_at.map_or(now, |at| at + REPAIR_SPACING);
        if earliest > now {
            item.state = State::Doubtful { check_at: earliest };
            return;
        }
        item.repaired_at = Some(now);
        ask(vec![item.probe()], out);
    }

    /// Somebody put another one in the place of ours.
    pub(super) fn displaced(&mut self, key: &Key, now: Instant, out: &mut Vec<Action>) {
        if let Some(item) = self.items.get_mut(key).filter(|item| item.there) {
            item.performed(Verb::Install, Outcome::Exists, now, out);
        }
    }

    /// An address left an interface; the kernel takes what depended on it along, and does not always say so.
    pub(super) fn address_vanished(
        &mut self,
        link: LinkName,
        address: IpAddr,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let key = Key::Address(link, address);
        self.vanished(&key, now, out);
        for (_, item) in self.items.iter_mut().filter(|(other, _)| **other != key) {
            if matches!(item.state, State::Settled) && item.object.needs_address(link, address) {
                item.state = State::Doubtful { check_at: now + DOUBT };
            }
        }
    }

    /// An address appeared on an interface: what waits for it may work now.
    pub(super) fn address_appeared(&mut self, link: LinkName, address: IpAddr, out: &mut Vec<Action>) {
        self.retry(|object| object.needs_address(link, address), false, out);
    }

    /// An interface can be used again, or is another one under the old name.
    pub(super) fn link_usable(&mut self, link: LinkName, out: &mut Vec<Action>) {
        self.retry(|object| object.needs_link(link), true, out);
    }

    /// An interface is gone, and what was on it.
    pub(super) fn link_vanished(&mut self, link: LinkName, now: Instant, out: &mut Vec<Action>) {
        for item in self.items.values_mut() {
            let whole = item.object.is_all_or_nothing();
            if item.object.names_link(link) {
                item.there &= !whole;
                item.fail(NO_LINK.to_owned(), now, out);
            }
        }
    }

    /// Reports were lost: everything may be gone.
    pub(super) fn unsure(&mut self, out: &mut Vec<Action>) {
        self.retry(|_| true, true, out);
    }

    /// Asks for what waits, and for what may be gone: `settled` is what was not in doubt too.
    fn retry(&mut self, concerns: impl Fn(&Object) -> bool, settled: bool, out: &mut Vec<Action>) {
        let concerned = self
            .items
            .values_mut()
            .filter(|item| (settled || !matches!(item.state, State::Settled)) && concerns(&item.object));
        ask(concerned.map(Item::probe).collect(), out);
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let leaving = self.leaving.values().map(|leaving| leaving.retry_at);
        let items = self.items.values().filter_map(|item| match item.state {
            State::Settled => None,
            State::Doubtful { check_at } => Some(check_at),
            State::Waiting { retry_at, .. } => Some(retry_at),
        });
        items.chain(leaving).min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        let mut requests = Vec::new();
        for leaving in self.leaving.values_mut().filter(|leaving| leaving.retry_at <= now) {
            leaving.retry_at = now + wait(leaving.attempts);
            requests.push(Request { verb: Verb::Remove, object: leaving.object.clone() });
        }
        for item in self.items.values_mut() {
            let due = match &mut item.state {
                State::Settled => false,
                State::Doubtful { check_at } => *check_at <= now,
                // Until the outcome is told, which says when it is tried next.
                State::Waiting { retry_at, attempts, .. } if *retry_at <= now => {
                    *retry_at = now + wait(*attempts);
                    true
                }
                State::Waiting { .. } => false,
            };
            if due {
                requests.push(item.probe());
            }
        }
        ask(requests, out);
    }

    /// Every object that is wanted.
    pub(super) fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.items.values().map(|item| Standing {
            object: &item.object,
            owner: item.owner.as_ref(),
            error: match &item.state {
                State::Waiting { error, .. } => error.as_deref(),
                State::Settled | State::Doubtful { .. } => None,
            },
        })
    }
}

impl Item {
    const fn new(object: Object, owner: Option<Name>) -> Self {
        Self {
            object,
            owner,
            there: true,
            found: false,
            lost: false,
            repaired_at: None,
            state: State::Settled,
        }
    }

    /// It is wanted like this now.
    fn change(&mut self, object: Object, requests: &mut Vec<Request>) {
        let same = if self.found { object.is_shown_as(&self.object) } else { object == self.object };
        self.found = false;
        let old = std::mem::replace(&mut self.object, object);
        if same {
            return;
        }
        let mut verb = Verb::Install;
        if self.there {
            if old.is_replaceable_by(&self.object) {
                verb = Verb::Replace;
            } else {
                requests.push(Request { verb: Verb::Remove, object: old });
            }
        }
        self.there = true;
        self.state = State::Settled;
        requests.push(Request { verb, object: self.object.clone() });
    }

    /// The request that finds out whether it is there and puts it there if it is not.
    fn probe(&mut self) -> Request {
        let verb = match (&self.state, self.there) {
            (State::Settled | State::Doubtful { .. }, true) if self.object.is_all_or_nothing() => Verb::Check,
            (State::Settled | State::Doubtful { .. } | State::Waiting { .. }, true) => Verb::Replace,
            (State::Settled | State::Doubtful { .. } | State::Waiting { .. }, false) => Verb::Install,
        };
        self.there = true;
        if matches!(self.state, State::Doubtful { .. }) {
            self.state = State::Settled;
        }
        Request { verb, object: self.object.clone() }
    }

    fn performed(&mut self, verb: Verb, outcome: Outcome, now: Instant, out: &mut Vec<Action>) {
        match (outcome, verb) {
            (Outcome::Done, Verb::Remove | Verb::Install | Verb::Check | Verb::Replace) => {
                let lost = verb == Verb::Check || (verb == Verb::Replace && self.lost);
                if matches!(self.state, State::Waiting { error: Some(_), .. }) {
                    out.push(self.news(ObjectNews::Healed));
                } else if lost {
                    out.push(self.news(ObjectNews::PutBack));
                }
                self.there = true;
                self.lost = false;
                self.state = State::Settled;
            }
            (Outcome::Exists, Verb::Check) => {
                self.lost = false;
                self.state = State::Settled;
            }
            (Outcome::Exists, Verb::Remove | Verb::Install | Verb::Replace) => {
                self.there = false;
                self.fail(TAKEN.to_owned(), now, out);
            }
            (Outcome::Failed(error), Verb::Remove | Verb::Install | Verb::Check | Verb::Replace) => {
                // The one before stays where a replacement is refused.
                self.there &= verb == Verb::Replace;
                self.fail(error, now, out);
            }
        }
    }

    /// It is tried again later; the same reason is told once.
    fn fail(&mut self, why: String, now: Instant, out: &mut Vec<Action>) {
        let attempts = match &self.state {
            State::Waiting { attempts, .. } => *attempts,
            State::Settled | State::Doubtful { .. } => 0,
        };
        let known = matches!(&self.state, State::Waiting { error: Some(error), .. } if *error == why);
        if !known {
            out.push(self.news(ObjectNews::Failed(why.clone())));
        }
        let retry_at = now + wait(attempts);
        self.state = State::Waiting { retry_at, attempts: attempts.saturating_add(1), error: Some(why) };
    }

    fn news(&self, news: ObjectNews) -> Action {
        Action::Report(Fact::Object {
            owner: self.owner.clone(),
            object: Box::new(self.object.clone()),
            news,
        })
    }
}

/// How long to wait after this many failures before.
fn wait(attempts: u32) -> Duration {
    Duration::from_secs(1 << attempts.min(6)).min(LONGEST_WAIT)
}

/// Removals first, what others stand on last; then the rest the other way round.
fn ask(mut requests: Vec<Request>, out: &mut Vec<Action>) {
    if requests.is_empty() {
        return;
    }
    requests.sort_by_key(|request| match request.verb {
        Verb::Remove => (false, 3_u8.saturating_sub(request.object.rank())),
        Verb::Install | Verb::Check | Verb::Replace => (true, request.object.rank()),
    });
    out.push(Action::Objects(requests));
}

#[cfg(test)]
mod tests;
