//! The TOML that is written: tables in order, with their comments.

use std::fmt::{self, Write as _};

/// How long a line may be before a list is broken over several.
const WIDTH: usize = 100;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<Self>),
    Table(Vec<(String, Self)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<T: Into<Self>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quote(text)),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::List(values) => {
                f.write_char('[')?;
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { ", " })?;
                }
                f.write_char(']')
            }
            Self::Table(pairs) => {
                f.write_char('{')?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{} {} = {value}", if at == 0 { "" } else { "," }, bare(key))?;
                }
                f.write_str(if pairs.is_empty() { "}" } else { " }" })
            }
        }
    }
}

/// A key as it is written.
fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain { key.to_owned() } else { quote(key) }
}

fn quote(text: &str) -> String {
    // A literal string spares regular expressions their doubled backslashes.
    if text.contains(['\\', '"']) && !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _infallible = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A table with its header. Without one it is the root.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    header: String,
    /// Comments from the original, above the header.
    pub(super) comments: Vec<String>,
    /// What the operator must know about this table, below the header.
    pub(super) remarks: Vec<String>,
    entries: Vec<(String, Value)>,
    pub(super) children: Vec<Self>,
}

impl Table {
    pub(super) fn new(header: &str) -> Self {
        Self { header: header.to_owned(), ..Self::default() }
    }

    /// Sets a key; a second value replaces the first, as in the original.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.entries.iter_mut().find(|(have, _)| have == key) {
            Some((_, have)) => *have = value,
            None => self.entries.push((key.to_owned(), value)),
        }
    }

    /// Sets a key in a table that is written in one line.
    pub(super) fn set_in(&mut self, table: &str, key: &str, value: impl Into<Value>) {
        let mut pairs = match self.get(table) {
            Some(Value::Table(pairs)) => pairs.clone(),
            _ => Vec::new(),
        };
        pairs.retain(|(have, _)| have != key);
        pairs.push((key.to_owned(), value.into()));
        self.set(table, Value::Table(pairs));
    }

    /// Appends to a list.
    pub(super) fn push(&mut self, key: &str, value: impl Into<Value>) {
        match self.entries.iter_mut().find(|(have, _)| have == key) {
            Some((_, Value::List(list))) => list.push(value.into()),
            _ => self.set(key, Value::List(vec![value.into()])),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(have, _)| have == key).map(|(_, value)| value)
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(have, _)| have == key)?;
        Some(self.entries.remove(at).1)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key.as_str())
    }

    /// Nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.children.is_empty() && self.remarks.is_empty()
    }

    /// Puts keys that people look for first in front, in this order.
    pub(super) fn order(&mut self, first: &[&str]) {
        let rank = |key: &str| first.iter().position(|name| *name == key).unwrap_or(first.len());
        self.entries.sort_by_key(|(key, _)| rank(key));
    }

    /// The text.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        if !out.is_empty() {
            out.push('\n');
        }
        let mut line = |text: String| {
            out.push_str(text.trim_end());
            out.push('\n');
        };
        self.comments.iter().for_each(|comment| line(format!("# {comment}")));
        if !self.header.is_empty() {
            line(self.header.clone());
        }
        self.remarks.iter().for_each(|remark| line(format!("# {remark}")));
        for (key, value) in &self.entries {
            line(entry(key, value));
        }
        self.children.iter().filter(|child| !child.is_empty()).for_each(|child| child.write(out));
    }
}

/// `key = value`, a long list with one element a line.
fn entry(key: &str, value: &Value) -> String {
    let short = format!("{} = {value}", bare(key));
    match value {
        Value::List(values) if short.len() > WIDTH && values.len() > 1 => {
            let lines: Vec<String> = values.iter().map(|value| format!("    {value},\n")).collect();
            format!("{} = [\n{}]", bare(key), lines.concat())
        }
        Value::Text(_) | Value::Number(_) | Value::Flag(_) | Value::List(_) | Value::Table(_) => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_toml_and_means_the_same() {
        let mut root = Table::default();
        root.comments.push("made by hand".to_owned());
        let mut table = Table::new("[[a.b]]");
        for (number, text) in ["plain", "a\"b", "a\\d", "it's \\ both", "x\n\ty\u{1}"].into_iter().enumerate()
        {
            table.set(&format!("k{number}"), text);
        }
        table.set("odd key", 3);
        table.set_in("t", "x", true);
        table.set_in("t", "x", false);
        table.push("l", "a");
        table.push("l", "b".repeat(99).as_str());
        root.children.push(table);
        let text = root.render();
        let read: ::toml::Table = text.parse().unwrap();
        let b = &read["a"]["b"][0];
        assert_eq!(b["k3"].as_str(), Some("it's \\ both"), "{text}");
        assert_eq!(b["k4"].as_str(), Some("x\n\ty\u{1}"));
        assert_eq!(b["odd key"].as_integer(), Some(3));
        assert_eq!(b["t"]["x"].as_bool(), Some(false));
        assert_eq!(b["l"].as_array().unwrap().len(), 2);
        assert!(text.starts_with("# made by hand\n\n[[a.b]]\n"), "{text}");
    }
}
