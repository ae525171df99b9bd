//! The text as one tree of tables with spans, all included files merged. Knows nothing of meaning.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::diagnostic::Diagnostics;
use super::source::{FileId, SourceFile, Sources, Span};
use super::syntax;
use super::table::Table;

/// A parsed configuration: the tables of all files, merged.
#[derive(Debug, Clone)]
pub struct Document {
    root: TableNode,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    String(String),
    /// `None` when it does not fit 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(TableNode),
}

#[derive(Debug, Clone, Default)]
pub(super) struct TableNode {
    /// The dotted name, the same for every element of an array; empty for the root.
    pub(super) path: String,
    pub(super) entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Span,
    pub(super) value: Node,
}

impl Document {
    /// Parses and merges all files. Arrays of tables of several files append, tables merge key by key, and any other
    /// key given twice is a fault that names both places.
    pub fn parse(sources: &Sources, d: &mut Diagnostics) -> Self {
        for (span, fault) in &sources.faults {
            d.local_error(*span, fault.as_str());
        }
        let mut root = TableNode::default();
        for (id, file) in sources.iter() {
            let mut table = parse_file(id, &file.text, d);
            take_include(&mut table, d);
            merge(&mut root, table, &sources.files, d);
        }
        Self { root }
    }

    /// The table of the whole document.
    pub fn root(&self) -> Table<'_> {
        Table::root(&self.root)
    }
}

fn parse_file(file: FileId, text: &str, d: &mut Diagnostics) -> TableNode {
    let (table, errors) = syntax::parse(text, |table| convert_table(file, table, String::new()));
    syntax::report(file, text, errors, d);
    table
}

/// The `include` key was followed when the text was loaded; here only its type is checked.
fn take_include(table: &mut TableNode, d: &mut Diagnostics) {
    d.record("", "include");
    let Some(entry) = table.entries.remove("include") else { return };
    let strings = match &entry.value.kind {
        Kind::String(_) => true,
        Kind::Array(list) => list.iter().all(|node| matches!(node.kind, Kind::String(_))),
        Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime | Kind::Table(_) => false,
    };
    if !strings {
        d.local_error(entry.value.span, "`include`: expected a list of file names or patterns")
            .hint("write include = [\"conf.d/*.toml\"]");
    }
}

fn merge(into: &mut TableNode, from: TableNode, files: &[SourceFile], d: &mut Diagnostics) {
    for (key, entry) in from.entries {
        match into.entries.entry(key) {
            btree_map::Entry::Vacant(place) => {
                place.insert(entry);
            }
            btree_map::Entry::Occupied(mut place) => {
                let inline = |node: &Node| starts_with(files, node.span, "{");
                let headers = |node: &Node| starts_with(files, node.span, "[[");
                let open = !inline(&place.get().value) && !inline(&entry.value);
                let arrays = headers(&place.get().value) && headers(&entry.value);
                let (key, second) = (place.key().clone(), entry.key);
                let first = place.get_mut();
                match (&mut first.value.kind, entry.value.kind) {
                    (Kind::Table(a), Kind::Table(b)) if open => merge(a, b, files, d),
                    (Kind::Array(a), Kind::Array(b)) if arrays => a.extend(b),
                    _ => {
                        d.local_error(second, format!("`{key}` is given twice"))
                            .note(first.key, "first given here");
                    }
                }
            }
        }
    }
}

/// Whether the text of a value begins so: tells `[[header]]` and `[header]` from values written in line.
fn starts_with(files: &[SourceFile], span: Span, prefix: &str) -> bool {
    let file = usize::try_from(span.file.0).ok().and_then(|at| files.get(at));
    file.and_then(|file| file.text.get(span.start..)).is_some_and(|text| text.starts_with(prefix))
}

fn convert_table(file: FileId, table: DeTable<'_>, path: String) -> TableNode {
    let entries = table.into_iter().map(|(key, value)| {
        let span = spanned(file, key.span());
        let key = key.into_inner().into_owned();
        let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        (key, Entry { key: span, value: convert(file, value, child) })
    });
    let entries = entries.collect();
    TableNode { path, entries }
}

fn convert(file: FileId, value: Spanned<DeValue<'_>>, path: String) -> Node {
    let span = spanned(file, value.span());
    let kind = match value.into_inner() {
        DeValue::String(text) => Kind::String(text.into_owned()),
        DeValue::Integer(number) => Kind::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(number) => Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Kind::Boolean(truth),
        DeValue::Datetime(_) => Kind::Datetime,
        DeValue::Array(list) => Kind::Array(convert_array(file, list, &path)),
        DeValue::Table(table) => Kind::Table(convert_table(file, table, path)),
    };
    Node { span, kind }
}

fn convert_array(file: FileId, list: DeArray<'_>, path: &str) -> Vec<Node> {
    list.into_iter().map(|value| convert(file, value, path.to_owned())).collect()
}

pub(super) fn spanned(file: FileId, range: Range<usize>) -> Span {
    Span { file, start: range.start, end: range.end.max(range.start) }
}
