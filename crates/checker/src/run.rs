//! The process: pool, transport, scripts and the kernel's table on the event loop.
//!
//! What the pool wants ([`Action`]) is performed here, in its order, and what became of it goes back into
//! the pool. Outcomes are taken as they come; the wanted table is settled once at the end of a turn, so
//! that a hundred servers that die together are one batch for the kernel.

mod attempts;
mod farewell;
mod held;
mod steer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use common::child::{App, AppCx, ChildKey, Inherited, StartError, Which};
use common::config::{Diagnostics, Document};
use common::event_loop::{Drained, Readiness, clock};
use common::exit::Exit;
use common::fifo::Fifos;
use common::ipvs::{ListedDestination, ServiceKey};
use common::role::{Need, Role};
use common::surroundings::Surroundings;
use common::sys::memory;
use serde_json::{Value, json};

use crate::effects::descriptors;
use crate::effects::herald::Herald;
use crate::effects::holdings::Holdings;
use crate::effects::ipvs::Reconciler;
use crate::effects::journal::Journal;
use crate::machine::{Action, Actions, Event, Pool, Subject, Turn, VirtualServerId};
use crate::plan::{self, Plan, VirtualServer};
use crate::reload::Change;
use crate::transport::Slot;
use crate::{reload, status};
use attempts::Attempts;
use farewell::Farewell;

/// A status of more bytes than this leaves memory behind that is worth giving back.
const LARGE: usize = 1 << 19;

/// So many servers are told of in one turn of the loop, a millisecond or two.
const TOLD_AT_ONCE: usize = 200;

/// What the process calls its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The connection of an attempt.
    Attempt(Slot),
    /// The processes of scripts.
    Scripts,
    /// What the kernel reports of addresses.
    Addresses,
    /// There may be room in a named pipe.
    Fifos,
}

/// The key of a source in the loop.
type LoopKey = ChildKey<Key>;

/// The checker among the processes of `holdfastd`.
pub const ROLE: Role = Role {
    name: "checker",
    check: |root, global, d| {
        if plan::judge(root, global, d) > 0 { Need::Wanted } else { Need::Idle }
    },
    run,
};

/// The main function of the process.
fn run(inherited: Inherited) -> Exit {
    let document = match inherited.config.document() {
        Ok(document) => document,
        Err(error) => {
            log::error!("cannot read the configuration: {error}");
            return Exit::Failed;
        }
    };
    let checker = Checker::new(&document, inherited.run_dir.clone());
    // Not kept: a large one is not needed once it is planned.
    drop(document);
    match checker {
        Ok(checker) => common::child::run(inherited, checker),
        Err(faults) => {
            log::error!("the configuration is faulty:\n{faults}");
            Exit::Config
        }
    }
}

/// The process, not yet started or running.
#[derive(Debug)]
pub struct Checker {
    run_dir: PathBuf,
    plan: Plan,
    running: Option<Running>,
    prepared: Option<Prepared>,
    stopping: bool,
    farewell: Option<Farewell>,
}

/// A reload between its two steps.
#[derive(Debug)]
struct Prepared {
    plan: Plan,
    /// The kernel's table, where it was not programmed before.
    table: Option<Reconciler>,
}

#[derive(Debug)]
struct Running {
    pool: Pool,
    attempts: Attempts,
    /// None where no check depends on addresses.
    holdings: Option<Holdings<LoopKey>>,
    /// None with `ipvs = false`.
    table: Option<Reconciler>,
    /// Whether the table was told something that is not sent yet.
    unsent: bool,
    journal: Journal,
    herald: Herald<LoopKey>,
    /// Whether much memory was used for a moment.
    untidy: bool,
    /// What services had done when the first piece of a status was told: it holds for the whole of it.
    totals: status::Totals,
    /// Set while the pool waits to be settled at the end of the turn.
    settle_at: Option<Instant>,
    // Empty between turns; kept for their memory.
    actions: Actions,
    news: Vec<Event>,
}

