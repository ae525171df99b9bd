//! Which of the kernel's daemons for connections is to run: the one that sends on the master, the one that listens on
//! the others, and both where no instance is followed.

use super::{Phase, Router};
use crate::machine::action::Action;
use crate::machine::instance::State;
use crate::machine::ipvs_sync::WantedSync;

impl Router {
    /// Says which are to run when that has changed.
    pub(super) fn follow_sync(&mut self, out: &mut Vec<Action>) {
        let wanted = self.wanted_sync();
        if wanted != self.sync {
            self.sync = wanted;
            out.push(Action::IpvsSync(wanted));
        }
    }

    fn wanted_sync(&self) -> Option<WantedSync> {
        let plan = self.plan.ipvs_sync.as_ref()?;
        let (master, backup) = match plan.instance {
            None => (true, true),
            Some(key) => {
                let instance = self.by_key.get(&key).and_then(|id| self.instances.get(id));
                match instance.map(|instance| &instance.state) {
                    Some(State::Master(_) | State::Releasing(_)) => (true, false),
                    // On the way out a daemon would be started for nothing.
                    Some(State::Init) | None if self.phase == Phase::Stopping => (false, false),
                    Some(State::Init | State::Backup(_) | State::Fault) | None => (false, true),
                }
            }
        };
        let index = self.links.facts(plan.settings.link).map(|facts| facts.index);
        let wanted = WantedSync { settings: plan.settings, index, master, backup };
        Some(wanted).filter(|_| !self.stopped())
    }
}
