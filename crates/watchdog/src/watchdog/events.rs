//! What the event loop brings, and where it goes.

use std::time::Instant;

use common::event_loop::{Cx, Drained, Process, Readiness, Signal};
use common::exit::Exit;
use nix::sys::signal::Signal as Kill;

use super::status::Dump;
use super::{Key, Todo, Watchdog};
use crate::incarnation::Incarnation;
use crate::reload::{self, Asker};
use crate::supervisor::Event;

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
            Key::History => return self.history.ready(),
            Key::CourierTells => self.post.courier_tells(cx),
            Key::CourierEnded => self.post.courier_ended(cx),
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
        self.history.timeout(now);
        self.post.timeout(cx);
        self.perform(cx);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let dump = self.dump.as_ref().map(Dump::until);
        [
            self.supervisor.poll_timeout(),
            self.reload.poll_timeout(),
            self.control.poll_timeout(),
            self.alive_at,
            self.history.poll_timeout(),
            self.post.poll_timeout(),
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
            Signal::Reopen => {
                common::log::reopen();
                for living in self.places.iter().filter_map(|place| place.living.as_ref()) {
                    living.signal(Kill::SIGUSR2);
                }
            }
            Signal::Child => {
                self.post.courier_ended(cx);
                self.reap_orphans(now);
            }
        }
        self.perform(cx);
    }

    fn settled(&mut self, cx: &mut Cx<'_, Key>) {
        self.lateness = cx.lateness();
        self.late.look(self.lateness, cx.now());
        self.alert(Some(cx));
        self.close_sockets();
    }

    fn finished(&self) -> Option<Exit> {
        self.exit.or(self.give_place.then_some(Exit::Done))
    }
}
