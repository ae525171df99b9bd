//! `authentication` and `auth_hmac`.

use super::instance::Instance;
use super::keyword::{Context, How, Keyword, Target, lost, misread, note, read};
use super::toml::Value;
use super::tree::Item;

/// The keywords of `auth_hmac`.
pub(super) const KEYWORDS: &[Keyword<Keys>] = &[
    Keyword { names: &["key"], key: "auth.keys", how: How::By(key) },
    Keyword { names: &["active_key"], key: "active_key", how: How::Number },
    Keyword { names: &["anti_replay"], key: "anti_replay", how: How::Word },
    Keyword { names: &["time_window"], key: "time_window", how: How::Seconds },
    Keyword { names: &["mode"], key: "mode", how: How::By(mode) },
];

/// The block while it is read.
#[derive(Default)]
pub(super) struct Keys {
    keys: Vec<Value>,
    more: Vec<(String, Value)>,
    remarks: Vec<String>,
}

impl Target for Keys {
    fn set(&mut self, key: &str, value: Value) {
        self.more.retain(|(known, _)| known != key);
        self.more.push((key.to_owned(), value));
    }

    fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }
}

/// Whether what was read is a password, which version 3 has not.
pub(super) fn is_password(auth: Option<&Value>) -> bool {
    matches!(auth, Some(Value::Table(pairs)) if pairs.iter().any(|(key, _)| key == "password"))
}

/// `authentication { … }`
pub(super) fn password(instance: &mut Instance, item: &Item, cx: &mut Context) {
    let find = |name: &str| item.items().iter().find(|inner| inner.name() == name);
    match (find("auth_type").and_then(|kind| kind.word(1)), find("auth_pass").and_then(|pass| pass.word(1))) {
        (Some("PASS" | "pass"), Some(password)) => {
            let short: String = password.chars().take(8).collect();
            if short != password {
                note(instance, item, "keepalived uses the first 8 characters of the password only", cx);
            }
            instance.table.set_in("auth", "type", "pass");
            instance.table.set_in("auth", "password", short);
        }
        (Some("AH" | "ah"), _) => {
            lost(
                instance,
                item,
                "auth_type AH: sign with auth = { type = \"hmac\", … }, as auth_hmac does",
                cx,
            );
        }
        _ => misread(instance, item, cx),
    }
}

/// `auth_hmac { … }`
pub(super) fn keys(instance: &mut Instance, item: &Item, cx: &mut Context) {
    let mut keys = Keys::default();
    read("auth_hmac", KEYWORDS, &mut keys, item.items(), cx);
    instance.table.remarks.append(&mut keys.remarks);
    if keys.keys.is_empty() {
        return misread(instance, item, cx);
    }
    if is_password(instance.table.take("auth").as_ref()) {
        note(instance, item, "signed adverts need no password: it is left out", cx);
    }
    let mut pairs = vec![("type".to_owned(), Value::from("hmac"))];
    pairs.append(&mut keys.more);
    pairs.push(("keys".to_owned(), Value::List(keys.keys)));
    instance.table.set("auth", Value::Table(pairs));
}

fn key(keys: &mut Keys, item: &Item, cx: &mut Context) {
    let (Some(id), Some(value)) = (item.word(1).and_then(|id| id.parse::<i64>().ok()), item.word(2)) else {
        return misread(keys, item, cx);
    };
    let (kind, value) = match value.split_once(':') {
        Some((kind @ ("hex" | "file"), value)) => (kind, value),
        _ => ("text", value),
    };
    if kind == "file" {
        note(keys, item, format!("{value} is to be readable by root alone: chmod 600"), cx);
    }
    keys.keys.push(Value::Table(vec![("id".to_owned(), id.into()), (kind.to_owned(), value.into())]));
}

fn mode(keys: &mut Keys, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(mode @ ("enforce" | "permissive")) => keys.set("mode", mode.into()),
        Some("receive-only") => keys.set("mode", "receive_only".into()),
        _ => misread(keys, item, cx),
    }
}
