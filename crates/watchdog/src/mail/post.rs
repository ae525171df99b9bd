//! The queue with its files and its courier: performs what the queue wants, and gives back what came of it.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::alerts::job::{Job, Parcel, Report};
use common::alerts::{Alerts, place};
use common::event_loop::{Cx, clock};
use common::log::{Limiter, Verdict, timestamp};
use serde_json::{Map, Value, json};

use super::alert;
use super::courier::Courier;
use super::queue::{Action, Now, Queue};
use super::spool::{Found, Spool};
use crate::options::Options;
use crate::watchdog::Key;

/// Complaints about files: so many in a period.
const COMPLAINTS: u32 = 3;
const PERIOD: Duration = Duration::from_secs(3600);

/// All of it.
#[derive(Debug)]
pub(crate) struct Post {
    options: Options,
    queue: Queue,
    spool: Spool,
    /// Where couriers put copies that outlive a reboot. The disk may hang: we write to it at our end only, and remove
    /// only what a courier has just put there.
    copies: Option<Spool>,
    courier: Option<Courier>,
    namespace: Option<String>,
    complaints: Limiter,
}

impl Post {
    pub(crate) fn new(options: Options) -> Self {
        let spool = Spool::new(place::spool(&options.run_dir));
        Self {
            options,
            queue: Queue::default(),
            spool,
            copies: None,
            courier: None,
            namespace: None,
            complaints: Limiter::new(COMPLAINTS, PERIOD),
        }
    }

    /// What the configuration says now. What waits in the spool that it names is taken up.
    pub(crate) fn configure(
        &mut self,
        settings: Option<&Alerts>,
        host: String,
        namespace: Option<&String>,
        cx: &Cx<'_, Key>,
    ) {
        let now = now(cx);
        let mut out = Vec::new();
        self.namespace = namespace.cloned();
        let first = self.queue.settings().is_none();
        // Before the mails of the spool: they are to be tried under the new settings.
        self.queue.configure(settings.cloned(), host, now, &mut out);
        if let Some(settings) = settings {
            self.place(settings.spool.clone(), first, now, &mut out);
        }
        self.perform(out, cx);
    }

    /// Keeps mails where they are to be from now on, and takes up what lies there.
    fn place(&mut self, chosen: Option<PathBuf>, first: bool, now: Now, out: &mut Vec<Action>) {
        let usual = place::spool(&self.options.run_dir);
        let lasting = place::copies(&self.options.run_dir);
        let before = self.copies.take();
        self.copies = if chosen.is_none() { lasting.clone().map(Spool::new) } else { None };
        let dir = chosen.unwrap_or_else(|| usual.clone());
        let moved = dir != self.spool.dir();
        if moved {
            let old = std::mem::replace(&mut self.spool, Spool::new(dir));
            self.move_letters(&old, before.filter(|_| self.copies.is_none()).as_ref());
        }
        if !first && !moved {
            return;
        }
        let mut found = self.read_spool();
        if first {
            // An earlier run may have kept them elsewhere, or in memory that a reboot has taken.
            for dir in std::iter::once(usual).chain(lasting) {
                if dir != self.spool.dir() {
                    self.take_up(Spool::new(dir), &mut found);
                }
            }
        }
        self.queue.recover(found.letters, found.notes, now, out);
    }

    fn read_spool(&mut self) -> Found {
        let found = self.spool.read();
        self.told(found)
    }

    fn told(&mut self, found: io::Result<Found>) -> Found {
        let found = found.unwrap_or_else(|error| {
            self.complain("read mails", &error, clock::now());
            Found::default()
        });
        for (path, error) in &found.damaged {
            log::error!("a mail cannot be read and is lost: {error} file={}", path.display());
        }
        found
    }

    /// Adds what lies in another directory and is not known yet. Copies stay there, all else moves.
    fn take_up(&mut self, mut other: Spool, found: &mut Found) {
        let copies = self.copies.as_ref().is_some_and(|copies| copies.dir() == other.dir());
        let read = other.read();
        let read = read.map_err(|error| {
            io::Error::new(error.kind(), format!("{error} directory={}", other.dir().display()))
        });
        let there = self.told(read);
        for letter in there.letters {
            let known = found.letters.iter().any(|known| known.id == letter.id);
            let kept = if known { Ok(()) } else { self.spool.keep(&letter) };
            // What cannot be kept here stays there.
            let kept = kept.and_then(|()| if copies { Ok(()) } else { other.forget(&letter.id) });
            if let Err(error) = kept {
                self.complain("keep a mail", &error, clock::now());
            }
            if !known {
                found.letters.push(letter);
            }
        }
        if there.notes.is_empty() {
            return;
        }
        if found.notes.is_empty() {
            for note in &there.notes {
                if let Err(error) = self.spool.note(note) {
                    self.complain("keep an alert", &error, clock::now());
                }
            }
            found.notes = there.notes;
        }
        if let Err(error) = other.forget_notes() {
            self.complain("remove alerts", &error, clock::now());
        }
    }

