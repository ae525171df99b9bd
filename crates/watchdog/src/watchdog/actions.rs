//! What the two pure machines say, performed. What cannot be done goes back to them as an event.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use common::change::{Traffic, told};
use common::checkpoint::Store;
use common::event_loop::{Cx, clock};
use common::exit::Exit;
use common::role::Role;
use common::sys::memory;
use log::Level;
use nix::sys::signal::Signal as Kill;
use serde_json::{Value, json};

use super::{InForce, Key, Todo, Watchdog};
use crate::failure::Failure;
use crate::incarnation::{Asked, Incarnation, Legacy};
use crate::reload::{self, Part};
use crate::rundir::{self, Listener};
use crate::supervisor::{self, Child, ChildId, Event, Fact, State, Wanted, Weight};
use crate::text::Text;

impl Watchdog {
    /// Performs what is to be done, and what follows from it, until nothing is.
    pub(super) fn perform(&mut self, cx: &mut Cx<'_, Key>) {
        while let Some(todo) = self.todo.pop_front() {
            match todo {
                Todo::Supervise(action) => self.perform_supervision(action, cx),
                Todo::Reload(action) => self.perform_reload(action, cx),
            }
        }
    }

    fn perform_supervision(&mut self, action: supervisor::Action, cx: &mut Cx<'_, Key>) {
        use supervisor::Action;
        log::trace!(target: "watchdog.children", "{action}");
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
                memory::give_back();
                let took = cx.now().saturating_duration_since(self.began);
                let generation = self.config.generation;
                let event = json!({
                    "event": "started",
                    "version": env!("CARGO_PKG_VERSION"),
                    "pid": std::process::id(),
                    "incarnation": self.incarnation,
                    "generation": generation,
                });
                let line = format!("started generation={generation} took={:.3}s", took.as_secs_f64());
                self.happened(Level::Info, &event, &line, cx.now());
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
                    "child cannot go on: stopping child={name} code={} meaning=\"{exit}\"",
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
        log::trace!(target: "watchdog.reload", "{action}");
        let now = cx.now();
        match action {
            Action::Load => self.load(now),
            Action::Prepare { child, round } => {
                let share = self.candidate.as_ref().and_then(|text| text.shares.get(child.0));
                let fd = share.map(OwnedFd::try_clone);
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
            Action::Adopt => {
                self.adopt(now);
                self.configure_mail(cx);
            }
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
            Action::Answer { asker, outcome } => {
                self.outcome(asker, outcome, now);
                memory::give_back();
            }
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
            share: text.shares.get(child.0).ok_or_else(gone)?.as_fd(),
            checkpoint: checkpoint.as_fd(),
            mark: self.pid_file.as_ref().ok_or_else(gone)?.mark(),
            history: self.history.writer(),
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

    pub(super) fn ask(
        &mut self,
        child: ChildId,
        asked: Asked,
        params: Value,
        fds: &[OwnedFd],
    ) -> io::Result<()> {
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
        if let Some(more) = self.limit(child, fact, now) {
            let line = fact.line(self.name(child)) + &more;
            let event = fact.event(self.name(child));
            let level = match fact.weight() {
                Weight::Error => Level::Error,
                Weight::Warn => Level::Warn,
                Weight::Info => Level::Info,
            };
            self.happened(level, &event, &line, now);
            if level == Level::Error {
                self.remember(line);
            }
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
            | Fact::StartsAfresh
            | Fact::Farewell => {}
        }
    }

    fn load(&mut self, now: Instant) {
        self.reload_began = now;
        let roles: Vec<Role> = self.places.iter().map(|place| *place.role).collect();
        let event = match Text::load(&self.options, &roles) {
            Ok(text) => {
                let children = self.supervisor.children().zip(&text.wanted);
                let parts = children.filter_map(|(child, wanted)| Some((child.id(), part(child, *wanted)?)));
                let event = reload::Event::Checked { parts: parts.collect() };
                let (global, watchdog) = self.config.text.global.changes(&text.global);
                let own = [("global", global), ("watchdog", watchdog)];
                let own = own.iter().filter(|(_, detail)| !detail.is_empty());
                let told =
                    |(object, detail): &(&str, String)| told(object, "changed", detail, Traffic::Untouched);
                self.own_changes = own.map(told).collect();
                let alerts = common::alerts::change(self.config.text.alerts.as_ref(), text.alerts.as_ref());
                let of_mail = |(change, detail): (&str, String)| {
                    common::change::told("alerts", change, &detail, Traffic::Untouched)
                };
                self.own_changes.extend(alerts.map(of_mail));
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
        let changes = self.config.text.global.resources.changes(&text.global.resources);
        if !changes.is_empty() {
            log::info!("reload: watchdog resources changed: {changes}");
        }
        self.favour.change(text.global.resources.clone());
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
