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
fn json(text: &str) -> Option<Value> {
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
        (format!("{server}drain = true\n"), ".virtual_server[].drain: true is not anyOf"),
        ("[[vrrp]]\n".to_owned(), ".vrrp: [{}] is not type"),
        ("[vrrp.instance]\n".to_owned(), ".vrrp.instance: {} is not type"),
    ] {
        let found = wrong(&text);
        assert!(found.iter().any(|found| found.starts_with(fault)), "{text}{found:?}");
    }
    assert_eq!(wrong(&format!("{server}check = {{ headers = {{ zzz = \"1\" }} }}\n")), Vec::<String>::new());
    assert_eq!(schema["additionalProperties"], json!(false));
}
