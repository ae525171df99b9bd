//! What a reload is told, and what it says.

use std::fmt;

use serde_json::Value;

use crate::supervisor::ChildId;

/// A client of the control socket that waits for the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Who wants to know how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// HUP: the log tells.
    Signal,
    /// A client.
    Client(Ticket),
}

/// The number of a reload; answers to an earlier one are not mistaken for answers to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Round(pub u64);

/// What a child has to do with a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It runs and goes on: it prepares and commits.
    Member,
    /// It is starting: it becomes a member when it is ready.
    Coming,
    /// It waits to be started again: it will be, with the new text.
    Absent,
    /// The new text asks for it and the old one did not.
    New,
    /// The old text asked for it and the new one does not.
    Leaving,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody asks for a reload.
    Requested {
        /// Who.
        asker: Asker,
        /// Only tell what would change.
        dry_run: bool,
    },
    /// The text was read and is faultless.
    Checked {
        /// What every child has to do with it; those left out have nothing to do with it.
        parts: Vec<(ChildId, Part)>,
    },
    /// The text could not be read or has faults.
    Faulty {
        /// Them.
        text: String,
    },
    /// A child has prepared.
    Prepared {
        /// Who.
        child: ChildId,
        /// In which reload.
        round: Round,
        /// What it will change.
        changes: Value,
    },
    /// A child cannot do it, or answered nonsense.
    Refused {
        /// Who.
        child: ChildId,
        /// In which reload.
        round: Round,
        /// Why.
        text: String,
    },
    /// A child has committed.
    Committed {
        /// Who.
        child: ChildId,
        /// In which reload.
        round: Round,
    },
    /// A child that was starting is ready.
    Ready {
        /// Who.
        child: ChildId,
    },
    /// A child is gone.
    Gone {
        /// Who.
        child: ChildId,
    },
    /// The daemon is on its way out.
    Stopping,
}

/// How a reload ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The new text is in force, or would be.
    Done {
        /// It was only asked what would change.
        dry_run: bool,
        /// What each member changed.
        changes: Vec<(ChildId, Value)>,
        /// Children that are there now and were not before.
        started: Vec<ChildId>,
        /// Children that are not needed any more.
        stopped: Vec<ChildId>,
    },
    /// Nothing has changed.
    Refused {
        /// On whose account; nobody's where the text itself is faulty.
        child: Option<ChildId>,
        /// Why.
        text: String,
    },
    /// Another reload is in flight.
    Busy,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Read and check the text: answer with [`Event::Checked`] or [`Event::Faulty`].
    Load,
    /// Hand the new text to a child.
    Prepare {
        /// Whom.
        child: ChildId,
        /// In which reload.
        round: Round,
    },
    /// Start a child with the new text, on trial.
    Launch {
        /// Whom.
        child: ChildId,
    },
    /// From now on the new text is the good one, also for children that are started again.
    Adopt,
    /// Tell a child to put it in force.
    Commit {
        /// Whom.
        child: ChildId,
        /// In which reload.
        round: Round,
    },
    /// Tell a child to forget it.
    Abort {
        /// Whom.
        child: ChildId,
        /// In which reload.
        round: Round,
    },
    /// Stop a child that is not needed (any more, or after all).
    Retire {
        /// Whom.
        child: ChildId,
    },
    /// Replace a child that does not finish its commit.
    GiveUp {
        /// Whom.
        child: ChildId,
    },
    /// Tell how it ended.
    Answer {
        /// Whom.
        asker: Asker,
        /// What.
        outcome: Outcome,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load => f.write_str("load"),
            Self::Prepare { child, round } => write!(f, "prepare {child} round={}", round.0),
            Self::Launch { child } => write!(f, "launch {child}"),
            Self::Adopt => f.write_str("adopt"),
            Self::Commit { child, round } => write!(f, "commit {child} round={}", round.0),
            Self::Abort { child, round } => write!(f, "abort {child} round={}", round.0),
            Self::Retire { child } => write!(f, "retire {child}"),
            Self::GiveUp { child } => write!(f, "give-up {child}"),
            Self::Answer { asker, outcome } => {
                match asker {
                    Asker::Signal => f.write_str("answer signal: ")?,
                    Asker::Client(ticket) => write!(f, "answer client {}: ", ticket.0)?,
                }
                match outcome {
                    Outcome::Done { dry_run: false, .. } => f.write_str("done"),
                    Outcome::Done { dry_run: true, .. } => f.write_str("would be done"),
                    Outcome::Refused { child: None, text } => write!(f, "refused: {text}"),
                    Outcome::Refused { child: Some(child), text } => write!(f, "refused by {child}: {text}"),
                    Outcome::Busy => f.write_str("busy"),
                }
            }
        }
    }
}
