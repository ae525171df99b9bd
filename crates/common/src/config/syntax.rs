//! Text that is not TOML, told in words for people who edit it twice a year.

use std::borrow::Cow;
use std::ops::Range;

use toml::de::DeTable;

use super::diagnostic::Diagnostics;
use super::document::spanned;
use super::source::FileId;

/// Reports what the parser stumbled over.
///
/// One slip makes it stumble several times, so only the first fault of a line is told.
pub(super) fn report(file: FileId, text: &str, errors: Vec<toml::de::Error>, d: &mut Diagnostics) {
    let mut errors: Vec<(Range<usize>, String)> =
        errors.into_iter().map(|e| (e.span().unwrap_or(0..0), e.message().to_owned())).collect();
    errors.sort_by_key(|(span, _)| (span.start, span.end));
    let (mut at, mut line, mut last_line) = (0, 0, None);
    for (span, message) in errors {
        let between = text.as_bytes().get(at..span.start).unwrap_or_default();
        line += between.iter().filter(|b| **b == b'\n').count();
        at = at.max(span.start);
        if last_line.replace(line) == Some(line) {
            continue;
        }
        if message.starts_with("unclosed") {
            d.lost_header();
        }
        if message.starts_with("duplicate key") {
            report_duplicate(file, text, span, d);
        } else {
            let words = if span.is_empty() && message.starts_with("string values") {
                "there is = but no value".to_owned()
            } else {
                reworded(&message)
            };
            let brace = message.starts_with(STRAY_KEY) && line_at(text, span.start).trim_end().ends_with('{');
            let diagnostic = d.syntax_error(spanned(file, span), words);
            if brace {
                diagnostic.hint("blocks in braces are keepalived's; here a section begins with its [header]");
            }
        }
    }
}

/// The parser's words for a line that is only a key.
const STRAY_KEY: &str = "key with no value";

/// Parses a text and gives its root table to `convert`, with all faults.
///
/// A line that is only a word is blanked out and the text parsed again: the parser takes what follows such a line for a
/// part of it, and would not see the faults there.
pub(super) fn parse<T>(text: &str, convert: impl FnOnce(DeTable<'_>) -> T) -> (T, Vec<toml::de::Error>) {
    let mut text = Cow::Borrowed(text);
    let mut found = Vec::new();
    // Each pass brings to light what the last one hid; the limit is for garbage that has nothing else.
    for pass in 0.. {
        let (table, errors) = DeTable::parse_recoverable(&text);
        let (stray, other): (Vec<_>, Vec<_>) =
            errors.into_iter().partition(|error| error.message().starts_with(STRAY_KEY));
        let last = stray.is_empty() || pass == 20;
        found.extend(stray);
        if last {
            found.extend(other);
            return (convert(table.into_inner()), found);
        }
        let blanked = blank(&text, &found);
        text = Cow::Owned(blanked);
    }
    (convert(DeTable::new()), found)
}

/// The text with the lines of these faults as spaces.
fn blank(text: &str, faults: &[toml::de::Error]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for fault in faults {
        let at = fault.span().map_or(0, |span| span.start).min(bytes.len());
        let start = bytes.iter().take(at).rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        for byte in bytes.iter_mut().skip(start).take_while(|b| **b != b'\n') {
            *byte = b' ';
        }
    }
    // Whole lines became spaces, so this is still UTF-8 of the same length.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parser's words where they are plain, ours where they are a grammar's.
fn reworded(message: &str) -> String {
    const WORDS: [(&str, &str); 17] = [
        (
            "string values must be quoted",
            "this is neither a number, true, false, a list nor a table; text must be quoted",
        ),
        ("invalid basic string", "this text has no closing \""),
        ("invalid literal string", "this text has no closing '"),
        ("invalid multi-line basic string", "this text has no closing \"\"\""),
        (
            "missing escaped value",
            "a backslash in \"text\" is written \\\\; 'text' in single quotes is taken as it is",
        ),
        (STRAY_KEY, "there is a key but no value: expected ="),
        ("missing value", "there is = but no value"),
        ("unclosed array table", "this header has no closing ]]"),
        ("unclosed array", "this list has no closing ]"),
        ("unclosed inline table", "this table has no closing }"),
        ("unclosed table", "this header has no closing ]"),
        ("unquoted keys cannot be empty", "there is a value but no key before ="),
        ("unexpected key or value", "the line should end here: one key a line"),
        ("invalid key-value pair", "this is neither a key, a header nor a comment"),
        ("missing comma between array elements", "a comma is missing between the elements of a list"),
        ("missing comma between key-value pairs", "a comma is missing between the keys of a table"),
        ("cannot recurse further", "tables and lists are nested too deep"),
    ];
    let found = WORDS.iter().find(|(start, _)| message.starts_with(start));
    found.map_or_else(|| message.to_owned(), |(_, words)| (*words).to_owned())
}

/// Names the first place too, where it can be found.
fn report_duplicate(file: FileId, text: &str, span: Range<usize>, d: &mut Diagnostics) {
    let name = text.get(span.clone()).unwrap_or_default().to_owned();
    let before = text.get(..span.start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = line_at(text, span.start);
    let above = text.get(..line_start).unwrap_or_default();
    let first =
        if line.trim_start().starts_with('[') { header_above(above, line) } else { key_above(above, &name) };
    let diagnostic = d.syntax_error(spanned(file, span), format!("`{name}` is given twice"));
    if let Some(first) = first {
        diagnostic.note(spanned(file, first), "first given here");
    }
}

/// The line that a place is in.
fn line_at(text: &str, at: usize) -> &str {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
}

/// The last line above that is the same header.
fn header_above(above: &str, header: &str) -> Option<Range<usize>> {
    let wanted = header.split('#').next().unwrap_or_default().trim();
    let found =
        lines(above).filter(|(_, line)| line.split('#').next().unwrap_or_default().trim() == wanted).last();
    found.map(|(start, line)| {
        let indent = line.len() - line.trim_start().len();
        start + indent..start + indent + wanted.len()
    })
}

/// The last line above, under the same header, that gives the key.
fn key_above(above: &str, key: &str) -> Option<Range<usize>> {
    let mut found = None;
    for (start, line) in lines(above) {
        let trimmed = line.trim_start();
        if trimmed.starts_with('[') {
            found = None;
        } else if let Some(rest) = trimmed.strip_prefix(key)
            && rest.trim_start().starts_with('=')
        {
            let start = start + line.len() - trimmed.len();
            found = Some(start..start + key.len());
        }
    }
    found
}

/// Each line with where it begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let at = start;
        start += line.len();
        (at, line.trim_end_matches(['\n', '\r']))
    })
}
