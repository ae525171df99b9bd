//! The kernel's IPVS table follows the wanted one.
//!
//! `run` says what each service should be ([`Reconciler::want`]) and then once [`Reconciler::settle`];
//! requests are sent for what differs, in batches. At the start the managed services are read back and
//! adopted, every [`AUDIT`] they are compared with the kernel's table, and what another program changed is
//! repaired. Services nobody asked for are left alone, whoever they belong to. A refusal or a lost kernel is
//! logged once and tried again; it never stops the rest. Nothing is removed but by [`Reconciler::stop`], so
//! a process that dies leaves its services in place for its successor.

mod kernel;
mod ledger;
mod memory;
mod mirror;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use common::ipvs::table::{Entry, Table, TableOp};
use common::ipvs::{Client, ListedDestination, Problem, ProblemKind, ServiceKey, Stats};
use common::netlink::NetlinkError;

use crate::plan::TableSettings;

pub use kernel::Kernel;
use ledger::Ledger;
use memory::Memory;
use mirror::Mirror;

/// How often the kernel's table is looked at.
pub const AUDIT: Duration = Duration::from_secs(5);

/// How many services have their destinations compared at one audit: with more of them it takes several to
/// see all, so that none holds the loop up. That a service is gone or set differently is seen at once.
const AUDITED_AT_ONCE: usize = 128;

/// From this many services on, one listing of all is cheaper than asking for each.
const LISTED_FROM: usize = 8;

/// So many services are brought in line at once; the requests of a large table would take as much memory as the table.
const SETTLED_AT_ONCE: usize = 128;

/// How often in a row the table is read again because it changed under our hands.
const ROUNDS: usize = 3;

/// The first pause before a refused or unanswered request is tried again; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// At most so many foreign changes are logged one by one at a time.
const LOGGED_CHANGES: usize = 5;

/// Keeps the kernel's table as wanted.
#[derive(Debug)]
pub struct Reconciler<K = Client> {
    kernel: K,
    mirror: Mirror,
    ledger: Ledger,
    memory: Memory,
    /// Whether services that are not ours go at the end.
    flush_at_stop: bool,
    /// Services of which the kernel refused something.
    refused: BTreeMap<ServiceKey, Refusal>,
    /// Set while the kernel does not answer.
    lost: Option<Pause>,
    next_audit: Option<Instant>,
    /// Whether the settings of the table as a whole are to be looked at.
    retune: bool,
    /// The last service whose destinations were compared.
    audited: Option<ServiceKey>,
    repairs: u64,
}

#[derive(Debug)]
struct Refusal {
    /// What was said about it; the same is not logged again.
    text: String,
    pause: Pause,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    length: Duration,
}

impl Pause {
    fn first(now: Instant) -> Self {
        Self { until: now + FIRST_PAUSE, length: FIRST_PAUSE }
    }

    fn next(before: Option<Self>, now: Instant) -> Self {
        let Some(before) = before else { return Self::first(now) };
        let length = before.length.saturating_mul(2).min(LAST_PAUSE);
        Self { until: now + length, length }
    }
}

/// The state of the table, for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Services in the kernel.
    pub services: usize,
    /// Destinations in the kernel.
    pub destinations: usize,
    /// Services that another program changed and that were put right again.
    pub repairs: u64,
    /// What the kernel refuses, in words.
    pub refused: Vec<String>,
    /// Whether the kernel answers.
    pub reachable: bool,
}

impl Reconciler<Client> {
    /// Opens IPVS in the current network namespace.
    ///
    /// # Errors
    /// In words, when the kernel has no IPVS or could not be asked.
    pub fn open(run_dir: &Path) -> Result<Self, String> {
        Ok(Self::new(kernel::open()?, run_dir))
    }
}

impl<K: Kernel> Reconciler<K> {
    /// A reconciler that knows nothing of the kernel's table yet.
    pub fn new(kernel: K, run_dir: &Path) -> Self {
        Self {
            kernel,
            mirror: Mirror::default(),
            ledger: Ledger::new(run_dir),
            memory: Memory::new(run_dir),
            flush_at_stop: false,
            refused: BTreeMap::new(),
            lost: None,
            next_audit: None,
            retune: false,
            audited: None,
            repairs: 0,
        }
    }

