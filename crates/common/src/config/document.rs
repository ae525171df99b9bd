//! The text as one tree of tables with spans, all included files merged. Knows nothing of meaning.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::diagnostic::Diagnostics;
use super::form::Form;
use super::node::{Entry, Kind, Node, TableNode, path_of};
use super::packed::Packing;
use super::source::{FileId, SourceFile, Sources, Span};
use super::split::{Part, split};
use super::syntax;
use super::table::Table;

/// A parsed configuration: the tables of all files, merged.
#[derive(Debug, Clone)]
pub struct Document {
    pub(super) root: TableNode<'static>,
}

impl Document {
    /// Parses and merges all files. Arrays of tables of several files append, tables merge key by key, and any other
    /// key given twice is a fault that names both places.
    pub fn parse(sources: &Sources, d: &mut Diagnostics) -> Self {
        for (span, fault) in &sources.faults {
            d.local_error(*span, fault.as_str());
        }
        let mut root = TableNode::new("".into());
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

fn parse_file(file: FileId, text: &str, d: &mut Diagnostics) -> TableNode<'static> {
    if let Some(table) = parse_in_parts(file, text) {
        return table;
    }
    let (table, errors) = parse_whole(file, text);
    syntax::report(file, text, errors, d);
    table
}

pub(super) fn parse_whole(file: FileId, text: &str) -> (TableNode<'static>, Vec<toml::de::Error>) {
    let place = |range: Range<usize>| spanned(file, range);
    syntax::parse(text, |table| convert_table(&place, table, "".into()).into_owned())
}

/// A text without any fault, part by part, which takes the memory of one part. None where it has to be read as one.
pub(super) fn parse_in_parts(file: FileId, text: &str) -> Option<TableNode<'static>> {
    let (parts, rest) = split(text);
    if parts.is_empty() {
        return None;
    }
    let place = |range: Range<usize>| spanned(file, rest.range(range));
    let mut root = convert_table(&place, faultless(&rest.text)?, "".into()).into_owned();
    let mut arrays: Vec<(&str, Packing)> = Vec::new();
    for part in parts {
        pack(file, part, &mut arrays)?;
    }
    for (name, packing) in arrays {
        if root.get(name).is_some() {
            return None;
        }
        let (span, key) = packing.first;
        let value = Node { span, kind: Kind::Packed(packing.finish()) };
        root.entries.push((Cow::Owned(name.to_owned()), Entry { key, value }));
    }
    root.entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Some(root)
}

fn faultless(text: &str) -> Option<DeTable<'_>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    errors.is_empty().then(|| table.into_inner())
}

/// Adds a part to its array. None if it is anything else than one table of it.
fn pack<'t>(file: FileId, part: Part<'t>, arrays: &mut Vec<(&'t str, Packing)>) -> Option<()> {
    let place = |range: Range<usize>| spanned(file, part.start + range.start..part.start + range.end);
    let mut parsed = faultless(part.text)?.into_iter();
    let (Some((key, value)), None) = (parsed.next(), parsed.next()) else { return None };
    let (first, key) = (place(value.span()), (place(key.span()), key.into_inner()));
    let DeValue::Array(list) = value.into_inner() else { return None };
    let mut list = list.into_iter();
    let (Some(table), None) = (list.next(), list.next()) else { return None };
    if key.1 != part.array {
        return None;
    }
    let packing = match arrays.iter_mut().find(|(name, _)| *name == part.array) {
        Some((_, packing)) => packing,
        None => {
            arrays.push((part.array, Packing::new(part.array.into(), file, (first, key.0))));
            &mut arrays.last_mut()?.1
        }
    };
    packing.push(&convert(&place, table, packing.path()), part.start);
    Some(())
}

/// The `include` key was followed when the text was loaded; here only its type is checked.
fn take_include(table: &mut TableNode<'_>, d: &mut Diagnostics) {
    d.record("", "include", || vec![Form::String, Form::List(vec![Form::String])]);
    let Some(entry) = table.remove("include") else { return };
    let strings = match &entry.value.kind {
        Kind::String(_) => true,
        Kind::Array(list) => list.iter().all(|node| matches!(node.kind, Kind::String(_))),
        Kind::Integer(_)
        | Kind::Float(_)
        | Kind::Boolean(_)
        | Kind::Datetime
        | Kind::Table(_)
        | Kind::Packed(_) => false,
    };
    if !strings {
        d.local_error(entry.value.span, "`include`: expected a list of file names or patterns")
            .hint("write include = [\"conf.d/*.toml\"]");
    }
}

