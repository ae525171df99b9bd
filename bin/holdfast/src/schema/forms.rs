//! What a value may be, as JSON Schema.
//!
//! A keyword of JSON Schema is about values of one type and passes over all others, so that several forms fit into one
//! schema; that has an editor say what is wrong with a value, and not that nothing of a list applies. Only words that
//! stand beside other texts need the list.

use std::collections::BTreeSet;
use std::time::Duration;

use common::config::{Form, Look, duration_pattern};
use serde_json::{Map, Value, json};

/// Forms of one type become one: ranges, lists of words, looks of texts. Which of them holds is said by other keys.
pub(super) fn hull(forms: &BTreeSet<Form>) -> Vec<Form> {
    let (mut range, mut span, mut words, mut each) = (None, None, BTreeSet::new(), BTreeSet::new());
    let (mut looks, mut hull): (Vec<Look>, Vec<Form>) = (Vec::new(), Vec::new());
    for form in forms {
        match form {
            Form::Integer(low, high) => {
                let (a, b) = range.unwrap_or((*low, *high));
                range = Some((a.min(*low), b.max(*high)));
            }
            Form::Duration(low, high) => {
                let (a, b) = span.unwrap_or((*low, *high));
                span = Some((a.min(*low), b.max(*high)));
            }
            Form::Words(some) => words.extend(some.iter().cloned()),
            Form::Text(look) => looks.push(look.clone()),
            Form::List(some) => each.extend(some.iter().cloned()),
            Form::Any | Form::Boolean | Form::Number | Form::String | Form::Table | Form::Tables => {
                hull.push(form.clone());
            }
        }
    }
    hull.extend(range.map(|(low, high)| Form::Integer(low, high)));
    hull.extend(span.map(|(low, high)| Form::Duration(low, high)));
    // Any text is such a text, too.
    if !hull.contains(&Form::String) {
        let example = looks.first().map(|look| look.example);
        let pattern = looks.into_iter().map(|look| look.pattern).collect::<Vec<_>>().join("|");
        hull.extend(example.map(|example| Form::Text(Look { pattern, example })));
        hull.extend((!words.is_empty()).then(|| Form::Words(words.into_iter().collect())));
    }
    hull.extend((!each.is_empty()).then(|| Form::List(each.into_iter().collect())));
    hull
}

/// What has one of these forms. `table` is what is known of tables among them.
pub(super) fn schema(forms: &BTreeSet<Form>, table: Option<&Value>) -> Value {
    let forms = hull(forms);
    if matches!(forms[..], [Form::Words(_)]) || !forms.iter().any(|form| matches!(form, Form::Words(_))) {
        let mut schema = Map::new();
        let mut types = Vec::new();
        forms.iter().for_each(|form| put(form, table, &mut types, &mut schema));
        types.sort_unstable();
        types.dedup();
        let types = if let [only] = types[..] { json!(only) } else { json!(types) };
        schema.insert("type".to_owned(), types);
        return schema.into();
    }
    let (words, others): (BTreeSet<Form>, BTreeSet<Form>) =
        forms.into_iter().partition(|form| matches!(form, Form::Words(_)));
    json!({ "anyOf": [schema(&words, None), schema(&others, table)] })
}

/// Adds a form to those that a schema admits.
fn put(form: &Form, table: Option<&Value>, types: &mut Vec<&'static str>, schema: &mut Map<String, Value>) {
    let mut set = |key: &str, value: Value| {
        let before = schema.insert(key.to_owned(), value);
        assert_eq!(before, None, "{key} of two forms");
    };
    match form {
        Form::Any => panic!("whatever it is has no form"),
        Form::Boolean => types.push("boolean"),
        Form::Integer(low, high) => {
            types.push("integer");
            if let Ok(low) = i64::try_from(*low) {
                set("minimum", json!(low));
            }
            if let Ok(high) = i64::try_from(*high) {
                set("maximum", json!(high));
            }
        }
        Form::Number => types.push("number"),
        Form::Duration(low, high) => {
            types.extend(["number", "string"]);
            set("minimum", seconds(*low));
            if *high < Duration::MAX {
                set("maximum", seconds(*high));
            }
            set("pattern", json!(duration_pattern()));
            // Nothing at all, which the pattern lets pass.
            set("minLength", json!(2));
        }
        Form::String => types.push("string"),
        Form::Text(Look { pattern, example }) => {
            types.push("string");
            set("pattern", json!(pattern));
            set("examples", json!([example]));
        }
        Form::Words(words) => {
            types.push("string");
            set("enum", json!(words));
        }
        Form::List(each) => {
            types.push("array");
            set("items", self::schema(&each.iter().cloned().collect(), table));
        }
        Form::Table => {
            types.push("object");
            if let Some(table) = table {
                set("allOf", json!([table]));
            }
        }
        Form::Tables => {
            types.push("array");
            set("items", self::schema(&[Form::Table].into(), table));
        }
    }
}

/// A whole number where it is one.
fn seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 { json!(duration.as_secs()) } else { json!(duration.as_secs_f64()) }
}
