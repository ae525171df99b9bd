//! `type = "smtp"`: a mail server greets, answers EHLO (or HELO), and if asked to, secures the connection.
//!
//! RFC 5321: the greeting is 220, EHLO and HELO are answered by 250, STARTTLS (RFC 3207) by 220. The attempt ends with
//! QUIT, so that the server's log stays clean; what it says to that no longer counts.

use std::net::SocketAddr;

use common::config::{Diagnostics, Table};

use super::lines::Lines;
use super::{CheckKind, Input, Path, Probe, Shown, Step, Tls, Verdict};

/// Lines of one reply that are listened to.
const MAX_LINES: usize = 100;

/// What is to be said to the mail server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// The name this machine gives itself in EHLO.
    pub helo_name: String,
    /// Whether the connection must become secure with STARTTLS.
    pub starttls: bool,
}

impl CheckKind for Settings {
    const NAME: &'static str = "smtp";

    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        let starttls = table.or("starttls", false, d);
        let helo_name = match table.optional::<String>("helo_name", d) {
            None => "localhost".to_owned(),
            Some(name) if is_word(&name.value) => name.value,
            Some(name) => {
                d.error(name.span, "`helo_name`: one word of printable ASCII characters is needed");
                return None;
            }
        };
        Some(Self { helo_name, starttls })
    }

    fn probe(&self, _: SocketAddr) -> Box<dyn Probe> {
        Box::new(SmtpProbe {
            settings: self.clone(),
            stage: Stage::Greeting,
            lines: Lines::default(),
            heard: 0,
            secured: false,
        })
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Which reply is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Quit,
}

#[derive(Debug)]
struct SmtpProbe {
    settings: Settings,
    stage: Stage,
    lines: Lines,
    heard: usize,
    secured: bool,
}

impl SmtpProbe {
    fn say(&mut self, stage: Stage, words: &str) -> Step {
        self.stage = stage;
        self.heard = 0;
        Step::Send(format!("{words}\r\n").into_bytes())
    }

    fn ehlo(&mut self) -> Step {
        let words = format!("EHLO {}", self.settings.helo_name);
        self.say(Stage::Ehlo, &words)
    }

    fn heard(&mut self, bytes: &[u8]) -> Step {
        if self.stage == Stage::Quit {
            return Step::Done(Self::passed(self.secured));
        }
        self.lines.push(bytes);
        loop {
            let line = match self.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return Step::Read,
                Err(_) => return fail(format!("a line without end: {}", Shown(self.lines.rest()))),
            };
            self.heard += 1;
            let (code, last) = match reply(&line) {
                Some(reply) if self.heard <= MAX_LINES => reply,
                Some(_) => return fail("a reply of more than 100 lines"),
                None => return fail(format!("answer is not SMTP: {}", Shown(&line))),
            };
            if last {
                return self.replied(code, &line);
            }
        }
    }

    fn replied(&mut self, code: u16, line: &[u8]) -> Step {
        match (self.stage, code) {
            (Stage::Greeting, 220) => self.ehlo(),
            (Stage::Ehlo | Stage::Helo, 250) if self.settings.starttls && !self.secured => {
                self.say(Stage::StartTls, "STARTTLS")
            }
            (Stage::Ehlo | Stage::Helo, 250) => self.say(Stage::Quit, "QUIT"),
            (Stage::Ehlo, 500..600) => {
                let words = format!("HELO {}", self.settings.helo_name);
                self.say(Stage::Helo, &words)
            }
            (Stage::StartTls, 220) => Step::Secure(Tls::default()),
            (stage, _) => fail(format!("{}: {}", stage.words(), Shown(line))),
        }
    }

    fn passed(secured: bool) -> Verdict {
        Verdict::pass(if secured { "greeted, secured and answered" } else { "greeted and answered" })
    }
}

impl Stage {
    fn words(self) -> &'static str {
        match self {
            Self::Greeting => "greeting is not 220",
            Self::Ehlo => "EHLO not answered by 250",
            Self::Helo => "HELO not answered by 250",
            Self::StartTls => "STARTTLS not answered by 220",
            Self::Quit => "QUIT",
        }
    }
}

/// The code of a reply line, and whether it is the last one of its reply (RFC 5321 4.2).
fn reply(line: &[u8]) -> Option<(u16, bool)> {
    let (code, rest) = line.split_at_checked(3)?;
    let code: u16 = std::str::from_utf8(code).ok()?.parse().ok()?;
    match rest.first() {
        _ if !(200..600).contains(&code) => None,
        None | Some(b' ') => Some((code, true)),
        Some(b'-') => Some((code, false)),
        Some(_) => None,
    }
}

fn fail(words: impl Into<super::Words>) -> Step {
    Step::Done(Verdict::fail(words))
}

