//! The schema is that of the reader, knows every key, and refuses nothing that the reader takes.

use std::fs;
use std::path::Path;

use common::config::{Diagnostics, Sources};
use common::role;
use serde_json::{Value, json};

use super::make::schema;
use super::validate::faults;
use crate::reference::{Keys, documented, explained, missing, place, root, shipped};
use crate::roles::ROLES;
use crate::spoiled::values;

/// A configuration as the validators of editors see it.
pub(super) fn json(text: &str) -> Option<Value> {
    serde_json::to_value(text.parse::<toml::Table>().ok()?).ok()
}

fn is_taken(text: &str) -> bool {
    let mut diagnostics = Diagnostics::new();
    role::check(ROLES, &Sources::from_text("t.toml", text), &mut diagnostics);
    !diagnostics.has_errors()
}

/// `UPDATE=1 cargo test -p holdfast` writes it anew.
#[test]
fn the_schema_that_is_installed_is_that_of_the_reader() {
    let path = root().join("etc/schema/holdfast.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "etc/schema/holdfast.schema.json is out of date: UPDATE=1 cargo test -p holdfast");
}

#[test]
fn the_schema_has_every_key_of_the_manual_and_no_other() {
    fn walk(root: &Value, schema: &Value, path: &str, keys: &mut Keys) {
        if let Some(pointer) = schema["$ref"].as_str() {
            walk(root, root.pointer(&pointer[1..]).unwrap(), path, keys);
        }
        for inner in ["allOf", "anyOf"].iter().filter_map(|name| schema[name].as_array()).flatten() {
            walk(root, inner, path, keys);
        }
        if schema["items"].is_object() {
            walk(root, &schema["items"], path, keys);
        }
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            keys.extend(place(&path));
            walk(root, inner, &path, keys);
        }
    }
    let schema = schema();
    let (mut keys, explained) = (Keys::new(), explained());
    walk(&schema, &schema, "", &mut keys);
    assert_eq!(missing(&explained, &keys), Vec::<String>::new(), "not in the schema");
    assert_eq!(missing(&keys, &explained), Vec::<String>::new(), "only in the schema");
}

#[test]
fn every_table_has_its_keys() {
    let schema = schema();
    let text = schema.to_string();
    for name in
        ["check", "address", "route", "rule", "tracker", "interface_tracker", "peer", "auth", "key", "url"]
    {
        assert!(schema["$defs"][name]["properties"].is_object(), "{name}");
        assert!(text.contains(&format!("\"#/$defs/{name}\"")), "{name}");
    }
    for (kind, table) in schema["$defs"].as_object().unwrap() {
        for (key, value) in table["properties"].as_object().unwrap() {
            // Those of the headers of a request are the operator's.
            let tables = value["type"] == "object" && value["allOf"].is_null();
            assert!(!tables || key == "headers", "{kind}.{key} is a table with any keys");
        }
    }
}

/// Every file with this ending, however deep.
fn files(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml")
            && let Ok(text) = fs::read_to_string(&path)
        {
            found.push((path.display().to_string(), text));
        }
    }
}