    fn move_letters(&self, old: &Spool, copies: Option<&Spool>) {
        let letters: Vec<_> = self.queue.letters().cloned().collect();
        for letter in letters {
            let moved = self.spool.keep(&letter).and_then(|()| old.forget(&letter.id));
            match moved.and_then(|()| copies.map_or(Ok(()), |copies| copies.forget(&letter.id))) {
                Ok(()) => {}
                Err(error) => log::warn!("a mail was not moved to the new spool directory: {error}"),
            }
        }
    }

    /// Something happened: if it is one of the things that mail is wanted about, it is told.
    /// At the end, without an event loop, it is only kept.
    pub(crate) fn event(&mut self, line: &[u8], cx: Option<&Cx<'_, Key>>) {
        let Some(settings) = self.queue.settings() else { return };
        let Ok(event) = serde_json::from_slice::<Map<String, Value>>(line) else { return };
        let now = Now { at: cx.map_or_else(clock::now, Cx::now), wall: clock::wall() };
        let Some(alert) = alert::alert(&event, settings.kinds, self.queue.host(), now.seconds()) else {
            return;
        };
        let mut out = Vec::new();
        self.queue.alert(alert, now, &mut out);
        match cx {
            Some(cx) => self.perform(out, cx),
            None => out.into_iter().for_each(|action| drop(self.keep(action))),
        }
    }

    /// Whether events are of interest at all.
    pub(crate) fn is_wanted(&self) -> bool {
        self.queue.settings().is_some()
    }

    /// The courier has told something.
    pub(crate) fn courier_tells(&mut self, cx: &Cx<'_, Key>) {
        let reports = self.courier.as_mut().map(Courier::reports).unwrap_or_default();
        let mut out = Vec::new();
        for report in reports {
            log::debug!("courier: {report:?}");
            if let Report::NotCopied { error } = &report {
                self.complain_of_copies(error);
            }
            self.queue.reported(report, now(cx), &mut out);
        }
        self.perform(out, cx);
    }

    /// The courier has ended.
    pub(crate) fn courier_ended(&mut self, cx: &Cx<'_, Key>) {
        // What it told last.
        self.courier_tells(cx);
        let Some(why) = self.courier.as_ref().and_then(Courier::reap) else { return };
        self.courier = None;
        let mut out = Vec::new();
        self.queue.ended(why, now(cx), &mut out);
        self.perform(out, cx);
    }

    /// The process of the courier, if there is one.
    pub(crate) fn courier(&self) -> Option<i32> {
        self.courier.as_ref().map(Courier::pid)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queue.poll_timeout()
    }

    pub(crate) fn timeout(&mut self, cx: &Cx<'_, Key>) {
        if self.poll_timeout().is_some_and(|at| at <= cx.now()) {
            let mut out = Vec::new();
            self.queue.handle_timeout(now(cx), &mut out);
            self.perform(out, cx);
        }
    }

    /// Ends the courier: what it has not told is tried again by whoever comes next.
    pub(crate) fn close(&mut self) {
        if let Some(courier) = self.courier.take() {
            courier.kill();
            if courier.ends_within(Duration::from_millis(100)) {
                let _reaped = courier.reap();
            }
            self.queue.interrupted(clock::now());
        }
        self.leave_copies();
        if self.is_wanted() && self.queue.len() > 0 {
            log::warn!(
                "mails are not delivered yet: they are kept for the next start waiting={} spool={}",
                self.queue.len(),
                self.spool.dir().display()
            );
        }
    }

    /// What has come since the last courier: the machine may be about to stop.
    fn leave_copies(&self) {
        let Some(copies) = self.copies.as_ref().filter(|_| self.queue.len() > 0) else { return };
        let mut kept = place::prepare(copies.dir()).and_then(|()| self.spool.copy_notes(copies));
        for letter in self.queue.letters() {
            kept = kept.and_then(|()| copies.keep(letter));
        }
        if let Err(error) = kept {
            log::warn!("mails do not outlive a reboot: {error} directory={}", copies.dir().display());
        }
    }

