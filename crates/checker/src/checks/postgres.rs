//! `type = "postgres"`: the server takes part in the start of a session.
//!
//! A startup message (PostgreSQL's protocol 3.0) is sent; a request for authentication is a pass, and so is an error that
//! only says who may not come in: no credentials are needed. A server that is starting up, shutting down, in recovery
//! without hot standby (SQLSTATE 57P03) or out of connections (53300) fails.

use std::net::SocketAddr;

use common::config::{Diagnostics, Table};

use super::{CheckKind, Input, Path, Probe, Shown, Step, Verdict};

/// The most of an answer that is kept, in bytes.
const MAX_ANSWER: usize = 4096;

/// Whom the session would be for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// The user in the startup message.
    pub user: String,
    /// The database in it.
    pub database: String,
}

impl CheckKind for Settings {
    const NAME: &'static str = "postgres";

    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        let user = name(table, "user", "holdfast", d);
        let database = name(table, "database", "postgres", d);
        Some(Self { user: user?, database: database? })
    }

    fn probe(&self, _: SocketAddr) -> Box<dyn Probe> {
        Box::new(PostgresProbe { startup: self.startup(), answer: Vec::new() })
    }
}

fn name(table: &mut Table<'_>, key: &'static str, default: &str, d: &mut Diagnostics) -> Option<String> {
    match table.optional::<String>(key, d) {
        None => Some(default.to_owned()),
        Some(name) if (1..=63).contains(&name.value.len()) && !name.value.contains('\0') => Some(name.value),
        Some(name) => {
            d.error(name.span, format!("`{key}`: 1 to 63 bytes are needed"));
            None
        }
    }
}

impl Settings {
    /// Length, protocol 3.0, and pairs of strings that end with an empty one.
    fn startup(&self) -> Vec<u8> {
        let mut body = vec![0, 3, 0, 0];
        for text in ["user", &self.user, "database", &self.database, "application_name", "holdfast check", ""]
        {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        let length = u32::try_from(body.len() + 4).unwrap_or_default();
        let mut message = length.to_be_bytes().to_vec();
        message.extend(body);
        message
    }
}

#[derive(Debug)]
struct PostgresProbe {
    startup: Vec<u8>,
    answer: Vec<u8>,
}

impl PostgresProbe {
    fn heard(&mut self, bytes: &[u8]) -> Step {
        let room = MAX_ANSWER.saturating_sub(self.answer.len());
        self.answer.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        match self.answer.first() {
            Some(b'R') if self.answer.len() >= 5 => Step::Done(Verdict::pass("asks for authentication")),
            Some(b'E') => self.error(),
            Some(b'R') | None => Step::Read,
            Some(_) => Step::Done(self.not_postgres()),
        }
    }

    fn error(&self) -> Step {
        let Some(length) = self.answer.get(1..5).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) else {
            return Step::Read;
        };
        let whole = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_add(1);
        if whole > self.answer.len() && self.answer.len() < MAX_ANSWER {
            // An answer of HTTP or of an old server may begin with E too.
            return if whole > MAX_ANSWER { Step::Done(self.not_postgres()) } else { Step::Read };
        }
        let fields = self.answer.get(5..whole.min(self.answer.len())).unwrap_or_default();
        let field = |code: u8| fields.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(&[code]));
        let (Some(state), message) = (field(b'C'), field(b'M').unwrap_or_default()) else {
            return Step::Done(self.not_postgres());
        };
        Step::Done(match state {
            // Invalid authorisation, no such database, no such role: it works, for those it knows.
            [b'2', b'8', ..] | b"3D000" | b"42704" | b"42501" => {
                Verdict::pass(format!("answers: {}", Shown(message)))
            }
            _ => Verdict::fail(format!("error {}: {}", Shown(state), Shown(message))),
        })
    }

    fn not_postgres(&self) -> Verdict {
        Verdict::fail(format!("answer is not PostgreSQL: {}", Shown(&self.answer)))
    }
}

impl Probe for PostgresProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Request),
            Input::Connected => Step::Send(std::mem::take(&mut self.startup)),
            Input::Bytes(bytes) => self.heard(bytes),
            Input::Closed => Step::Done(Verdict::fail("connection closed without an answer")),
            Input::Refused(refusal) => Step::Done(Verdict::Fail(refusal.words.clone())),
            Input::TimedOut => Step::Done(Verdict::fail("no answer in time")),
            Input::Secured | Input::Datagram(_) | Input::Exited(_) => Step::Read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::transcript::Transcript;

    fn asked() -> Transcript {
        let settings = Settings { user: "u".into(), database: "d".into() };
        let mut talk = Transcript::of(&settings);
        talk.connects(Path::Request);
        talk.answers(
            Input::Connected,
            b"\0\0\0\x3b\0\x03\0\0user\0u\0database\0d\0application_name\0holdfast check\0\0",
        );
        talk
    }

    fn error(state: &str, message: &str) -> Vec<u8> {
        let body = format!("SFATAL\0VFATAL\0C{state}\0M{message}\0\0");
        let mut packet = vec![b'E'];
        packet.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        packet.extend(body.as_bytes());
        packet
    }

    #[test]
    fn a_server_that_asks_who_we_are_passes() {
        let mut talk = asked();
        talk.waits(Input::Bytes(b"R\0\0"));
        talk.ends(Input::Bytes(b"\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"), "pass: asks for authentication");
    }

    #[test]
    fn a_server_that_does_not_know_us_passes() {
        let packet = error("28000", "no pg_hba.conf entry");
        for cut in 1..packet.len() {
            let mut talk = asked();
            talk.waits(Input::Bytes(&packet[..cut]));
            talk.ends(Input::Bytes(&packet[cut..]), "pass: answers: \"no pg_hba.conf entry\"");
        }
    }

    #[test]
    fn a_server_that_is_starting_or_full_fails() {
        asked().ends(
            Input::Bytes(&error("57P03", "the database system is starting up")),
            "fail: error \"57P03\": \"the database system is starting up\"",
        );
        asked().ends(
            Input::Bytes(&error("53300", "too many clients")),
            "fail: error \"53300\": \"too many clients\"",
        );
    }

    #[test]
    fn another_protocol_fails() {
        asked().ends(Input::Bytes(b"HTTP/1.1 400"), "fail: answer is not PostgreSQL: \"HTTP/1.1 400\"");
        asked().ends(Input::Bytes(b"ERR what"), "fail: answer is not PostgreSQL: \"ERR what\"");
        asked().ends(Input::Closed, "fail: connection closed without an answer");
        asked().ends(Input::TimedOut, "fail: no answer in time");
    }

    #[test]
    fn an_endless_error_ends_the_attempt() {
        let mut probe =
            Settings { user: "u".into(), database: "d".into() }.probe("192.0.2.1:5432".parse().unwrap());
        probe.on(Input::Bytes(b"E\0\0\x0f\xff"));
        let chunks = (0..100).find(|_| matches!(probe.on(Input::Bytes(&[b'x'; 100])), Step::Done(_)));
        assert!(chunks.is_some());
    }
}
