//! What every child process of `holdfastd` does alike: inherit, answer hellos, reload in two steps, stop in
//! order. What is the child's own is an [`App`]; [`run`] puts it on the event loop.
//!
//! A child inherits six descriptors: its listening control socket (made by the watchdog, so that it outlives
//! the child), its share of the checked configuration, a life line whose end of stream says that the watchdog is gone,
//! the memory file with the [checkpoint](crate::checkpoint), a mark that says that it is there, and the pipe of the
//! [history](crate::history). The hello is answered from the same loop that
//! does the child's work, so an answer proves that loop alive. The first answer says "ready".

mod app;
mod inherited;
pub mod lateness;

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use crate::change::{self, Traffic};
use crate::checkpoint::Store;
use crate::control::{ClientId, Incoming, Server};
use crate::event_loop::{Cx, Drained, EventLoop, Interest, Process, Readiness, Registration, Signal, clock};
use crate::exit::Exit;
use crate::history::Outbox;
use crate::log::timestamp;
use crate::surroundings::Favour;
use crate::sys::memory;
use inherited::document;
use lateness::Watch;

pub use app::{App, AppCx, ChildKey, StartError, Which};
pub use inherited::{FDS_VARIABLE, Inherited, Share};

/// Why a child stops that nobody has asked to.
const ORPHANED: &str = "the watchdog is gone";
/// So long after a start or a reload what follows from it is done: announcements, first checks.
const SETTLED_AFTER: Duration = Duration::from_secs(4);
/// A checkpoint up to this size also travels in the answer to a hello.
const HELLO_CHECKPOINT: usize = 32 * 1024;

/// An app with what all children have.
struct Child<A: App> {
    app: A,
    control: Server<ChildKey<A::Key>>,
    _life_line_registration: Registration<ChildKey<A::Key>>,
    life_line: UnixStream,
    store: Store,
    /// The same, where it is small enough to travel in the answer to a hello.
    carried: Option<Vec<u8>>,
    incoming: Vec<Incoming>,
    history: Outbox,
    /// Who asked for `events`.
    subscribers: Vec<ClientId>,
    /// Who waits for the rest of a status.
    telling: VecDeque<Telling>,
    /// The configuration in force.
    share: Share,
    /// The one that waits for its commit.
    prepared: Option<Prepared>,
    stopping: bool,
    favour: Favour,
    lateness: Watch,
    /// When memory that only a start or a reload needed is given back: with the next hello after it.
    tidy_at: Option<Instant>,
}

/// A status that is told in pieces.
struct Telling {
    client: ClientId,
    id: u64,
    /// Where the next piece begins, and since when it is due.
    from: usize,
    due: Instant,
    text: Vec<u8>,
}

/// A reload between its two steps.
struct Prepared {
    share: Share,
    /// Whether the app has prepared anything.
    changed: bool,
}

/// Runs an app as a child process until it has stopped. The main function of every child.
///
/// What keeps it from running is logged, and told to the watchdog over the life line: whoever starts the daemon at a
/// terminal wants to read it there.
pub fn run<A: App>(inherited: Inherited, app: A) -> Exit {
    let teller = inherited.life_line.try_clone();
    match try_run(inherited, app) {
        Ok(exit) => exit,
        Err(error) => {
            log::error!("cannot run: {error}");
            if let Ok(teller) = teller {
                // Nobody listens where the watchdog is gone; the log has it.
                let _unheard = UnixStream::from(teller).write_all(error.message.as_bytes());
            }
            error.exit
        }
    }
}

fn try_run<A: App>(inherited: Inherited, mut app: A) -> Result<Exit, StartError> {
    let failed = |what: &str, error: io::Error| {
        let exit =
            if error.kind() == io::ErrorKind::PermissionDenied { Exit::Permission } else { Exit::Failed };
        StartError { exit, message: format!("{what}: {error}") }
    };
    let surroundings = app.surroundings(Which::InForce);
    surroundings.enter().map_err(|error| {
        let exit = if error.is_permission() { Exit::Permission } else { Exit::Config };
        StartError { exit, message: error.to_string() }
    })?;
    let mut favour = Favour::default();
    favour.change(surroundings.resources);
    let mut event_loop = EventLoop::new().map_err(|error| failed("event loop", error))?;
    let mut cx = event_loop.cx();
    let life_line = UnixStream::from(inherited.life_line);
    life_line.set_nonblocking(true).map_err(|error| failed("life line", error))?;
    let registration = cx.registry().add(&life_line, ChildKey::LifeLine, Interest::Read);
    let registration = registration.map_err(|error| failed("life line", error))?;
    let saved = inherited.checkpoint.load();
    let carried = saved.clone().filter(|state| state.len() <= HELLO_CHECKPOINT);
    app.start(saved, &mut cx)?;
    let control = Server::new(inherited.listener, ChildKey::Control, &cx);
    let mut child = Child {
        app,
        control: control.map_err(|error| failed("control socket", error))?,
        _life_line_registration: registration,
        life_line,
        store: inherited.checkpoint,
        carried,
        incoming: Vec::new(),
        history: inherited.history,
        subscribers: Vec::new(),
        telling: VecDeque::new(),
        share: inherited.config,
        prepared: None,
        stopping: false,
        favour,
        lateness: Watch::default(),
        tidy_at: Some(cx.now() + SETTLED_AFTER),
    };
    child.settled(&mut cx);
    memory::give_back();
    event_loop.run(&mut child).map_err(|error| failed("waiting for events", error))
}

