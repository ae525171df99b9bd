//! The process as its shell sees it: hellos, reloads in two steps, requests and the stop are handed to what runs.

use std::time::Instant;

use common::child::{App, AppCx, StartError, Which};
use common::config::Document;
use common::event_loop::{Drained, Readiness, clock};
use common::surroundings::Surroundings;
use serde_json::{Value, json};

use super::farewell::Farewell;
use super::{Checker, Key, Prepared, Running, configure};
use crate::effects::ipvs::Reconciler;
use crate::reload::{self, Change};

impl App for Checker {
    type Key = Key;

    fn start(&mut self, checkpoint: Option<Vec<u8>>, cx: &mut AppCx<'_, Key>) -> Result<(), StartError> {
        self.running = Some(Running::start(&self.plan, &self.run_dir, checkpoint, cx)?);
        Ok(())
    }

    fn ready(&mut self, key: Key, readiness: Readiness, cx: &mut AppCx<'_, Key>) -> Drained {
        let Some(running) = &mut self.running else {
            return self.farewell.as_mut().map_or(Drained::Yes, |farewell| farewell.ready(cx.now()));
        };
        let (now, registry) = (cx.now(), cx.registry());
        let drained = match key {
            Key::Attempt(slot) => running.attempts.ready(slot, readiness, now, registry, &mut running.news),
            Key::Scripts => running.attempts.scripts_ready(now, registry, &mut running.news),
            Key::Addresses => return running.addresses_ready(now, cx),
            Key::Fifos => {
                running.herald.fifos.flush();
                return Drained::Yes;
            }
        };
        running.perform(now, cx);
        drained
    }

    fn timeout(&mut self, cx: &mut AppCx<'_, Key>) {
        if let Some(running) = &mut self.running {
            running.timeout(cx.now(), cx);
        }
        if let Some(farewell) = &mut self.farewell {
            farewell.timeout(cx.now());
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match (&self.running, &self.farewell) {
            (Some(running), _) => running.poll_timeout(),
            (None, farewell) => farewell.as_ref().map(Farewell::poll_timeout),
        }
    }

    fn progress(&self) -> Value {
        json!({
            "checks_finished": self.running.as_ref().map_or(0, |running| running.pool.attempts()),
            "checks_running": self.running.as_ref().map_or(0, |running| running.attempts.len()),
        })
    }

    fn status(&mut self, now: Instant) -> Value {
        let mut text = Vec::new();
        let mut from = Some(0);
        while let Some(piece) = from {
            from = self.status_piece(piece, now, &mut text);
        }
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn status_piece(&mut self, from: usize, now: Instant, text: &mut Vec<u8>) -> Option<usize> {
        match &mut self.running {
            Some(running) => running.status(from, now, text),
            None => {
                // It stops: what was begun is nobody's state any more.
                text.clear();
                text.extend_from_slice(b"null");
                None
            }
        }
    }

    fn events(&mut self) -> Vec<Value> {
        self.running.as_mut().map(|running| running.herald.tell()).unwrap_or_default()
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        self.running.as_mut()?.pool.checkpoint()
    }

    fn prepare(&mut self, before: &Document, document: &Document) -> Result<Value, String> {
        // What is written as before means what it meant.
        let same = document.equal_tables(before, "virtual_server").unwrap_or_default();
        let planned = &self.plan.virtual_servers;
        let known = same.into_iter().map(|index| index.and_then(|index| planned.get(index).cloned()));
        let plan = configure(document, known.collect())?;
        let open = plan.ipvs && self.running.as_ref().is_some_and(|running| running.table.is_none());
        let table = if open { Some(Reconciler::open(&self.run_dir)?) } else { None };
        let changes = reload::changes(&self.plan, &plan);
        let changes = changes.iter().map(Change::told).collect();
        self.prepared = Some(Prepared { plan, table });
        Ok(changes)
    }

    fn commit(&mut self, cx: &mut AppCx<'_, Key>) {
        let Some(prepared) = self.prepared.take() else { return };
        self.plan = prepared.plan.clone();
        if let Some(running) = &mut self.running {
            running.reconfigure(prepared, cx.now(), cx);
            // What is equal is kept once.
            self.plan.virtual_servers = running.pool.plans();
        }
    }

    fn refresh(&mut self, _cx: &mut AppCx<'_, Key>) {
        if let Some(running) = &mut self.running {
            running.attempts.scripts.reconfigure(self.plan.script_user.clone());
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
            ("steer", Some(running)) => running.steer(params, uid, cx.now(), cx),
            ("steer", None) => Err("it is stopping".to_owned()),
            _ => Err(format!("unknown method {method:?}")),
        }
    }

    fn surroundings(&self, of: Which) -> Surroundings {
        let prepared = self.prepared.as_ref().filter(|_| of == Which::Prepared);
        prepared.map_or(&self.plan, |prepared| &prepared.plan).surroundings.clone()
    }

    fn stop(&mut self, cx: &mut AppCx<'_, Key>) {
        self.stopping = true;
        self.farewell = self.running.take().and_then(|running| running.stop(cx.now()));
    }

    fn stopped(&self) -> bool {
        self.stopping && self.farewell.as_ref().is_none_or(|farewell| farewell.over(clock::now()))
    }
}
