//! One value of the text, and how it becomes a Rust value.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::duration::{format_duration, parse_duration};
use super::form::Form;
use super::node::{Kind, Node};
use super::source::Span;
use super::table::Table;

/// A value with the place it was written at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Located<T> {
    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: f(self.value), span: self.span }
    }
}

/// One value of the text, not yet understood.
#[derive(Debug, Clone, Copy)]
pub struct Value<'d> {
    node: &'d Node<'d>,
    key: &'d str,
}

/// What a [`Value`] is in TOML's words, for keys that take several shapes.
#[derive(Debug, Clone)]
pub enum Shape<'d> {
    /// A string.
    String(&'d str),
    /// A whole number; `None` when it does not fit 64 bits.
    Integer(Option<i64>),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or time; nothing in a configuration is one.
    Datetime,
    /// A list.
    List(Vec<Value<'d>>),
    /// A table, in line or under its own header.
    Table(Table<'d>),
}

/// A type that can be read from the text.
pub trait FromValue: Sized {
    /// What belongs there, in words that follow "expected".
    const EXPECTED: &'static str;

    /// Reads the value or reports why not.
    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self>;

    /// What it can be written as, for the schema: whatever the reader takes is one of these.
    fn forms() -> Vec<Form> {
        vec![Form::Any]
    }

    /// It as a default in the schema, where it can be one.
    fn written(&self) -> Option<serde_json::Value> {
        None
    }
}

/// A type whose values can be told to lie in a range.
pub trait Ranged: FromValue + PartialOrd {
    /// The value as the operator would write it, with its unit.
    fn describe(&self) -> String;

    /// [`FromValue::forms`] of what lies in the range.
    fn forms_within(_range: &RangeInclusive<Self>) -> Vec<Form> {
        Self::forms()
    }

    /// Reads the value, which must lie in the range, or reports why not.
    fn from_value_within(v: &Value<'_>, range: &RangeInclusive<Self>, d: &mut Diagnostics) -> Option<Self> {
        let value = Self::from_value(v, d)?;
        if range.contains(&value) {
            return Some(value);
        }
        let (low, high) = (range.start().describe(), range.end().describe());
        v.refuse(format!("expected {} from {low} to {high}, found {}", Self::EXPECTED, value.describe()), d);
        None
    }
}

impl<'d> Value<'d> {
    pub(super) fn new(node: &'d Node<'d>, key: &'d str) -> Self {
        Self { node, key }
    }

    /// Where it is written.
    pub fn span(&self) -> Span {
        self.node.span
    }

    /// The key it stands under.
    pub fn key(&self) -> &'d str {
        self.key
    }

    /// What it is in TOML's words. A table of it must be finished like any other.
    pub fn shape(&self) -> Shape<'d> {
        match &self.node.kind {
            Kind::String(text) => Shape::String(text),
            Kind::Integer(number) => Shape::Integer(*number),
            Kind::Float(number) => Shape::Float(*number),
            Kind::Boolean(truth) => Shape::Boolean(*truth),
            Kind::Datetime => Shape::Datetime,
            Kind::Array(_) | Kind::Packed(_) => Shape::List(self.one_or_list()),
            Kind::Table(table) => Shape::Table(Table::new(table, self.node.span)),
        }
    }

    /// Reads it as a `T`.
    pub fn read<T: FromValue>(&self, d: &mut Diagnostics) -> Option<T> {
        T::from_value(self, d)
    }

    /// The values of a list, or this one value alone.
    pub fn one_or_list(&self) -> Vec<Self> {
        match self.node.kind.list() {
            Some(list) => list.iter().map(|node| Self { node, key: self.key }).collect(),
            None => vec![*self],
        }
    }

    /// Reads one of a set of words.
    pub fn choose<T: Clone>(&self, choices: &[(&str, T)], d: &mut Diagnostics) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let Kind::String(text) = &self.node.kind else {
            self.mismatch(&format!("one of {}", quoted_list(&words)), d);
            return None;
        };
        let found = choices.iter().find(|(word, _)| word == text).map(|(_, value)| value.clone());
        if found.is_none() {
            let nearest = nearest(text, words.iter().copied());
            let message = format!("expected one of {}, found {}", quoted_list(&words), quoted(text));
            let diagnostic = d.local_error(self.span(), format!("`{}`: {message}", self.key));
            if let Some(nearest) = nearest {
                diagnostic.hint(format!("did you mean \"{nearest}\"?"));
            }
        }
        found
    }

    /// Reports that it is not what belongs there: `key: expected …, found …`.
    pub fn mismatch<'m>(&self, expected: &str, d: &'m mut Diagnostics) -> &'m mut Diagnostic {
        self.refuse(format!("expected {expected}, found {}", self.describe()), d)
    }

    /// Reports a fault of this value alone: `key: reason`.
    pub fn refuse<'m>(&self, reason: impl fmt::Display, d: &'m mut Diagnostics) -> &'m mut Diagnostic {
        d.local_error(self.span(), format!("`{}`: {reason}", self.key))
    }

    /// What was found, for people.
    pub fn describe(&self) -> String {
        match &self.node.kind {
            Kind::String(text) => quoted(text),
            Kind::Integer(Some(number)) => number.to_string(),
            Kind::Integer(None) => "a number beyond 64 bits".to_owned(),
            Kind::Float(number) => number.to_string(),
            Kind::Boolean(truth) => format!("{truth}"),
            Kind::Datetime => "a date or time".to_owned(),
            Kind::Array(list) if list.is_empty() => "an empty list".to_owned(),
            Kind::Array(_) | Kind::Packed(_) => "a list".to_owned(),
            Kind::Table(_) => "a table".to_owned(),
        }
    }
}

