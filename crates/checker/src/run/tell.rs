//! The status as text, a piece of it in each turn of the loop: ten thousand servers must not hold up a check.

use std::time::Instant;

use common::ipvs::ServiceKey;
use serde_json::json;

use super::Running;
use crate::status;

/// A status of more bytes than this leaves memory behind that is worth giving back.
const LARGE: usize = 1 << 19;

/// So many servers are told of in one turn of the loop, a millisecond or two.
const TOLD_AT_ONCE: usize = 200;

impl Running {
    /// A piece of the status: see [`App::status_piece`](common::child::App::status_piece).
    pub(super) fn status(&mut self, from: usize, now: Instant, text: &mut Vec<u8>) -> Option<usize> {
        if from == 0 {
            self.totals = self.table.as_mut().map(|table| table.traffic()).unwrap_or_default();
            let ipvs = self.table.as_ref().map(|table| {
                let summary = table.summary();
                json!({
                    "services": summary.services,
                    "destinations": summary.destinations,
                    "repairs": summary.repairs,
                    "refused": summary.refused,
                    "reachable": summary.reachable,
                })
            });
            let (ipvs, fifos) = (json!(ipvs), self.herald.fifos.status());
            let head = format!("{{\"ipvs\":{ipvs},\"notify_fifos\":{fifos},\"virtual_servers\":[");
            text.extend(head.into_bytes());
        }
        let (views, next) = self.pool.status_from(from, TOLD_AT_ONCE, now);
        let table = &mut self.table;
        let mut counts = |service: ServiceKey| -> Option<status::Counts> {
            Some(status::counts(table.as_mut()?.listed(service)))
        };
        for (place, view) in views.iter().enumerate() {
            if from + place > 0 {
                text.push(b',');
            }
            let server = status::virtual_server(view, &self.totals, &mut counts);
            // Only a map with strange keys or a writer that fails could be refused; here is neither.
            let _always = serde_json::to_writer(&mut *text, &server);
        }
        if next.is_none() {
            self.totals.clear();
            text.extend_from_slice(b"]}");
            self.untidy |= text.len() > LARGE;
        }
        next
    }
}
