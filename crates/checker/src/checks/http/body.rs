//! The body of an HTTP answer: where it ends, and what it must be like.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use common::config::{Diagnostics, Form, FromValue, Table, Value};
use md5::{Digest as _, Md5};
use regex::bytes::{Regex, RegexBuilder};
use sha2::Sha256;

use super::super::{Shown, Verdict};
use super::Answer;

/// How the end of a body is known (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// In chunks, each with its length.
    Chunked,
    /// When the server closes the connection.
    Close,
}

/// What a body must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rules {
    /// `digest`: `"md5:…"` or `"sha256:…"` of the whole body.
    pub digest: Option<Digest>,
    /// `body_match`: a regular expression that is found in it.
    pub matches: Option<Pattern>,
    /// `body_no_match`: a regular expression that is not found in it.
    pub matches_not: Option<Pattern>,
    /// `max_body`: bytes looked at, default 1 MiB.
    pub max_body: u64,
}

/// Looked at where nothing else is said, in bytes.
pub const MAX_BODY: u64 = 1 << 20;

impl Rules {
    pub(super) fn read(table: &mut Table<'_>, defaults: Option<&Self>, d: &mut Diagnostics) -> Self {
        let base = defaults.cloned().unwrap_or(Self { max_body: MAX_BODY, ..Self::default() });
        let digest = table.optional("digest", d).map(|digest| digest.value);
        let matches = table.optional("body_match", d).map(|pattern| pattern.value);
        let matches_not = table.optional("body_no_match", d).map(|pattern| pattern.value);
        let rules = Self {
            digest: digest.or(base.digest),
            matches: matches.or(base.matches),
            matches_not: matches_not.or(base.matches_not),
            max_body: table.within("max_body", &(1..=256 << 20), d).map_or(base.max_body, |most| most.value),
        };
        if !rules.wanted()
            && !table.has("urls")
            && let Some(span) = table.key_span("max_body")
        {
            d.error(span, "`max_body` means nothing without `digest`, `body_match` or `body_no_match`");
        }
        rules
    }

    /// Whether the body matters at all.
    pub fn wanted(&self) -> bool {
        self.digest.is_some() || self.matches.is_some() || self.matches_not.is_some()
    }
}

