//! One table being read. Every key it has must be asked for; [`Table::finish`] reports the others as unknown.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::diagnostic::Diagnostics;
use super::document::{Entry, Kind, TableNode};
use super::habit;
use super::shape::{FromValue, Located, Ranged, Value, nearest, quoted};
use super::source::Span;

/// A table of the text, and which of its keys were asked for.
#[derive(Debug, Clone)]
#[must_use = "a table must be finished, or its unknown keys go unnoticed"]
pub struct Table<'d> {
    node: &'d TableNode,
    span: Span,
    asked: BTreeSet<&'static str>,
}

impl<'d> Table<'d> {
    pub(super) fn root(node: &'d TableNode) -> Self {
        Self { node, span: Span::START, asked: BTreeSet::from(["include"]) }
    }

    pub(super) fn new(node: &'d TableNode, span: Span) -> Self {
        Self { node, span, asked: BTreeSet::new() }
    }

    /// Where the table is: its header, or the whole of a table in line.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The dotted name of the table: `vrrp.instance`; empty for the root.
    pub fn path(&self) -> &'d str {
        &self.node.path
    }

    /// Where a key is, if it is there.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.node.entries.get(key).map(|entry| entry.key)
    }

    /// Whether a key is there; does not count as asking for it.
    pub fn has(&self, key: &str) -> bool {
        self.node.entries.contains_key(key)
    }

    fn entry(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<&'d Entry> {
        d.record(self.path(), key);
        self.asked.insert(key);
        self.node.entries.get(key)
    }

    /// The value of a key, whatever it is, for keys that take several shapes.
    pub fn value(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Value<'d>> {
        let entry = self.entry(key, d)?;
        Some(Value::new(&entry.value, key))
    }

    /// Every key with its value, for tables whose keys are names of the operator's choice. All count as asked for.
    pub fn entries(&mut self) -> Vec<(&'d str, Span, Value<'d>)> {
        self.asked.insert("*");
        let entries = self.node.entries.iter();
        entries.map(|(key, entry)| (key.as_str(), entry.key, Value::new(&entry.value, key))).collect()
    }

    /// The value of a key that may be left out.
    pub fn optional<T: FromValue>(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Located<T>> {
        let value = self.value(key, d)?;
        Located::from_value(&value, d)
    }

    /// The value of a key that must be there.
    pub fn required<T: FromValue>(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Located<T>> {
        if !self.has(key) {
            d.record(self.path(), key);
            self.asked.insert(key);
            self.missing(key, T::EXPECTED, d);
            return None;
        }
        self.optional(key, d)
    }

    /// Reports that a key must be there.
    pub fn missing(&self, key: &str, expected: &str, d: &mut Diagnostics) {
        let message = format!("`{key}` is missing in {}: {expected} is needed", self.name());
        // A misspelt key is reported as unknown; this points at it too.
        d.error(self.span, message);
    }

    /// The value of a key, or a default.
    pub fn or<T: FromValue>(&mut self, key: &'static str, default: T, d: &mut Diagnostics) -> T {
        self.optional(key, d).map_or(default, |located| located.value)
    }

    /// The value of a key that may be left out and must lie in a range.
    pub fn within<T: Ranged>(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<T>,
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        let value = self.value(key, d)?;
        T::from_value_within(&value, range, d).map(|read| Located { value: read, span: value.span() })
    }

    /// The value of a key, which must lie in a range, or a default.
    pub fn within_or<T: Ranged>(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<T>,
        default: T,
        d: &mut Diagnostics,
    ) -> T {
        self.within(key, range, d).map_or(default, |located| located.value)
    }

    /// One of a set of words, if the key is there.
    pub fn choice<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        let value = self.value(key, d)?;
        let span = value.span();
        value.choose(choices, d).map(|value| Located { value, span })
    }

    /// A table under a key, if the key is there.
    pub fn table(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Self> {
        let entry = self.entry(key, d)?;
        if let Kind::Table(node) = &entry.value.kind {
            return Some(Self::new(node, entry.value.span));
        }
        let name = self.child(key);
        let value = Value::new(&entry.value, key);
        let header = matches!(&entry.value.kind, Kind::Array(list) if list.iter().all(is_table));
        let diagnostic = value.mismatch("a table", d);
        if header {
            diagnostic.hint(format!("there can be only one: write [{name}] instead of [[{name}]]"));
        }
        None
    }

    /// The tables of an array of tables, `[[key]]` or a list of tables in line.
    pub fn tables(&mut self, key: &'static str, d: &mut Diagnostics) -> Vec<Self> {
        let Some(entry) = self.entry(key, d) else { return Vec::new() };
        let name = self.child(key);
        match &entry.value.kind {
            Kind::Array(list) => {
                let mut tables = Vec::new();
                for node in list {
                    if let Kind::Table(table) = &node.kind {
                        tables.push(Self::new(table, node.span));
                    } else {
                        Value::new(node, key).mismatch("a table", d);
                    }
                }
                tables
            }
            Kind::Table(_) => {
                Value::new(&entry.value, key)
                    .mismatch("a list of tables", d)
                    .hint(format!("there can be several: write [[{name}]] instead of [{name}]"));
                Vec::new()
            }
            Kind::String(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime => {
                Value::new(&entry.value, key).mismatch("a list of tables", d);
                Vec::new()
            }
        }
    }

    fn child(&self, key: &str) -> String {
        if self.path().is_empty() { key.to_owned() } else { format!("{}.{key}", self.path()) }
    }

    /// The table as messages call it.
    pub fn name(&self) -> String {
        if self.path().is_empty() { "the configuration".to_owned() } else { format!("[{}]", self.path()) }
    }

    /// Reports every key nobody asked for, with the nearest that would have been understood.
    pub fn finish(self, d: &mut Diagnostics) {
        if self.asked.contains("*") || !d.tables_are_known() {
            return;
        }
        for (key, entry) in &self.node.entries {
            if self.asked.contains(key.as_str()) {
                continue;
            }
            let what =
                if self.path().is_empty() && matches!(entry.value.kind, Kind::Table(_) | Kind::Array(_)) {
                    format!("unknown section {}", quoted(key))
                } else {
                    format!("unknown key {} in {}", quoted(key), self.name())
                };
            let near = nearest(key, self.asked.iter().copied());
            let diagnostic = d.local_error(entry.key, what);
            if let Some(ours) = habit::ours(key) {
                diagnostic.hint(ours);
                continue;
            }
            match near {
                Some(near) => {
                    diagnostic.hint(format!("did you mean `{near}`?"));
                }
                None => {
                    let known: Vec<&str> = self.asked.iter().copied().collect();
                    diagnostic.hint(format!("known here: {}", known.join(", ")));
                }
            }
        }
    }
}

fn is_table(node: &super::document::Node) -> bool {
    matches!(node.kind, Kind::Table(_))
}
