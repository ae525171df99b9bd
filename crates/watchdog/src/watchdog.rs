//! The watchdog on the event loop: takes in what happens, feeds the two pure machines, performs what they say.
//!
//! Decisions are made in [`supervisor`](crate::supervisor) and [`reload`](crate::reload) only. An action that fails
//! comes back to them as an event. Requests of clients are in [`requests`], the status in [`status`].

mod requests;
mod status;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use common::checkpoint::Store;
use common::control::{ClientId, ControlKey, Server};
use common::event_loop::{Cx, Drained, Process, Readiness, Signal, clock};
use common::exit::Exit;
use common::role::Role;
use nix::sys::signal::Signal as Kill;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use serde_json::{Value, json};

use crate::announce::Announcer;
use crate::failure::Failure;
use crate::incarnation::{Asked, Incarnation, Legacy};
use crate::options::Options;
use crate::pidfile::PidFile;
use crate::reload::{self, Asker, Part, Reload, Ticket};
use crate::rundir::{self, Listener};
use crate::supervisor::{self, Child, ChildId, Event, Fact, State, Supervisor, Wanted, Weight};
use crate::text::Text;
use status::Dump;

/// So many lines about what a reload changes; the rest is counted.
const CHANGES_LOGGED: usize = 50;
/// Of what went wrong during the start-up, so much is told at the terminal.
const LAST_WORDS: usize = 10;

/// What the watchdog waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The control socket and its clients.
    Control(ControlKey),
    /// A child's process has ended.
    Process(ChildId),
    /// The connection to a child.
    Line(ChildId),
}

/// What outlives the processes of one child.
#[derive(Debug)]
struct Place {
    role: &'static Role,
    listener: Option<Listener>,
    checkpoint: Option<Store>,
    living: Option<Incarnation>,
}

/// The configuration in force.
#[derive(Debug)]
struct InForce {
    text: Text,
    generation: u64,
    loaded_at: SystemTime,
}

/// How the last reload ended.
#[derive(Debug)]
struct LastReload {
    error: Option<String>,
    at: SystemTime,
}

enum Todo {
    Supervise(supervisor::Action),
    Reload(reload::Action),
}

/// The watchdog.
pub(crate) struct Watchdog {
    options: Options,
    places: Vec<Place>,
    supervisor: Supervisor,
    reload: Reload,
    config: InForce,
    /// The text of a reload that is not decided yet.
    candidate: Option<Text>,
    last_reload: Option<LastReload>,
    reload_began: Instant,
    control: Server<Key>,
    clients: BTreeMap<Ticket, (ClientId, u64)>,
    next_ticket: u64,
    pid_file: Option<PidFile>,
    announcer: Announcer,
    alive_at: Option<Instant>,
    dump: Option<Dump>,
    began: Instant,
    todo: VecDeque<Todo>,
    last_words: Vec<String>,
    started_up: bool,
    exit: Option<Exit>,
}

impl Watchdog {
    /// Makes the sockets; nothing is started before the first turn of the loop.
    pub(crate) fn new(
        options: Options,
        roles: &'static [Role],
        text: Text,
        pid_file: PidFile,
        announcer: Announcer,
        cx: &Cx<'_, Key>,
    ) -> Result<Self, (Announcer, Failure)> {
        let path = options.socket("watchdog");
        let served = Listener::make(&path).and_then(|listener| {
            Server::new(listener.fd, Key::Control, cx).map_err(|error| Failure::io("serve", &path, &error))
        });
        let control = match served {
            Ok(control) => control,
            Err(failure) => {
                pid_file.remove();
                return Err((announcer, failure));
            }
        };
        let place = |role| Place { role, listener: None, checkpoint: None, living: None };
        let limits = text.limits();
        Ok(Self {
            places: roles.iter().map(place).collect(),
            supervisor: Supervisor::new(&text.wanted, limits, cx.now()),
            reload: Reload::new(limits.start),
            config: InForce { text, generation: 1, loaded_at: clock::wall() },
            candidate: None,
            last_reload: None,
            reload_began: cx.now(),
            control,
            clients: BTreeMap::new(),
            next_ticket: 0,
            pid_file: Some(pid_file),
            alive_at: announcer.alive_interval().map(|interval| cx.now() + interval),
            announcer,
            dump: None,
            began: cx.now(),
            todo: VecDeque::new(),
            last_words: Vec::new(),
            started_up: false,
            exit: None,
            options,
        })
    }