impl Probe for SmtpProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Stream),
            Input::Connected | Input::Datagram(_) | Input::Exited(_) => Step::Read,
            Input::Secured => {
                self.secured = true;
                self.lines = Lines::default();
                self.ehlo()
            }
            Input::Bytes(bytes) => self.heard(bytes),
            // All that matters was heard before QUIT.
            Input::Closed | Input::Refused(_) | Input::TimedOut if self.stage == Stage::Quit => {
                Step::Done(Self::passed(self.secured))
            }
            Input::Closed => fail(format!("connection closed: {}", self.stage.words())),
            Input::Refused(refusal) => Step::Done(Verdict::Fail(refusal.words.clone())),
            Input::TimedOut => fail(format!("no answer in time: {}", self.stage.words())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::transcript::Transcript;

    fn settings(starttls: bool) -> Settings {
        Settings { helo_name: "lb-1".into(), starttls }
    }

    fn connected(starttls: bool) -> Transcript {
        let mut talk = Transcript::of(&settings(starttls));
        talk.connects(Path::Stream);
        talk.waits(Input::Connected);
        talk
    }

    #[test]
    fn a_mail_server_that_greets_and_answers_passes() {
        let mut talk = connected(false);
        talk.waits(Input::Bytes(b"220 mail.example.net ES"));
        talk.answers(Input::Bytes(b"MTP\r\n"), b"EHLO lb-1\r\n");
        talk.waits(Input::Bytes(b"250-mail.example.net\r\n250-PIPELINING\r\n"));
        talk.answers(Input::Bytes(b"250 STARTTLS\r\n"), b"QUIT\r\n");
        talk.ends(Input::Bytes(b"221 bye\r\n"), "pass: greeted and answered");
    }

    #[test]
    fn what_it_says_to_quit_does_not_count() {
        for last in [Input::Closed, Input::TimedOut, Input::Bytes(b"451 tired\r\n")] {
            let mut talk = connected(false);
            talk.answers(Input::Bytes(b"220\r\n"), b"EHLO lb-1\r\n");
            talk.answers(Input::Bytes(b"250 ok\r\n"), b"QUIT\r\n");
            talk.ends(last, "pass: greeted and answered");
        }
    }

    #[test]
    fn an_old_server_is_greeted_with_helo() {
        let mut talk = connected(false);
        talk.answers(Input::Bytes(b"220 old\n"), b"EHLO lb-1\r\n");
        talk.answers(Input::Bytes(b"502 what?\n"), b"HELO lb-1\r\n");
        talk.answers(Input::Bytes(b"250 ok\n"), b"QUIT\r\n");
    }

    #[test]
    fn the_connection_is_secured_when_asked_for() {
        let mut talk = connected(true);
        talk.answers(Input::Bytes(b"220 hi\r\n"), b"EHLO lb-1\r\n");
        talk.answers(Input::Bytes(b"250 STARTTLS\r\n"), b"STARTTLS\r\n");
        talk.secures(Input::Bytes(b"220 go\r\n"));
        talk.answers(Input::Secured, b"EHLO lb-1\r\n");
        talk.answers(Input::Bytes(b"250 ok\r\n"), b"QUIT\r\n");
        talk.ends(Input::Closed, "pass: greeted, secured and answered");
    }

    #[test]
    fn a_server_without_starttls_fails_where_it_is_wanted() {
        let mut talk = connected(true);
        talk.answers(Input::Bytes(b"220 hi\r\n"), b"EHLO lb-1\r\n");
        talk.answers(Input::Bytes(b"250 ok\r\n"), b"STARTTLS\r\n");
        talk.ends(Input::Bytes(b"502 no\r\n"), "fail: STARTTLS not answered by 220: \"502 no\"");
    }

    #[test]
    fn a_busy_server_and_another_protocol_fail_with_their_words() {
        connected(false)
            .ends(Input::Bytes(b"421 too busy\r\n"), "fail: greeting is not 220: \"421 too busy\"");
        connected(false)
            .ends(Input::Bytes(b"HTTP/1.1 400\r\n"), "fail: answer is not SMTP: \"HTTP/1.1 400\"");
        connected(false).ends(Input::Closed, "fail: connection closed: greeting is not 220");
        connected(false).ends(Input::TimedOut, "fail: no answer in time: greeting is not 220");
    }

    #[test]
    fn endless_lines_and_endless_replies_end_the_attempt() {
        let mut probe = settings(false).probe("192.0.2.1:25".parse().unwrap());
        probe.on(Input::Start);
        probe.on(Input::Connected);
        let lines = (0..10_000).find(|_| matches!(probe.on(Input::Bytes(b"220-more\r\n")), Step::Done(_)));
        assert_eq!(lines, Some(MAX_LINES));
        let mut probe = settings(false).probe("192.0.2.1:25".parse().unwrap());
        let chunks = (0..10_000).find(|_| matches!(probe.on(Input::Bytes(&[b'x'; 100])), Step::Done(_)));
        assert!(chunks.is_some());
    }
}
