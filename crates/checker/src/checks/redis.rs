//! `type = "redis"`: the server answers PING.
//!
//! No credentials are needed: a server that wants some says so, and that is an answer too. One that is loading its data
//! or has lost its master answers with an error, and fails.

use std::net::SocketAddr;

use common::config::{Diagnostics, Table};

use super::lines::Lines;
use super::{CheckKind, Input, Path, Probe, Shown, Step, Verdict};

/// Nothing to set beyond what all checks have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings;

impl CheckKind for Settings {
    const NAME: &'static str = "redis";

    fn read(_: &mut Table<'_>, _: &mut Diagnostics) -> Option<Self> {
        Some(Self)
    }

    fn probe(&self, _: SocketAddr) -> Box<dyn Probe> {
        Box::new(RedisProbe { lines: Lines::default() })
    }
}

#[derive(Debug)]
struct RedisProbe {
    lines: Lines,
}

impl RedisProbe {
    fn heard(&mut self, bytes: &[u8]) -> Step {
        self.lines.push(bytes);
        match self.lines.next() {
            Ok(Some(line)) => Step::Done(judge(&line)),
            Ok(None) => Step::Read,
            Err(_) => Step::Done(not_redis(self.lines.rest())),
        }
    }
}

fn judge(line: &[u8]) -> Verdict {
    if line == b"+PONG" {
        return Verdict::pass("PONG");
    }
    if line.starts_with(b"-NOAUTH") || line.starts_with(b"-NOPERM") {
        return Verdict::pass("answers, and wants authentication");
    }
    match line.strip_prefix(b"-") {
        Some(error) => Verdict::fail(format!("error {}", Shown(error))),
        None => not_redis(line),
    }
}

fn not_redis(bytes: &[u8]) -> Verdict {
    Verdict::fail(format!("answer is not Redis: {}", Shown(bytes)))
}

impl Probe for RedisProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Request),
            Input::Connected => Step::Send(b"PING\r\n".to_vec()),
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
        let mut talk = Transcript::of(&Settings);
        talk.connects(Path::Request);
        talk.answers(Input::Connected, b"PING\r\n");
        talk
    }

    #[test]
    fn a_pong_passes_however_it_arrives() {
        let mut talk = asked();
        talk.waits(Input::Bytes(b"+PO"));
        talk.ends(Input::Bytes(b"NG\r\n"), "pass: PONG");
    }

    #[test]
    fn a_server_that_wants_a_password_is_alive() {
        asked().ends(
            Input::Bytes(b"-NOAUTH Authentication required.\r\n"),
            "pass: answers, and wants authentication",
        );
    }

    #[test]
    fn a_server_that_is_loading_fails() {
        asked().ends(Input::Bytes(b"-LOADING its data\r\n"), "fail: error \"LOADING its data\"");
    }

    #[test]
    fn everything_else_fails() {
        asked().ends(Input::Bytes(b"HTTP/1.1 400\r\n"), "fail: answer is not Redis: \"HTTP/1.1 400\"");
        asked().ends(Input::Closed, "fail: connection closed without an answer");
        asked().ends(Input::TimedOut, "fail: no answer in time");
        asked().refused("connection reset", "fail: connection reset");
    }
}