    fn perform(&mut self, out: Vec<Action>, cx: &Cx<'_, Key>) {
        let mut todo = VecDeque::from(out);
        while let Some(action) = todo.pop_front() {
            let Some(parcels) = self.keep(action) else { continue };
            if let Err(error) = self.deliver(parcels, cx) {
                let mut out = Vec::new();
                self.queue.not_started(&error.to_string(), now(cx), &mut out);
                todo.extend(out);
            }
        }
    }

    /// Performs what needs no courier; what needs one is given back.
    fn keep(&mut self, action: Action) -> Option<Vec<Parcel>> {
        let done = match action {
            Action::Keep(letter) => self.spool.keep(&letter).map_err(|error| ("keep a mail", error)),
            Action::Forget(id) => self.forget(&id).map_err(|error| ("remove a mail", error)),
            Action::Note(alert) => self.spool.note(&alert).map_err(|error| ("keep an alert", error)),
            Action::ForgetNotes => self.spool.forget_notes().map_err(|error| ("remove alerts", error)),
            Action::Deliver(parcels) => return Some(parcels),
            Action::Kill => {
                if let Some(courier) = &self.courier {
                    courier.kill();
                }
                Ok(())
            }
            Action::Say(fact) => {
                log::log!(fact.level(), "{fact}");
                Ok(())
            }
        };
        if let Err((doing, error)) = done {
            self.complain(doing, &error, clock::now());
        }
        None
    }

    fn forget(&self, id: &str) -> io::Result<()> {
        self.spool.forget(id)?;
        self.copies.as_ref().map_or(Ok(()), |copies| copies.forget(id))
    }

    /// A courier could not write to the disk: mails are in memory only.
    fn complain_of_copies(&mut self, error: &str) {
        let Some(copies) = &self.copies else { return };
        if let Verdict::Log { suppressed } = self.complaints.ask(clock::now()) {
            log::warn!(
                "mails do not outlive a reboot: {error} directory={} suppressed={suppressed}",
                copies.dir().display()
            );
        }
    }

    /// What cannot be kept is sent all the same, and lost only if we end before.
    fn complain(&mut self, doing: &str, error: &io::Error, now: Instant) {
        if let Verdict::Log { suppressed } = self.complaints.ask(now) {
            log::warn!(
                "cannot {doing}: {error} spool={} suppressed={suppressed}",
                self.spool.dir().display()
            );
        }
    }

    fn deliver(&mut self, letters: Vec<Parcel>, cx: &Cx<'_, Key>) -> io::Result<()> {
        let settings = self.queue.settings().ok_or(io::ErrorKind::NotFound)?;
        let host = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let host = host().unwrap_or_else(|| "localhost".to_owned());
        let job = Job {
            host: settings.host.clone(),
            port: settings.port,
            encryption: settings.encryption,
            ca_file: settings.ca_file.clone(),
            login: settings.login.clone(),
            helo: settings.helo.clone().unwrap_or_else(|| host.clone()),
            timeout: settings.timeout,
            from: settings.from.clone().unwrap_or_else(|| format!("holdfast@{host}")),
            run_as: settings.run_as.as_ref().map(ToString::to_string),
            namespace: self.namespace.clone(),
            watchdog: std::process::id().cast_signed(),
            spool: self.spool.dir().to_owned(),
            copies: self.copies.as_ref().map(|copies| copies.dir().to_owned()),
            waiting: self.queue.letters().map(|letter| letter.id.clone()).collect(),
            letters,
        };
        self.courier = Some(Courier::start(&job, &self.options, cx)?);
        Ok(())
    }

    /// For the status; nothing where no mail is wanted.
    pub(crate) fn status(&self, now: Instant) -> Value {
        if !self.is_wanted() {
            return Value::Null;
        }
        let queue = &self.queue;
        let counters = &queue.counters;
        let error = counters.last_error.as_ref();
        let seconds = |at: u64| timestamp(std::time::UNIX_EPOCH + Duration::from_secs(at));
        json!({
            "waiting": queue.len(),
            "bytes": queue.bytes(),
            "gathered": queue.gathered(),
            "oldest": queue.oldest().map(seconds),
            "delivering": queue.is_under_way(),
            "next_try_s": queue.next_try().map(|at| at.saturating_duration_since(now).as_secs_f64()),
            "sent": counters.sent,
            "given_up": counters.given_up,
            "last_sent": counters.last_sent.map(timestamp),
            "last_error": error.map(|(text, at)| json!({ "text": text, "at": timestamp(*at) })),
            "spool": self.spool.dir(),
            "copies": self.copies.as_ref().map(Spool::dir),
        })
    }
}

fn now(cx: &Cx<'_, Key>) -> Now {
    Now { at: cx.now(), wall: clock::wall() }
}

#[cfg(test)]
mod tests;