    /// Takes the run files away: the daemon is at its end.
    pub(crate) fn clean_up(&mut self) {
        for process in self.places.iter().map(|place| place.role.name).chain(["watchdog"]) {
            let path = self.options.socket(process);
            if let Err(error) = rundir::remove_socket(&path) {
                log::warn!("cannot remove the socket {}: {error}", path.display());
            }
        }
        // What it says is not so any more.
        let _not_there = std::fs::remove_file(self.options.run_dir.join("status.json"));
        if let Some(pid_file) = self.pid_file.take() {
            pid_file.remove();
        }
    }

    fn name(&self, child: ChildId) -> &'static str {
        self.places.get(child.0).map_or("?", |place| place.role.name)
    }

    fn supervise(&mut self, event: Event, now: Instant) {
        let mut out = Vec::new();
        self.supervisor.handle(event, now, &mut out);
        self.todo.extend(out.into_iter().map(Todo::Supervise));
    }

    fn reload(&mut self, event: reload::Event, now: Instant) {
        let mut out = Vec::new();
        self.reload.handle(event, now, &mut out);
        self.todo.extend(out.into_iter().map(Todo::Reload));
    }

    /// Performs what is to be done, and what follows from it, until nothing is.
    fn perform(&mut self, cx: &mut Cx<'_, Key>) {
        while let Some(todo) = self.todo.pop_front() {
            match todo {
                Todo::Supervise(action) => self.perform_supervision(action, cx),
                Todo::Reload(action) => self.perform_reload(action, cx),
            }
        }
    }

    fn perform_supervision(&mut self, action: supervisor::Action, cx: &mut Cx<'_, Key>) {
        use supervisor::Action;
        log::trace!("{action}");
        match action {
            Action::Spawn { child, afresh } => {
                let event = match self.spawn(child, afresh, cx) {
                    Ok(pid) => Event::Spawned { child, pid },
                    Err(error) => {
                        self.complain(format!("cannot start child={}: {error}", self.name(child)));
                        Event::SpawnFailed { child }
                    }
                };
                self.supervise(event, cx.now());
            }
            Action::SendHello { child } => {
                if let Err(error) = self.hello(child, cx) {
                    let event = if error.kind() == io::ErrorKind::WouldBlock {
                        Event::HelloNotSent { child }
                    } else {
                        log::debug!("hello not sent: {error} child={}", self.name(child));
                        Event::ConnectionClosed { child }
                    };
                    self.supervise(event, cx.now());
                }
            }
            Action::Terminate { child } => self.signal_child(child, Kill::SIGTERM),
            Action::Kill { child } => self.signal_child(child, Kill::SIGKILL),
            Action::Report { child, fact } => self.report(child, &fact, cx.now()),
            Action::StartedUp => {
                self.started_up = true;
                let took = cx.now().saturating_duration_since(self.began);
                log::info!("started generation={} took={:.3}s", self.config.generation, took.as_secs_f64());
                if self.supervisor.children().all(|child| child.wanted() == Wanted::No) {
                    log::warn!("the configuration asks for no process: nothing to do until it is reloaded");
                }
                let status = self.summary();
                self.announcer.ready(&status);
            }
            Action::StartUpOverdue => {
                self.complain("not every child became ready in time: giving up".to_owned());
                self.on_the_way_out(cx.now());
            }
            Action::Hopeless { child, exit } => {
                let name = self.name(child);
                self.complain(format!(
                    "child cannot go on, its log says why: stopping child={name} code={} meaning=\"{exit}\"",
                    exit.code()
                ));
                self.on_the_way_out(cx.now());
            }
            Action::Finish { exit } => {
                // Nobody hears it any more who has been told that we are ready.
                let told = if exit == Exit::Done { Exit::Failed } else { exit };
                self.announcer.failed(&Failure::new(told, self.last_words.join("\n")));
                self.exit = Some(exit);
            }
        }
    }

    fn perform_reload(&mut self, action: reload::Action, cx: &mut Cx<'_, Key>) {
        use reload::Action;
        log::trace!("{action}");
        let now = cx.now();
        match action {
            Action::Load => self.load(now),
            Action::Prepare { child, round } => {
                let fd = self.candidate.as_ref().map(|text| text.sealed.try_clone());
                let asked = match fd {
                    Some(Ok(fd)) => {
                        let params = json!({ "generation": self.config.generation + 1 });
                        self.ask(child, Asked::Prepare(round), params, &[fd])
                    }
                    Some(Err(error)) => Err(error),
                    None => Err(io::ErrorKind::NotFound.into()),
                };
                if let Err(error) = asked {
                    let text = format!("it cannot be asked: {error}");
                    self.reload(reload::Event::Refused { child, round, text }, now);
                }
            }
            Action::Launch { child } => self.supervise(Event::Wanted { child, wanted: Wanted::Trial }, now),
            Action::Adopt => self.adopt(now),
            Action::Commit { child, round } => {
                let params = json!({ "generation": self.config.generation });
                if let Err(error) = self.ask(child, Asked::Commit(round), params, &[]) {
                    log::debug!("commit not sent: {error} child={}", self.name(child));
                    self.supervise(Event::ConnectionClosed { child }, now);
                }
            }
            Action::Abort { child, .. } => {
                // One that does not hear of it forgets when the next one comes, or has died.
                if let Err(error) = self.ask(child, Asked::Abort, Value::Null, &[]) {
                    log::debug!("abort not sent: {error} child={}", self.name(child));
                }
            }
            Action::Retire { child } => self.supervise(Event::Wanted { child, wanted: Wanted::No }, now),
            Action::GiveUp { child } => self.supervise(Event::CommitOverdue { child }, now),
            Action::Answer { asker, outcome } => self.outcome(asker, outcome, now),
        }
    }

    fn spawn(&mut self, child: ChildId, afresh: bool, cx: &Cx<'_, Key>) -> io::Result<supervisor::Pid> {
        let on_trial = self.supervisor.child(child).is_some_and(|child| child.wanted() == Wanted::Trial);
        let candidate = self.candidate.as_ref().filter(|_| on_trial);
        let text = candidate.unwrap_or(&self.config.text);
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let place = self.places.get_mut(child.0).ok_or_else(gone)?;
        let swept = place.listener.take_if(|listener| !listener.is_there()).is_some();
        if place.listener.is_none() {
            let path = self.options.socket(place.role.name);
            if swept {
                log::warn!("the socket {} was removed by somebody: making it again", path.display());
            }
            let made = rundir::prepare(&self.options.run_dir).and_then(|()| Listener::make(&path));
            place.listener = Some(made.map_err(|failure| io::Error::other(failure.text))?);
        }
        if afresh || place.checkpoint.is_none() {
            place.checkpoint = Some(Store::create(&format!("holdfast-{}", place.role.name))?);
        }
        let checkpoint = place.checkpoint.as_ref().ok_or_else(gone)?.fd();
        let legacy = Legacy {
            listener: place.listener.as_ref().ok_or_else(gone)?.fd.as_fd(),
            text: text.sealed.as_fd(),
            checkpoint: checkpoint.as_fd(),
            mark: self.pid_file.as_ref().ok_or_else(gone)?.mark(),
        };
        let living = Incarnation::start(child, place.role, &self.options, &legacy, cx)?;
        let pid = living.pid();
        drop(checkpoint);
        place.living = Some(living);
        log::debug!("child started child={} pid={pid}", place.role.name);
        Ok(pid)
    }

    fn hello(&mut self, child: ChildId, cx: &Cx<'_, Key>) -> io::Result<()> {
        let socket = self.options.socket(self.name(child));
        let living = self.places.get_mut(child.0).and_then(|place| place.living.as_mut());
        let living = living.ok_or(io::ErrorKind::NotFound)?;
        living.connect(child, &socket, cx)?;
        living.ask(Asked::Hello, Value::Null, &[])
    }

    fn ask(&mut self, child: ChildId, asked: Asked, params: Value, fds: &[OwnedFd]) -> io::Result<()> {
        let living = self.places.get_mut(child.0).and_then(|place| place.living.as_mut());
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        living.ok_or(io::ErrorKind::NotFound)?.ask(asked, params, &fds)
    }

    fn signal_child(&self, child: ChildId, signal: Kill) {
        if let Some(living) = self.places.get(child.0).and_then(|place| place.living.as_ref()) {
            living.signal(signal);
        }
    }

    fn report(&mut self, child: ChildId, fact: &Fact, now: Instant) {
        let line = fact.line(self.name(child));
        match fact.weight() {
            Weight::Error => self.complain(line),
            Weight::Warn => log::warn!("{line}"),
            Weight::Info => log::info!("{line}"),
        }
        match fact {
            Fact::Ready { .. } => self.reload(reload::Event::Ready { child }, now),
            Fact::Died { .. } | Fact::NotSpawned { .. } | Fact::Stopped { .. } => {
                self.reload(reload::Event::Gone { child }, now);
            }
            Fact::Restarted { .. }
            | Fact::Silent { .. }
            | Fact::Disconnected { .. }
            | Fact::NotReady { .. }
            | Fact::LateCommit { .. }
            | Fact::StopOverdue { .. }
            | Fact::Unkillable { .. }
            | Fact::StartsAfresh => {}
        }
    }

    /// To the log, and, while the operator waits at the terminal, to him as well.
    fn complain(&mut self, line: String) {
        log::error!("{line}");
        if !self.started_up {
            self.last_words.push(line);
            if self.last_words.len() > LAST_WORDS {
                self.last_words.remove(0);
            }
        }
    }

    fn stop(&mut self, why: &str, now: Instant) {
        if self.supervisor.is_stopping() {
            log::info!("stopping already");
            return;
        }
        log::info!("stopping: {why}");
        if !self.started_up {
            self.last_words.push(format!("stopped before it was ready: {why}"));
        }
        self.on_the_way_out(now);
        self.supervise(Event::StopRequested { exit: Exit::Done }, now);
    }

    fn on_the_way_out(&mut self, now: Instant) {
        self.announcer.stopping();
        self.reload(reload::Event::Stopping, now);
    }

    fn load(&mut self, now: Instant) {
        self.reload_began = now;
        let roles: Vec<Role> = self.places.iter().map(|place| *place.role).collect();
        let event = match Text::load(&self.options, &roles) {
            Ok(text) => {
                let children = self.supervisor.children().zip(&text.wanted);
                let parts = children.filter_map(|(child, wanted)| Some((child.id(), part(child, *wanted)?)));
                let event = reload::Event::Checked { parts: parts.collect() };
                self.candidate = Some(text);
                event
            }
            Err(failure) => {
                for line in &failure.lines {
                    log::error!("configuration: {line}");
                }
                reload::Event::Faulty { text: failure.text }
            }
        };
        self.reload(event, now);
    }

    /// The point of no return of a reload.
    fn adopt(&mut self, now: Instant) {
        let Some(text) = self.candidate.take() else { return };
        self.announcer.reloading();
        let wanted = text.wanted.clone();
        let limits = text.limits();
        let generation = self.config.generation + 1;
        self.config = InForce { text, generation, loaded_at: clock::wall() };
        for (index, wanted) in wanted.into_iter().enumerate() {
            let child = ChildId(index);
            let is_there = self.supervisor.child(child).is_some_and(|child| child.pid().is_some());
            if wanted {
                self.supervise(Event::Wanted { child, wanted: Wanted::Yes }, now);
            } else if !is_there {
                // The others go when everybody has committed; this one must not even come back.
                self.supervise(Event::Wanted { child, wanted: Wanted::No }, now);
            }
        }
        self.supervise(Event::ConfigChanged { limits }, now);
        self.reload.set_start_limit(limits.start);
    }

    /// What a child has said.
    fn answered(&mut self, child: ChildId, asked: Asked, answer: Result<Value, String>, now: Instant) {
        match (asked, answer) {
            (Asked::Hello, Ok(_)) => self.supervise(Event::HelloAnswered { child }, now),
            (Asked::Hello, Err(text)) => {
                log::warn!("child answers a hello with an error: {text} child={}", self.name(child));
                self.supervise(Event::ConnectionClosed { child }, now);
            }
            (Asked::Prepare(round), Ok(mut answer)) => {
                let changes = answer.get_mut("changes").map(Value::take).unwrap_or_default();
                self.reload(reload::Event::Prepared { child, round, changes }, now);
            }
            (Asked::Commit(round), Ok(_)) => self.reload(reload::Event::Committed { child, round }, now),
            (Asked::Prepare(round) | Asked::Commit(round), Err(text)) => {
                self.reload(reload::Event::Refused { child, round, text }, now);
            }
            (Asked::Abort, _) => {}
            (Asked::Status, answer) => self.dumped(child, answer.ok()),
        }
    }

    fn process_ended(&mut self, child: ChildId, now: Instant) {
        let Some(place) = self.places.get_mut(child.0) else { return };
        let Some(ended) = place.living.as_ref().and_then(Incarnation::reap) else { return };
        // Words that it said last may still lie in its connection.
        let last = place.living.take().map(|mut living| living.answers().0).unwrap_or_default();
        for (asked, answer) in last.into_iter().filter(|(asked, _)| *asked != Asked::Hello) {
            self.answered(child, asked, answer, now);
        }
        self.dumped(child, None);
        self.supervise(Event::Exited { child, ended }, now);
    }

    /// As the first process of a container we inherit the orphans of everybody's scripts.
    fn reap_orphans(&mut self, now: Instant) {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(Some(pid)) = waitid(Id::All, look).map(|status| status.pid()) {
            let ours = self
                .places
                .iter()
                .position(|place| place.living.as_ref().is_some_and(|living| living.pid().0 == pid.as_raw()));
            match ours {
                Some(index) => {
                    self.process_ended(ChildId(index), now);
                    if self.places.get(index).is_some_and(|place| place.living.is_some()) {
                        return;
                    }
                }
                None if waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_ok() => {}
                None => return,
            }
        }
    }

    /// A child that is neither there nor wanted has no socket: nobody shall wait for its answer.
    fn close_sockets(&mut self) {
        for (place, child) in self.places.iter_mut().zip(self.supervisor.children()) {
            if *child.state() == State::Idle && place.listener.take().is_some() {
                place.checkpoint = None;
                let path = self.options.socket(place.role.name);
                if let Err(error) = rundir::remove_socket(&path) {
                    log::warn!("cannot remove the socket {}: {error}", path.display());
                }
            }
        }
    }
}