    /// How the table as a whole is to be; counts from the next [`Reconciler::settle`] or [`Reconciler::start`] on.
    pub fn configure(&mut self, settings: &TableSettings) {
        self.memory.want(settings.timeouts);
        self.flush_at_stop = settings.flush_at_stop;
        self.retune = true;
    }

    /// Removes every service that nobody here wants, whoever made it. To be called before [`Reconciler::start`].
    pub fn flush(&mut self) {
        match self.kernel.services() {
            Ok(listed) => {
                log::info!("IPVS services of others are removed too: flush services={}", listed.len());
                listed.into_keys().for_each(|key| self.mirror.doubt(key));
            }
            Err(error) => log::error!("IPVS services of others stay: {error}"),
        }
    }

    /// Takes the table over: what is there already is adopted and put right, what an earlier life left
    /// behind is removed, what is missing is added.
    pub fn start(&mut self, wanted: Table, now: Instant) {
        let left = self.ledger.read().unwrap_or_else(|error| {
            let path = self.ledger.path().display();
            log::warn!(
                "cannot read which IPVS services are ours: leftovers stay file={path} error=\"{error}\""
            );
            BTreeSet::new()
        });
        for (key, entry) in wanted.services {
            self.mirror.want(key, Some(entry));
            self.mirror.doubt(key);
        }
        for key in left {
            self.mirror.doubt(key);
        }
        self.write_down();
        self.next_audit = Some(now + AUDIT);
        let sent = self.settle_all(now, &BTreeSet::new());
        let (services, destinations) = self.mirror.size();
        log::info!("IPVS table is in place services={services} destinations={destinations} requests={sent}");
    }

    /// Sets what is wanted of a service; `None` removes it. Nothing is sent before [`Reconciler::settle`].
    pub fn want(&mut self, key: ServiceKey, wanted: Option<Entry>) {
        if self.mirror.want(key, wanted) {
            // What was refused may not be what is asked for now.
            self.refused.remove(&key);
        }
    }

    /// What is wanted of a service.
    pub fn wanted(&self, key: &ServiceKey) -> Option<&Entry> {
        self.mirror.wanted(key)
    }

    /// Sends what is needed. Cheap when nothing is.
    pub fn settle(&mut self, now: Instant) {
        self.settle_all(now, &BTreeSet::new());
    }

