//! The VRRP process: the core between the kernel's reports and what it wants done.
//!
//! Whatever happens becomes an event for the [`Router`]; the actions it answers with are performed by [`Effects`] at
//! once and in order, and what became of them goes back to it, until there is nothing left to do.

mod app;
mod save;
mod steer;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::child::{AppCx, ChildKey, Inherited, StartError};
use common::config::global::Global;
use common::config::{Diagnostics, Document, Table, UserName};
use common::event_loop::{Drained, STALL, clock};
use common::exit::Exit;
use common::fifo::{self, Fifos};
use common::netlink::NetlinkError;
use common::role::{Need, Role};
use common::surroundings::Surroundings;

use crate::effects::Effects;
use crate::effects::ipvs_sync::IpvsSync;
use crate::effects::kernel::Kernel;
use crate::effects::leftovers::Leftovers;
use crate::effects::objects::Watch;
use crate::effects::refusals::Refusals;
use crate::effects::scripts::Scripts;
use crate::effects::tuning::Tuning;
use crate::effects::virtual_links::VirtualLinks;
use crate::io::files::Files;
use crate::io::listener::Heard;
use crate::io::processes::Processes;
use crate::machine::action::Action;
use crate::machine::event::{Event, ObjectEvent, ObservedLink};
use crate::machine::id::{Family, LinkName};
use crate::machine::object::Object;
use crate::machine::router::Router;
use crate::parts::PARTS;
use crate::plan::{self, Plan};
use save::Saving;

/// How many packets are read from one socket before others have their turn.
const BUDGET: usize = 32;
/// So many times that may be read before deadlines count again, after a stall.
const CATCH_UP: usize = 64;
/// Adverts are far shorter (255 IPv6 addresses: 4088 bytes); what is longer is cut, and dropped for its checksum.
const PACKET: usize = 8192;
/// Who has a deadline so soon would be kept waiting by what is not urgent.
const SOON: Duration = Duration::from_millis(3);
/// So long that waits at most: repeated announcements, notifications, the log.
const PATIENCE: Duration = Duration::from_millis(50);
/// How often the core may answer to what became of its actions; a bound for the day it never stops.
const ROUNDS: usize = 16;

/// The VRRP process, as the daemon starts it.
pub const ROLE: Role = Role { name: "vrrp", parts: PARTS, check, run };

fn check(root: &mut Table<'_>, _global: &Global, diagnostics: &mut Diagnostics) -> Need {
    if plan::plan(root, diagnostics).is_idle() { Need::Idle } else { Need::Wanted }
}

fn run(inherited: Inherited) -> Exit {
    let document = match inherited.config.document() {
        Ok(document) => document,
        Err(error) => {
            log::error!("cannot read the configuration: {error}");
            return Exit::Failed;
        }
    };
    match Vrrp::new(&document, &inherited.run_dir) {
        Ok(vrrp) => common::child::run(inherited, vrrp),
        Err(faults) => {
            log::error!("the configuration has faults:\n{faults}");
            Exit::Config
        }
    }
}

/// The sources of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// What the kernel reports.
    Kernel,
    /// What the kernel says of the packet filter.
    Filter,
    /// The scripts' processes.
    Scripts,
    /// There may be room in a named pipe.
    Fifos,
    /// What the kernel says of the tracked files.
    Files,
    /// What the kernel says of processes.
    Processes,
    /// What the kernel reports of routes and rules.
    Objects,
    /// The adverts of an interface and family.
    Listener(LinkName, Family),
}

/// The key of a source in the loop.
type LoopKey = ChildKey<Key>;

const fn listener_key(link: LinkName, family: Family) -> LoopKey {
    ChildKey::App(Key::Listener(link, family))
}

/// The process, not yet started or running.
#[derive(Debug)]
pub struct Vrrp {
    configured: Configured,
    run_dir: PathBuf,
    running: Option<Running>,
    prepared: Option<Configured>,
}

