//! The last changes of an instance's state with their reasons, for whoever asks how it came to be what it is.
//!
//! It is bounded, and goes into the checkpoint, so that the way here outlives the process. The whole history is in
//! the log and in `holdfast events`; the words of a reason are the same there.

use std::collections::VecDeque;
use std::time::Instant;

use crate::machine::fact::StateName;

/// So many are kept.
const KEPT: usize = 8;
/// A reason can hold the words of the kernel or of a script; more of them is no use here.
const LONGEST_REASON: usize = 160;

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::machine) struct Change {
    pub(in crate::machine) at: Instant,
    pub(in crate::machine) from: StateName,
    pub(in crate::machine) to: StateName,
    pub(in crate::machine) priority: u8,
    pub(in crate::machine) reason: String,
}

/// The changes, the newest last.
#[derive(Debug, Default)]
pub(in crate::machine) struct Past(VecDeque<Change>);

impl Past {
    /// One more; the oldest makes room.
    pub(in crate::machine) fn push(&mut self, mut change: Change) {
        if change.reason.chars().count() > LONGEST_REASON {
            change.reason = change.reason.chars().take(LONGEST_REASON).collect();
        }
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(change);
    }

    /// From the oldest to the newest.
    pub(in crate::machine) fn iter(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.0.iter()
    }
}