/// What a child has to do with a new text that wants it or not.
fn part(child: &Child, wanted: bool) -> Option<Part> {
    match (child.wanted(), wanted) {
        (Wanted::No | Wanted::Trial, true) => Some(Part::New),
        (Wanted::No | Wanted::Trial, false) => None,
        (Wanted::Yes, false) => Some(Part::Leaving),
        (Wanted::Yes, true) => Some(match child.state() {
            State::Up { .. } => Part::Member,
            State::Spawning { .. } | State::Starting { .. } => Part::Coming,
            State::Idle | State::Down { .. } | State::Stopping { .. } | State::Killed { .. } => Part::Absent,
        }),
    }
}

impl Process for Watchdog {
    type Key = Key;

    fn ready(&mut self, key: Key, _readiness: Readiness, cx: &mut Cx<'_, Key>) -> Drained {
        let mut drained = Drained::Yes;
        match key {
            Key::Control(key) => {
                let mut incoming = Vec::new();
                drained = self.control.ready(key, cx, &mut incoming);
                for request in incoming {
                    self.request(request, cx);
                }
            }
            Key::Process(child) => self.process_ended(child, cx.now()),
            Key::Line(child) => {
                let living = self.places.get_mut(child.0).and_then(|place| place.living.as_mut());
                let Some((answers, read)) = living.map(Incarnation::answers) else { return Drained::Yes };
                for (asked, answer) in answers {
                    self.answered(child, asked, answer, cx.now());
                }
                if let Err(error) = read {
                    log::debug!("connection to child lost: {error} child={}", self.name(child));
                    self.supervise(Event::ConnectionClosed { child }, cx.now());
                }
            }
        }
        self.perform(cx);
        drained
    }

