//! A reload: the running set becomes the new plan's, touching what changed and nothing else.
//!
//! Removals come first, so that an address or an identifier can move from one instance to another; then changes, then
//! additions. The rules are in `docs/reload.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::{Owner, Phase, Router};
use crate::machine::action::Action;
use crate::machine::event::Event;
use crate::machine::fact::Reason;
use crate::machine::id::{InstanceId, Key, LinkName, Name};
use crate::machine::instance::Cx;
use crate::machine::process::Process;
use crate::machine::script::Script;
use crate::plan::{InstancePlan, Plan, ProcessPlan, ScriptPlan};

impl Router {
    /// Makes a new plan run. What it changes can be had beforehand from `reload::diff`.
    pub fn reconfigure(&mut self, plan: Plan, now: Instant, out: &mut Vec<Action>) {
        if self.phase == Phase::Stopping || plan == self.plan {
            return;
        }
        let new: BTreeMap<Key, &InstancePlan> = plan.instances.iter().map(|i| (i.key, i)).collect();
        self.shed(&new, now, out);
        self.reconfigure_scripts(&plan.scripts, now, out);
        self.reconfigure_processes(&plan.processes, now, out);
        let mut started = Vec::new();
        for instance in &plan.instances {
            let known = self.by_key.get(&instance.key).copied().or_else(|| self.revive(instance.key));
            match known {
                Some(id) => self.change(id, instance, now, out),
                None => started.push(self.insert(instance.clone(), now)),
            }
        }
        self.plan = plan;
        self.files.retain(|name, _| self.plan.files.iter().any(|file| file.name == *name));
        self.regroup();
        if self.phase == Phase::New {
            return;
        }
        self.listen(out);
        let ids: Vec<InstanceId> = self.by_key.values().copied().collect();
        for id in &ids {
            self.refresh_links(*id, now, out);
        }
        for id in &ids {
            if started.contains(id) {
                self.start_instance(*id, now, out);
            } else {
                self.assess(*id, now, out);
                self.schedule(*id);
            }
        }
        for at in 0..self.groups.len() {
            self.settle(at, None, now, out);
        }
        self.schedule_processes();
        self.handle_timeout(now, out);
    }

    /// Takes the number of a file ahead of a reload, which judges by it.
    pub fn remember(&mut self, event: Event<'_>) {
        if let Event::FileRead { file, number } = event {
            self.files.insert(file, number);
        }
    }

    /// What goes: instances that are not in the new plan, addresses that are not in their instance's new plan.
    fn shed(&mut self, new: &BTreeMap<Key, &InstancePlan>, now: Instant, out: &mut Vec<Action>) {
        let claimed: BTreeSet<(LinkName, IpAddr)> =
            new.values().flat_map(|i| i.addresses.iter().map(|a| (a.link, a.address))).collect();
        for (key, id) in self.by_key.clone() {
            let Some(instance) = self.instances.get_mut(&id) else {
                continue;
            };
            let mut cx = Cx { now, links: &mut self.links, out };
            if let Some(plan) = new.get(&key) {
                instance.shed(plan, &mut cx);
                continue;
            }
            // Whoever gets an address next must not find it held, nor lose it when this one ends.
            let wanted = instance.plan.addresses.iter().any(|a| claimed.contains(&(a.link, a.address)));
            instance.removed = true;
            if wanted {
                instance.stop_now(Reason::Removed, &mut cx);
            } else {
                instance.stop(Reason::Removed, &mut cx);
            }
            self.by_key.remove(&key);
            self.leaving.insert(key, id);
            self.schedule(id);
        }
        // One that an earlier reload removed may still be handing over what this one gives to another.
        for (_, id) in self.leaving.clone().into_iter().filter(|(key, _)| !new.contains_key(key)) {
            if let Some(instance) = self.instances.get_mut(&id)
                && instance.plan.addresses.iter().any(|a| claimed.contains(&(a.link, a.address)))
            {
                instance.stop_now(Reason::Removed, &mut Cx { now, links: &mut self.links, out });
            }
            self.schedule(id);
        }
        self.drop_done();
    }

    /// An instance that was removed and is still handing over is wanted again.
    fn revive(&mut self, key: Key) -> Option<InstanceId> {
        let id = self.leaving.remove(&key)?;
        self.by_key.insert(key, id);
        Some(id)
    }

    fn change(&mut self, id: InstanceId, plan: &InstancePlan, now: Instant, out: &mut Vec<Action>) {
        if let Some(instance) = self.instances.get_mut(&id)
            && (*instance.plan != *plan || instance.removed)
        {
            instance.reconfigure(plan.clone(), &mut Cx { now, links: &mut self.links, out });
        }
    }

    fn reconfigure_processes(&mut self, plans: &[ProcessPlan], now: Instant, out: &mut Vec<Action>) {
        let gone = |name: &Name| !plans.iter().any(|plan| plan.name == *name);
        for name in self.processes.keys().filter(|name| gone(name)) {
            self.deadlines.set(&Owner::Process(name.clone()), None);
        }
        self.processes.retain(|name, _| !gone(name));
        for plan in plans {
            match self.processes.get_mut(&plan.name) {
                Some(process) if process.plan == *plan => {}
                Some(process) => process.reconfigure(plan.clone(), now, out),
                None => drop(self.processes.insert(plan.name.clone(), Process::new(plan.clone()))),
            }
        }
    }

    fn reconfigure_scripts(&mut self, plans: &[ScriptPlan], now: Instant, out: &mut Vec<Action>) {
        let wanted: BTreeSet<&Name> = plans.iter().map(|s| &s.name).collect();
        let gone: Vec<Name> = self.scripts.keys().filter(|n| !wanted.contains(n)).cloned().collect();
        for name in gone {
            if let Some(script) = self.scripts.remove(&name) {
                script.stop(out);
            }
            self.deadlines.set(&Owner::Script(name), None);
        }
        for plan in plans {
            match self.scripts.get_mut(&plan.name) {
                Some(script) if script.plan == *plan => {}
                Some(script) => script.reconfigure(plan.clone(), now, out),
                None => {
                    self.scripts.insert(plan.name.clone(), Script::new(plan.clone(), now));
                }
            }
            if self.phase == Phase::Running {
                self.schedule_script(&plan.name);
            }
        }
    }
}
