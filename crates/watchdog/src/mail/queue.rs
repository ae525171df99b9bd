//! What waits to be delivered, what is tried when, and what is given up (pure).
//!
//! ```text
//! alert ─► a mail of its own (the first few of a minute), or gathered ─► digest at the minute's end
//! mail  ─► job of a courier ─► taken by the server: forgotten
//!                           └► refused: waits, longer each time ─► taken, or given up after a day
//! ```
//!
//! A failure of the server makes all mails wait; what it has against one mail or recipient makes that one wait. The
//! queue is bounded: when it is full, alerts are gathered into one mail until there is room, and still counted one by
//! one.

mod delivery;
mod fact;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::alerts::Alerts;
use common::alerts::job::Parcel;
use serde::{Deserialize, Serialize};

use super::digest::{Alert, Gathering};
pub(crate) use fact::Fact;

/// So many mails wait at most.
const MOST: usize = 200;
/// So many bytes of text they have at most.
const BYTES: usize = 4 << 20;
/// No waiting after a failure is longer, unless the first is.
const LONGEST: Duration = Duration::from_secs(300);

/// A mail that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// Its name; later ones are greater.
    #[serde(skip)]
    pub(crate) id: String,
    /// Seconds since 1970: when what it tells happened.
    pub(crate) at: u64,
    /// Seconds since 1970: since when it waits.
    pub(crate) queued_at: u64,
    /// One line.
    pub(crate) subject: String,
    /// Lines.
    pub(crate) body: String,
    /// Who has got it.
    pub(crate) delivered: Vec<String>,
}

impl Letter {
    fn bytes(&self) -> usize {
        self.subject.len() + self.body.len()
    }
}

/// A mail, and when it is tried next.
#[derive(Debug)]
struct Waiting {
    letter: Letter,
    failures: u32,
    not_before: Option<Instant>,
    expires: Instant,
}

/// What the queue wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Keep this mail in a file, in place of an older form of it.
    Keep(Letter),
    /// Remove the file of a mail.
    Forget(String),
    /// Keep an alert that waits for others.
    Note(Alert),
    /// Forget those: they are in a mail by now.
    ForgetNotes,
    /// Start a courier with these.
    Deliver(Vec<Parcel>),
    /// Kill the courier.
    Kill,
    /// Say this in the log.
    Say(Fact),
}

/// The courier, if one is under way.
#[derive(Debug)]
struct Courier {
    left: BTreeSet<String>,
    /// Killed if it has said nothing by then.
    until: Instant,
    /// Its failure was counted already.
    failed: bool,
}

/// For the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Mails that everybody has got.
    pub(crate) sent: u64,
    /// Mails that were given up.
    pub(crate) given_up: u64,
    /// When the last one was taken.
    pub(crate) last_sent: Option<SystemTime>,
    /// What went wrong last, and when.
    pub(crate) last_error: Option<(String, SystemTime)>,
}

/// The time by both clocks: deadlines by the one, dates by the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: Instant,
    pub(crate) wall: SystemTime,
}

impl Now {
    pub(crate) fn seconds(self) -> u64 {
        self.wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    settings: Option<Alerts>,
    host: String,
    letters: BTreeMap<String, Waiting>,
    bytes: usize,
    gathering: Gathering,
    /// The minute, and how many mails of their own it has had.
    period: Option<Instant>,
    used: u32,
    full: bool,
    courier: Option<Courier>,
    failures: u32,
    wait_until: Option<Instant>,
    /// When the failing was last said.
    said: Option<Instant>,
    pub(crate) counters: Counters,
}

impl Queue {
    /// What the configuration says now; without, nothing is sent, and what waits goes on waiting.
    pub(crate) fn configure(
        &mut self,
        settings: Option<Alerts>,
        host: String,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.host = host;
        if self.settings == settings {
            return;
        }
        if settings.is_none() && self.len() > 0 {
            out.push(Action::Say(Fact::Abandoned { mails: self.len() }));
        }
        for waiting in self.letters.values_mut() {
            // What was wrong may have been mended.
            waiting.not_before = None;
            if let Some(new) = &settings {
                let age = Duration::from_secs(now.seconds().saturating_sub(waiting.letter.queued_at));
                waiting.expires = now.at + new.expire.saturating_sub(age);
            }
        }
        self.settings = settings;
        self.wait_until = None;
        self.failures = 0;
        self.said = None;
        self.go(now, out);
    }