/// What a configuration text amounts to.
#[derive(Debug)]
struct Configured {
    plan: Plan,
    surroundings: Surroundings,
    /// Where notifications are written to.
    fifos: Vec<PathBuf>,
    script_user: Option<UserName>,
    /// Keys stand in files of their own.
    reads_more: bool,
}

#[derive(Debug)]
struct Running {
    router: Router,
    leftovers: Leftovers,
    effects: Effects<LoopKey>,
    files: Files<LoopKey>,
    processes: Processes<LoopKey>,
    watch: Watch<LoopKey>,
    saving: Saving,
    /// Until when, at most, what is not urgent waits for what is.
    put_off: Option<Instant>,
    buffer: Box<[u8]>,
    // Empty between turns; kept for their memory.
    actions: Vec<Action>,
    news: Vec<Event<'static>>,
}

impl Vrrp {
    /// The process for a configuration that was checked.
    ///
    /// # Errors
    /// The configuration has faults after all: another version of this program checked it.
    pub fn new(document: &Document, run_dir: &Path) -> Result<Self, String> {
        let run_dir = run_dir.to_path_buf();
        Ok(Self { configured: configure(document)?, run_dir, running: None, prepared: None })
    }
}

fn configure(document: &Document) -> Result<Configured, String> {
    let mut diagnostics = Diagnostics::default();
    let mut root = document.root();
    let global = common::config::global::plan(&mut root, &mut diagnostics);
    let mut plan = plan::plan(&mut root, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(diagnostics.messages());
    }
    let mut reads_more = false;
    plan.load_keys(|path| {
        reads_more = true;
        crate::io::keys::read(path)
    });
    let mut surroundings = plan.surroundings.or(&global.surroundings);
    // A late advert is a fail-over: what the others do (a reload of ten thousand servers) is to wait for it.
    surroundings.resources = surroundings.resources.prompt();
    let fifos = fifo::paths(global.notify_fifo.as_ref(), plan.notify_fifo.as_ref());
    plan.set_tell(!fifos.is_empty());
    Ok(Configured { plan, surroundings, script_user: global.script_user, fifos, reads_more })
}

/// Whether there may be routes or rules to watch over.
fn watches(plan: &Plan) -> bool {
    plan.objects().any(|object| !matches!(object, Object::Address(_)))
}

/// Removes what an earlier run left behind, and returns the picture without it.
fn clean(
    kernel: &mut Kernel<LoopKey>,
    leftovers: &Leftovers,
    virtual_links: &VirtualLinks,
    plan: &Plan,
) -> Result<Vec<ObservedLink>, NetlinkError> {
    virtual_links.sweep(&mut kernel.socket, plan)?;
    let picture = kernel.observe()?;
    let found = leftovers.found(plan, &picture);
    if found.is_empty() {
        return Ok(picture);
    }
    for address in &found {
        log::warn!("removing an address that an earlier run left behind address={address}");
    }
    kernel.remove(&found);
    kernel.observe()
}

