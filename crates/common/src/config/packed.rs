//! An array of tables of which each is kept as bytes until it is looked at.
//!
//! A thousand services of ten servers are a megabyte as text and as bytes, and twenty times that as a tree. Read one by
//! one they need the memory of one; and what is equal in bytes need not be read at all.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use super::bytes::{Reader, Writer};
use super::node::Node;
use super::source::{FileId, Span};

/// The tables of an array.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    /// What the tables are called.
    path: Arc<str>,
    values: Arc<Vec<u8>>,
    places: Option<Arc<Vec<u8>>>,
    elements: Vec<Element>,
    opened: OnceCell<Vec<Node<'static>>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Element {
    pub(super) file: FileId,
    /// What its places are counted from.
    pub(super) base: usize,
    pub(super) values: Range<usize>,
    pub(super) places: Range<usize>,
}

/// By what the tables say.
impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.elements.len() == other.elements.len()
            && (0..self.elements.len()).all(|index| self.bytes(index) == other.bytes(index))
    }
}

impl Packed {
    /// Tables that others wrote into these bytes.
    pub(super) fn new(path: Arc<str>, values: Arc<Vec<u8>>, elements: Vec<Element>) -> Self {
        Self { path, values, places: None, elements, opened: OnceCell::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    /// What a table says.
    pub(super) fn bytes(&self, index: usize) -> Option<&[u8]> {
        self.values.get(self.elements.get(index)?.values.clone())
    }

    /// One table; none if the bytes are damaged.
    pub(super) fn get(&self, index: usize) -> Option<Node<'_>> {
        let element = self.elements.get(index)?;
        let places = match &self.places {
            Some(places) => Some(places.get(element.places.clone())?),
            None => None,
        };
        Reader::new(self.bytes(index)?, places, element.file, element.base).whole(&self.path)
    }

    /// All tables at once, for those who must have it so.
    pub(super) fn opened(&self) -> &[Node<'static>] {
        self.opened.get_or_init(|| {
            (0..self.len()).filter_map(|index| self.get(index)).map(Node::into_owned).collect()
        })
    }

    /// The tables of another file behind these.
    pub(super) fn append(&mut self, other: Self) {
        let (values, places) = (Arc::make_mut(&mut self.values), self.places.as_mut().map(Arc::make_mut));
        let (values_before, mut places_before) = (values.len(), 0);
        values.extend_from_slice(&other.values);
        if let (Some(places), Some(others)) = (places, &other.places) {
            places_before = places.len();
            places.extend_from_slice(others);
        }
        let moved = |range: Range<usize>, by: usize| range.start + by..range.end + by;
        self.elements.extend(other.elements.into_iter().map(|element| Element {
            values: moved(element.values, values_before),
            places: moved(element.places, places_before),
            ..element
        }));
        self.opened = OnceCell::new();
    }

    /// What all tables say, in one piece: they lie one behind the other.
    pub(super) fn values(&self) -> &[u8] {
        let (first, last) = (self.elements.first(), self.elements.last());
        let all = first.zip(last).map(|(first, last)| first.values.start..last.values.end);
        all.and_then(|all| self.values.get(all)).unwrap_or_default()
    }

    /// The bytes of all tables one behind the other.
    pub(super) fn all_bytes(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.bytes(index))
    }
}

/// Tables being packed, in the order of the text.
#[derive(Debug)]
pub(super) struct Packing {
    path: Arc<str>,
    file: FileId,
    writer: Writer,
    elements: Vec<Element>,
    /// Where the first one's header and key are.
    pub(super) first: (Span, Span),
}

impl Packing {
    pub(super) fn new(path: Arc<str>, file: FileId, first: (Span, Span)) -> Self {
        Self { path, file, writer: Writer::default(), elements: Vec::new(), first }
    }

    pub(super) fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Adds a table whose places are all behind `base`.
    pub(super) fn push(&mut self, node: &Node<'_>, base: usize) {
        let (values, places) = (self.writer.values.len(), self.writer.places.len());
        self.writer.base = base;
        self.writer.node(node);
        self.elements.push(Element {
            file: self.file,
            base,
            values: values..self.writer.values.len(),
            places: places..self.writer.places.len(),
        });
    }

    pub(super) fn finish(self) -> Packed {
        Packed {
            path: self.path,
            values: Arc::new(self.writer.values),
            places: Some(Arc::new(self.writer.places)),
            elements: self.elements,
            opened: OnceCell::new(),
        }
    }
}