fn merge(into: &mut TableNode<'static>, from: TableNode<'static>, files: &[SourceFile], d: &mut Diagnostics) {
    for (key, entry) in from.entries {
        let at = match into.entries.binary_search_by(|(name, _)| name.cmp(&key)) {
            Ok(at) => at,
            Err(at) => {
                into.entries.insert(at, (key, entry));
                continue;
            }
        };
        let Some((_, first)) = into.entries.get_mut(at) else { continue };
        let inline = |node: &Node<'_>| starts_with(files, node.span, "{");
        let headers = |node: &Node<'_>| starts_with(files, node.span, "[[");
        let open = !inline(&first.value) && !inline(&entry.value);
        let arrays = headers(&first.value) && headers(&entry.value);
        let second = entry.key;
        match (&mut first.value.kind, entry.value.kind) {
            (Kind::Table(a), Kind::Table(b)) if open => merge(a, b, files, d),
            (Kind::Array(a), Kind::Array(b)) if arrays => a.extend(b),
            (Kind::Packed(a), Kind::Packed(b)) if arrays => a.append(b),
            // One of the files could not be read part by part.
            (Kind::Array(a), Kind::Packed(b)) if arrays => a.extend_from_slice(b.opened()),
            (kind @ Kind::Packed(_), Kind::Array(b)) if arrays => {
                let mut list = kind.list().unwrap_or_default().to_vec();
                list.extend(b);
                *kind = Kind::Array(list);
            }
            _ => {
                d.local_error(second, format!("`{key}` is given twice")).note(first.key, "first given here");
            }
        }
    }
}

/// Whether the text of a value begins so: tells `[[header]]` and `[header]` from values written in line.
fn starts_with(files: &[SourceFile], span: Span, prefix: &str) -> bool {
    let file = usize::try_from(span.file.0).ok().and_then(|at| files.get(at));
    file.and_then(|file| file.text.get(span.start..)).is_some_and(|text| text.starts_with(prefix))
}

/// Tells where a range of what is converted stands.
type Place<'p> = &'p dyn Fn(Range<usize>) -> Span;

fn convert_table<'t>(place: Place<'_>, table: DeTable<'t>, path: Arc<str>) -> TableNode<'t> {
    let mut entries: Vec<(Cow<'t, str>, Entry<'t>)> = Vec::with_capacity(table.len());
    for (key, value) in table {
        let span = place(key.span());
        let key = key.into_inner();
        // Only what can hold a table needs a name.
        let value = match value.get_ref() {
            DeValue::Array(_) | DeValue::Table(_) => convert(place, value, &path_of(&path, &key)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => convert(place, value, &path),
        };
        entries.push((key, Entry { key: span, value }));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    TableNode { path, entries }
}

fn convert<'t>(place: Place<'_>, value: Spanned<DeValue<'t>>, path: &Arc<str>) -> Node<'t> {
    let span = place(value.span());
    let kind = match value.into_inner() {
        DeValue::String(text) => Kind::String(text),
        DeValue::Integer(number) => Kind::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(number) => Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Kind::Boolean(truth),
        DeValue::Datetime(_) => Kind::Datetime,
        DeValue::Array(list) => Kind::Array(convert_array(place, list, path)),
        DeValue::Table(table) => Kind::Table(convert_table(place, table, Arc::clone(path))),
    };
    Node { span, kind }
}

fn convert_array<'t>(place: Place<'_>, list: DeArray<'t>, path: &Arc<str>) -> Vec<Node<'t>> {
    list.into_iter().map(|value| convert(place, value, path)).collect()
}

pub(super) fn spanned(file: FileId, range: Range<usize>) -> Span {
    Span { file, start: range.start, end: range.end.max(range.start) }
}