/// The nearest of some words, if one is near enough to be meant.
pub(super) fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let lower = word.to_lowercase().replace('-', "_");
    let score = |candidate: &str| {
        let part = candidate.len() >= 4
            && lower.len() >= 4
            && (candidate.contains(&lower) || lower.contains(candidate));
        if part { 0.9_f64 } else { 0.0 }.max(strsim::jaro_winkler(&lower, candidate))
    };
    words.map(|w| (score(w), w)).filter(|(s, _)| *s >= 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, w)| w)
}

/// Text from the file, shortened and harmless to a terminal.
pub(super) fn quoted(text: &str) -> String {
    let escaped: String = text.chars().take(60).map(escaped).collect();
    if text.chars().count() > 60 { format!("\"{escaped}...\"") } else { format!("\"{escaped}\"") }
}

/// One character as it is written between double quotes.
fn escaped(c: char) -> String {
    if c == '\'' { c.to_string() } else { c.escape_debug().to_string() }
}

fn quoted_list(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

impl FromValue for bool {
    const EXPECTED: &'static str = "true or false";

    fn forms() -> Vec<Form> {
        vec![Form::Boolean]
    }

    fn written(&self) -> Option<serde_json::Value> {
        Some((*self).into())
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        if let Kind::Boolean(truth) = v.node.kind {
            return Some(truth);
        }
        v.mismatch(Self::EXPECTED, d);
        None
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "a string";

    fn forms() -> Vec<Form> {
        vec![Form::String]
    }

    fn written(&self) -> Option<serde_json::Value> {
        Some(self.as_str().into())
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        if let Kind::String(text) = &v.node.kind {
            return Some(text.clone().into_owned());
        }
        v.mismatch(Self::EXPECTED, d);
        None
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = "a whole number";

            fn forms() -> Vec<Form> {
                Self::forms_within(&(<$type>::MIN..=<$type>::MAX))
            }

            fn written(&self) -> Option<serde_json::Value> {
                Some((*self).into())
            }

            fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
                Self::from_value_within(v, &(<$type>::MIN..=<$type>::MAX), d)
            }
        }

        impl Ranged for $type {
            fn forms_within(range: &RangeInclusive<Self>) -> Vec<Form> {
                Form::integer(range)
            }

            fn from_value_within(
                v: &Value<'_>,
                range: &RangeInclusive<Self>,
                d: &mut Diagnostics,
            ) -> Option<Self> {
                let Kind::Integer(number) = v.node.kind else {
                    v.mismatch(Self::EXPECTED, d);
                    return None;
                };
                let fits = number.and_then(|number| Self::try_from(number).ok());
                let found = fits.filter(|number| range.contains(number));
                if found.is_none() {
                    let (low, high) = (range.start(), range.end());
                    v.mismatch(&format!("a whole number from {low} to {high}"), d);
                }
                found
            }

            fn describe(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64);

impl FromValue for f64 {
    const EXPECTED: &'static str = "a number";

    fn forms() -> Vec<Form> {
        vec![Form::Number]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let number = match v.node.kind {
            Kind::Float(number) if number.is_finite() => Some(number),
            // Lossless for every number an operator writes; beyond 2^53 a float is what was asked for.
            Kind::Integer(Some(number)) => number.to_string().parse().ok(),
            Kind::Integer(None)
            | Kind::Float(_)
            | Kind::String(_)
            | Kind::Boolean(_)
            | Kind::Datetime
            | Kind::Array(_)
            | Kind::Packed(_)
            | Kind::Table(_) => None,
        };
        if number.is_none() {
            v.mismatch(Self::EXPECTED, d);
        }
        number
    }
}

impl Ranged for f64 {
    fn describe(&self) -> String {
        self.to_string()
    }
}

impl FromValue for Duration {
    const EXPECTED: &'static str = "a duration";

    fn forms() -> Vec<Form> {
        vec![Form::Duration(Self::ZERO, Self::MAX)]
    }

    fn written(&self) -> Option<serde_json::Value> {
        Some(format_duration(*self).into())
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let parsed = match &v.node.kind {
            Kind::String(text) => parse_duration(text),
            Kind::Integer(Some(seconds)) => {
                u64::try_from(*seconds).map(Self::from_secs).map_err(|_| "it is negative".to_owned())
            }
            Kind::Float(seconds) => {
                Self::try_from_secs_f64(*seconds).map_err(|_| "it is negative or far too long".to_owned())
            }
            Kind::Integer(None)
            | Kind::Boolean(_)
            | Kind::Datetime
            | Kind::Array(_)
            | Kind::Packed(_)
            | Kind::Table(_) => {
                v.mismatch("a duration like \"1s\" or \"100ms\", or a number of seconds", d);
                return None;
            }
        };
        match parsed {
            Ok(duration) => Some(duration),
            Err(reason) => {
                v.refuse(format!("{} is not a duration: {reason}", v.describe()), d)
                    .hint("write \"1s\", \"100ms\", \"1m30s\", or a number of seconds");
                None
            }
        }
    }
}

impl Ranged for Duration {
    fn forms_within(range: &RangeInclusive<Self>) -> Vec<Form> {
        vec![Form::Duration(*range.start(), *range.end())]
    }

    fn describe(&self) -> String {
        format_duration(*self)
    }
}

impl<T: FromValue> FromValue for Located<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn forms() -> Vec<Form> {
        T::forms()
    }

    fn written(&self) -> Option<serde_json::Value> {
        self.value.written()
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        T::from_value(v, d).map(|value| Self { value, span: v.span() })
    }
}

/// Every element is read, so that all faults are told; one bad element spoils the list.
impl<T: FromValue> FromValue for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn forms() -> Vec<Form> {
        vec![Form::List(T::forms())]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let Some(list) = v.node.kind.list() else {
            let diagnostic = v.mismatch(Self::EXPECTED, d);
            if let Kind::String(text) = &v.node.kind {
                diagnostic.hint(format!("write {} = [{}]", v.key, quoted(text)));
            }
            return None;
        };
        let read: Vec<Option<T>> = list.iter().map(|node| T::from_value(&Value { node, ..*v }, d)).collect();
        read.into_iter().collect()
    }
}
