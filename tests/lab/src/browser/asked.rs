//! Whom a browser has asked, out of its record of the network: a JSON object with the numbers of all kinds of events,
//! and the events.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Error, Result};

/// Whom a browser has asked for anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// What it requested: `http://127.0.0.1:80/page`.
    pub requests: BTreeSet<String>,
    /// The other ends of its connections, whether they came to be or not: `127.0.0.1:80`.
    pub connections: BTreeSet<String>,
    /// Hosts whose addresses it wanted to know, and what for: `http://example.org`.
    pub hosts: BTreeSet<String>,
}

impl Asked {
    /// Reads it. A kind of event that the record does not know is an error: it would never be found.
    pub(super) fn read(text: &str) -> Result<Self> {
        let record: Value = serde_json::from_str(text)?;
        let kinds = record.pointer("/constants/logEventTypes");
        let events = record.get("events").and_then(Value::as_array);
        let all = |kind: &str, key: &str| -> Result<BTreeSet<String>> {
            let number = kinds.and_then(|kinds| kinds.get(kind));
            let number = number.ok_or_else(|| Error::new(format!("the record knows no {kind}")))?;
            let of_kind = events.into_iter().flatten().filter(|event| event.get("type") == Some(number));
            let value = |event: &Value| Some(event.get("params")?.get(key)?.as_str()?.to_owned());
            Ok(of_kind.filter_map(value).collect())
        };
        Ok(Self {
            requests: all("URL_REQUEST_START_JOB", "url")?,
            connections: all("TCP_CONNECT_ATTEMPT", "address")?,
            hosts: all("HOST_RESOLVER_MANAGER_REQUEST", "host")?,
        })
    }

    /// What it asked of others than a server at this address.
    #[must_use]
    pub fn elsewhere(&self, address: &str) -> Vec<&str> {
        let own = format!("http://{address}");
        let page = format!("{own}/");
        let requests = self.requests.iter().filter(|request| !request.starts_with(&page));
        let connections = self.connections.iter().filter(|end| *end != address);
        let hosts = self.hosts.iter().filter(|host| **host != own);
        requests.chain(connections).chain(hosts).map(String::as_str).collect()
    }
}