    pub(crate) fn settings(&self) -> Option<&Alerts> {
        self.settings.as_ref()
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What an earlier run has left.
    pub(crate) fn recover(
        &mut self,
        letters: Vec<Letter>,
        notes: Vec<Alert>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let before = self.len();
        for letter in letters {
            if !self.letters.contains_key(&letter.id) {
                self.insert(letter, now);
            }
        }
        if self.len() > before {
            out.push(Action::Say(Fact::Found { mails: self.len() - before }));
        }
        for note in notes {
            self.gathering.push(note);
        }
        if !self.gathering.is_empty() {
            self.flush(now, out);
        }
        self.go(now, out);
    }

    /// Something is to be told.
    pub(crate) fn alert(&mut self, alert: Alert, now: Now, out: &mut Vec<Action>) {
        let Some(settings) = &self.settings else { return };
        let (burst, period) = (settings.burst, settings.burst_period);
        if self.period.is_none_or(|began| began + period <= now.at) {
            self.flush(now, out);
            if self.gathering.is_empty() && self.period.is_none_or(|began| began + period <= now.at) {
                self.period = Some(now.at);
                self.used = 0;
            }
        }
        if self.gathering.is_empty() && self.used < burst && self.has_room(out) {
            self.used += 1;
            self.enqueue(alert.at, alert.subject, alert.body, now, out);
        } else {
            out.push(Action::Note(alert.clone()));
            self.gathering.push(alert);
        }
        self.go(now, out);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let settings = self.settings.as_ref()?;
        if let Some(courier) = &self.courier {
            let digest = self.digest_due(settings);
            return [Some(courier.until), digest].into_iter().flatten().min();
        }
        let letters = self.letters.values();
        let next = letters.clone().map(|waiting| waiting.not_before.max(self.wait_until)).min().flatten();
        let expiry = letters.map(|waiting| waiting.expires).min();
        [next, expiry, self.digest_due(settings)].into_iter().flatten().min()
    }

    /// When what was gathered becomes a mail; not while there is no room for it.
    fn digest_due(&self, settings: &Alerts) -> Option<Instant> {
        let waits = !self.gathering.is_empty() && self.room();
        waits.then_some(self.period).flatten().map(|began| began + settings.burst_period)
    }

    pub(crate) fn handle_timeout(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(settings) = &self.settings else { return };
        let expire = settings.expire;
        if self.digest_due(settings).is_some_and(|at| at <= now.at) {
            self.flush(now, out);
        }
        if let Some(courier) = &mut self.courier {
            if courier.until <= now.at {
                courier.until = now.at + LONGEST;
                if !std::mem::replace(&mut courier.failed, true) {
                    self.failed(
                        "the server does not get on with it: killing the process that delivers mail"
                            .to_owned(),
                        now,
                        out,
                    );
                }
                out.push(Action::Kill);
            }
            return;
        }
        let over: Vec<String> = self
            .letters
            .iter()
            .filter(|(_, waiting)| waiting.expires <= now.at)
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            if let Some(letter) = self.remove(&id) {
                self.counters.given_up += 1;
                let error = self.counters.last_error.as_ref().map(|(error, _)| error.clone());
                out.push(Action::Say(Fact::GivenUp { letter: Box::new(letter), after: expire, error }));
                out.push(Action::Forget(id));
            }
        }
        self.go(now, out);
    }

    /// How many mails wait; what is gathered is one.
    pub(crate) fn len(&self) -> usize {
        self.letters.len() + usize::from(!self.gathering.is_empty())
    }

    pub(crate) fn gathered(&self) -> u64 {
        self.gathering.count()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when the oldest waits, in seconds since 1970.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.letters.values().map(|waiting| waiting.letter.queued_at).min()
    }

    /// When something is tried next, if the server has failed.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        self.wait_until
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.courier.is_some()
    }

    /// Every mail, to be written somewhere else.
    pub(crate) fn letters(&self) -> impl Iterator<Item = &Letter> {
        self.letters.values().map(|waiting| &waiting.letter)
    }

    fn room(&self) -> bool {
        self.letters.len() < MOST && self.bytes < BYTES
    }

    fn has_room(&mut self, out: &mut Vec<Action>) -> bool {
        let room = self.room();
        if !room && !std::mem::replace(&mut self.full, true) {
            out.push(Action::Say(Fact::Full { mails: self.letters.len() }));
        }
        room
    }

    fn flush(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.gathering.is_empty() || !self.has_room(out) {
            return;
        }
        if let Some((at, subject, body)) = self.gathering.compose(&self.host) {
            self.gathering = Gathering::default();
            self.period = Some(now.at);
            self.used = 1;
            self.enqueue(at, subject, body, now, out);
            // In this order: a kill in between leaves it twice rather than not at all.
            out.push(Action::ForgetNotes);
        }
        self.go(now, out);
    }

    fn enqueue(&mut self, at: u64, subject: String, body: String, now: Now, out: &mut Vec<Action>) {
        let millis = now.wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let mut number = 0;
        let mut id = format!("{millis:015}-0000");
        while self.letters.contains_key(&id) {
            number += 1;
            id = format!("{millis:015}-{number:04}");
        }
        let letter = Letter { id, at, queued_at: now.seconds(), subject, body, delivered: Vec::new() };
        out.push(Action::Keep(letter.clone()));
        self.insert(letter, now);
    }

    fn insert(&mut self, letter: Letter, now: Now) {
        let expire =
            self.settings.as_ref().map_or(Duration::from_secs(24 * 3600), |settings| settings.expire);
        let age = Duration::from_secs(now.seconds().saturating_sub(letter.queued_at));
        self.bytes += letter.bytes();
        let expires = now.at + expire.saturating_sub(age);
        self.letters.insert(letter.id.clone(), Waiting { letter, failures: 0, not_before: None, expires });
    }

    fn remove(&mut self, id: &str) -> Option<Letter> {
        let waiting = self.letters.remove(id)?;
        self.bytes = self.bytes.saturating_sub(waiting.letter.bytes());
        self.full = false;
        Some(waiting.letter)
    }
}

#[cfg(test)]
mod tests;
