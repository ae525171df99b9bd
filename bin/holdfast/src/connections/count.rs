//! How many connections each server has, by service and state.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::Sink;
use super::entry::Entry;
use crate::output::Output;
use crate::status::grid::Grid;

const ESTABLISHED: &str = "ESTABLISHED";

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    service: String,
    server: SocketAddr,
}

#[derive(Debug, Default)]
struct Counts {
    connections: u64,
    templates: u64,
    states: BTreeMap<String, u64>,
}

/// The sums; as many as there are servers.
pub(super) struct Count {
    json: bool,
    sums: BTreeMap<Key, Counts>,
}

impl Count {
    pub(super) fn new(json: bool) -> Self {
        Self { json, sums: BTreeMap::new() }
    }

    /// The busiest first.
    fn ordered(&self) -> Vec<(&Key, &Counts)> {
        let mut ordered: Vec<(&Key, &Counts)> = self.sums.iter().collect();
        ordered.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.connections));
        ordered
    }

    fn text(&self) -> String {
        let mut grid = Grid::new(&["SERVICE", "SERVER", "CONNECTIONS", "ESTABLISHED", "OTHER", "PERSISTENT"]);
        for (key, counts) in self.ordered() {
            let established = counts.states.get(ESTABLISHED).copied().unwrap_or(0);
            grid.row(vec![
                key.service.as_str().into(),
                key.server.to_string().into(),
                counts.connections.to_string().into(),
                established.to_string().into(),
                (counts.connections - established).to_string().into(),
                counts.templates.to_string().into(),
            ]);
        }
        grid.render(0, false, None)
    }

    fn values(&self) -> Vec<Value> {
        let value = |(key, counts): (&Key, &Counts)| {
            json!({
                "service": key.service,
                "server": key.server.to_string(),
                "connections": counts.connections,
                "templates": counts.templates,
                "states": counts.states,
            })
        };
        self.ordered().into_iter().map(value).collect()
    }
}

impl Sink for Count {
    fn take(&mut self, entry: &Entry<'_>, service: Option<&str>, _output: &mut Output) -> bool {
        let unnamed = || format!("{} {}", entry.protocol.to_ascii_lowercase(), entry.target());
        let key = Key { service: service.map_or_else(unnamed, str::to_owned), server: entry.server };
        let counts = self.sums.entry(key).or_default();
        if entry.is_template() {
            counts.templates += 1;
        } else {
            counts.connections += 1;
            match counts.states.get_mut(entry.state) {
                Some(count) => *count += 1,
                None => drop(counts.states.insert(entry.state.to_owned(), 1)),
            }
        }
        true
    }

    fn end(&mut self, output: &mut Output) {
        if self.json {
            let text = serde_json::to_string_pretty(&self.values()).unwrap_or_default();
            output.print(&format!("{text}\n"));
        } else {
            output.print(&self.text());
        }
    }
}
