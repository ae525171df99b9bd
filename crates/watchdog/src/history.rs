//! The history as the watchdog keeps it: what the children tell through a pipe, and what it has to tell itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use common::event_loop::{Cx, Drained, Interest, Registration, clock};
use common::history::{Inbox, Outbox, Store, pipe};
use serde_json::Value;

use crate::watchdog::Key;

/// So many times a pipe that is never empty is read before something of our own is told.
const ROUNDS: usize = 8;

/// Both ends of the pipe, and the files.
#[derive(Debug)]
pub(crate) struct History {
    _registration: Registration<Key>,
    inbox: Inbox,
    /// For the children.
    writer: OwnedFd,
    own: Outbox,
    store: Store,
    /// What was told since the last look, for whoever wants to know at once.
    fresh: Option<Vec<Vec<u8>>>,
}

impl History {
    /// That of a run directory.
    pub(crate) fn new(dir: &Path, cx: &Cx<'_, Key>) -> io::Result<Self> {
        let (reader, writer) = pipe()?;
        let inbox = Inbox::new(reader);
        let registration = cx.registry().add(&inbox.fd(), Key::History, Interest::Read)?;
        let own = Outbox::new(writer.try_clone()?, "watchdog");
        Ok(Self { _registration: registration, inbox, writer, own, store: Store::new(dir), fresh: None })
    }

    /// The end that every child inherits.
    pub(crate) fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    /// Tells something, behind all that others told before.
    pub(crate) fn tell(&mut self, event: &Value, now: Instant) {
        self.drain();
        self.own.tell(std::slice::from_ref(event), now, clock::wall());
        self.drain();
    }

    /// Keeps a part of what has come.
    pub(crate) fn ready(&mut self) -> Drained {
        let mut lines = Vec::new();
        let more = self.inbox.read(&mut lines);
        self.store.append(&lines, clock::wall());
        if let Some(fresh) = &mut self.fresh {
            fresh.append(&mut lines);
        }
        if more { Drained::More } else { Drained::Yes }
    }

    /// Keeps all that has come: what a dead child told last.
    pub(crate) fn drain(&mut self) {
        for _ in 0..ROUNDS {
            if self.ready() == Drained::Yes {
                break;
            }
        }
    }

    /// Whether somebody wants to know at once.
    pub(crate) fn keep_fresh(&mut self, keep: bool) {
        if keep {
            self.fresh.get_or_insert_default();
        } else {
            self.fresh = None;
        }
    }

    /// What was told since the last time, line by line.
    pub(crate) fn take_fresh(&mut self) -> Vec<Vec<u8>> {
        self.fresh.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.own.poll_timeout()
    }

    pub(crate) fn timeout(&mut self, now: Instant) {
        self.own.timeout(now, clock::wall());
    }

    /// Why it cannot be kept, if so.
    pub(crate) fn error(&self) -> Option<&str> {
        self.store.error()
    }
}
