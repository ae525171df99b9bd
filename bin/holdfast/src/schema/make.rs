//! The schema out of what the tables were asked for while every shipped file was checked.
//!
//! References stand in `allOf` and types beside them: validators of older drafts overlook what is next to a `$ref`.

use std::collections::{BTreeMap, BTreeSet};

use common::config::{Diagnostics, Form, format_duration};
use serde_json::{Map, Value, json};

use super::demands::{Demands, demands};
use super::forms;
use super::manual;
use crate::reference::{kind, place, recorded};

/// A key of a kind of table: what it may be, what is meant without it, the tables in it, where it was met first.
#[derive(Default)]
struct Key {
    forms: BTreeSet<Form>,
    defaults: BTreeSet<String>,
    tables: BTreeSet<String>,
    path: String,
}

type Keys = BTreeMap<String, Key>;

/// The schema of the reader of today.
pub(super) fn schema() -> Value {
    let recorded = recorded();
    let kinds = kinds(&recorded);
    let explained = manual::explanations();
    let mut demands = demands(recorded.visits());
    let mut definitions: BTreeMap<&str, Value> = BTreeMap::new();
    for (kind, keys) in &kinds {
        let demands = demands.remove(kind.as_str()).unwrap_or_default();
        definitions.insert(kind, object(keys, &demands, &explained));
    }
    let root = definitions.remove("").unwrap();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of Holdfast",
        "type": "object",
        "properties": root["properties"],
        "additionalProperties": false,
        "$defs": definitions,
    })
}

fn kinds(recorded: &Diagnostics) -> BTreeMap<String, Keys> {
    let mut kinds: BTreeMap<String, Keys> = BTreeMap::new();
    for (path, asked) in recorded.keys() {
        let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
        let key = kinds.entry(kind(table).to_owned()).or_default().entry(name.to_owned()).or_default();
        key.forms.extend(asked.forms.iter().cloned());
        key.defaults.extend(asked.defaults.iter().cloned());
        key.tables.insert(kind(path).to_owned());
        if key.path.is_empty() {
            path.clone_into(&mut key.path);
        }
    }
    // Only those that are tables: something was asked of them.
    let all: BTreeSet<String> = kinds.keys().cloned().collect();
    for key in kinds.values_mut().flat_map(BTreeMap::values_mut) {
        key.tables.retain(|table| all.contains(table));
    }
    kinds
}

/// Says nothing about what is not a table, for keys that may be something else as well.
fn object(keys: &Keys, demands: &Demands, explained: &manual::Explanations) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|(name, key)| (name.clone(), described(key, explained))).collect();
    let mut object = Map::new();
    object.insert("properties".to_owned(), properties.into());
    object.insert("additionalProperties".to_owned(), false.into());
    demands.write(&mut object);
    object.into()
}

/// With what the manual says of it, how durations are written, and what is meant where it is left out.
fn described(key: &Key, explained: &manual::Explanations) -> Value {
    let mut value = property(key);
    let mut words: Vec<String> = Vec::new();
    words.extend(place(&key.path).and_then(|place| explained.get(&place)).cloned());
    words.extend(forms::hull(&key.forms).iter().find_map(duration));
    if !words.is_empty() {
        value["description"] = json!(words.join("\n"));
    }
    // Where it differs from table to table, there is no saying.
    if let (Some(default), 1) = (key.defaults.first(), key.defaults.len()) {
        value["default"] = serde_json::from_str(default).unwrap();
    }
    value
}

/// How a duration is written.
fn duration(form: &Form) -> Option<String> {
    let Form::Duration(low, high) = form else { return None };
    let range = if *high == std::time::Duration::MAX {
        String::new()
    } else {
        format!(" from {} to {}", format_duration(*low), format_duration(*high))
    };
    Some(format!("A duration{range}, like \"500ms\", \"10s\" or \"1m30s\", or a number of seconds."))
}

fn property(key: &Key) -> Value {
    assert!(key.tables.len() <= 1, "{} has tables of several kinds", key.path);
    let table = key.tables.first().map(|table| json!({ "$ref": format!("#/$defs/{table}") }));
    if key.forms.contains(&Form::Any) {
        return table.map_or_else(|| json!({}), |table| json!({ "allOf": [table], "items": table }));
    }
    forms::schema(&key.forms, table.as_ref())
}