    /// When [`Reconciler::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let retry = match self.lost {
            Some(pause) => Some(pause.until),
            None => self.refused.values().map(|refusal| refusal.pause.until).min(),
        };
        self.next_audit.into_iter().chain(retry).min()
    }

    /// Audits the table and tries again what failed, where that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut foreign = BTreeSet::new();
        if self.next_audit.is_some_and(|at| at <= now) {
            self.next_audit = Some(now + AUDIT);
            self.retune = true;
            if self.lost.is_none() {
                match self.audit() {
                    Ok(found) => foreign = found,
                    Err(error) => self.lose(&error.to_string(), now),
                }
            }
        }
        self.settle_all(now, &foreign);
    }

    /// What the kernel counts for the destinations of a service; nothing if it cannot be asked.
    pub fn listed(&mut self, key: ServiceKey) -> Vec<ListedDestination> {
        self.connections(key).unwrap_or_default()
    }

    /// What the kernel counts for the services of the table; nothing if it cannot be asked.
    pub fn traffic(&mut self) -> BTreeMap<ServiceKey, Stats> {
        if self.lost.is_some() {
            return BTreeMap::new();
        }
        let found = self.kernel.traffic();
        found.inspect_err(|error| log::debug!("no counters of services: {error}")).unwrap_or_default()
    }

    /// The same where nothing must not be taken for no connections.
    pub fn connections(&mut self, key: ServiceKey) -> Option<Vec<ListedDestination>> {
        if self.lost.is_some() {
            return None;
        }
        let listed = self.kernel.listed(key);
        listed.inspect_err(|error| log::debug!("no connection counts: {error}")).ok()
    }

    /// The state of the table.
    pub fn summary(&self) -> Summary {
        let (services, destinations) = self.mirror.size();
        let refused = self.refused.values().map(|refusal| refusal.text.clone()).collect();
        Summary { services, destinations, repairs: self.repairs, refused, reachable: self.lost.is_none() }
    }

    /// Removes every managed service. True when none is left.
    pub fn stop(&mut self, now: Instant) -> bool {
        if self.flush_at_stop {
            self.flush();
        }
        for key in self.mirror.managed() {
            self.mirror.want(key, None);
        }
        self.refused.clear();
        self.lost = self.lost.map(|pause| Pause { until: now, ..pause });
        self.next_audit = None;
        self.settle_all(now, &BTreeSet::new());
        if let Err(error) = self.memory.restore(&mut self.kernel) {
            log::error!("IPVS goes on remembering connections as we set it: {error}");
        }
        let gone = self.mirror.managed().is_empty();
        if gone {
            if let Err(error) = self.ledger.remove() {
                log::warn!("cannot remove file={} error=\"{error}\"", self.ledger.path().display());
            }
            log::info!("IPVS services removed");
        } else {
            log::error!("IPVS services are left behind services={}", self.mirror.managed().len());
        }
        gone
    }

    /// The services that are not as we left them.
    fn audit(&mut self) -> Result<BTreeSet<ServiceKey>, NetlinkError> {
        let listed = self.kernel.services()?;
        let mut wrong: BTreeSet<ServiceKey> = self.mirror.contradicted(&listed).into_iter().collect();
        let mut last = None;
        for (seen, (key, entry)) in self.mirror.after(self.audited).enumerate() {
            if seen >= AUDITED_AT_ONCE {
                break;
            }
            if !wrong.contains(&key) && self.kernel.destinations(key)? != entry.destinations {
                wrong.insert(key);
            }
            last = Some(key);
        }
        // At the end it starts over.
        self.audited = last.filter(|last| self.mirror.after(Some(*last)).next().is_some());
        // What is being changed anyway, or cannot be changed, is no news.
        wrong.retain(|key| !self.refused.contains_key(key));
        wrong.iter().for_each(|key| self.mirror.doubt(*key));
        self.repairs = self.repairs.saturating_add(wrong.len() as u64);
        Ok(wrong)
    }

    /// Returns how many requests were sent.
    fn settle_all(&mut self, now: Instant, foreign: &BTreeSet<ServiceKey>) -> usize {
        let mut sent = 0_usize;
        if self.lost.is_some_and(|pause| pause.until > now) {
            return sent;
        }
        if self.lost.is_some()
            && let Err(error) = self.kernel.reopen()
        {
            self.lose(&error, now);
            return sent;
        }
        if std::mem::take(&mut self.retune) {
            match self.memory.settle(&mut self.kernel) {
                Ok(false) => {}
                Ok(true) => self.repairs = self.repairs.saturating_add(1),
                Err(error) => log::error!("IPVS remembers connections as before: {error}"),
            }
        }
        let mut foreign = foreign.clone();
        for _ in 0..ROUNDS {
            match self.round(now, &foreign) {
                Ok(Round { sent: 0, .. }) => break,
                Ok(round) => {
                    sent = sent.saturating_add(round.sent);
                    foreign = round.surprises;
                }
                Err(error) => {
                    self.lose(&error.to_string(), now);
                    return sent;
                }
            }
        }
        if self.lost.take().is_some() {
            log::info!("IPVS answers again");
        }
        sent
    }

    /// Reads what is in doubt, sends what differs, and takes note of what the kernel did with it.
    fn round(&mut self, now: Instant, foreign: &BTreeSet<ServiceKey>) -> Result<Round, NetlinkError> {
        let held = |key: &ServiceKey| self.refused.get(key).is_some_and(|refusal| refusal.pause.until > now);
        let doubtful: Vec<ServiceKey> = self.mirror.doubtful().filter(|key| !held(key)).collect();
        let pending: Vec<ServiceKey> = self.mirror.pending().filter(|key| !held(key)).collect();
        self.read_back(&doubtful)?;
        let mut round = Round::default();
        let mut parts = pending.chunks(SETTLED_AT_ONCE);
        let outcome = parts.try_for_each(|keys| self.bring_in_line(keys, now, foreign, &mut round));
        log_foreign(&round.repairs);
        outcome.map(|()| round)
    }

    fn bring_in_line(
        &mut self,
        keys: &[ServiceKey],
        now: Instant,
        foreign: &BTreeSet<ServiceKey>,
        round: &mut Round,
    ) -> Result<(), NetlinkError> {
        let mut ops = Vec::new();
        for key in keys {
            let before = ops.len();
            self.mirror.diff(*key, &mut ops);
            match ops.get(before) {
                Some(op) if foreign.contains(key) => round.repairs.push(op.to_string()),
                Some(_) => {}
                None => drop(self.refused.remove(key)),
            }
        }
        if ops.is_empty() {
            return Ok(());
        }
        if ops.iter().any(|op| matches!(op, TableOp::AddService(..))) {
            self.write_down();
        }
        ops.iter().for_each(|op| log::debug!("IPVS request: {op}"));
        let problems = self.kernel.apply(&ops);
        let problems = problems.inspect_err(|_| {
            // None of it may have happened, or all.
            ops.iter().for_each(|op| self.mirror.doubt(op.service()));
        })?;
        round.sent = round.sent.saturating_add(ops.len());
        round.surprises.append(&mut self.take_note(&ops, problems, now));
        if ops.iter().any(|op| matches!(op, TableOp::DeleteService(_))) {
            self.write_down();
        }
        Ok(())
    }

    fn read_back(&mut self, keys: &[ServiceKey]) -> Result<(), NetlinkError> {
        if keys.len() < LISTED_FROM {
            for key in keys {
                let entry = self.kernel.entry(*key)?;
                self.mirror.seen(*key, entry);
            }
            return Ok(());
        }
        let listed = self.kernel.services()?;
        for key in keys {
            let entry = match listed.get(key) {
                Some(service) => {
                    Some(Entry { service: *service, destinations: self.kernel.destinations(*key)? })
                }
                None => None,
            };
            self.mirror.seen(*key, entry);
        }
        Ok(())
    }

    /// Returns the services that were not what they were taken for.
    fn take_note(&mut self, ops: &[TableOp], problems: Vec<Problem>, now: Instant) -> BTreeSet<ServiceKey> {
        let mut refused: BTreeMap<ServiceKey, String> = BTreeMap::new();
        let mut surprises = BTreeSet::new();
        for problem in problems {
            let Some(op) = ops.get(problem.position) else { continue };
            log::debug!("{}", problem.error);
            match problem.kind {
                ProblemKind::Stale => drop(surprises.insert(op.service())),
                // The first refusal is the cause, the others may be its consequences.
                ProblemKind::Refused => {
                    refused.entry(op.service()).or_insert_with(|| problem.error.to_string());
                }
            }
        }
        surprises.retain(|key| !refused.contains_key(key));
        for key in ops.iter().map(TableOp::service).collect::<BTreeSet<_>>() {
            if let Some(text) = refused.remove(&key) {
                self.refuse(key, text, now);
            } else if surprises.contains(&key) {
                self.mirror.doubt(key);
            } else {
                self.mirror.done(key);
                if self.refused.remove(&key).is_some() {
                    log::info!("the kernel accepts the IPVS service now service=\"{key}\"");
                }
            }
        }
        surprises
    }

    fn refuse(&mut self, key: ServiceKey, text: String, now: Instant) {
        let before = self.refused.remove(&key);
        if before.as_ref().is_none_or(|before| before.text != text) {
            log::error!("the kernel refuses a part of an IPVS service service=\"{key}\" error=\"{text}\"");
        }
        self.mirror.doubt(key);
        let pause = Pause::next(before.map(|before| before.pause), now);
        self.refused.insert(key, Refusal { text, pause });
    }

    fn lose(&mut self, error: &str, now: Instant) {
        if self.lost.is_none() {
            log::error!("IPVS does not answer, trying again error=\"{error}\"");
        }
        self.lost = Some(Pause::next(self.lost, now));
    }

    fn write_down(&mut self) {
        let keys = self.mirror.managed();
        if let Err(error) = self.ledger.write(keys) {
            let path = self.ledger.path().display();
            log::warn!("cannot write down which IPVS services are ours file={path} error=\"{error}\"");
        }
    }
}

/// What a round of requests came to.
#[derive(Debug, Default)]
struct Round {
    sent: usize,
    surprises: BTreeSet<ServiceKey>,
    /// What is done about other programs' changes, in words.
    repairs: Vec<String>,
}

fn log_foreign(repairs: &[String]) {
    for repair in repairs.iter().take(LOGGED_CHANGES) {
        log::warn!("another program changed the IPVS table: repairing repair=\"{repair}\"");
    }
    if let Some(more) = repairs.len().checked_sub(LOGGED_CHANGES).filter(|more| *more > 0) {
        log::warn!("another program changed the IPVS table: repairing more services={more}");
    }
}

#[cfg(test)]
mod tests;