/// A digest that a body must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// MD5, as keepalived's users have it: against accidents, not against attackers.
    Md5([u8; 16]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Digest {
    fn of_same_kind(&self, bytes: &[u8]) -> Self {
        match self {
            Self::Md5(_) => Self::Md5(Md5::digest(bytes).into()),
            Self::Sha256(_) => Self::Sha256(Sha256::digest(bytes).into()),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes) = match self {
            Self::Md5(bytes) => ("md5", &bytes[..]),
            Self::Sha256(bytes) => ("sha256", &bytes[..]),
        };
        write!(f, "{name}:")?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromValue for Digest {
    const EXPECTED: &'static str = "\"md5:\" and 32 hexadecimal digits, or \"sha256:\" and 64";

    fn forms() -> Vec<Form> {
        let example = "md5:d41d8cd98f00b204e9800998ecf8427e";
        vec![Form::text("(?:md5:)?[+0-9A-Fa-f]{32}|(?:sha256:)?[+0-9A-Fa-f]{64}", example)]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let text = v.read::<String>(d)?;
        let digits = text.split_once(':').map_or(text.as_str(), |(_, digits)| digits);
        let bytes = hex(digits).unwrap_or_default();
        let kind = text.split_once(':').map(|(kind, _)| kind);
        let digest = match kind {
            Some("md5") | None if bytes.len() == 16 => bytes.try_into().ok().map(Self::Md5),
            Some("sha256") | None => bytes.try_into().ok().map(Self::Sha256),
            Some(_) => None,
        };
        if digest.is_none() {
            v.mismatch(Self::EXPECTED, d);
        }
        digest
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

/// A regular expression, compared by its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles; on failure, why.
    ///
    /// # Errors
    /// It is not a regular expression, or one that is too large.
    pub fn new(text: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text).size_limit(1 << 20).build();
        let regex = built.map_err(|error| {
            error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })?;
        Ok(Self { text: text.to_owned(), regex })
    }
}

impl FromValue for Pattern {
    const EXPECTED: &'static str = "a regular expression";

    fn forms() -> Vec<Form> {
        vec![Form::String]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let text = v.read::<String>(d)?;
        match Self::new(&text) {
            Ok(pattern) => Some(pattern),
            Err(fault) => {
                v.refuse(format!("not a regular expression: {fault}"), d);
                None
            }
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// A body as it comes.
#[derive(Debug)]
pub(super) struct Body {
    framing: Framing,
    chunks: Chunks,
    bytes: Vec<u8>,
    /// Bytes of it so far, those not kept included.
    length: u64,
    limit: usize,
}

/// What is known of a body after some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    More,
    /// It is all there.
    Whole,
    /// It goes on, and what is looked at is there.
    Enough,
    /// Its chunks make no sense.
    Broken,
}

impl Body {
    pub(super) fn new(framing: Framing, rules: &Rules) -> Self {
        let limit = usize::try_from(rules.max_body).unwrap_or(usize::MAX);
        Self { framing, chunks: Chunks::Size { size: 0, digits: 0 }, bytes: Vec::new(), length: 0, limit }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Progress {
        match self.framing {
            Framing::Empty | Framing::Length(0) => return Progress::Whole,
            Framing::Length(total) => {
                let left = usize::try_from(total - self.length.min(total)).unwrap_or(usize::MAX);
                self.keep(bytes.get(..left).unwrap_or(bytes));
                if self.length >= total {
                    return Progress::Whole;
                }
            }
            Framing::Close => self.keep(bytes),
            Framing::Chunked => {
                let mut rest = bytes;
                while let Some((first, behind)) = rest.split_first() {
                    if let Chunks::Data(left) = self.chunks {
                        let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                        let (data, behind) = rest.split_at(count);
                        self.keep(data);
                        let taken = u64::try_from(count).unwrap_or(left);
                        self.chunks =
                            if left == taken { Chunks::DataEnd } else { Chunks::Data(left - taken) };
                        rest = behind;
                        continue;
                    }
                    self.chunks = self.chunks.next(*first);
                    rest = behind;
                    if self.chunks == Chunks::Done {
                        return Progress::Whole;
                    }
                    if self.chunks == Chunks::Broken {
                        return Progress::Broken;
                    }
                }
            }
        }
        if self.bytes.len() >= self.limit { Progress::Enough } else { Progress::More }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len().min(self.limit);
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// Whether the end of the connection is the end of the body.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.framing == Framing::Close
    }

    /// What came, for whoever asks.
    pub(super) fn answer(&self, status: u16) -> Answer {
        let md5 = Digest::Md5(Md5::digest(&self.bytes).into());
        let sha256 = Digest::Sha256(Sha256::digest(&self.bytes).into());
        Answer { status, length: self.length, md5, sha256 }
    }

    /// The failure, if what came does not keep the rules. `whole`: nothing is missing.
    pub(super) fn fault(&self, rules: &Rules, whole: bool) -> Option<Verdict> {
        if let Some(wanted) = &rules.digest {
            if !whole || self.length > rules.max_body {
                return Some(Verdict::fail(format!("body longer than max_body ({} bytes)", rules.max_body)));
            }
            let found = wanted.of_same_kind(&self.bytes);
            if found != *wanted {
                return Some(Verdict::fail(format!("body has digest {found}, expected {wanted}")));
            }
        }
        let found = |pattern: &Pattern| pattern.regex.is_match(&self.bytes);
        if let Some(pattern) = rules.matches.as_ref().filter(|pattern| !found(pattern)) {
            let text = format!("body does not match {:?}: {}", pattern.text, Shown(&self.bytes));
            return Some(Verdict::fail(text));
        }
        if let Some(pattern) = rules.matches_not.as_ref().filter(|pattern| found(pattern)) {
            return Some(Verdict::fail(format!("body matches {:?}", pattern.text)));
        }
        None
    }
}

/// Where in a chunked body (RFC 9112 7.1) the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunks {
    /// In the length of a chunk.
    Size {
        size: u64,
        digits: u8,
    },
    /// Behind the length, up to the end of its line.
    Extension {
        size: u64,
    },
    /// In a chunk, of which so much is left.
    Data(u64),
    /// At the end of its line behind a chunk.
    DataEnd,
    /// In a trailer line, which has so many bytes (counted to two).
    Trailer(u8),
    Done,
    Broken,
}

impl Chunks {
    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { size, digits: 1.. }, b'\n') => Self::sized(size),
            (Self::Size { size, digits: 1.. }, b';' | b' ' | b'\t' | b'\r') => Self::Extension { size },
            (Self::Size { size, digits }, _) => match char::from(byte).to_digit(16) {
                Some(digit) if digits < 15 => {
                    Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
                }
                _ => Self::Broken,
            },
            (Self::Extension { size }, b'\n') => Self::sized(size),
            (Self::Extension { size }, _) => Self::Extension { size },
            (Self::DataEnd, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::Trailer(0), b'\n') => Self::Done,
            (Self::Trailer(_), b'\n') => Self::Trailer(0),
            (Self::Trailer(count), b'\r') => Self::Trailer(count),
            (Self::Trailer(_), _) => Self::Trailer(1),
            (Self::Done, _) => Self::Done,
            (Self::Data(_) | Self::DataEnd | Self::Broken, _) => Self::Broken,
        }
    }

    fn sized(size: u64) -> Self {
        if size == 0 { Self::Trailer(0) } else { Self::Data(size) }
    }
}

#[cfg(test)]
mod tests;
