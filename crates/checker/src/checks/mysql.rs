//! `type = "mysql"`: the server greets and answers a login (MySQL, MariaDB, Percona).
//!
//! The protocol is MySQL's client/server protocol 10: the server greets first. A connection that is closed right after the
//! greeting counts towards `max_connect_errors` and would in the end lock this machine out, so the attempt goes on to a
//! login without a password and takes the answer: being let in and being refused by name both mean that the server works.
//! Too many connections (1040), this host blocked (1129) or not allowed (1130) fail.

use std::net::SocketAddr;

use common::config::{Diagnostics, Table};

use super::{CheckKind, Input, Path, Probe, Shown, Step, Verdict};

/// The most of an answer that is kept, in bytes.
const MAX_ANSWER: usize = 4096;
/// `CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH`.
const CAPABILITIES: u32 = 0x0000_0001 | 0x0000_0200 | 0x0000_8000 | 0x0008_0000;

/// Whom the login is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// The user of the login. It need not exist.
    pub user: String,
}

impl CheckKind for Settings {
    const NAME: &'static str = "mysql";

    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        match table.optional::<String>("user", d) {
            None => Some(Self { user: "holdfast".to_owned() }),
            Some(user) if (1..=32).contains(&user.value.len()) && !user.value.contains('\0') => {
                Some(Self { user: user.value })
            }
            Some(user) => {
                d.error(user.span, "`user`: 1 to 32 bytes are needed");
                None
            }
        }
    }

    fn probe(&self, _: SocketAddr) -> Box<dyn Probe> {
        Box::new(MysqlProbe { user: self.user.clone(), version: None, answer: Vec::new() })
    }
}

#[derive(Debug)]
struct MysqlProbe {
    user: String,
    /// The server's version, once it has greeted.
    version: Option<String>,
    answer: Vec<u8>,
}

impl MysqlProbe {
    fn heard(&mut self, bytes: &[u8]) -> Step {
        let room = MAX_ANSWER.saturating_sub(self.answer.len());
        self.answer.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let Some((length, sequence)) = header(&self.answer) else { return Step::Read };
        if length + 4 > MAX_ANSWER || length == 0 {
            return Step::Done(self.not_mysql());
        }
        let Some(payload) = self.answer.get(4..4 + length) else { return Step::Read };
        let payload = payload.to_vec();
        self.answer.drain(..4 + length);
        match (payload.first(), &self.version) {
            (Some(0xff), _) => Step::Done(self.error(&payload)),
            (Some(10), None) => self.greeted(&payload, sequence),
            (Some(0), Some(_)) => Step::Done(self.passed("lets us in")),
            // It wants another way of logging in: an empty answer, and then it says no.
            (Some(0xfe | 1), Some(_)) => Step::Send(vec![0, 0, 0, sequence.wrapping_add(1)]),
            _ => Step::Done(Verdict::fail(format!("answer is not MySQL: {}", Shown(&payload)))),
        }
    }

    fn greeted(&mut self, payload: &[u8], sequence: u8) -> Step {
        let version =
            payload.get(1..).and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default();
        let shown: String =
            String::from_utf8_lossy(version).chars().filter(|c| !c.is_control()).take(40).collect();
        self.version = Some(shown);
        Step::Send(self.login(sequence.wrapping_add(1)))
    }

    fn login(&self, sequence: u8) -> Vec<u8> {
        let mut payload = CAPABILITIES.to_le_bytes().to_vec();
        payload.extend(0x0100_0000_u32.to_le_bytes()); // largest packet
        payload.push(33); // utf8
        payload.extend([0; 23]);
        payload.extend(self.user.as_bytes());
        payload.extend([0, 0]); // end of the user; a password of no bytes
        payload.extend(b"mysql_native_password\0");
        let mut packet = u32::try_from(payload.len()).unwrap_or_default().to_le_bytes().to_vec();
        packet.truncate(3);
        packet.push(sequence);
        packet.extend(payload);
        packet
    }