impl<A: App> Child<A> {
    fn stop(&mut self, why: &str, cx: &mut AppCx<'_, A::Key>) {
        if !self.stopping {
            // Nobody is left to start us again: that is for the operator to know.
            let level = if why == ORPHANED { log::Level::Warn } else { log::Level::Info };
            log::log!(level, "stopping: {why}");
            self.stopping = true;
            self.app.stop(cx);
        }
    }

    fn answer(&mut self, incoming: Incoming, cx: &mut AppCx<'_, A::Key>) {
        let Incoming { client, request, fds, uid } = incoming;
        let outcome = match request.method.as_str() {
            "hello" => Ok(self.hello(cx)),
            "status" => {
                let telling = Telling { client, id: request.id, from: 0, due: cx.now(), text: Vec::new() };
                self.telling.push_back(telling);
                return self.tell(cx);
            }
            "events" => {
                if !self.subscribers.contains(&client) {
                    self.subscribers.push(client);
                }
                Ok(json!({}))
            }
            "prepare" => self.prepare(fds),
            "commit" => self.commit(cx),
            "abort" => {
                self.prepared = None;
                self.app.abort();
                Ok(json!({}))
            }
            "stop" => {
                self.stop("asked to", cx);
                Ok(json!({}))
            }
            method => {
                let outcome = self.app.request(method, &request.params, uid, cx);
                // Who was told that it is done may rely on it, also if this process is killed the next moment.
                self.save();
                outcome
            }
        };
        self.control.reply(client, request.id, outcome, cx.now());
    }

    /// Writes the checkpoint if it has changed.
    fn save(&mut self) {
        let Some(state) = self.app.checkpoint() else { return };
        match self.store.save(&state) {
            Ok(()) => self.carried = Some(state).filter(|state| state.len() <= HELLO_CHECKPOINT),
            Err(error) => log::warn!("checkpoint not saved: a restart would start afresh: {error}"),
        }
    }

    /// Tells the next piece of the status that was asked for first.
    fn tell(&mut self, cx: &AppCx<'_, A::Key>) {
        let now = cx.now();
        let Some(mut telling) = self.telling.pop_front() else { return };
        if !self.control.is_connected(telling.client) {
            return;
        }
        match self.app.status_piece(telling.from, now, &mut telling.text) {
            Some(from) => self.telling.push_front(Telling { from, due: now, ..telling }),
            None => {
                self.add_own(&mut telling.text, cx);
                self.control.reply_text(telling.client, telling.id, &telling.text, now);
            }
        }
    }

    /// Adds to the text of the app's status what is alike in all children.
    fn add_own(&self, text: &mut Vec<u8>, cx: &AppCx<'_, A::Key>) {
        if text.pop_if(|last| *last == b'}').is_none() {
            return;
        }
        if text.last() != Some(&b'{') {
            text.push(b',');
        }
        let lateness = lateness::status(cx.lateness(), cx.now());
        let refused = json!(self.favour.refused());
        text.extend(format!("\"lateness\":{lateness},\"resources_refused\":{refused}}}").into_bytes());
    }

    fn hello(&mut self, cx: &AppCx<'_, A::Key>) -> Value {
        if self.tidy_at.take_if(|at| *at <= cx.now()).is_some() {
            memory::give_back();
        }
        let lateness = cx.lateness();
        json!({
            "pid": std::process::id(),
            "progress": self.app.progress(),
            "lateness_us": lateness::micros(lateness.last),
            "lateness_worst_us": lateness::micros(lateness.worst),
            "checkpoint": self.carried.as_ref().map(|state| base64::engine::general_purpose::STANDARD.encode(state)),
        })
    }

    /// Tells the history and the subscribers. One that does not read is cut off by the server.
    fn publish(&mut self, events: Vec<Value>, now: Instant) {
        if events.is_empty() {
            return;
        }
        self.history.tell(&events, now, clock::wall());
        if self.subscribers.is_empty() {
            return;
        }
        self.subscribers.retain(|client| self.control.is_connected(*client));
        let at = timestamp(clock::wall());
        for mut event in events {
            if let Some(fields) = event.as_object_mut() {
                fields.insert("at".to_owned(), at.clone().into());
            }
            for client in &self.subscribers {
                self.control.push(*client, &event, now);
            }
        }
    }

