//! Deadlines: who has the next one, and what is done when it has come.
//!
//! Whatever moves the deadline of an instance, a script, a process or a socket sets it in the queue at once.

use std::time::Instant;

use super::{Phase, Router};
use crate::machine::action::Action;
use crate::machine::id::{Family, InstanceId, LinkName, Name};
use crate::machine::instance::Instance;
use crate::machine::script::Script;

/// Whose deadline it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Instance(InstanceId),
    Script(Name),
    Process(Name),
    Listener(LinkName, Family),
    Objects,
    Orders,
}

impl Router {
    /// The earliest deadline of all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Does everything that is due; afterwards the next deadline lies in the future.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        // Each owner moves its deadline past `now` when it acts; the bound is for the day one does not.
        let owners = [self.instances.len(), self.scripts.len(), self.processes.len(), self.listeners.len()];
        let most = 4 * owners.iter().sum::<usize>() + 16;
        for _ in 0..most {
            let Some(owner) = self.deadlines.pop_due(now) else {
                break;
            };
            match owner {
                Owner::Instance(id) => {
                    self.with(id, now, out, |i, cx| i.handle_timeout(cx));
                }
                Owner::Script(name) => {
                    if let Some(script) = self.scripts.get_mut(&name)
                        && self.phase == Phase::Running
                    {
                        script.handle_timeout(now, out);
                        self.schedule_script(&name);
                    }
                }
                Owner::Process(name) => {
                    self.process_turned(&name, now, out, |process, out| process.handle_timeout(now, out));
                }
                Owner::Listener(link, family) => {
                    self.listeners.retry((link, family), now, out);
                    self.schedule_listener((link, family));
                }
                Owner::Orders => self.expire_orders(now, out),
                // Seen to below.
                Owner::Objects => {}
            }
        }
        self.tidy_orders(now, out);
        self.sweep(out);
        self.reconcile(now, out);
    }

    pub(super) fn schedule(&mut self, id: InstanceId) {
        let at = self.instances.get(&id).and_then(Instance::poll_timeout);
        self.deadlines.set(&Owner::Instance(id), at);
    }

    pub(super) fn schedule_script(&mut self, name: &Name) {
        let at = self.scripts.get(name).and_then(Script::poll_timeout);
        self.deadlines.set(&Owner::Script(name.clone()), at);
    }

    pub(super) fn schedule_processes(&mut self) {
        for (name, process) in &self.processes {
            self.deadlines.set(&Owner::Process(name.clone()), process.poll_timeout());
        }
    }

    pub(super) fn schedule_listener(&mut self, which: (LinkName, Family)) {
        self.deadlines.set(&Owner::Listener(which.0, which.1), self.listeners.retry_at(which));
    }
}