    fn timeout(&mut self, cx: &mut Cx<'_, Key>) {
        let now = cx.now();
        self.control.timeout(now);
        let mut out = Vec::new();
        self.supervisor.handle_timeout(now, &mut out);
        self.todo.extend(out.into_iter().map(Todo::Supervise));
        let mut out = Vec::new();
        self.reload.handle_timeout(now, &mut out);
        self.todo.extend(out.into_iter().map(Todo::Reload));
        if self.alive_at.is_some_and(|at| at <= now) {
            self.announcer.alive();
            self.alive_at = self.announcer.alive_interval().map(|interval| now + interval);
        }
        self.finish_dump(now);
        self.perform(cx);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let dump = self.dump.as_ref().map(Dump::until);
        [
            self.supervisor.poll_timeout(),
            self.reload.poll_timeout(),
            self.control.poll_timeout(),
            self.alive_at,
            dump,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn signal(&mut self, signal: Signal, cx: &mut Cx<'_, Key>) {
        let now = cx.now();
        match signal {
            Signal::Stop => self.stop("a signal asks for it", now),
            Signal::Reload => {
                log::info!("reload: a signal asks for it");
                self.reload(reload::Event::Requested { asker: Asker::Signal, dry_run: false }, now);
            }
            Signal::Dump => self.begin_dump(now),
            Signal::Child => self.reap_orphans(now),
        }
        self.perform(cx);
    }

    fn settled(&mut self, _cx: &mut Cx<'_, Key>) {
        self.close_sockets();
    }

    fn finished(&self) -> Option<Exit> {
        self.exit
    }
}

/// A duration for a log line.
fn seconds(duration: Duration) -> String {
    format!("{:.3}s", duration.as_secs_f64())
}