impl Checker {
    /// The process for a configuration that was checked.
    ///
    /// # Errors
    /// The configuration has faults after all: another version of this program checked it.
    pub fn new(document: &Document, run_dir: PathBuf) -> Result<Self, String> {
        let plan = configure(document, Vec::new())?;
        Ok(Self { run_dir, plan, running: None, prepared: None, stopping: false, farewell: None })
    }
}

/// `known` are the plans of those virtual servers whose tables have been planned before.
fn configure(document: &Document, known: Vec<Option<Rc<VirtualServer>>>) -> Result<Plan, String> {
    let mut diagnostics = Diagnostics::default();
    let mut root = document.root();
    let global = common::config::global::plan(&mut root, &mut diagnostics);
    let plan = plan::replan(&mut root, &global, known, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(diagnostics.messages());
    }
    Ok(plan)
}

/// Machines that start together don't check in step.
fn seed() -> u64 {
    let since = clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) << 32 ^ since.as_secs() ^ u64::from(std::process::id()) << 17
}

impl Running {
    fn start(
        plan: &Plan,
        run_dir: &Path,
        checkpoint: Option<Vec<u8>>,
        cx: &AppCx<'_, Key>,
    ) -> Result<Self, StartError> {
        let failed = |what: &str, error: String| StartError {
            exit: Exit::Failed,
            message: format!("{what}: {error}"),
        };
        // A flush is for the start of the daemon, not for that of a successor.
        let fresh = checkpoint.is_none();
        let attempts = Attempts::new(plan.script_user.clone(), cx.registry());
        let attempts = attempts.map_err(|error| failed("scripts", error.to_string()))?;
        let table = if plan.ipvs {
            Some(Reconciler::open(run_dir).map_err(|error| failed("IPVS", error))?)
        } else {
            None
        };
        let now = clock::now();
        let mut running = Self {
            pool: Pool::new(seed(), now, clock::uptime()),
            attempts,
            holdings: None,
            table,
            unsent: false,
            journal: Journal::default(),
            herald: Herald::new(Fifos::new(&plan.fifos, ChildKey::App(Key::Fifos), cx.registry())),
            untidy: false,
            totals: status::Totals::new(),
            settle_at: None,
            actions: Vec::new(),
            news: Vec::new(),
        };
        running.pool.reconfigure(plan, now, &mut running.actions);
        descriptors::provide(running.pool.checks());
        // What rests does so before verdicts come: a restart does not make them old.
        running.watch_addresses(cx);
        running.learn(now);
        if let Some(bytes) = checkpoint.filter(|bytes| !bytes.is_empty()) {
            running.take_over(&bytes, now);
        }
        running.pool.settle(now, &mut running.actions);
        if fresh
            && plan.table.flush_at_start
            && let Some(table) = &mut running.table
        {
            table.flush();
        }
        // The whole table is told at once below.
        running.actions.retain(|action| !matches!(action, Action::Reconcile(_)));
        if let Some(table) = &mut running.table {
            table.configure(&plan.table);
            table.start(running.pool.wanted().clone(), now);
        }
        running.perform(now, cx);
        Ok(running)
    }

    /// The verdicts of the process that was there before, corrected by what it left in the kernel.
    fn take_over(&mut self, checkpoint: &[u8], now: Instant) {
        if !self.pool.restore(checkpoint, now) {
            log::warn!("starting afresh: the state of the process before cannot be read");
            return;
        }
        if let Some(table) = &mut self.table {
            self.pool.adopt(|service| {
                let listed = table.listed(service);
                let entry = |found: ListedDestination| (found.key, found.destination);
                (!listed.is_empty()).then(|| listed.into_iter().map(entry).collect())
            });
        }
        log::info!("verdicts of the process before are taken over");
    }

    /// Does what the pool wants, tells it what became of it, and so on until it wants nothing more.
    fn perform(&mut self, now: Instant, cx: &AppCx<'_, Key>) {
        while !self.actions.is_empty() || !self.news.is_empty() {
            self.learn(now);
            let mut actions = std::mem::take(&mut self.actions);
            for action in actions.drain(..) {
                log::trace!("{action}");
                self.act(action, now, cx);
            }
            if self.actions.is_empty() {
                self.actions = actions;
            }
        }
        self.send(now);
        if self.pool.unsettled() {
            self.settle_at.get_or_insert(now);
        }
    }

