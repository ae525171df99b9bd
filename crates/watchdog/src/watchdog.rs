//! The watchdog on the event loop: takes in what happens, feeds the two pure machines, performs what they say.
//!
//! Decisions are made in [`supervisor`](crate::supervisor) and [`reload`](crate::reload) only. An action that fails
//! comes back to them as an event: see [`actions`]. What comes from outside arrives in [`events`]. Requests of clients are in [`requests`], the status in [`status`].

mod actions;
mod events;
mod requests;
mod status;
mod succession;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

use common::checkpoint::Store;
use common::child::lateness::Watch;
use common::control::{ClientId, ControlKey, Server};
use common::event_loop::{Cx, Lateness, clock};
use common::exit::Exit;
use common::log::{Limiter, Verdict};
use common::role::Role;
use common::surroundings::Favour;
use log::Level;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use serde_json::{Value, json};

use crate::announce::Announcer;
use crate::failure::Failure;
use crate::history::History;
use crate::incarnation::{Asked, Incarnation};
use crate::mail::post::Post;
use crate::options::Options;
use crate::pidfile::PidFile;
use crate::reload::{self, Reload, Ticket};
use crate::rundir::{self, Listener};
use crate::supervisor::{self, ChildId, Event, Fact, State, Supervisor};
use crate::text::Text;
use status::Dump;

/// So many lines about what a reload changes; the rest is counted.
const CHANGES_LOGGED: usize = 50;
/// So many deaths of a child are logged in a period; a later line says how many were not.
const DEATHS_LOGGED: u32 = 10;
const DEATHS_PERIOD: Duration = Duration::from_secs(10);
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
    /// The pipe of the history.
    History,
    /// What the process that delivers mail tells.
    CourierTells,
    /// That process has ended.
    CourierEnded,
}

/// What outlives the processes of one child.
#[derive(Debug)]
struct Place {
    role: &'static Role,
    listener: Option<Listener>,
    checkpoint: Option<Store>,
    living: Option<Incarnation>,
    /// Lets only some of many deaths in a row into the log.
    deaths: Limiter,
    /// The last death was one of those it held back, and so is what follows from it.
    quiet: bool,
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
    /// What that text changes of the watchdog's own.
    own_changes: Vec<Value>,
    last_reload: Option<LastReload>,
    reload_began: Instant,
    control: Server<Key>,
    clients: BTreeMap<Ticket, (ClientId, u64)>,
    next_ticket: u64,
    pid_file: Option<PidFile>,
    announcer: Announcer,
    history: History,
    alive_at: Option<Instant>,
    dump: Option<Dump>,
    began: Instant,
    /// Which program since the start: see [`upgrade`](crate::upgrade).
    incarnation: u64,
    todo: VecDeque<Todo>,
    last_words: Vec<String>,
    started_up: bool,
    exit: Option<Exit>,
    /// The loop is to end, for another version of the program.
    give_place: bool,
    favour: Favour,
    /// How late the loop was, as of the last turn.
    lateness: Lateness,
    late: Watch,
    post: Post,
}