    fn error(&self, payload: &[u8]) -> Verdict {
        let code =
            payload.get(1..3).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok()).map_or(0, u16::from_le_bytes);
        let text = payload.get(3..).unwrap_or_default();
        // Behind a marker the SQLSTATE, which only protocol 4.1 has.
        let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or_default() } else { text };
        match code {
            // Access denied, in its forms: it works, for those it knows.
            1044 | 1045 | 1049 | 1251 | 1524 | 1698 | 3118 | 4151 if self.version.is_some() => {
                self.passed("refuses us by name")
            }
            code => Verdict::fail(format!("error {code}: {}", Shown(text))),
        }
    }

    fn passed(&self, words: &str) -> Verdict {
        Verdict::pass(format!("version {} {words}", self.version.as_deref().unwrap_or_default()))
    }

    fn not_mysql(&self) -> Verdict {
        Verdict::fail(format!("answer is not MySQL: {}", Shown(&self.answer)))
    }

    fn closed(&self) -> Verdict {
        match self.version {
            // It greeted properly, and may cut off whom it does not like.
            Some(_) => self.passed("greets, then hangs up"),
            None => Verdict::fail("connection closed without a greeting"),
        }
    }
}

/// Length and sequence number of the packet that begins here.
fn header(bytes: &[u8]) -> Option<(usize, u8)> {
    let [a, b, c, sequence] = *bytes.get(..4).and_then(|bytes| <&[u8; 4]>::try_from(bytes).ok())?;
    Some((usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16, sequence))
}

impl Probe for MysqlProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Stream),
            Input::Connected | Input::Secured | Input::Datagram(_) | Input::Exited(_) => Step::Read,
            Input::Bytes(bytes) => self.heard(bytes),
            Input::Closed => Step::Done(self.closed()),
            Input::Refused(refusal) => Step::Done(Verdict::Fail(refusal.words.clone())),
            Input::TimedOut => Step::Done(Verdict::fail(if self.version.is_some() {
                "greeted, but no answer to the login in time"
            } else {
                "no greeting in time"
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::transcript::Transcript;

    const LOGIN: &[u8] = b"\x39\0\0\x01\x01\x82\x08\0\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0u\0\0mysql_native_password\0";

    fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![u8::try_from(payload.len()).unwrap(), 0, 0, sequence];
        packet.extend(payload);
        packet
    }

    fn connected() -> Transcript {
        let mut talk = Transcript::of(&Settings { user: "u".into() });
        talk.connects(Path::Stream);
        talk.waits(Input::Connected);
        talk
    }

    fn greeted() -> Transcript {
        let mut talk = connected();
        talk.answers(Input::Bytes(&packet(0, b"\x0a8.0.36\0rest of it")), LOGIN);
        talk
    }

    #[test]
    fn a_server_that_refuses_an_unknown_user_passes() {
        let denied = packet(2, b"\xff\x15\x04#28000Access denied for user");
        greeted().ends(Input::Bytes(&denied), "pass: version 8.0.36 refuses us by name");
    }

    #[test]
    fn a_server_that_lets_us_in_passes() {
        greeted().ends(Input::Bytes(&packet(2, b"\0\0\0\x02\0\0\0")), "pass: version 8.0.36 lets us in");
    }

    #[test]
    fn another_way_of_logging_in_is_answered_with_nothing() {
        let mut talk = greeted();
        talk.answers(Input::Bytes(&packet(2, b"\xfecaching_sha2_password\0salt")), b"\0\0\0\x03");
        let denied = packet(4, b"\xff\x15\x04#28000Access denied");
        talk.ends(Input::Bytes(&denied), "pass: version 8.0.36 refuses us by name");
    }

    #[test]
    fn a_greeting_may_arrive_in_pieces() {
        let greeting = packet(0, b"\x0a10.11.6-MariaDB\0rest");
        for cut in 1..greeting.len() {
            let mut talk = connected();
            talk.waits(Input::Bytes(&greeting[..cut]));
            talk.answers(Input::Bytes(&greeting[cut..]), LOGIN);
        }
    }

    #[test]
    fn a_full_server_and_one_that_locked_us_out_fail() {
        connected().ends(
            Input::Bytes(&packet(0, b"\xff\x10\x04Too many connections")),
            "fail: error 1040: \"Too many connections\"",
        );
        connected().ends(
            Input::Bytes(&packet(0, b"\xff\x69\x04Host is blocked")),
            "fail: error 1129: \"Host is blocked\"",
        );
        greeted().ends(
            Input::Bytes(&packet(2, b"\xff\x10\x04#08004Too many connections")),
            "fail: error 1040: \"Too many connections\"",
        );
    }

    #[test]
    fn another_protocol_and_silence_fail() {
        connected().ends(Input::Bytes(b"220 mail\r\n"), "fail: answer is not MySQL: \"220 mail\\r\\n\"");
        connected().ends(Input::Closed, "fail: connection closed without a greeting");
        connected().ends(Input::TimedOut, "fail: no greeting in time");
        greeted().ends(Input::TimedOut, "fail: greeted, but no answer to the login in time");
    }
}
