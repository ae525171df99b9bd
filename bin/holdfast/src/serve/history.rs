//! What the page's little curves are drawn from: the open connections of each service, a while back.

use std::collections::{BTreeMap, VecDeque};

use crate::status::model::Checker;

/// How many values are kept of each service.
const KEPT: usize = 60;

/// The last values of every service.
#[derive(Debug, Default)]
pub(super) struct History {
    services: BTreeMap<String, VecDeque<u64>>,
}

impl History {
    /// Adds what a status says; services that are gone are forgotten.
    pub(super) fn add(&mut self, checker: &Checker) {
        let names: Vec<String> = checker.virtual_servers.iter().map(|service| service.key()).collect();
        self.services.retain(|name, _| names.contains(name));
        for (service, name) in checker.virtual_servers.iter().zip(names) {
            let values = self.services.entry(name).or_default();
            values
                .push_back(service.real_servers.iter().filter_map(|server| server.active_connections).sum());
            while values.len() > KEPT {
                values.pop_front();
            }
        }
    }

    /// A curve of a service as an image.
    pub(super) fn curve(&self, service: &str) -> String {
        let Some(values) = self.services.get(service).filter(|values| values.len() > 1) else {
            return String::new();
        };
        let top = values.iter().copied().max().unwrap_or_default().max(1);
        // The newest is at the right edge.
        let first = KEPT - values.len().min(KEPT);
        let point = |(at, value): (usize, &u64)| format!("{},{}", (first + at) * 2, 19 - value * 18 / top);
        let points: Vec<String> = values.iter().enumerate().map(point).collect();
        format!(
            "<svg viewBox=\"0 0 {} 20\" class=\"curve\" role=\"img\" aria-label=\"open connections, at most {top}\">\
             <polyline points=\"{}\"/></svg>",
            KEPT * 2,
            points.join(" ")
        )
    }
}
