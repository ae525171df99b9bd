//! What the reader accepts under a key, as it is recorded for the schema: TOML's types, ranges of numbers and durations,
//! lists of words, and what a text looks like. What a form admits can still be refused by the reader, never the other
//! way round.

use std::ops::RangeInclusive;
use std::time::Duration;

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
    /// A duration from the first to the second: a text with units, or a number of seconds.
    Duration(Duration, Duration),
    /// A string; what is in it, only the reader knows.
    String,
    /// A string that looks like this.
    Text(Look),
    /// One of these words.
    Words(Vec<String>),
    /// A list, each of whose elements has one of these forms.
    List(Vec<Self>),
    /// A table.
    Table,
    /// A list of tables.
    Tables,
}

/// How a text looks, for those who read regular expressions and for those who don't.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Look {
    /// A regular expression that the whole text matches, in what the dialects have in common.
    pub pattern: String,
    /// One such text.
    pub example: &'static str,
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
        vec![Self::word(choices.iter().map(|(word, _)| *word))]
    }

    /// One of these words.
    pub fn word<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        Self::Words(words.into_iter().map(str::to_owned).collect())
    }

    /// A text that this regular expression matches as a whole.
    pub fn text(pattern: &str, example: &'static str) -> Self {
        Self::Text(Look { pattern: format!("^(?:{pattern})$"), example })
    }

    /// What has one of these forms, or a list of such.
    pub fn one_or_list(mut each: Vec<Self>) -> Vec<Self> {
        each.push(Self::List(each.clone()));
        each
    }
}
