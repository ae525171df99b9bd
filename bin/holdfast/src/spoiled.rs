//! Every value of the shipped files, spoiled in turn: the fault is told at that value and at no innocent key.
//!
//! A reader that gives up in the middle of a table leaves keys unasked, which then pass for unknown: this finds it.

use std::ops::Range;

use common::config::{Diagnostics, Severity, Sources};
use common::role;
use toml::de::{DeTable, DeValue};

use crate::reference::shipped;
use crate::roles::ROLES;

const SPOILED: [&str; 7] = ["-7", "\"\"", "true", "[]", "{ zzz = 1 }", "1979-05-27", "\"\\u0000 nonsense\""];

/// The places of all values that are not written under a header.
pub(crate) fn values(text: &str) -> Vec<Range<usize>> {
    fn walk(text: &str, value: &toml::Spanned<DeValue<'_>>, found: &mut Vec<Range<usize>>) {
        let span = value.span();
        if !text[span.clone()].starts_with("[[")
            && !text[..span.end].ends_with(&format!("\n{}", &text[span.clone()]))
        {
            found.push(span);
        }
        match value.get_ref() {
            DeValue::Table(table) => table.iter().for_each(|(_, value)| walk(text, value, found)),
            DeValue::Array(list) => list.iter().for_each(|value| walk(text, value, found)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
    let table = DeTable::parse(text).unwrap();
    let mut found = Vec::new();
    table.get_ref().iter().for_each(|(_, value)| walk(text, value, &mut found));
    found
}

/// There is no error, or one of them or its notes is at the place.
fn is_told_at(diagnostics: &Diagnostics, place: &Range<usize>) -> bool {
    let mut errors = diagnostics
        .sorted()
        .into_iter()
        .filter(|diagnostic| diagnostic.severity() == Severity::Error)
        .peekable();
    let mut none = errors.peek().is_none();
    for error in errors {
        let mut spans = error.notes().iter().map(|(span, _)| *span).chain([error.span()]);
        none |= spans.any(|span| span.start < place.end && place.start < span.end.max(span.start + 1));
    }
    none
}

#[test]
fn a_spoiled_value_is_told_at_its_place_and_nothing_else_is_unknown() {
    let (mut count, mut wrong) = (0, Vec::new());
    // These two have every key; the others would only take time.
    let all = |name: &str| name.starts_with("every") || name == "checks.toml";
    for (name, text) in shipped().into_iter().filter(|(name, _)| all(name)) {
        for span in values(&text) {
            for spoiled in SPOILED {
                let changed = format!("{}{spoiled}{}", &text[..span.start], &text[span.end..]);
                let sources = Sources::from_text(name.as_str(), changed);
                let mut diagnostics = Diagnostics::new();
                role::check(ROLES, &sources, &mut diagnostics);
                let told = diagnostics.render(&sources);
                let innocent = told.lines().any(|line| line.contains("unknown key") && !line.contains("zzz"));
                // Some faults are told at the key.
                let line = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
                let place = line..span.start + spoiled.len();
                if innocent || !is_told_at(&diagnostics, &place) {
                    wrong.push(format!("{spoiled} for {}:\n{told}", &text[span.clone()]));
                }
                count += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 1000, "{count}");
}
