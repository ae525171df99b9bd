//! As much of JSON Schema as the schema uses; any other keyword is a fault of the schema.

use std::collections::BTreeMap;
use std::sync::Mutex;

use regex::Regex;
use serde_json::Value;

/// What a document does not comply with: the place and why.
pub(super) fn faults(schema: &Value, document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    validate(schema, schema, document, "", &mut faults);
    faults
}

fn validate(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().unwrap() {
        let wrong = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" | "default" | "examples" | "then" => false,
            "$ref" => {
                let pointer = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                validate(root, root.pointer(pointer).unwrap(), value, at, faults);
                false
            }
            "allOf" => {
                wanted.as_array().unwrap().iter().for_each(|one| validate(root, one, value, at, faults));
                false
            }
            "anyOf" => !wanted.as_array().unwrap().iter().any(|one| {
                let mut faults = Vec::new();
                validate(root, one, value, at, &mut faults);
                faults.is_empty()
            }),
            "if" => {
                let mut unless = Vec::new();
                validate(root, wanted, value, at, &mut unless);
                if unless.is_empty() {
                    validate(root, &schema["then"], value, at, faults);
                }
                false
            }
            "required" => {
                let missing = |key: &&str| value.as_object().is_some_and(|table| !table.contains_key(*key));
                let keys = wanted.as_array().unwrap().iter().map(|key| key.as_str().unwrap());
                faults.extend(keys.filter(missing).map(|key| format!("{at}.{key}: missing")));
                false
            }
            "propertyNames" => {
                let known = wanted["enum"].as_array().unwrap();
                let keys = value.as_object().into_iter().flat_map(|table| table.keys());
                let unknown = keys.filter(|key| !known.contains(&Value::from(key.as_str())));
                faults.extend(unknown.map(|key| format!("{at}.{key}: unknown")));
                false
            }
            "pattern" => value.as_str().is_some_and(|text| !matches(wanted.as_str().unwrap(), text)),
            "minLength" => {
                let least = usize::try_from(wanted.as_u64().unwrap()).unwrap();
                value.as_str().is_some_and(|text| text.chars().count() < least)
            }
            "const" => value != wanted,
            "type" => match wanted.as_array() {
                Some(types) => !types.iter().any(|name| is(value, name.as_str().unwrap())),
                None => !is(value, wanted.as_str().unwrap()),
            },
            "enum" => !wanted.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_some_and(|value| value < wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_some_and(|value| value > wanted.as_f64().unwrap()),
            "items" => {
                let each = value.as_array().into_iter().flatten();
                each.for_each(|one| validate(root, wanted, one, &format!("{at}[]"), faults));
                false
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if let Some(wanted) = wanted.get(key) {
                        validate(root, wanted, value, &format!("{at}.{key}"), faults);
                    }
                }
                false
            }
            "additionalProperties" => {
                assert_eq!(wanted, false);
                let known = schema["properties"].as_object().unwrap();
                for key in value.as_object().into_iter().flat_map(|table| table.keys()) {
                    if !known.contains_key(key) {
                        faults.push(format!("{at}.{key}: unknown"));
                    }
                }
                false
            }
            other => panic!("{other} is not a keyword this knows"),
        };
        if wrong {
            faults.push(format!("{at}: {value} is not {keyword} {wanted}"));
        }
    }
}

/// Compiled once: there are few, and many texts.
fn matches(pattern: &str, text: &str) -> bool {
    static KNOWN: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{other} is no type"),
    }
}
