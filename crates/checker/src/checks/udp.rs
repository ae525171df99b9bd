//! `type = "udp"`: the server does not refuse a datagram, or answers it as expected.
//!
//! Without a server behind the port the kernel answers with ICMP "port unreachable", which fails the check. Silence is a
//! pass unless a reply is required: many protocols do not answer what they do not understand.

use std::net::SocketAddr;

use common::config::{Diagnostics, Table};

use super::{CheckKind, Input, Path, Probe, Shown, Step, Verdict};

/// The largest payload that fits everywhere (RFC 768, RFC 791), in bytes.
const MAX_PAYLOAD: usize = 1400;

/// What is sent and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// The bytes sent.
    pub payload: Vec<u8>,
    /// What the reply must begin with; absent: any reply will do.
    pub reply: Option<Pattern>,
    /// Whether silence is a failure.
    pub require_reply: bool,
    /// The shortest reply accepted, in bytes.
    pub min_reply_length: usize,
    /// The longest reply accepted, in bytes.
    pub max_reply_length: usize,
}

/// Bytes with wildcards: each byte has a mask of the bits that count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Vec<(u8, u8)>);

impl Pattern {
    fn matches(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.0.len()
            && self.0.iter().zip(bytes).all(|((value, mask), byte)| byte & mask == *value)
    }
}

impl CheckKind for Settings {
    const NAME: &'static str = "udp";

    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        let payload = pattern(table, "payload", false, d);
        let reply = pattern(table, "reply", true, d);
        let require_reply =
            table.optional("require_reply", d).map_or(reply.is_some(), |require| require.value);
        let min_reply_length = table.within_or("min_reply_length", &(0..=65_507_u64), 0, d);
        let max_reply_length = table.within_or("max_reply_length", &(0..=65_507_u64), 65_507, d);
        if min_reply_length > max_reply_length
            && let Some(span) = table.key_span("min_reply_length").or(table.key_span("max_reply_length"))
        {
            d.error(span, "`min_reply_length` is above `max_reply_length`: no reply could pass");
        }
        let payload = payload.map(|pattern| pattern.0.into_iter().map(|(value, _)| value).collect());
        Some(Self {
            payload: payload.unwrap_or_default(),
            reply,
            require_reply,
            min_reply_length: usize::try_from(min_reply_length).ok()?,
            max_reply_length: usize::try_from(max_reply_length).ok()?,
        })
    }

    fn probe(&self, _: SocketAddr) -> Box<dyn Probe> {
        Box::new(UdpProbe { settings: self.clone() })
    }
}

/// Text as it is, or `hex:` and pairs of digits with blanks where one likes; `x` is any digit where that is allowed.
fn pattern(
    table: &mut Table<'_>,
    key: &'static str,
    wildcards: bool,
    d: &mut Diagnostics,
) -> Option<Pattern> {
    let text = table.optional::<String>(key, d)?;
    let parsed = match text.value.strip_prefix("hex:") {
        Some(digits) => hex(digits, wildcards),
        None => Ok(text.value.bytes().map(|byte| (byte, 0xff)).collect()),
    };
    match parsed {
        Ok(bytes) if bytes.len() <= MAX_PAYLOAD => return Some(Pattern(bytes)),
        Ok(bytes) => {
            d.error(
                text.span,
                format!("`{key}` has {} bytes, at most {MAX_PAYLOAD} are possible", bytes.len()),
            );
        }
        Err(fault) => {
            d.error(text.span, format!("`{key}`: {fault}"));
        }
    }
    None
}

fn hex(text: &str, wildcards: bool) -> Result<Vec<(u8, u8)>, String> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        return Err("an odd number of hexadecimal digits".to_owned());
    }
    let digit = |c: &char| match c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) {
        Some(digit) => Ok((digit, 0xf)),
        None if wildcards && matches!(c, 'x' | 'X') => Ok((0, 0)),
        None => Err(format!("{c:?} is not a hexadecimal digit")),
    };
    let pairs = digits.chunks_exact(2).map(|pair| match pair {
        [high, low] => {
            let ((high, high_mask), (low, low_mask)) = (digit(high)?, digit(low)?);
            Ok((high << 4 | low, high_mask << 4 | low_mask))
        }
        _ => Err(String::new()),
    });
    pairs.collect()
}

#[derive(Debug)]
struct UdpProbe {
    settings: Settings,
}

impl UdpProbe {
    fn judge(&self, reply: &[u8]) -> Verdict {
        let settings = &self.settings;
        if !(settings.min_reply_length..=settings.max_reply_length).contains(&reply.len()) {
            return Verdict::fail(format!(
                "reply of {} bytes, expected {} to {}",
                reply.len(),
                settings.min_reply_length,
                settings.max_reply_length
            ));
        }
        match &settings.reply {
            Some(pattern) if !pattern.matches(reply) => {
                Verdict::fail(format!("reply is not the expected one: {}", Shown(reply)))
            }
            _ => Verdict::pass(format!("reply of {} bytes", reply.len())),
        }
    }
}

impl Probe for UdpProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Datagram),
            Input::Connected => Step::Send(self.settings.payload.clone()),
            Input::Datagram(reply) => Step::Done(self.judge(reply)),
            Input::Refused(refusal) => Step::Done(Verdict::Fail(refusal.words.clone())),
            Input::TimedOut if self.settings.require_reply => Step::Done(Verdict::fail("no reply in time")),
            Input::TimedOut => Step::Done(Verdict::pass("not refused")),
            Input::Secured | Input::Bytes(_) | Input::Closed | Input::Exited(_) => Step::Read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::transcript::Transcript;

    fn settings() -> Settings {
        Settings {
            payload: b"hi".to_vec(),
            reply: None,
            require_reply: false,
            min_reply_length: 0,
            max_reply_length: 9,
        }
    }

    fn sent(settings: &Settings) -> Transcript {
        let mut talk = Transcript::of(settings);
        talk.connects(Path::Datagram);
        talk.answers(Input::Connected, b"hi");
        talk
    }

    #[test]
    fn silence_passes_unless_a_reply_is_required() {
        sent(&settings()).ends(Input::TimedOut, "pass: not refused");
        let settings = Settings { require_reply: true, ..settings() };
        sent(&settings).ends(Input::TimedOut, "fail: no reply in time");
        sent(&settings).ends(Input::Datagram(b"yes"), "pass: reply of 3 bytes");
    }

    #[test]
    fn a_refusal_by_icmp_fails() {
        sent(&settings()).refused("port unreachable", "fail: port unreachable");
    }

    #[test]
    fn a_reply_is_compared_under_its_wildcards() {
        let reply = Some(Pattern(hex("0x x1 ff", true).unwrap()));
        let settings = Settings { reply, ..settings() };
        sent(&settings)
            .ends(Input::Datagram(b"\x07\xa1\xff and more"), "fail: reply of 12 bytes, expected 0 to 9");
        sent(&settings).ends(Input::Datagram(b"\x07\xa1\xff!"), "pass: reply of 4 bytes");
        sent(&settings).ends(
            Input::Datagram(b"\x17\xa1\xff"),
            "fail: reply is not the expected one: \"\\x17\\xa1\\xff\"",
        );
        sent(&settings).ends(Input::Datagram(b"\x07"), "fail: reply is not the expected one: \"\\x07\"");
    }

    #[test]
    fn hexadecimal_text_is_read_strictly() {
        assert_eq!(hex("de AD", false), Ok(vec![(0xde, 0xff), (0xad, 0xff)]));
        hex("d", false).unwrap_err();
        hex("dx", false).unwrap_err();
        hex("gg", true).unwrap_err();
    }
}
