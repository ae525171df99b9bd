//! What the reader accepts under a key, as it is recorded for the schema: no more than TOML's types, ranges of whole
//! numbers and lists of words. What a form admits can still be refused by the reader, never the other way round.

use std::ops::RangeInclusive;

/// One form a value may have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The reader looks at the value itself: nothing can be said before.
    Any,
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second.
    Integer(i128, i128),
    /// Any number.
    Number,
    /// A string; what is in it, only the reader knows.
    String,
    /// One of these words.
    Words(Vec<String>),
    /// A list, each of whose elements has one of these forms.
    List(Vec<Self>),
    /// A table.
    Table,
    /// A list of tables.
    Tables,
}

impl Form {
    /// The form of a whole number in a range.
    pub(super) fn integer<T: Copy + TryInto<i128>>(range: &RangeInclusive<T>) -> Vec<Self> {
        let low = (*range.start()).try_into().unwrap_or(i128::MIN);
        let high = (*range.end()).try_into().unwrap_or(i128::MAX);
        vec![Self::Integer(low, high)]
    }

    /// The form of one of a set of words.
    pub(super) fn words<T>(choices: &[(&str, T)]) -> Vec<Self> {
        vec![Self::Words(choices.iter().map(|(word, _)| (*word).to_owned()).collect())]
    }
}
