//! What a child is told of the configuration: its own sections, as values, without the text.
//!
//! The watchdog has read the text and found it faultless; its children plan the same values by the same code. Equal
//! shares are equal bytes, whatever was changed in the text around them.
//!
//! ```text
//! magic, how many sections, for each: its key and
//!   0, length, a value                                                    or
//!   1, how many tables, the length of each, the tables one behind the other
//! ```

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use super::bytes::{Reader, Writer, take_length, take_slice, take_text, write_length, write_text};
use super::document::Document;
use super::node::{Entry, Kind, Node, TableNode};
use super::packed::{Element, Packed};
use super::source::{FileId, Span};

/// The first bytes: what is handed down is of this program, and not a text.
const MAGIC: &[u8] = b"holdfast1";
const VALUE: u8 = 0;
const TABLES: u8 = 1;

impl Document {
    /// Writes these sections of it, those of them that are there.
    ///
    /// # Errors
    /// Those of the writing.
    pub fn write_share(&self, keys: &[&str], to: &mut impl Write) -> io::Result<()> {
        let sections: Vec<_> = self.root.entries.iter().filter(|(key, _)| keys.contains(&&**key)).collect();
        let mut head = MAGIC.to_vec();
        write_length(sections.len(), &mut head);
        for (key, entry) in sections {
            write_text(key, &mut head);
            if let Kind::Packed(packed) = &entry.value.kind {
                head.push(TABLES);
                write_length(packed.len(), &mut head);
                packed.all_bytes().for_each(|bytes| write_length(bytes.len(), &mut head));
                to.write_all(&head)?;
                head.clear();
                to.write_all(packed.values())?;
            } else {
                let mut writer = Writer::default();
                writer.node(&entry.value);
                head.push(VALUE);
                write_length(writer.values.len(), &mut head);
                head.append(&mut writer.values);
            }
        }
        to.write_all(&head)
    }

    /// Reads what [`Document::write_share`] wrote. Nothing in it has a place.
    ///
    /// # Errors
    /// The bytes are something else.
    pub fn from_share(bytes: Vec<u8>) -> Result<Self, ShareError> {
        read(&Arc::new(bytes)).map(|root| Self { root }).ok_or(ShareError)
    }

    /// For every table of this array, where the other document has an equal one, if all else in the documents is equal.
    pub fn equal_tables(&self, other: &Self, array: &str) -> Option<Vec<Option<usize>>> {
        let rest = |document: &'_ Self| {
            let entries = document.root.entries.iter().filter(|(key, _)| key != array);
            entries.map(|(key, entry)| (key.clone(), entry.value.kind.clone())).collect::<Vec<_>>()
        };
        let packed = |document: &'_ Self| match &document.root.get(array)?.value.kind {
            Kind::Packed(packed) => Some(packed.clone()),
            Kind::String(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime
            | Kind::Array(_)
            | Kind::Table(_) => None,
        };
        let (ours, others) = (packed(self)?, packed(other)?);
        if rest(self) != rest(other) {
            return None;
        }
        let places: std::collections::BTreeMap<&[u8], usize> =
            others.all_bytes().enumerate().map(|(index, bytes)| (bytes, index)).collect();
        Some(ours.all_bytes().map(|bytes| places.get(bytes).copied()).collect())
    }
}

fn read(all: &Arc<Vec<u8>>) -> Option<TableNode<'static>> {
    let mut bytes = all.strip_prefix(MAGIC)?;
    let mut root = TableNode::new("".into());
    for _ in 0..take_length(&mut bytes)? {
        let key = take_text(&mut bytes)?;
        let path: Arc<str> = key.into();
        let [form] = *take_slice(&mut bytes, 1)? else { return None };
        let value = match form {
            VALUE => {
                let length = take_length(&mut bytes)?;
                let value = take_slice(&mut bytes, length)?;
                Reader::new(value, None, FileId(0), 0).whole(&path)?.into_owned()
            }
            TABLES => {
                let count = take_length(&mut bytes).filter(|count| *count <= bytes.len())?;
                let mut lengths = Vec::with_capacity(count);
                for _ in 0..count {
                    lengths.push(take_length(&mut bytes)?);
                }
                let mut elements = Vec::with_capacity(count);
                for length in lengths {
                    let start = all.len() - bytes.len();
                    take_slice(&mut bytes, length)?;
                    let values = start..start + length;
                    elements.push(Element { file: FileId(0), base: 0, values, places: 0..0 });
                }
                Node { span: Span::START, kind: Kind::Packed(Packed::new(path, Arc::clone(all), elements)) }
            }
            _ => return None,
        };
        root.entries.push((Cow::Owned(key.to_owned()), Entry { key: Span::START, value }));
    }
    bytes.is_empty().then_some(root)
}

/// The bytes are not what [`Document::write_share`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareError;

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration handed down is damaged")
    }
}

impl std::error::Error for ShareError {}
