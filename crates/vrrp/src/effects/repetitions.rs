//! Announcements that were made once and are to be made again, when nothing urgent waits.

use crate::machine::action::Action;
use crate::machine::fact::{Fact, StateName};
use crate::machine::id::InstanceId;

/// Announcements of instances that are master still.
#[derive(Debug, Default)]
pub(super) struct Repetitions(Vec<Action>);

impl Repetitions {
    /// Adds those announcements that are not done with once, emptying the list.
    pub(super) fn append(&mut self, announcements: &mut Vec<Action>) {
        let again = |action: &Action| matches!(action, Action::Announce { repeat, .. } if *repeat > 1);
        self.0.extend(announcements.drain(..).filter(again));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets those of an instance that gives its addresses up: they are somebody else's from now on.
    pub(super) fn heed(&mut self, action: &Action) {
        if self.is_empty() {
            return;
        }
        if let Action::RemoveAddresses { instance, .. } = action {
            self.forget(instance.id);
        } else if let Action::Report(Fact::Transition { instance, to, .. }) = action
            && *to != StateName::Master
        {
            self.forget(instance.id);
        }
    }

    fn forget(&mut self, id: InstanceId) {
        self.0.retain(|action| !matches!(action, Action::Announce { instance, .. } if instance.id == id));
    }

    /// All of them; none are left.
    pub(super) fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests;