    fn learn(&mut self, now: Instant) {
        for event in self.news.drain(..) {
            self.pool.handle(event, now, &mut self.actions);
        }
    }

    fn act(&mut self, action: Action, now: Instant, cx: &AppCx<'_, Key>) {
        match action {
            Action::Start(id) => {
                if let Some(check) = self.pool.check(id) {
                    self.attempts.begin(id, check, now, cx.registry(), &mut self.news);
                }
            }
            Action::Expire(id) => self.attempts.expire(id, now, cx.registry(), &mut self.news),
            Action::Cancel(id) => self.attempts.cancel(id, now),
            Action::Reconcile(key) => {
                if let Some(table) = &mut self.table {
                    table.want(key, self.pool.wanted().services.get(&key).cloned());
                    self.unsent = true;
                }
            }
            Action::Notify(subject, turn) => {
                // Who is notified may look at the table.
                self.send(now);
                self.notify(subject, turn, now);
            }
            Action::Changed(subject, turn, words) => self.tell(subject, turn, &words),
            Action::Failed(id, words) => {
                if let Some(check) = self.pool.check(id) {
                    self.journal.failed(check, &words, now);
                }
            }
            Action::Local(id, words) => {
                if let Some(check) = self.pool.check(id) {
                    self.journal.local(check, &words, now);
                }
            }
            Action::Warned(id, words) => {
                if let Some(check) = self.pool.check(id) {
                    Journal::warned(check, &words);
                }
            }
            Action::Count(id) => self.count(id),
            Action::Leaving(id, server, stage) => {
                if let Some(service) = self.pool.services(id).first() {
                    self.herald.leaving(*service, server, stage);
                }
            }
            Action::Steered(service, server, turned) => self.herald.order(service, server, &turned, now),
            Action::Suspended(id, suspended) => {
                if let Some(service) = self.pool.services(id).first() {
                    self.herald.suspended(*service, suspended);
                }
            }
        }
    }

    /// Counts the connections of a virtual server's destinations. Without a table of ours nobody has any.
    fn count(&mut self, id: VirtualServerId) {
        let mut busy = BTreeSet::new();
        for service in self.pool.services(id) {
            let Some(table) = &mut self.table else { break };
            let Some(listed) = table.connections(*service) else { return };
            let has_some =
                |found: &&ListedDestination| found.connections.active > 0 || found.connections.inactive > 0;
            busy.extend(listed.iter().filter(has_some).map(|found| found.key));
        }
        self.news.push(Event::Counted { service: id, busy });
    }

    fn send(&mut self, now: Instant) {
        if std::mem::take(&mut self.unsent)
            && let Some(table) = &mut self.table
        {
            table.settle(now);
        }
    }

    fn tell(&mut self, subject: Subject, turn: Turn, words: &str) {
        match self.pool.names(subject) {
            Some((service, Some(server))) => self.herald.server(service, server, turn, words),
            Some((service, None)) => self.herald.quorum(service, turn, self.pool.sorry(subject), words),
            None => return,
        }
        self.herald.alert(self.pool.alert(subject));
    }

    fn notify(&mut self, subject: Subject, turn: Turn, now: Instant) {
        let Some(line) = self.pool.notify_command(subject, turn).cloned() else { return };
        let Some((service, server)) = self.pool.names(subject) else { return };
        let kind = if server.is_some() { "REAL_SERVER" } else { "VIRTUAL_SERVER" };
        let state = match turn {
            Turn::Up => "UP",
            Turn::Down => "DOWN",
        };
        let mut environment = vec![
            ("HOLDFAST_KIND", kind.to_owned()),
            ("HOLDFAST_NAME", service.to_string()),
            ("HOLDFAST_STATE", state.to_owned()),
        ];
        environment.extend(server.map(|server| ("HOLDFAST_SERVER", server.to_string())));
        self.attempts.scripts.notify(subject, line, environment, now);
    }