#[test]
fn what_the_reader_takes_the_schema_takes() {
    let mut all = shipped();
    all.extend(documented());
    files(&root().join("bin/holdfast/tests"), &mut all);
    let (schema, mut count) = (schema(), 0);
    for (name, text) in all {
        // The corpus of faults has warnings in it, too.
        if is_taken(&text) {
            assert_eq!(faults(&schema, &json(&text).unwrap()), Vec::<String>::new(), "{name}");
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn what_the_reader_takes_in_the_place_of_a_value_the_schema_takes() {
    let others = ["7", "true", "\"1s\"", "[]", "[\"eth0\"]", "{}", "[7]"];
    let (schema, mut taken, mut wrong) = (schema(), 0, Vec::new());
    let all = |name: &str| name.starts_with("every") || name == "checks.toml";
    for (_, text) in shipped().into_iter().filter(|(name, _)| all(name)) {
        for span in values(&text) {
            for other in others {
                let changed = format!("{}{other}{}", &text[..span.start], &text[span.end..]);
                let Some(document) = json(&changed) else { continue };
                let faults = faults(&schema, &document);
                // The reader is slow.
                if !faults.is_empty() && is_taken(&changed) {
                    wrong.push(format!("{other} for {}: {faults:?}", &text[span.clone()]));
                }
                taken += usize::from(faults.is_empty());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(taken > 500, "{taken}");
}

#[test]
fn what_is_unknown_or_of_the_wrong_type_is_refused() {
    let schema = schema();
    let wrong = |text: &str| faults(&schema, &json(text).unwrap());
    let server = "[[virtual_server]]\naddress = \"192.0.2.1:80\"\n";
    for (text, fault) in [
        ("[zzz]\n".to_owned(), ".zzz: unknown"),
        ("[vrrp]\nzzz = 1\n".to_owned(), ".vrrp.zzz: unknown"),
        ("[[vrrp.instance]]\nzzz = 1\n".to_owned(), ".vrrp.instance[].zzz: unknown"),
        (
            "[[vrrp.instance]]\nvirtual_addresses = [\"192.0.2.1\", { zzz = 1 }]\n".to_owned(),
            ".vrrp.instance[].virtual_addresses[].zzz: unknown",
        ),
        (
            "[[vrrp.sync_group]]\nnotify = { priority_changes = true }\n".to_owned(),
            ".vrrp.sync_group[].notify.priority_changes: unknown",
        ),
        (format!("{server}check = {{ zzz = 1 }}\n"), ".virtual_server[].check.zzz: unknown"),
        (
            format!("{server}check = [{{ type = \"http\", urls = [{{ zzz = 1 }}] }}]\n"),
            ".virtual_server[].check[].urls[].zzz: unknown",
        ),
        (format!("{server}scheduler = \"zzz\"\n"), ".virtual_server[].scheduler: \"zzz\" is not enum"),
        (format!("{server}weight = \"1\"\n"), ".virtual_server[].weight: \"1\" is not type"),
        (format!("{server}weight = -1\n"), ".virtual_server[].weight: -1 is not minimum"),
        (format!("{server}drain = true\n"), ".virtual_server[].drain: true is not type"),
        (format!("{server}drain = \"soon\"\n"), ".virtual_server[].drain: \"soon\" is not pattern"),
        (format!("{server}drain = \"\"\n"), ".virtual_server[].drain: \"\" is not minLength"),
        (format!("{server}drain = 86401\n"), ".virtual_server[].drain: 86401 is not maximum"),
        (
            format!("{server}real_servers = [\"192.0.2.2:80\", \"web\"]\n"),
            ".virtual_server[].real_servers[]: \"web\" is not pattern",
        ),
        (format!("{server}check = {{ interval = 5 }}\n"), ".virtual_server[].check.type: missing"),
        (format!("{server}check = {{ type = \"script\" }}\n"), ".virtual_server[].check.command: missing"),
        (
            format!("{server}check = {{ type = \"tcp\", path = \"/\" }}\n"),
            ".virtual_server[].check.path: unknown",
        ),
        (
            "[[virtual_server]]\n".to_owned(),
            ".virtual_server[]: {} is not anyOf [{\"required\":[\"address\"]}",
        ),
        ("[[vrrp.script]]\nname = \"a\"\n".to_owned(), ".vrrp.script[].command: missing"),
        ("[[vrrp]]\n".to_owned(), ".vrrp: [{}] is not type"),
        ("[vrrp.instance]\n".to_owned(), ".vrrp.instance: {} is not type"),
    ] {
        let found = wrong(&text);
        assert!(found.iter().any(|found| found.starts_with(fault)), "{text}{found:?}");
    }
    let headers = "check = { type = \"http\", headers = { zzz = \"1\" } }";
    assert_eq!(wrong(&format!("{server}{headers}\n")), Vec::<String>::new());
    assert_eq!(schema["additionalProperties"], json!(false));
}

/// The places of all keys.
fn places(value: &toml::Value, at: &[Step], found: &mut Vec<Vec<Step>>) {
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        places(value, &[at, &[Step::Index(index)]].concat(), found);
    }
    for (key, value) in value.as_table().into_iter().flatten() {
        let place = [at, &[Step::Key(key.clone())]].concat();
        places(value, &place, found);
        found.push(place);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// The document without the key at a place.
fn without(document: &toml::Value, place: &[Step]) -> toml::Value {
    let mut document = document.clone();
    let (last, way) = place.split_last().unwrap();
    let mut value = &mut document;
    for step in way {
        value = match step {
            Step::Key(key) => &mut value[key.as_str()],
            Step::Index(index) => &mut value[*index],
        };
    }
    let Step::Key(key) = last else { panic!("no key: {place:?}") };
    value.as_table_mut().unwrap().remove(key);
    document
}

/// What the reader says is missing though the schema demands it of nobody, and what it depends on.
const DEPENDS: [(&str, &str); 3] = [
    ("`interface` is missing in [vrrp.instance]", "it may stand in [vrrp]"),
    ("`family` is missing", "where the servers tell it, it is left out"),
    ("`active_key` is missing", "where there is one key, it is that one"),
];

#[test]
fn a_key_that_is_left_out_is_missed_by_both_or_by_none() {
    let (schema, mut wrong, mut missed, mut count) = (schema(), Vec::new(), 0, 0);
    let all = |name: &str| name.starts_with("every") || name == "checks.toml";
    for (name, text) in shipped().into_iter().filter(|(name, _)| all(name)) {
        let document = toml::Value::Table(text.parse().unwrap());
        let mut found = Vec::new();
        places(&document, &[], &mut found);
        for place in found {
            let changed = without(&document, &place);
            let faults = faults(&schema, &serde_json::to_value(&changed).unwrap());
            let text = toml::to_string(&changed).unwrap();
            let mut diagnostics = Diagnostics::new();
            role::check(ROLES, &Sources::from_text("t.toml", &text), &mut diagnostics);
            let messages = diagnostics.messages();
            let missing: Vec<&str> = messages
                .lines()
                .filter(|line| {
                    line.contains(" is missing") && !DEPENDS.iter().any(|(words, _)| line.starts_with(words))
                })
                .collect();
            if !faults.is_empty() && !diagnostics.has_errors() {
                wrong.push(format!("{name}: only the schema misses {place:?}: {faults:?}"));
            }
            if faults.is_empty() && !missing.is_empty() {
                wrong.push(format!("{name}: only the reader misses {place:?}: {missing:?}"));
            }
            missed += usize::from(!faults.is_empty());
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(missed > 20 && count > 300, "{missed} of {count}");
}

/// The manual says it too, in its words: `default 5`, `default "10s"`, `default 0` of a duration.
#[test]
fn the_defaults_are_those_of_the_manual() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (kind, table) in schema()["$defs"].as_object().unwrap() {
        for (key, value) in table["properties"].as_object().unwrap() {
            let Some(default) = value.get("default") else { continue };
            count += 1;
            let text = value["description"].as_str().unwrap_or_default();
            let words = [
                default.to_string(),
                default.as_str().unwrap_or_default().trim_end_matches("0s").to_owned() + "0",
            ];
            let told = words.iter().any(|word| {
                text.match_indices("default").any(|(at, _)| {
                    let rest = text[at + "default".len()..].trim_start_matches([':', ' ']);
                    rest.strip_prefix(word.as_str())
                        .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
                })
            });
            if !told {
                wrong.push(format!("{kind}.{key}: {default}, but the manual: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "{count}");
}

#[test]
fn examples_and_defaults_are_what_the_schema_takes() {
    fn walk(root: &Value, schema: &Value, count: &mut usize) {
        if let Some(object) = schema.as_object() {
            let examples = schema["examples"].as_array().into_iter().flatten();
            for value in examples.chain(schema.get("default").filter(|_| schema.get("type").is_some())) {
                let mut alone = schema.clone();
                alone["$defs"] = root["$defs"].clone();
                assert_eq!(faults(&alone, value), Vec::<String>::new(), "{schema}");
                *count += 1;
            }
            object.values().for_each(|inner| walk(root, inner, count));
        }
        schema.as_array().into_iter().flatten().for_each(|inner| walk(root, inner, count));
    }
    let (schema, mut count) = (schema(), 0);
    walk(&schema, &schema, &mut count);
    assert!(count > 50, "{count}");
}
