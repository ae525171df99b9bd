//! What a courier is given, what it tells, and how long is waited after a failure.

use std::time::{Duration, Instant};

use common::alerts::job::{Parcel, Report};

use super::{Action, Courier, Fact, LONGEST, Letter, Now, Queue};

/// So many mails are given to a courier at once.
const BATCH: usize = 50;
/// That a server fails is said once, and so often while it goes on.
const REMIND: Duration = Duration::from_secs(3600);

impl Queue {
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

    /// Starts a courier, if there is something to do and none is under way.
    pub(super) fn go(&mut self, now: Now, out: &mut Vec<Action>) {
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
    pub(super) fn failed(&mut self, error: String, now: Now, out: &mut Vec<Action>) {
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