impl Running {
    fn start(
        configured: &Configured,
        run_dir: &Path,
        checkpoint: Option<Vec<u8>>,
        cx: &AppCx<'_, Key>,
    ) -> Result<Self, StartError> {
        let failed = |what: &str, error: &dyn std::fmt::Display, exit| StartError {
            exit,
            message: format!("{what}: {error}"),
        };
        let registry = cx.registry();
        let kernel = Kernel::open(ChildKey::App(Key::Kernel), registry);
        let mut kernel = kernel.map_err(|error| failed("netlink", &error, Exit::Failed))?;
        let mut leftovers = Leftovers::new(run_dir);
        let virtual_links = VirtualLinks::new(run_dir);
        let picture = clean(&mut kernel, &leftovers, &virtual_links, &configured.plan);
        let picture = picture.map_err(|error| failed("netlink", &error, Exit::Failed))?;
        // Nobody else's are looked at, and none where there can be none.
        let known = leftovers.objects(&configured.plan);
        let found = if known.is_empty() {
            Ok(Vec::new())
        } else {
            kernel.objects(|key| known.contains(&key.to_string()))
        };
        let found = found.map_err(|error| failed("netlink", &error, Exit::Failed))?;
        leftovers.write(&[&configured.plan], &found);
        let scripts = Scripts::new(configured.script_user.clone(), ChildKey::App(Key::Scripts), registry);
        let scripts = scripts.map_err(|error| failed("scripts", &error, Exit::Failed))?;
        let refusals = Refusals::new(run_dir, ChildKey::App(Key::Filter), registry);
        let interfaces = (virtual_links, Tuning::new(run_dir), refusals);
        let sync = IpvsSync::new(run_dir);
        let fifos = Fifos::new(&configured.fifos, ChildKey::App(Key::Fifos), registry);
        let effects =
            Effects::new(kernel, (scripts, fifos), interfaces, sync, registry.clone(), listener_key);
        let effects = effects.map_err(|error| {
            let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
            failed("packet socket", &error, if denied { Exit::Permission } else { Exit::Failed })
        })?;
        let files = Files::new(ChildKey::App(Key::Files), registry);
        let files = files.map_err(|error| failed("tracked files", &error, Exit::Failed))?;
        let watch = Watch::new(ChildKey::App(Key::Objects), registry.clone());
        let now = clock::now();
        let saving = Saving::new(now, clock::uptime());
        let mut running = Self {
            router: Router::new(configured.plan.clone(), now),
            leftovers,
            effects,
            files,
            processes: Processes::new(ChildKey::App(Key::Processes), registry),
            watch,
            saving,
            put_off: None,
            buffer: vec![0; PACKET].into_boxed_slice(),
            actions: Vec::new(),
            news: Vec::new(),
        };
        running.feed(Event::LinksObserved(picture), now);
        running.files.watch(&configured.plan.files, now, &mut running.news);
        running.processes.watch(&configured.plan.processes, now, &mut running.news);
        running.settle(now);
        running.watch.set(watches(&configured.plan), now);
        running.feed(Event::Object(ObjectEvent::Found(found)), now);
        if let Some(bytes) = checkpoint
            && let Err(error) = running.router.restore(&bytes, now, running.saving.uptime(now))
        {
            log::warn!("starting afresh: {error}");
        }
        running.effects.ipvs_sync.clean(configured.plan.ipvs_sync.is_some(), now);
        running.router.start(now, &mut running.actions);
        running.settle(now);
        running.effects.settle_settings(now, &mut running.news);
        running.settle(now);
        Ok(running)
    }

    /// Gives the core an event and performs what it wants.
    fn feed(&mut self, event: Event<'_>, now: Instant) {
        self.router.handle(event, now, &mut self.actions);
        self.settle(now);
    }

    /// Performs what the core wants, tells it what became of it, and so on.
    fn settle(&mut self, now: Instant) {
        self.put_off = None;
        self.settle_all(now, |_| false);
    }

    /// The same; what is not urgent waits while others have a deadline soon.
    ///
    /// When a master of many instances dies, their deadlines pass within milliseconds, and the repetitions and log lines
    /// of the first would keep the last waiting.
    fn settle_urgent(&mut self, now: Instant) {
        self.settle_all(now, Self::hurries);
        let waits = self.effects.is_unfinished();
        self.put_off = waits.then(|| self.put_off.unwrap_or(now + PATIENCE));
    }

    fn hurries(&self) -> bool {
        let due = self.router.poll_timeout().filter(|_| self.effects.is_unfinished());
        let Some(due) = due.filter(|_| !self.router.stopped()) else { return false };
        let now = clock::now();
        due <= now + SOON && self.put_off.is_none_or(|until| now < until)
    }

