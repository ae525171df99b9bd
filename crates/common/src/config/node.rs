//! The tree a configuration becomes: values with their places. Knows nothing of meaning.

use std::borrow::Cow;
use std::sync::Arc;

use super::packed::Packed;
use super::source::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'t> {
    pub(super) span: Span,
    pub(super) kind: Kind<'t>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'t> {
    String(Cow<'t, str>),
    /// `None` when it does not fit 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node<'t>>),
    Table(TableNode<'t>),
    /// An array of tables, each as bytes until it is looked at: there can be thousands.
    Packed(Packed),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableNode<'t> {
    /// The dotted name, the same for every element of an array; empty for the root.
    pub(super) path: Arc<str>,
    /// By key, in order.
    pub(super) entries: Vec<(Cow<'t, str>, Entry<'t>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry<'t> {
    pub(super) key: Span,
    pub(super) value: Node<'t>,
}

impl<'t> Kind<'t> {
    /// The elements, if it is an array.
    pub(super) fn list(&self) -> Option<&[Node<'t>]> {
        match self {
            Kind::Array(list) => Some(list),
            Kind::Packed(packed) => Some(packed.opened()),
            Kind::String(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime
            | Kind::Table(_) => None,
        }
    }
}

impl<'t> TableNode<'t> {
    pub(super) fn new(path: Arc<str>) -> Self {
        Self { path, entries: Vec::new() }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry<'t>> {
        // Tables are small.
        self.entries.iter().find(|(name, _)| name == key).map(|(_, entry)| entry)
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Entry<'t>> {
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(at).1)
    }

    /// The same, independent of the text.
    pub(super) fn into_owned(self) -> TableNode<'static> {
        let entry = |(key, entry): (Cow<'t, str>, Entry<'t>)| {
            (Cow::Owned(key.into_owned()), Entry { key: entry.key, value: entry.value.into_owned() })
        };
        TableNode { path: self.path, entries: self.entries.into_iter().map(entry).collect() }
    }
}

pub(super) fn path_of(path: &str, key: &str) -> Arc<str> {
    if path.is_empty() { key.into() } else { format!("{path}.{key}").into() }
}

impl Node<'_> {
    /// The same, independent of the text.
    pub(super) fn into_owned(self) -> Node<'static> {
        let kind = match self.kind {
            Kind::String(text) => Kind::String(Cow::Owned(text.into_owned())),
            Kind::Integer(number) => Kind::Integer(number),
            Kind::Float(number) => Kind::Float(number),
            Kind::Boolean(truth) => Kind::Boolean(truth),
            Kind::Datetime => Kind::Datetime,
            Kind::Array(list) => Kind::Array(list.into_iter().map(Node::into_owned).collect()),
            Kind::Table(table) => Kind::Table(table.into_owned()),
            Kind::Packed(packed) => Kind::Packed(packed),
        };
        Node { span: self.span, kind }
    }
}
