//! The part of a child that is its own: what [`run`](super::run) asks of it, and what it may ask back.

use std::fmt;
use std::time::Instant;

use serde_json::Value;

use crate::config::Document;
use crate::control::ControlKey;
use crate::event_loop::{Cx, Drained, Readiness};
use crate::exit::Exit;
use crate::surroundings::Surroundings;

/// Why a child cannot start.
#[derive(Debug)]
pub struct StartError {
    /// The exit code: a permanent one where starting again cannot help.
    pub exit: Exit,
    /// For the log.
    pub message: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StartError {}

/// Keys of a child's loop: what all children have, and the app's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChildKey<K> {
    /// The watchdog's end of it closes when the watchdog dies.
    LifeLine,
    /// The control socket and its clients.
    Control(ControlKey),
    /// The app's own.
    App(K),
}

/// The context an [`App`] works in.
pub type AppCx<'a, K> = Cx<'a, ChildKey<K>>;

/// Which of two configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one in force.
    InForce,
    /// The one that a reload has prepared.
    Prepared,
}

/// The part of a child that is its own.
pub trait App {
    /// What it calls its sources; it registers them as `ChildKey::App(key)`.
    type Key: Copy + fmt::Debug;

    /// Starts working: sockets, kernel state, first deadlines. `checkpoint` is the predecessor's state.
    ///
    /// # Errors
    /// Where it cannot work at all. What may heal by itself is not an error but a fault in the status.
    fn start(&mut self, checkpoint: Option<Vec<u8>>, cx: &mut AppCx<'_, Self::Key>)
    -> Result<(), StartError>;
    /// A source became ready.
    fn ready(&mut self, key: Self::Key, readiness: Readiness, cx: &mut AppCx<'_, Self::Key>) -> Drained;
    /// A deadline passed; may be called spuriously.
    fn timeout(&mut self, cx: &mut AppCx<'_, Self::Key>);
    /// The next deadline.
    fn poll_timeout(&self) -> Option<Instant>;
    /// A child process of it may have ended (its pidfd says which; this is for those without one).
    fn child_signal(&mut self, _cx: &mut AppCx<'_, Self::Key>) {}

    /// Counters for the hello's answer.
    fn progress(&self) -> Value;
    /// The part of the status JSON that is this child's (`design: vrrp or checker`).
    fn status(&mut self, now: Instant) -> Value;
    /// The same as text, a piece in each turn of the loop, so that nothing else waits for a large one: appends the piece
    /// that begins at `from` (0 for the first), and says where the next one begins. After a reload it is begun anew.
    fn status_piece(&mut self, from: usize, now: Instant, text: &mut Vec<u8>) -> Option<usize> {
        debug_assert_eq!(from, 0, "it is whole");
        text.extend(self.status(now).to_string().into_bytes());
        None
    }
    /// The state a successor needs, if it changed since the last call. Asked at the end of every turn.
    fn checkpoint(&mut self) -> Option<Vec<u8>>;

    /// First step of a reload: plans the new configuration and keeps the plan; touches nothing that runs. `before` is
    /// the one in force. Returns the changes as a JSON list of `{"object","change","detail"}`. Not called where the two
    /// are equal, unless [`App::reads_more`].
    ///
    /// # Errors
    /// Why it cannot be done; nothing has changed then.
    fn prepare(&mut self, before: &Document, document: &Document) -> Result<Value, String>;
    /// Whether the plan in force has more in it than the configuration says, such as the contents of files it names:
    /// a reload prepares then, also where the configuration is as it was.
    fn reads_more(&self) -> bool {
        false
    }
    /// Second step: carries the prepared plan out. Must not fail.
    fn commit(&mut self, cx: &mut AppCx<'_, Self::Key>);
    /// Instead of both steps where nothing was changed: what is looked up outside the configuration, such as users, may
    /// be looked up again.
    fn refresh(&mut self, _cx: &mut AppCx<'_, Self::Key>) {}
    /// Instead of the second step: forgets the prepared plan.
    fn abort(&mut self);

    /// What happened since the last call, for the [history](crate::history) and for those who asked for `events`: objects
    /// with an `event` that names the kind. Asked at the end of every turn.
    fn events(&mut self) -> Vec<Value> {
        Vec::new()
    }

    /// A request beyond those every child knows.
    ///
    /// # Errors
    /// What the client is told.
    fn request(
        &mut self,
        method: &str,
        _params: &Value,
        _uid: Option<u32>,
        _cx: &mut AppCx<'_, Self::Key>,
    ) -> Result<Value, String> {
        Err(format!("unknown method {method:?}"))
    }

    /// What the process is to live in: as the configuration in force has it, or, between [`App::prepare`] and its
    /// end, the prepared one.
    fn surroundings(&self, of: Which) -> Surroundings;

    /// Begins the orderly stop. Called once. Must be over within a few seconds: the watchdog kills then.
    fn stop(&mut self, cx: &mut AppCx<'_, Self::Key>);
    /// Whether the orderly stop is over.
    fn stopped(&self) -> bool;
}
