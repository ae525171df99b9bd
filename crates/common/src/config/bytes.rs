//! Values as bytes: the form in which large arrays are kept and in which children get their share.
//!
//! What a value says and where it stands are two streams, so that equal bytes mean equal values wherever they stand,
//! and so that children, who have no text to show, need not be told the places.

use std::borrow::Cow;
use std::sync::Arc;

use super::node::{Entry, Kind, Node, TableNode, path_of};
use super::source::{FileId, Span};

const STRING: u8 = 0;
const INTEGER: u8 = 1;
const LARGE_INTEGER: u8 = 2;
const FLOAT: u8 = 3;
const FALSE: u8 = 4;
const TRUE: u8 = 5;
const DATETIME: u8 = 6;
const ARRAY: u8 = 7;
const TABLE: u8 = 8;

/// How deep bytes may nest: more than the text may.
const DEEPEST: usize = 200;

/// Writes a number in as few bytes as it needs, seven bits in each.
pub(super) fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

pub(super) fn write_length(length: usize, out: &mut Vec<u8>) {
    write_number(u64::try_from(length).unwrap_or(u64::MAX), out);
}

pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    write_length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// Where values and places are written to.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) values: Vec<u8>,
    pub(super) places: Vec<u8>,
    /// What places are counted from.
    pub(super) base: usize,
}

impl Writer {
    fn place(&mut self, span: Span) {
        write_length(span.start.saturating_sub(self.base), &mut self.places);
        write_length(span.end.saturating_sub(span.start), &mut self.places);
    }

    pub(super) fn table(&mut self, table: &TableNode<'_>) {
        self.values.push(TABLE);
        write_length(table.entries.len(), &mut self.values);
        for (key, entry) in &table.entries {
            write_text(key, &mut self.values);
            self.place(entry.key);
            self.node(&entry.value);
        }
    }

    pub(super) fn node(&mut self, node: &Node<'_>) {
        self.place(node.span);
        match &node.kind {
            Kind::String(text) => {
                self.values.push(STRING);
                write_text(text, &mut self.values);
            }
            Kind::Integer(Some(number)) => {
                self.values.push(INTEGER);
                // Small numbers of either sign are short.
                write_number(((number << 1) ^ (number >> 63)).cast_unsigned(), &mut self.values);
            }
            Kind::Integer(None) => self.values.push(LARGE_INTEGER),
            Kind::Float(number) => {
                self.values.push(FLOAT);
                self.values.extend_from_slice(&number.to_le_bytes());
            }
            Kind::Boolean(truth) => self.values.push(if *truth { TRUE } else { FALSE }),
            Kind::Datetime => self.values.push(DATETIME),
            Kind::Table(table) => self.table(table),
            Kind::Array(list) => self.array(list),
            Kind::Packed(packed) => self.array(packed.opened()),
        }
    }

    fn array(&mut self, list: &[Node<'_>]) {
        self.values.push(ARRAY);
        write_length(list.len(), &mut self.values);
        list.iter().for_each(|node| self.node(node));
    }
}

/// Reads what [`Writer`] wrote. Bytes of any other origin are `None`, never a panic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'b> {
    values: &'b [u8],
    /// None where nobody was told the places.
    places: Option<&'b [u8]>,
    file: FileId,
    base: usize,
}

pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

pub(super) fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_number(bytes)?).ok()
}

pub(super) fn take_slice<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

pub(super) fn take_text<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
    let length = take_length(bytes)?;
    std::str::from_utf8(take_slice(bytes, length)?).ok()
}

impl<'b> Reader<'b> {
    pub(super) fn new(values: &'b [u8], places: Option<&'b [u8]>, file: FileId, base: usize) -> Self {
        Self { values, places, file, base }
    }

    /// One value that is all there is.
    pub(super) fn whole(mut self, path: &Arc<str>) -> Option<Node<'b>> {
        let node = self.node(path, DEEPEST)?;
        self.values.is_empty().then_some(node)
    }

    fn place(&mut self) -> Option<Span> {
        let Some(places) = &mut self.places else { return Some(Span::START) };
        let start = take_length(places)?.checked_add(self.base)?;
        let end = take_length(places)?.checked_add(start)?;
        Some(Span { file: self.file, start, end })
    }

    /// `path` is what a table here is called.
    fn node(&mut self, path: &Arc<str>, depth: usize) -> Option<Node<'b>> {
        let depth = depth.checked_sub(1)?;
        let span = self.place()?;
        let [tag] = *take_slice(&mut self.values, 1)? else { return None };
        let kind = match tag {
            STRING => Kind::String(Cow::Borrowed(take_text(&mut self.values)?)),
            INTEGER => {
                let number = take_number(&mut self.values)?;
                Kind::Integer(Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed())))
            }
            LARGE_INTEGER => Kind::Integer(None),
            FLOAT => {
                let bytes: &[u8; 8] = take_slice(&mut self.values, 8)?.try_into().ok()?;
                Kind::Float(f64::from_le_bytes(*bytes))
            }
            FALSE => Kind::Boolean(false),
            TRUE => Kind::Boolean(true),
            DATETIME => Kind::Datetime,
            ARRAY => {
                let count = self.count()?;
                let mut list = Vec::with_capacity(count);
                for _ in 0..count {
                    list.push(self.node(path, depth)?);
                }
                Kind::Array(list)
            }
            TABLE => {
                let count = self.count()?;
                let mut entries = Vec::with_capacity(count);
                for _ in 0..count {
                    let name = take_text(&mut self.values)?;
                    let key = self.place()?;
                    // Only what can hold a table needs a name.
                    let value = match self.next_tag()? {
                        ARRAY | TABLE => self.node(&path_of(path, name), depth)?,
                        _ => self.node(path, depth)?,
                    };
                    entries.push((Cow::Borrowed(name), Entry { key, value }));
                }
                Kind::Table(TableNode { path: Arc::clone(path), entries })
            }
            _ => return None,
        };
        Some(Node { span, kind })
    }

    fn next_tag(&self) -> Option<u8> {
        self.values.first().copied()
    }

    /// A number of things to come, each of which takes a byte at least.
    fn count(&mut self) -> Option<usize> {
        take_length(&mut self.values).filter(|count| *count <= self.values.len())
    }
}
