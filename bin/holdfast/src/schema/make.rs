//! The schema out of what the tables were asked for while every shipped file was checked.
//!
//! References stand in `allOf` and types beside them: validators of older drafts overlook what is next to a `$ref`.

use std::collections::{BTreeMap, BTreeSet};

use common::config::Form;
use serde_json::{Map, Value, json};

use super::manual;
use crate::reference::{kind, place, recorded};

/// A key of a kind of table: what it may be, the tables in it, where it was met first.
#[derive(Default)]
struct Key {
    forms: BTreeSet<Form>,
    tables: BTreeSet<String>,
    path: String,
}

type Kinds = BTreeMap<String, BTreeMap<String, Key>>;

/// The schema of the reader of today.
pub(super) fn schema() -> Value {
    let kinds = kinds();
    let explained = manual::explanations();
    let mut definitions: BTreeMap<&str, Value> =
        kinds.iter().map(|(kind, keys)| (kind.as_str(), object(keys, &explained))).collect();
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

fn kinds() -> Kinds {
    let recorded = recorded();
    let mut kinds = Kinds::new();
    for (path, forms) in recorded.forms() {
        let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
        let key = kinds.entry(kind(table).to_owned()).or_default().entry(name.to_owned()).or_default();
        key.forms.extend(forms.iter().cloned());
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
fn object(keys: &BTreeMap<String, Key>, explained: &manual::Explanations) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|(name, key)| {
            let mut value = property(key);
            if let Some(text) = place(&key.path).and_then(|place| explained.get(&place)) {
                value["description"] = json!(text);
            }
            (name.clone(), value)
        })
        .collect();
    json!({ "properties": properties, "additionalProperties": false })
}

fn property(key: &Key) -> Value {
    assert!(key.tables.len() <= 1, "{} has tables of several kinds", key.path);
    let table = key.tables.first().map(|table| json!({ "$ref": format!("#/$defs/{table}") }));
    if key.forms.contains(&Form::Any) {
        return table.map_or_else(|| json!({}), |table| json!({ "allOf": [table], "items": table }));
    }
    let forms = hull(&key.forms);
    let mut each: Vec<Value> = forms.iter().map(|form| one(form, table.as_ref())).collect();
    if let [single] = &mut each[..] { single.take() } else { json!({ "anyOf": each }) }
}

/// Ranges of whole numbers become one, and so do lists of words: which of them holds is said by other keys.
fn hull(forms: &BTreeSet<Form>) -> Vec<Form> {
    let (mut range, mut words, mut others) = (None, BTreeSet::new(), Vec::new());
    for form in forms {
        match form {
            Form::Integer(low, high) => {
                let (a, b) = range.unwrap_or((*low, *high));
                range = Some((a.min(*low), b.max(*high)));
            }
            Form::Words(some) => words.extend(some.iter().cloned()),
            Form::Any
            | Form::Boolean
            | Form::Number
            | Form::String
            | Form::List(_)
            | Form::Table
            | Form::Tables => {
                others.push(form.clone());
            }
        }
    }
    others.extend(range.map(|(low, high)| Form::Integer(low, high)));
    if !words.is_empty() {
        others.push(Form::Words(words.into_iter().collect()));
    }
    others
}

fn one(form: &Form, table: Option<&Value>) -> Value {
    match form {
        Form::Any => json!({}),
        Form::Boolean => json!({ "type": "boolean" }),
        Form::Integer(low, high) => {
            let mut value = json!({ "type": "integer" });
            if let Ok(low) = i64::try_from(*low) {
                value["minimum"] = json!(low);
            }
            if let Ok(high) = i64::try_from(*high) {
                value["maximum"] = json!(high);
            }
            value
        }
        Form::Number => json!({ "type": "number" }),
        Form::String => json!({ "type": "string" }),
        Form::Words(words) => json!({ "type": "string", "enum": words }),
        Form::List(each) => {
            let each: Vec<Value> = each.iter().map(|form| one(form, None)).collect();
            let items = if let [single] = &each[..] { single.clone() } else { json!({ "anyOf": each }) };
            json!({ "type": "array", "items": items })
        }
        Form::Table => table.map_or_else(
            || json!({ "type": "object" }),
            |table| json!({ "type": "object", "allOf": [table] }),
        ),
        Form::Tables => {
            let items = one(&Form::Table, table);
            json!({ "type": "array", "items": items })
        }
    }
}