impl Watchdog {
    /// Makes the sockets; nothing is started before the first turn of the loop.
    pub(crate) fn new(
        options: Options,
        roles: &'static [Role],
        text: Text,
        pid_file: PidFile,
        (before, mut checkpoints): (u64, BTreeMap<String, OwnedFd>),
        announcer: Announcer,
        cx: &Cx<'_, Key>,
    ) -> Result<Self, (Announcer, Failure)> {
        let path = options.socket("watchdog");
        let served = Listener::make(&path).and_then(|listener| {
            Server::new(listener.fd, Key::Control, cx).map_err(|error| Failure::io("serve", &path, &error))
        });
        let made = served.and_then(|control| {
            let history = History::new(&options.run_dir, cx);
            let failed = |error| Failure::io("keep a history in", &options.run_dir, &error);
            Ok((control, history.map_err(failed)?))
        });
        let (control, history) = match made {
            Ok(made) => made,
            Err(failure) => {
                pid_file.remove();
                return Err((announcer, failure));
            }
        };
        let held: Vec<bool> = roles.iter().map(|role| checkpoints.contains_key(role.name)).collect();
        let mut place = |role: &'static Role| Place {
            role,
            listener: None,
            checkpoint: checkpoints.remove(role.name).map(Store::from_fd),
            living: None,
            deaths: Limiter::new(DEATHS_LOGGED, DEATHS_PERIOD),
            quiet: false,
        };
        let limits = text.limits();
        let mut favour = Favour::default();
        favour.change(text.global.resources.clone());
        let mut supervisor = Supervisor::new(&text.wanted, limits, cx.now());
        for (index, _) in held.into_iter().enumerate().filter(|(_, held)| *held) {
            supervisor.inherit(ChildId(index));
        }
        let post = Post::new(options.clone());
        let mut watchdog = Self {
            places: roles.iter().map(&mut place).collect(),
            supervisor,
            reload: Reload::new(limits.start),
            config: InForce { text, generation: 1, loaded_at: clock::wall() },
            candidate: None,
            own_changes: Vec::new(),
            last_reload: None,
            reload_began: cx.now(),
            control,
            clients: BTreeMap::new(),
            next_ticket: 0,
            pid_file: Some(pid_file),
            alive_at: announcer.alive_interval().map(|interval| cx.now() + interval),
            announcer,
            history,
            dump: None,
            began: cx.now(),
            incarnation: before + 1,
            todo: VecDeque::new(),
            last_words: Vec::new(),
            started_up: false,
            exit: None,
            give_place: false,
            favour,
            lateness: Lateness::default(),
            late: Watch::default(),
            post,
            options,
        };
        watchdog.configure_mail(cx);
        Ok(watchdog)
    }

    /// Takes the run files away: the daemon is at its end.
    pub(crate) fn clean_up(&mut self, exit: Exit) {
        self.history.tell(&json!({ "event": "stopped", "exit": exit.code() }), clock::now());
        self.alert(None);
        self.post.close();
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

    /// Something happened: a line for the log, and the event for the history.
    fn happened(&mut self, level: Level, event: &Value, line: &str, now: Instant) {
        common::log::event(level, event, format_args!("{line}"));
        self.history.tell(event, now);
    }

    /// To whom mail is sent, as the configuration in force says.
    fn configure_mail(&mut self, cx: &Cx<'_, Key>) {
        let text = &self.config.text;
        let namespace = text.global.surroundings.namespace.as_ref();
        self.post.configure(text.alerts.as_ref(), text.router_id(), namespace, cx);
        self.history.keep_fresh(self.post.is_wanted());
    }

    /// What has happened since the last time, for those who get mail about it.
    fn alert(&mut self, cx: Option<&Cx<'_, Key>>) {
        for line in self.history.take_fresh() {
            self.post.event(&line, cx);
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

    /// To the log, and, while the operator waits at the terminal, to him as well.
    fn complain(&mut self, line: String) {
        log::error!("{line}");
        self.remember(line);
    }

    /// For whoever waits at a terminal for the start.
    fn remember(&mut self, line: String) {
        if !self.started_up {
            self.last_words.push(line);
            if self.last_words.len() > LAST_WORDS {
                self.last_words.remove(0);
            }
        }
    }

    /// Whether a line about this is one too many. `Some` is what to say of those that were.
    fn limit(&mut self, child: ChildId, fact: &Fact, now: Instant) -> Option<String> {
        let Some(place) = self.places.get_mut(child.0) else { return Some(String::new()) };
        let mut suppressed = 0;
        match fact {
            Fact::Died { .. } => match place.deaths.ask(now) {
                Verdict::Log { suppressed: held_back } => {
                    place.quiet = false;
                    suppressed = held_back;
                }
                Verdict::Hold => place.quiet = true,
            },
            Fact::Restarted { .. } | Fact::Ready { .. } => {}
            Fact::Silent { .. }
            | Fact::Disconnected { .. }
            | Fact::NotReady { .. }
            | Fact::LateCommit { .. }
            | Fact::StopOverdue { .. }
            | Fact::Unkillable { .. }
            | Fact::NotSpawned { .. }
            | Fact::StartsAfresh
            | Fact::Farewell
            | Fact::Stopped { .. } => return Some(String::new()),
        }
        let more = if suppressed > 0 { format!(" deaths_not_logged={suppressed}") } else { String::new() };
        (!place.quiet).then_some(more)
    }

    fn stop(&mut self, why: &str, now: Instant) {
        if self.supervisor.is_stopping() {
            log::info!("stopping already");
            return;
        }
        self.happened(
            Level::Info,
            &json!({ "event": "stopping", "reason": why }),
            &format!("stopping: {why}"),
            now,
        );
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
        let why = place.living.as_ref().and_then(Incarnation::last_words);
        // Answers that it gave last may still lie in its connection.
        let last = place.living.take().map(|mut living| living.answers().0).unwrap_or_default();
        for (asked, answer) in last.into_iter().filter(|(asked, _)| *asked != Asked::Hello) {
            self.answered(child, asked, answer, now);
        }
        self.dumped(child, None);
        if let Some(why) = why {
            // The child has logged it itself.
            self.remember(format!("{}: {why}", self.name(child)));
        }
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
                // Its own descriptor tells of its end.
                None if self.post.courier() == Some(pid.as_raw()) => return,
                None if waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_ok() => {}
                None => return,
            }
        }
    }

    /// A child that is neither there nor wanted has no socket: nobody shall wait for its answer.
    fn close_sockets(&mut self) {
        for (place, child) in self.places.iter_mut().zip(self.supervisor.children()) {
            if *child.state() == State::Idle && !child.owes_farewell() && place.listener.take().is_some() {
                place.checkpoint = None;
                let path = self.options.socket(place.role.name);
                if let Err(error) = rundir::remove_socket(&path) {
                    log::warn!("cannot remove the socket {}: {error}", path.display());
                }
            }
        }
    }
}

/// A duration for a log line.
fn seconds(duration: Duration) -> String {
    format!("{:.3}s", duration.as_secs_f64())
}