    fn timeout(&mut self, now: Instant, cx: &AppCx<'_, Key>) {
        if std::mem::take(&mut self.untidy) {
            memory::give_back();
        }
        self.attempts.timeout(now, cx.registry(), &mut self.news);
        if self.pool.poll_timeout().is_some_and(|due| due <= now) {
            self.pool.handle_timeout(now, &mut self.actions);
        }
        self.perform(now, cx);
        if self.settle_at.take().is_some() {
            self.pool.settle(now, &mut self.actions);
            self.perform(now, cx);
        }
        if let Some(table) = &mut self.table
            && table.poll_timeout().is_some_and(|due| due <= now)
        {
            table.handle_timeout(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let table = self.table.as_ref().and_then(Reconciler::poll_timeout);
        let own = [self.pool.poll_timeout(), self.attempts.poll_timeout(), table, self.settle_at];
        own.into_iter().flatten().min()
    }

    fn reconfigure(&mut self, prepared: Prepared, now: Instant, cx: &AppCx<'_, Key>) {
        let Prepared { plan, table } = prepared;
        self.attempts.scripts.reconfigure(plan.script_user.clone());
        self.herald.fifos.reconfigure(&plan.fifos, cx.registry());
        self.pool.reconfigure(&plan, now, &mut self.actions);
        descriptors::provide(self.pool.checks());
        self.watch_addresses(cx);
        self.learn(now);
        self.pool.settle(now, &mut self.actions);
        self.settle_at = None;
        if let Some(table) = &mut self.table {
            table.configure(&plan.table);
            self.unsent = true;
        }
        if !plan.ipvs
            && let Some(mut table) = self.table.take()
        {
            table.stop(now);
        }
        if let Some(mut table) = table {
            table.configure(&plan.table);
            table.start(self.pool.wanted().clone(), now);
            self.table = Some(table);
        }
        self.perform(now, cx);
    }

    /// A piece of the status: see [`App::status_piece`].
    fn status(&mut self, from: usize, now: Instant, text: &mut Vec<u8>) -> Option<usize> {
        if from == 0 {
            self.totals = self.table.as_mut().map(|table| table.traffic()).unwrap_or_default();
            let ipvs = self.table.as_ref().map(|table| {
                let summary = table.summary();
                json!({
                    "services": summary.services,
                    "destinations": summary.destinations,
                    "repairs": summary.repairs,
                    "refused": summary.refused,
                    "reachable": summary.reachable,
                })
            });
            let (ipvs, fifos) = (json!(ipvs), self.herald.fifos.status());
            let head = format!("{{\"ipvs\":{ipvs},\"notify_fifos\":{fifos},\"virtual_servers\":[");
            text.extend(head.into_bytes());
        }
        let (views, next) = self.pool.status_from(from, TOLD_AT_ONCE, now);
        let table = &mut self.table;
        let mut counts = |service: ServiceKey| -> Option<status::Counts> {
            Some(status::counts(table.as_mut()?.listed(service)))
        };
        for (place, server) in status::virtual_servers(&views, &self.totals, &mut counts).iter().enumerate() {
            if from + place > 0 {
                text.push(b',');
            }
            text.extend(server.to_string().into_bytes());
        }
        if next.is_none() {
            self.totals.clear();
            text.extend_from_slice(b"]}");
            self.untidy |= text.len() > LARGE;
        }
        next
    }
}

impl App for Checker {
    type Key = Key;

    fn start(&mut self, checkpoint: Option<Vec<u8>>, cx: &mut AppCx<'_, Key>) -> Result<(), StartError> {
        self.running = Some(Running::start(&self.plan, &self.run_dir, checkpoint, cx)?);
        Ok(())
    }

    fn ready(&mut self, key: Key, readiness: Readiness, cx: &mut AppCx<'_, Key>) -> Drained {
        let Some(running) = &mut self.running else {
            return self.farewell.as_mut().map_or(Drained::Yes, |farewell| farewell.ready(cx.now()));
        };
        let (now, registry) = (cx.now(), cx.registry());
        let drained = match key {
            Key::Attempt(slot) => running.attempts.ready(slot, readiness, now, registry, &mut running.news),
            Key::Scripts => running.attempts.scripts_ready(now, registry, &mut running.news),
            Key::Addresses => return running.addresses_ready(now, cx),
            Key::Fifos => {
                running.herald.fifos.flush();
                return Drained::Yes;
            }
        };
        running.perform(now, cx);
        drained
    }

    fn timeout(&mut self, cx: &mut AppCx<'_, Key>) {
        if let Some(running) = &mut self.running {
            running.timeout(cx.now(), cx);
        }
        if let Some(farewell) = &mut self.farewell {
            farewell.timeout(cx.now());
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match (&self.running, &self.farewell) {
            (Some(running), _) => running.poll_timeout(),
            (None, farewell) => farewell.as_ref().map(Farewell::poll_timeout),
        }
    }

    fn progress(&self) -> Value {
        json!({
            "checks_finished": self.running.as_ref().map_or(0, |running| running.pool.attempts()),
            "checks_running": self.running.as_ref().map_or(0, |running| running.attempts.len()),
        })
    }

    fn status(&mut self, now: Instant) -> Value {
        let mut text = Vec::new();
        let mut from = Some(0);
        while let Some(piece) = from {
            from = self.status_piece(piece, now, &mut text);
        }
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn status_piece(&mut self, from: usize, now: Instant, text: &mut Vec<u8>) -> Option<usize> {
        match &mut self.running {
            Some(running) => running.status(from, now, text),
            None => {
                // It stops: what was begun is nobody's state any more.
                text.clear();
                text.extend_from_slice(b"null");
                None
            }
        }
    }

    fn events(&mut self) -> Vec<Value> {
        self.running.as_mut().map(|running| running.herald.tell()).unwrap_or_default()
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        self.running.as_mut()?.pool.checkpoint()
    }

    fn prepare(&mut self, before: &Document, document: &Document) -> Result<Value, String> {
        // What is written as before means what it meant.
        let same = document.equal_tables(before, "virtual_server").unwrap_or_default();
        let planned = &self.plan.virtual_servers;
        let known = same.into_iter().map(|index| index.and_then(|index| planned.get(index).cloned()));
        let plan = configure(document, known.collect())?;
        let open = plan.ipvs && self.running.as_ref().is_some_and(|running| running.table.is_none());
        let table = if open { Some(Reconciler::open(&self.run_dir)?) } else { None };
        let changes = reload::changes(&self.plan, &plan);
        let changes = changes.iter().map(Change::told).collect();
        self.prepared = Some(Prepared { plan, table });
        Ok(changes)
    }

    fn commit(&mut self, cx: &mut AppCx<'_, Key>) {
        let Some(prepared) = self.prepared.take() else { return };
        self.plan = prepared.plan.clone();
        if let Some(running) = &mut self.running {
            running.reconfigure(prepared, cx.now(), cx);
            // What is equal is kept once.
            self.plan.virtual_servers = running.pool.plans();
        }
    }

    fn refresh(&mut self, _cx: &mut AppCx<'_, Key>) {
        if let Some(running) = &mut self.running {
            running.attempts.scripts.reconfigure(self.plan.script_user.clone());
        }
    }

    fn abort(&mut self) {
        self.prepared = None;
    }

    fn request(
        &mut self,
        method: &str,
        params: &Value,
        uid: Option<u32>,
        cx: &mut AppCx<'_, Key>,
    ) -> Result<Value, String> {
        match (method, &mut self.running) {
            ("steer", Some(running)) => running.steer(params, uid, cx.now(), cx),
            ("steer", None) => Err("it is stopping".to_owned()),
            _ => Err(format!("unknown method {method:?}")),
        }
    }

    fn surroundings(&self, of: Which) -> Surroundings {
        let prepared = self.prepared.as_ref().filter(|_| of == Which::Prepared);
        prepared.map_or(&self.plan, |prepared| &prepared.plan).surroundings.clone()
    }

    fn stop(&mut self, cx: &mut AppCx<'_, Key>) {
        self.stopping = true;
        self.farewell = self.running.take().and_then(|running| running.stop(cx.now()));
    }

    fn stopped(&self) -> bool {
        self.stopping && self.farewell.as_ref().is_none_or(|farewell| farewell.over(clock::now()))
    }
}
