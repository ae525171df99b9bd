//! A text cut at the headers of its large arrays, so that its parts can be read one by one.
//!
//! `[[virtual_server]]` at the beginning of a line begins a part, which goes on to the next header that is not of that
//! array. All else is the rest. TOML reads from left to right, line by line: where every part is right by itself and
//! ends with its line, the whole is right and means the parts one behind the other. Where one is not (a header in the
//! middle of a text of several lines is none), the whole has to be read as one.

/// One table of an array, with what stands under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'t> {
    /// The array it belongs to.
    pub(super) array: &'t str,
    pub(super) start: usize,
    pub(super) text: &'t str,
}

/// What stands between the parts.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub(super) text: String,
    /// Where pieces of it begin: here, and in the whole text.
    pieces: Vec<(usize, usize)>,
}

impl Rest {
    fn push(&mut self, whole: &str, start: usize, end: usize) {
        let piece = whole.get(start..end).unwrap_or_default();
        if !piece.is_empty() {
            self.pieces.push((self.text.len(), start));
            self.text.push_str(piece);
        }
    }

    /// Where a byte of it stands in the whole text.
    fn place(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|(here, _)| *here <= at).checked_sub(1);
        let piece = piece.and_then(|index| self.pieces.get(index));
        piece.map_or(at, |(here, there)| there + at.saturating_sub(*here))
    }

    /// Where a range of it stands in the whole text.
    pub(super) fn range(&self, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let start = self.place(range.start);
        match range.end.checked_sub(1).filter(|last| *last >= range.start) {
            Some(last) => start..self.place(last) + 1,
            None => start..start,
        }
    }
}

/// Cuts a text.
pub(super) fn split(text: &str) -> (Vec<Part<'_>>, Rest) {
    let (mut parts, mut rest) = (Vec::new(), Rest::default());
    // What is being collected: a part of this array, or the rest.
    let (mut array, mut start) = (None, 0);
    let mut finish = |array: Option<&'_ str>, start: usize, end: usize| match array {
        Some(name) => parts.push((name.len(), start, end)),
        None => rest.push(text, start, end),
    };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let Some(header) = header(line) else { continue };
        let next = match header {
            Header::Array(name) => Some(name),
            Header::Other(first) if array == Some(first) => continue,
            Header::Other(_) if array.is_none() => continue,
            Header::Other(_) => None,
        };
        finish(array, start, begin);
        (array, start) = (next, begin);
    }
    finish(array, start, text.len());
    let part = |(name, start, end): (usize, usize, usize)| {
        let text = text.get(start..end)?;
        let name_at = text.find("[[")? + 2;
        Some(Part { array: text.get(name_at..name_at + name)?, start, text })
    };
    (parts.into_iter().filter_map(part).collect(), rest)
}

enum Header<'t> {
    /// `[[name]]` and nothing else.
    Array(&'t str),
    /// Any other, with the first part of its name.
    Other(&'t str),
}

fn header(line: &str) -> Option<Header<'_>> {
    let inner = line.trim_start_matches([' ', '\t']).strip_prefix('[')?;
    let (double, inner) = match inner.strip_prefix('[') {
        Some(inner) => (true, inner),
        None => (false, inner),
    };
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let end = inner.find(|c| !bare(c)).unwrap_or(inner.len());
    let (name, behind) = inner.split_at_checked(end)?;
    let plain = || {
        let behind = behind.strip_prefix("]]")?.trim_start_matches([' ', '\t']);
        (behind.is_empty() || behind.starts_with(['\n', '\r', '#'])).then_some(())
    };
    if double && !name.is_empty() && plain().is_some() {
        return Some(Header::Array(name));
    }
    Some(Header::Other(name))
}
