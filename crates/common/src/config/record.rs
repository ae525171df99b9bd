//! What tables were asked for, remembered for those who document the configuration: the schema and the tests of the
//! manual page. Nothing of it is kept in a daemon.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::form::Form;

/// What was asked for under one key, wherever its table stands.
#[derive(Debug, Default)]
pub struct Asked {
    /// What it may be: one of these.
    pub forms: BTreeSet<Form>,
    /// What is meant where it is left out, as JSON. The reader that knows it said so; several were said by several.
    pub defaults: BTreeSet<String>,
}

/// One table that was read from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visit {
    /// The table's name: `vrrp.instance`.
    pub path: String,
    /// The value of its key `type`, on which it often depends what else belongs there.
    pub kind: Option<String>,
    /// The keys that were asked for.
    pub asked: BTreeSet<&'static str>,
    /// The keys that had to be there: of each list one.
    pub demanded: BTreeSet<Vec<&'static str>>,
}

/// Everything that was asked for.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By `table.key`.
    pub(super) keys: BTreeMap<String, Asked>,
    pub(super) visits: BTreeSet<Visit>,
}

impl Record {
    pub(super) fn key(&mut self, path: &str, key: &str) -> &mut Asked {
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        self.keys.entry(path).or_default()
    }

    pub(super) fn default(&mut self, path: &str, key: &str, default: &Value) {
        self.key(path, key).defaults.insert(default.to_string());
    }
}
