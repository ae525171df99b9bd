//! One table being read. Every key it has must be asked for; [`Table::finish`] reports the others as unknown.

use std::ops::RangeInclusive;

use super::diagnostic::Diagnostics;
use super::form::Form;
use super::habit;
use super::node::{Entry, Kind, Node, TableNode};
use super::packed::Packed;
use super::record::Visit;
use super::shape::{FromValue, Located, Ranged, Value, nearest, quoted};
use super::source::Span;

/// A table of the text, and which of its keys were asked for.
#[derive(Debug, Clone)]
#[must_use = "a table must be finished, or its unknown keys go unnoticed"]
pub struct Table<'d> {
    node: &'d TableNode<'d>,
    span: Span,
    /// In the order of asking, some of them several times.
    asked: Vec<&'static str>,
    /// Those that have to be there, of each list one; known only while that is recorded.
    demanded: Vec<Vec<&'static str>>,
}

/// The tables of an array of tables, to be read one at a time: [`Table::list`].
#[derive(Debug)]
pub struct Tables<'d> {
    source: Source<'d>,
}

#[derive(Debug)]
enum Source<'d> {
    Tables(Vec<Table<'d>>),
    Packed(&'d Packed),
}

impl<'d> Tables<'d> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Tables(tables) => tables.len(),
            Source::Packed(packed) => packed.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads one of them.
    pub fn read<T>(
        &self,
        index: usize,
        d: &mut Diagnostics,
        read: impl FnOnce(Table<'_>, &mut Diagnostics) -> Option<T>,
    ) -> Option<T> {
        match &self.source {
            Source::Tables(tables) => read(tables.get(index)?.clone(), d),
            Source::Packed(packed) => {
                let Some(Node { span, kind: Kind::Table(table) }) = packed.get(index) else {
                    d.local_error(Span::START, "the configuration handed down is damaged");
                    return None;
                };
                read(Table::new(&table, span), d)
            }
        }
    }
}

impl<'d> Table<'d> {
    pub(super) fn root(node: &'d TableNode<'d>) -> Self {
        Self { node, span: Span::START, asked: vec!["include"], demanded: Vec::new() }
    }

    pub(super) fn new(node: &'d TableNode<'d>, span: Span) -> Self {
        Self { node, span, asked: Vec::with_capacity(16), demanded: Vec::new() }
    }

    /// The keys asked for so far.
    pub(crate) fn asked(&self) -> &[&'static str] {
        &self.asked
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
        self.node.get(key).map(|entry| entry.key)
    }

    /// Whether a key is there; does not count as asking for it.
    pub fn has(&self, key: &str) -> bool {
        self.node.get(key).is_some()
    }

    fn entry(
        &mut self,
        key: &'static str,
        forms: impl FnOnce() -> Vec<Form>,
        d: &mut Diagnostics,
    ) -> Option<&'d Entry<'d>> {
        d.record(self.path(), key, forms);
        self.asked.push(key);
        self.node.get(key)
    }

    fn formed(
        &mut self,
        key: &'static str,
        forms: impl FnOnce() -> Vec<Form>,
        d: &mut Diagnostics,
    ) -> Option<Value<'d>> {
        let entry = self.entry(key, forms, d)?;
        Some(Value::new(&entry.value, key))
    }

    /// The value of a key, whatever it is, for keys that take several shapes: these.
    pub fn value(
        &mut self,
        key: &'static str,
        forms: impl FnOnce() -> Vec<Form>,
        d: &mut Diagnostics,
    ) -> Option<Value<'d>> {
        self.formed(key, forms, d)
    }

    /// Every key with its value, for tables whose keys are names of the operator's choice. All count as asked for.
    pub fn entries(&mut self) -> Vec<(&'d str, Span, Value<'d>)> {
        self.asked.push("*");
        let entries = self.node.entries.iter();
        entries.map(|(key, entry)| (&**key, entry.key, Value::new(&entry.value, key))).collect()
    }

    /// The value of a key that may be left out.
    pub fn optional<T: FromValue>(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Located<T>> {
        let value = self.formed(key, T::forms, d)?;
        Located::from_value(&value, d)
    }

    /// The value of a key that may be left out and that looks like this.
    pub fn formed_optional<T: FromValue>(
        &mut self,
        key: &'static str,
        form: impl FnOnce() -> Form,
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        let value = self.formed(key, || vec![form()], d)?;
        Located::from_value(&value, d)
    }

    /// Notes for the schema that one of these keys has to be there. Whoever says so reports it where none is.
    pub fn demand(&mut self, one_of: &[&'static str], d: &mut Diagnostics) {
        if d.recorded().is_some() {
            self.demanded.push(one_of.to_vec());
        }
    }

    /// Whether a key that must be there is; reports it otherwise.
    fn needs<T>(
        &mut self,
        key: &'static str,
        forms: impl FnOnce() -> Vec<Form>,
        expected: impl FnOnce() -> T,
        d: &mut Diagnostics,
    ) -> bool
    where
        T: AsRef<str>,
    {
        self.demand(&[key], d);
        if self.has(key) {
            return true;
        }
        d.record(self.path(), key, forms);
        self.asked.push(key);
        self.missing(key, expected().as_ref(), d);
        false
    }

    /// The value of a key that must be there.
    pub fn required<T: FromValue>(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Located<T>> {
        if self.needs(key, T::forms, || T::EXPECTED, d) { self.optional(key, d) } else { None }
    }

    /// The value of a key that must be there and lie in a range.
    pub fn required_within<T: Ranged>(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<T>,
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        let there = self.needs(key, || T::forms_within(range), || T::EXPECTED, d);
        if there { self.within(key, range, d) } else { None }
    }

    /// One of a set of words, under a key that must be there.
    pub fn required_choice<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        let words = || {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("one of {}", words.join(", "))
        };
        if self.needs(key, || Form::words(choices), words, d) { self.choice(key, choices, d) } else { None }
    }

    /// Reports that a key must be there.
    pub fn missing(&self, key: &str, expected: &str, d: &mut Diagnostics) {
        let message = format!("`{key}` is missing in {}: {expected} is needed", self.name());
        // A misspelt key is reported as unknown; this points at it too.
        d.error(self.span, message);
    }

    /// The value of a key, or a default that is the same wherever the key is left out.
    pub fn or<T: FromValue>(&mut self, key: &'static str, default: T, d: &mut Diagnostics) -> T {
        self.usual(key, &default, d);
        self.optional(key, d).map_or(default, |located| located.value)
    }

    fn usual<T: FromValue>(&self, key: &'static str, default: &T, d: &mut Diagnostics) {
        if let Some(record) = d.recorded()
            && let Some(default) = default.written()
        {
            record.default(self.path(), key, &default);
        }
    }

    /// The value of a key that may be left out and must lie in a range.
    pub fn within<T: Ranged>(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<T>,
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        let value = self.formed(key, || T::forms_within(range), d)?;
        T::from_value_within(&value, range, d).map(|read| Located { value: read, span: value.span() })
    }

    /// The value of a key, which must lie in a range, or a default that is the same wherever the key is left out.
    pub fn within_or<T: Ranged>(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<T>,
        default: T,
        d: &mut Diagnostics,
    ) -> T {
        self.usual(key, &default, d);
        self.within(key, range, d).map_or(default, |located| located.value)
    }

    /// One of a set of words, if the key is there.
    pub fn choice<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        let value = self.formed(key, || Form::words(choices), d)?;
        let span = value.span();
        value.choose(choices, d).map(|value| Located { value, span })
    }

    /// One of a set of words, or the one that is meant wherever the key is left out.
    pub fn choice_or<T: Clone + PartialEq>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        default: T,
        d: &mut Diagnostics,
    ) -> T {
        if let Some((word, _)) = choices.iter().find(|(_, value)| *value == default) {
            self.usual(key, &(*word).to_owned(), d);
        }
        self.choice(key, choices, d).map_or(default, |located| located.value)
    }

    /// A table under a key, if the key is there.
    pub fn table(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Self> {
        let entry = self.entry(key, || vec![Form::Table], d)?;
        if let Kind::Table(node) = &entry.value.kind {
            return Some(Self::new(node, entry.value.span));
        }
        let name = self.child(key);
        let value = Value::new(&entry.value, key);
        let header = matches!(&entry.value.kind, Kind::Array(list) if list.iter().all(is_table))
            || matches!(&entry.value.kind, Kind::Packed(_));
        let diagnostic = value.mismatch("a table", d);
        if header {
            diagnostic.hint(format!("there can be only one: write [{name}] instead of [[{name}]]"));
        }
        None
    }

    /// The tables of an array of tables, `[[key]]` or a list of tables in line.
    pub fn tables(&mut self, key: &'static str, d: &mut Diagnostics) -> Vec<Self> {
        let Some(entry) = self.entry(key, || vec![Form::Tables], d) else { return Vec::new() };
        let name = self.child(key);
        match &entry.value.kind {
            Kind::Array(_) | Kind::Packed(_) => {
                let mut tables = Vec::new();
                for node in entry.value.kind.list().unwrap_or_default() {
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

    /// Like [`Table::tables`], for arrays that can be large: each is unpacked only while it is read.
    pub fn list(&mut self, key: &'static str, d: &mut Diagnostics) -> Tables<'d> {
        if let Some(Entry { value: Node { kind: Kind::Packed(packed), .. }, .. }) = self.node.get(key) {
            let _packed = self.entry(key, || vec![Form::Tables], d);
            return Tables { source: Source::Packed(packed) };
        }
        Tables { source: Source::Tables(self.tables(key, d)) }
    }

    fn child(&self, key: &str) -> String {
        if self.path().is_empty() { key.to_owned() } else { format!("{}.{key}", self.path()) }
    }

    /// The table as messages call it.
    pub fn name(&self) -> String {
        if self.path().is_empty() { "the configuration".to_owned() } else { format!("[{}]", self.path()) }
    }

    /// Reports every key nobody asked for, with the nearest that would have been understood.
    pub fn finish(mut self, d: &mut Diagnostics) {
        if let Some(record) = d.recorded() {
            record.visits.insert(self.visit());
        }
        let asked = &self.asked;
        let all = |(key, _): &(_, _)| asked.iter().any(|asked| asked == key || *asked == "*");
        if !d.tables_are_known() || self.node.entries.iter().all(all) {
            return;
        }
        self.asked.sort_unstable();
        self.asked.dedup();
        if self.asked.contains(&"*") {
            return;
        }
        for (key, entry) in &self.node.entries {
            if self.asked.iter().any(|asked| asked == key) {
                continue;
            }
            let what = if self.path().is_empty()
                && matches!(entry.value.kind, Kind::Table(_) | Kind::Array(_) | Kind::Packed(_))
            {
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
                    diagnostic.hint(format!("known here: {}", self.asked.join(", ")));
                }
            }
        }
    }

    fn visit(&self) -> Visit {
        let kind = self.node.get("type").and_then(|entry| match &entry.value.kind {
            Kind::String(word) => Some(word.clone().into_owned()),
            Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime
            | Kind::Array(_)
            | Kind::Table(_)
            | Kind::Packed(_) => None,
        });
        let (asked, demanded) = (self.asked.iter().copied(), self.demanded.iter().cloned());
        Visit { path: self.path().to_owned(), kind, asked: asked.collect(), demanded: demanded.collect() }
    }
}

fn is_table(node: &Node<'_>) -> bool {
    matches!(node.kind, Kind::Table(_))
}
