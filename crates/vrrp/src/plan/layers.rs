//! A table and the tables its missing keys are taken from, asked as one.

use common::config::{Diagnostics, Form, FromValue, Located, Ranged, Table, Value};
use std::ops::RangeInclusive;

/// Tables from the most specific to the most general. Every one is asked for every key, so that a fault in a default
/// is told even where it is overridden.
pub(super) struct Layers<'d> {
    tables: Vec<Table<'d>>,
}

impl<'d> Layers<'d> {
    pub(super) const fn new(tables: Vec<Table<'d>>) -> Self {
        Self { tables }
    }

    /// The first answer of all; every table is asked.
    pub(super) fn first<T>(&mut self, mut read: impl FnMut(&mut Table<'d>) -> Option<T>) -> Option<T> {
        let mut found = None;
        for table in &mut self.tables {
            let read = read(table);
            found = found.or(read);
        }
        found
    }

    pub(super) fn optional<T: FromValue>(
        &mut self,
        key: &'static str,
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        self.first(|table| table.optional(key, d))
    }

    pub(super) fn within<T: Ranged>(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<T>,
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        self.first(|table| table.within(key, range, d))
    }

    pub(super) fn choice<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        d: &mut Diagnostics,
    ) -> Option<Located<T>> {
        self.first(|table| table.choice(key, choices, d))
    }

    pub(super) fn value(
        &mut self,
        key: &'static str,
        forms: impl Fn() -> Vec<Form>,
        d: &mut Diagnostics,
    ) -> Option<Value<'d>> {
        self.first(|table| table.value(key, &forms, d))
    }

    /// Whether the most specific table itself has a key: what only a general one says need not fit everybody.
    pub(super) fn says(&self, key: &str) -> bool {
        self.tables.first().is_some_and(|table| table.key_span(key).is_some())
    }

    /// The tables under a key, in the same order.
    pub(super) fn tables(&mut self, key: &'static str, d: &mut Diagnostics) -> Self {
        Self { tables: self.tables.iter_mut().filter_map(|table| table.table(key, d)).collect() }
    }

    pub(super) fn finish(self, d: &mut Diagnostics) {
        for table in self.tables {
            table.finish(d);
        }
    }
}