    fn prepare(&mut self, fds: Vec<OwnedFd>) -> Result<Value, String> {
        if self.stopping {
            return Err("it is stopping".into());
        }
        let share = fds.into_iter().next().ok_or("no configuration came with the request")?;
        let share = Share::new(share);
        let damaged = |error: io::Error| error.to_string();
        let (before, bytes) = (self.share.bytes().map_err(damaged)?, share.bytes().map_err(damaged)?);
        let changed = before != bytes || self.app.reads_more();
        let changes = if changed {
            let (before, document) = (document(before).map_err(damaged)?, document(bytes).map_err(damaged)?);
            let changes = self.app.prepare(&before, &document)?;
            self.prepare_surroundings(changes)?
        } else {
            json!([])
        };
        self.prepared = Some(Prepared { share, changed });
        Ok(json!({ "changes": changes }))
    }

    /// Refuses what a running process cannot do; tells what else changes for it.
    fn prepare_surroundings(&mut self, mut changes: Value) -> Result<Value, String> {
        let (old, new) = (self.app.surroundings(Which::InForce), self.app.surroundings(Which::Prepared));
        if let Err(refusal) = old.allow(&new) {
            self.app.abort();
            return Err(refusal);
        }
        let detail = old.resources.changes(&new.resources);
        if let Some(list) = changes.as_array_mut().filter(|_| !detail.is_empty()) {
            list.push(change::told("resources", "changed", &detail, Traffic::Untouched));
        }
        Ok(changes)
    }

    fn commit(&mut self, cx: &mut AppCx<'_, A::Key>) -> Result<Value, String> {
        let Prepared { share, changed } = self.prepared.take().ok_or("nothing is prepared")?;
        if changed {
            self.app.commit(cx);
            memory::give_back();
            self.tidy_at = Some(cx.now() + SETTLED_AFTER);
            for telling in &mut self.telling {
                telling.from = 0;
                telling.text.clear();
            }
        } else {
            self.app.refresh(cx);
        }
        if changed {
            self.favour.change(self.app.surroundings(Which::InForce).resources);
        }
        self.share = share;
        Ok(json!({}))
    }
}

impl<A: App> Process for Child<A> {
    type Key = ChildKey<A::Key>;

    fn ready(&mut self, key: Self::Key, readiness: Readiness, cx: &mut Cx<'_, Self::Key>) -> Drained {
        match key {
            ChildKey::App(key) => self.app.ready(key, readiness, cx),
            ChildKey::LifeLine => {
                let mut nothing = [0; 16];
                match self.life_line.read(&mut nothing) {
                    Ok(0) => self.stop(ORPHANED, cx),
                    Ok(_) => return Drained::More,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => self.stop(&format!("the watchdog is gone: {error}"), cx),
                }
                Drained::Yes
            }
            ChildKey::Control(key) => {
                let mut incoming = std::mem::take(&mut self.incoming);
                let drained = self.control.ready(key, cx, &mut incoming);
                for request in incoming.drain(..) {
                    self.answer(request, cx);
                }
                self.incoming = incoming;
                drained
            }
        }
    }

    fn timeout(&mut self, cx: &mut Cx<'_, Self::Key>) {
        self.control.timeout(cx.now());
        self.app.timeout(cx);
        self.tell(cx);
        if self.history.poll_timeout().is_some() {
            self.history.timeout(cx.now(), clock::wall());
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let telling = self.telling.front().map(|telling| telling.due);
        let own = [self.control.poll_timeout(), self.history.poll_timeout(), telling];
        own.into_iter().chain([self.app.poll_timeout()]).flatten().min()
    }

    fn signal(&mut self, signal: Signal, cx: &mut Cx<'_, Self::Key>) {
        match signal {
            // The watchdog's death sends a signal too, which may come before the end of the life line.
            Signal::Stop => {
                let orphaned = matches!(self.life_line.read(&mut [0; 16]), Ok(0));
                self.stop(if orphaned { ORPHANED } else { "signal" }, cx);
            }
            Signal::Child => self.app.child_signal(cx),
            Signal::Reopen => crate::log::reopen(),
            // The watchdog is the one who reloads and dumps.
            Signal::Reload | Signal::Dump => {}
        }
    }

    fn settled(&mut self, cx: &mut Cx<'_, Self::Key>) {
        self.lateness.look(cx.lateness(), cx.now());
        let events = self.app.events();
        self.publish(events, cx.now());
        self.save();
    }

    fn finished(&self) -> Option<Exit> {
        (self.stopping && self.app.stopped()).then_some(Exit::Done)
    }
}

#[cfg(test)]
mod tests;
