//! The process: pool, transport, scripts and the kernel's table on the event loop.
//!
//! What the pool wants ([`Action`]) is performed here, in its order, and what became of it goes back into
//! the pool. Outcomes are taken as they come; the wanted table is settled once at the end of a turn, so
//! that a hundred servers that die together are one batch for the kernel.

mod app;
mod attempts;
mod farewell;
mod held;
mod steer;
mod tell;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use common::child::{AppCx, ChildKey, Inherited, StartError};
use common::config::{Diagnostics, Document};
use common::event_loop::clock;
use common::exit::Exit;
use common::fifo::Fifos;
use common::ipvs::ListedDestination;
use common::role::{Need, Role};
use common::sys::memory;

use crate::effects::descriptors;
use crate::effects::herald::Herald;
use crate::effects::holdings::Holdings;
use crate::effects::ipvs::Reconciler;
use crate::effects::journal::Journal;
use crate::machine::{Action, Actions, Event, Pool, Subject, Turn, VirtualServerId};
use crate::plan::{self, Plan, VirtualServer};
use crate::transport::Slot;
use crate::{parts, status};
use attempts::Attempts;
use farewell::Farewell;

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
    parts: parts::PARTS,
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
                log::trace!(target: parts::of(&action), "{action}");
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
}
