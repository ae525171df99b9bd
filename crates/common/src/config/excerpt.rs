//! Places in the text, as people read them: line and column, and the line with a caret.

use std::fmt::Write as _;

use super::source::{SourceFile, Sources, Span};

/// How much of a long line is shown.
const MAX_WIDTH: usize = 120;
/// How much is kept before the caret when a long line is cut.
const LEAD: usize = 60;

/// The line starts of every file, so that each place is found by bisection.
pub(super) struct Excerpts<'s> {
    files: Vec<(&'s SourceFile, Vec<usize>)>,
}

/// A place as it is printed.
struct Place<'s> {
    line: usize,
    column: usize,
    text: &'s str,
    before: usize,
    length: usize,
}

impl<'s> Excerpts<'s> {
    pub(super) fn new(sources: &'s Sources) -> Self {
        let files = sources.files().iter().map(|file| {
            let breaks = file.text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
            (file, std::iter::once(0).chain(breaks).collect())
        });
        Self { files: files.collect() }
    }

    /// `path:line:column`.
    pub(super) fn locate(&self, span: Span) -> String {
        let file = usize::try_from(span.file.0).ok().and_then(|at| self.files.get(at));
        file.map_or_else(String::new, |(file, starts)| {
            let place = place(&file.text, starts, span);
            format!("{}:{}:{}", file.path.display(), place.line, place.column)
        })
    }

    /// Writes `path:line:column: word: message`, the line and the caret.
    pub(super) fn write(&self, out: &mut String, span: Span, word: &str, message: &str) {
        let Some((file, starts)) = usize::try_from(span.file.0).ok().and_then(|at| self.files.get(at)) else {
            let _ = writeln!(out, "{word}: {message}");
            return;
        };
        let place = place(&file.text, starts, span);
        let _ = writeln!(out, "{}:{}:{}: {word}: {message}", file.path.display(), place.line, place.column);
        if place.text.is_empty() && place.length == 0 {
            return;
        }
        let number = place.line.to_string();
        let (text, before, length) = shown(&place);
        let _ = writeln!(out, "{number:>5} | {text}");
        let _ = writeln!(out, "      | {}{}", " ".repeat(before), "^".repeat(length.max(1)));
    }
}

fn place<'s>(text: &'s str, starts: &[usize], span: Span) -> Place<'s> {
    let start = floor(text, span.start);
    let end = floor(text, span.end).max(start);
    let line = starts.partition_point(|s| *s <= start).max(1);
    let line_start = starts.get(line - 1).copied().unwrap_or(0);
    let rest = text.get(line_start..).unwrap_or_default();
    let whole = rest.split('\n').next().unwrap_or_default();
    let mut shown = whole.strip_suffix('\r').unwrap_or(whole);
    let mut at = start - line_start;
    // A byte order mark is not a column.
    if line_start == 0 && shown.starts_with('\u{feff}') {
        shown = shown.trim_start_matches('\u{feff}');
        at = at.saturating_sub('\u{feff}'.len_utf8());
    }
    let at = at.min(shown.len());
    let until = (at + (end - start)).min(shown.len());
    let before = shown.get(..at).unwrap_or_default().chars().count();
    let length = shown.get(at..until).unwrap_or_default().chars().count();
    Place { line, column: before + 1, text: shown, before, length }
}

/// The line with tabs as spaces, control characters made visible and a window around the place if it is long.
fn shown(place: &Place<'_>) -> (String, usize, usize) {
    let (mut text, mut before, mut length) = (String::new(), 0, 0);
    let total = place.text.chars().count();
    let first = if total > MAX_WIDTH { place.before.saturating_sub(LEAD) } else { 0 };
    if first > 0 {
        text.push_str("...");
        before += 3;
    }
    for (at, c) in place.text.chars().enumerate().skip(first).take(MAX_WIDTH) {
        let width = if c == '\t' { 4 } else { 1 };
        if at < place.before {
            before += width;
        } else if at < place.before + place.length {
            length += width;
        }
        match c {
            '\t' => text.push_str("    "),
            c if c.is_control() => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    if total > first + MAX_WIDTH {
        text.push_str("...");
    }
    (text, before, length)
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}
