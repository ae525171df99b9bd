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

mod fact;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::alerts::Alerts;
use common::alerts::job::{Parcel, Report};
use serde::{Deserialize, Serialize};

use super::digest::{Alert, Gathering};
pub(crate) use fact::Fact;

/// So many mails wait at most.
const MOST: usize = 200;
/// So many bytes of text they have at most.
const BYTES: usize = 4 << 20;
/// So many mails are given to a courier at once.
const BATCH: usize = 50;
/// No waiting after a failure is longer, unless the first is.
const LONGEST: Duration = Duration::from_secs(300);
/// That a server fails is said once, and so often while it goes on.
const REMIND: Duration = Duration::from_secs(3600);

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

    /// The courier has told something.
    pub(crate) fn reported(&mut self, report: Report, now: Now, out: &mut Vec<Action>) {
        let patience = self.patience();
        let Some(courier) = &mut self.courier else { return };
        courier.until = now.at + patience;
        match report {
            // How mails are kept is not its affair.
            Report::Connected | Report::NotCopied { .. } => {}
            Report::Letter { id, delivered, error } => {
                courier.left.remove(&id);
                self.tried(&id, delivered, error, now, out);
            }
            Report::Failed { error } => {
                courier.failed = true;
                self.failed(error, now, out);
            }
        }
    }

    /// The courier has ended; `why` if that was not its own choice.
    pub(crate) fn ended(&mut self, why: Option<String>, now: Now, out: &mut Vec<Action>) {
        let Some(courier) = self.courier.take() else { return };
        if !courier.failed && (why.is_some() || !courier.left.is_empty()) {
            let why = why.unwrap_or_else(|| "it ended before it was done".to_owned());
            self.failed(format!("the process that delivers mail: {why}"), now, out);
        }
        self.go(now, out);
    }

    /// We have ended the courier ourselves. Should we go on after all, there is another one soon.
    pub(crate) fn interrupted(&mut self, now: Instant) {
        self.courier = None;
        self.wait_until = Some(now + Duration::from_secs(1));
    }

    /// No courier could be started.
    pub(crate) fn not_started(&mut self, error: &str, now: Now, out: &mut Vec<Action>) {
        self.courier = None;
        self.failed(format!("no process to deliver mail can be started: {error}"), now, out);
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

    /// Starts a courier, if there is something to do and none is under way.
    fn go(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(settings) = &self.settings else { return };
        if self.courier.is_some() || self.wait_until.is_some_and(|until| now.at < until) {
            return;
        }
        let due = self.letters.values().filter(|waiting| waiting.not_before.is_none_or(|at| at <= now.at));
        let parcels: Vec<Parcel> =
            due.take(BATCH).map(|waiting| parcel(&waiting.letter, &settings.to)).collect();
        // Who has got it may be all who are left to get it, after a reload.
        let (parcels, done): (Vec<Parcel>, Vec<Parcel>) =
            parcels.into_iter().partition(|parcel| !parcel.to.is_empty());
        for parcel in &done {
            self.remove(&parcel.id);
            out.push(Action::Forget(parcel.id.clone()));
        }
        if parcels.is_empty() {
            return;
        }
        let left = parcels.iter().map(|parcel| parcel.id.clone()).collect();
        self.courier = Some(Courier { left, until: now.at + self.patience(), failed: false });
        out.push(Action::Deliver(parcels));
    }

    /// For so long a courier may be silent: one mail takes a handful of answers.
    fn patience(&self) -> Duration {
        let timeout = self.settings.as_ref().map_or(Duration::from_secs(30), |settings| settings.timeout);
        timeout * 5 + Duration::from_secs(2)
    }

    fn backoff(&self, failures: u32) -> Duration {
        let first = self.settings.as_ref().map_or(LONGEST, |settings| settings.retry_delay);
        let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(LONGEST.max(first))
    }

    /// The server is of no use now.
    fn failed(&mut self, error: String, now: Now, out: &mut Vec<Action>) {
        self.failures = self.failures.saturating_add(1);
        let wait = self.backoff(self.failures);
        self.wait_until = Some(now.at + wait);
        self.complain(error, wait, now, out);
    }

    /// Says once what is wrong, and again after a long time.
    fn complain(&mut self, error: String, wait: Duration, now: Now, out: &mut Vec<Action>) {
        if self.said.is_none_or(|said| said + REMIND <= now.at) {
            self.said = Some(now.at);
            let server =
                self.settings.as_ref().map(|settings| format!("{}:{}", settings.host, settings.port));
            let server = server.unwrap_or_default();
            out.push(Action::Say(Fact::Failing {
                error: error.clone(),
                server,
                mails: self.len(),
                next: wait,
            }));
        }
        self.counters.last_error = Some((error, now.wall));
    }

    fn tried(
        &mut self,
        id: &str,
        delivered: Vec<String>,
        error: Option<String>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let to = self.settings.as_ref().map(|settings| settings.to.clone()).unwrap_or_default();
        // It talks to us: what keeps a mail waiting is its own affair.
        self.failures = 0;
        self.wait_until = None;
        let Some(waiting) = self.letters.get_mut(id) else { return };
        let any = !delivered.is_empty();
        waiting.letter.delivered.extend(delivered);
        if to.iter().all(|to| waiting.letter.delivered.contains(to)) {
            if let Some(letter) = self.remove(id) {
                self.counters.sent += 1;
                self.counters.last_sent = Some(now.wall);
                let all_well = self.letters.values().all(|waiting| waiting.failures == 0);
                if all_well && self.said.take().is_some() {
                    out.push(Action::Say(Fact::Recovered { mails: self.len() }));
                }
                out.push(Action::Say(Fact::Sent { letter: Box::new(letter) }));
                out.push(Action::Forget(id.to_owned()));
            }
            return;
        }
        waiting.failures = waiting.failures.saturating_add(1);
        let failures = waiting.failures;
        if any {
            out.push(Action::Keep(waiting.letter.clone()));
        }
        let wait = self.backoff(failures);
        if let Some(waiting) = self.letters.get_mut(id) {
            waiting.not_before = Some(now.at + wait);
        }
        self.complain(error.unwrap_or_else(|| "not everybody was served".to_owned()), wait, now, out);
    }
}

fn parcel(letter: &Letter, to: &[String]) -> Parcel {
    Parcel {
        id: letter.id.clone(),
        to: to.iter().filter(|to| !letter.delivered.contains(to)).cloned().collect(),
        at: letter.at,
        subject: letter.subject.clone(),
        body: letter.body.clone(),
    }
}

#[cfg(test)]
mod tests;
