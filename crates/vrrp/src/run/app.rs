//! The process as its shell sees it: sources, hellos, reloads in two steps, requests and the stop are handed to what
//! runs.

use std::time::Instant;

use common::change::{self, Traffic};
use common::child::{App, AppCx, StartError, Which};
use common::config::Document;
use common::event_loop::{Drained, Readiness};
use common::surroundings::Surroundings;
use serde_json::{Value, json};

use super::{Key, Running, Vrrp, configure, watches};
use crate::machine::event::Event;
use crate::machine::router::Router;
use crate::reload::Step;

impl App for Vrrp {
    type Key = Key;

    fn start(&mut self, checkpoint: Option<Vec<u8>>, cx: &mut AppCx<'_, Key>) -> Result<(), StartError> {
        self.running = Some(Running::start(&self.configured, &self.run_dir, checkpoint, cx)?);
        Ok(())
    }

    fn ready(&mut self, key: Key, _readiness: Readiness, cx: &mut AppCx<'_, Key>) -> Drained {
        let Some(running) = &mut self.running else { return Drained::Yes };
        let now = cx.now();
        match key {
            Key::Listener(link, family) => running.hear(link, family, now),
            Key::Kernel => {
                let drained = running.effects.kernel.ready(now, &mut running.news);
                running.settle_urgent(now);
                drained
            }
            Key::Filter => {
                let drained = running.effects.refusals.ready(now, &mut running.news);
                running.settle(now);
                drained
            }
            Key::Files => {
                let drained = running.files.ready(now, &mut running.news);
                running.settle(now);
                drained
            }
            Key::Processes => {
                let drained = running.processes.ready(now, &mut running.news);
                running.settle(now);
                drained
            }
            Key::Objects => {
                let drained = running.watch.ready(now, &mut running.news);
                running.settle(now);
                drained
            }
            Key::Fifos => {
                running.effects.fifos.flush();
                Drained::Yes
            }
            Key::Scripts => {
                let drained = running.effects.scripts.ready(now, &mut running.news);
                running.settle(now);
                drained
            }
        }
    }

    fn timeout(&mut self, cx: &mut AppCx<'_, Key>) {
        if let Some(running) = &mut self.running {
            running.timeout(cx.now());
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.running.as_ref()?.poll_timeout()
    }

    fn progress(&self) -> Value {
        let router = self.running.as_ref().map(|running| &running.router);
        json!({
            "adverts_sent": router.map_or(0, Router::adverts_sent),
            "masters": router.map_or(0, Router::masters),
        })
    }

    fn status(&mut self, now: Instant) -> Value {
        let Some(running) = &self.running else { return Value::Null };
        let mut status = serde_json::to_value(running.router.status(now)).unwrap_or_default();
        if let Some(fields) = status.as_object_mut() {
            fields.insert("ipvs_sync".to_owned(), running.effects.ipvs_sync.status());
            fields.insert("notify_fifos".to_owned(), running.effects.fifos.status());
            fields.insert("process_reports_refused".to_owned(), running.processes.trouble().into());
        }
        running.add_orders(&mut status, now);
        status
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        // What is urgent goes before it.
        let running = self.running.as_mut().filter(|running| running.put_off.is_none())?;
        running.saving.save(&running.router)
    }

    fn events(&mut self) -> Vec<Value> {
        let told = self.running.as_mut().map(|running| running.effects.take_told());
        let mut events = told.unwrap_or_default();
        let plan = &self.configured.plan;
        events.iter_mut().for_each(|event| crate::events::mark(event, plan));
        events
    }

    fn prepare(&mut self, _before: &Document, document: &Document) -> Result<Value, String> {
        let next = configure(document)?;
        if let Some((name, fault)) = next.plan.missing_key() {
            return Err(format!("instance {name}: no key to sign adverts with: {fault}"));
        }
        let steps = crate::reload::diff(&self.configured.plan, &next.plan);
        let mut changes: Vec<Value> = steps.iter().map(Step::told).collect();
        let old = &self.configured;
        let own =
            [("notify_fifo", old.fifos == next.fifos), ("script_user", old.script_user == next.script_user)];
        let own: Vec<&str> = own.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect();
        if !own.is_empty() {
            changes.push(change::told("vrrp", "changed", &own.join(", "), Traffic::Untouched));
        }
        self.prepared = Some(next);
        Ok(changes.into())
    }

    fn reads_more(&self) -> bool {
        self.configured.reads_more
    }

    fn commit(&mut self, cx: &mut AppCx<'_, Key>) {
        let Some(next) = self.prepared.take() else { return };
        if let Some(running) = &mut self.running {
            let now = cx.now();
            running.effects.scripts.reconfigure(next.script_user.clone());
            running.effects.fifos.reconfigure(&next.fifos, cx.registry());
            // Before the new addresses are installed; those that go are removed at once.
            running.leftovers.write(&[running.router.plan(), &next.plan], &[]);
            running.watch.set(watches(&next.plan), now);
            // What is in new files is known before they count, and counts with the new plan only.
            running.files.watch(&next.plan.files, now, &mut running.news);
            if next.plan != *running.router.plan() {
                for event in running.news.drain(..) {
                    running.router.remember(event);
                }
            }
            running.settle(now);
            running.router.reconfigure(next.plan.clone(), now, &mut running.actions);
            running.processes.watch(&next.plan.processes, now, &mut running.news);
            running.settle(now);
            running.saving.touched(now, true);
        }
        self.configured = next;
    }

    fn refresh(&mut self, _cx: &mut AppCx<'_, Key>) {
        if let Some(running) = &mut self.running {
            running.effects.scripts.reconfigure(self.configured.script_user.clone());
        }
    }

    fn abort(&mut self) {
        self.prepared = None;
    }

    fn request(
        &mut self,
        method: &str,
        params: &Value,
        uid: Option<u32>,
        cx: &mut AppCx<'_, Key>,
    ) -> Result<Value, String> {
        match (method, &mut self.running) {
            ("steer", Some(running)) => running.steer(params, uid, cx.now()),
            ("steer", None) => Err("it is not running yet".to_owned()),
            _ => Err(format!("unknown method {method:?}")),
        }
    }

    fn surroundings(&self, of: Which) -> Surroundings {
        let prepared = self.prepared.as_ref().filter(|_| of == Which::Prepared);
        prepared.unwrap_or(&self.configured).surroundings.clone()
    }

    fn stop(&mut self, cx: &mut AppCx<'_, Key>) {
        if let Some(running) = &mut self.running {
            running.feed(Event::StopRequested, cx.now());
        }
    }

    fn stopped(&self) -> bool {
        let over = |running: &Running| running.router.stopped() && running.effects.scripts.is_idle();
        self.running.as_ref().is_none_or(over)
    }
}