    fn settle_all(&mut self, now: Instant, hurries: fn(&Self) -> bool) {
        for _ in 0..ROUNDS {
            self.effects.hasten(&mut self.actions, now, &mut self.news);
            if !hurries(self) {
                self.effects.finish(now, &mut self.news);
            }
            for event in self.news.drain(..) {
                self.router.handle(event, now, &mut self.actions);
            }
            if self.actions.is_empty() {
                break;
            }
        }
        self.saving.touched(now, self.effects.take_moved());
        if self.router.stopped() {
            self.leftovers.clear();
            self.effects.scripts.close(now);
        }
    }

    fn hear(&mut self, link: LinkName, family: Family, now: Instant) -> Drained {
        if self.router.wants_time_of_day() {
            self.router.tell_time_of_day(crate::effects::time_of_day());
        }
        for _ in 0..BUDGET {
            let Some(listener) = self.effects.listener(link, family) else { return Drained::Yes };
            match listener.read(&mut self.buffer) {
                Ok(Heard::Datagram(datagram)) => {
                    self.router.handle(Event::DatagramReceived(datagram), now, &mut self.actions);
                    self.settle_urgent(now);
                }
                Ok(Heard::Unreadable) => {
                    log::debug!(target: "vrrp.adverts", "unreadable packet interface={link}");
                }
                Ok(Heard::Nothing) => return Drained::Yes,
                Err(error) => {
                    self.effects.close(link, family);
                    self.feed(Event::ListenerFailed { link, family, error: error.to_string() }, now);
                    return Drained::Yes;
                }
            }
        }
        Drained::More
    }

    /// After a stall: what others said meanwhile counts before our deadlines do, however much it is. The bound is for
    /// a flood that does not end.
    fn catch_up(&mut self, now: Instant) {
        for (link, family) in self.effects.listening() {
            for _ in 0..CATCH_UP {
                if self.hear(link, family, now) == Drained::Yes {
                    break;
                }
            }
        }
    }

    fn timeout(&mut self, now: Instant) {
        let due = self.router.poll_timeout();
        if due.is_some_and(|due| now.saturating_duration_since(due) > STALL) {
            self.catch_up(now);
        }
        if self.effects.kernel.poll_timeout().is_some_and(|due| due <= now) {
            self.effects.kernel.timeout(now, &mut self.news);
        }
        if self.effects.refusals.poll_timeout().is_some_and(|due| due <= now) {
            self.effects.refusals.timeout(now, &mut self.news);
        }
        if self.effects.scripts.poll_timeout().is_some_and(|due| due <= now) {
            self.effects.scripts.timeout(now, &mut self.news);
        }
        if self.files.poll_timeout().is_some_and(|due| due <= now) {
            self.files.timeout(now, &mut self.news);
        }
        if self.processes.poll_timeout().is_some_and(|due| due <= now) {
            self.processes.timeout(now, &mut self.news);
        }
        if self.watch.poll_timeout().is_some_and(|due| due <= now) {
            self.watch.timeout(now, &mut self.news);
        }
        if self.effects.ipvs_sync.poll_timeout().is_some_and(|due| due <= now) {
            self.effects.ipvs_sync.timeout(now);
        }
        if self.router.poll_timeout().is_some_and(|due| due <= now) {
            self.router.handle_timeout(now, &mut self.actions);
        }
        self.settle_urgent(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let Effects { kernel, refusals, scripts, ipvs_sync, .. } = &self.effects;
        let own = [self.router.poll_timeout(), self.watch.poll_timeout(), ipvs_sync.poll_timeout()];
        let trackers = [self.files.poll_timeout(), self.processes.poll_timeout()];
        let kernel = [kernel.poll_timeout(), refusals.poll_timeout(), scripts.poll_timeout()];
        own.into_iter().chain(trackers).chain(kernel).chain([self.put_off]).flatten().min()
    }
}
