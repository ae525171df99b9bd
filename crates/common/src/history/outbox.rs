//! The teller's end: events as lines into a pipe that is never waited for.
//!
//! What the pipe has no room for, and what is more than [`BURST`] events in [`PERIOD`], is dropped and counted: an event
//! `dropped` tells the number as soon as there is room again.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::OFlag;
use serde_json::{Value, json};

use super::{LENGTH, kind};
use crate::log::{Limiter, Verdict, timestamp};

/// So many events of one process are kept in a period: of ten thousand servers that fall at once the first tell the story.
const BURST: u32 = 1000;
const PERIOD: Duration = Duration::from_secs(10);
/// So many characters are left of every text in an event that is too long.
const SHORT: usize = 200;
/// Room in the pipe for more than a burst; it costs memory only while it is used.
const ROOM: i32 = 1 << 20;

/// Makes the pipe: the watchdog's end, and the one that every teller gets. Neither ever blocks.
///
/// # Errors
/// Where the kernel refuses one.
pub fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    // Without the privilege there is less room: more may be dropped then, and that is told.
    let _smaller = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETPIPE_SZ(ROOM));
    Ok((reader, writer))
}

/// The teller's end.
#[derive(Debug)]
pub struct Outbox {
    pipe: File,
    teller: &'static str,
    limiter: Limiter,
    dropped: u64,
    /// When to tell the number of those that were dropped.
    tell_at: Option<Instant>,
}

impl Outbox {
    /// That of the process called `teller`.
    #[must_use]
    pub fn new(pipe: OwnedFd, teller: &'static str) -> Self {
        let limiter = Limiter::new(BURST, PERIOD);
        Self { pipe: File::from(pipe), teller, limiter, dropped: 0, tell_at: None }
    }

    /// Tells events, each an object with a field `event`. Those that are not kept are left out.
    pub fn tell(&mut self, events: &[Value], now: Instant, wall: SystemTime) {
        let name = |event: &Value| event.get("event").and_then(Value::as_str).and_then(kind);
        let kept = events.iter().filter(|event| name(event).is_none_or(|kind| kind.is_kept()));
        let at = timestamp(wall);
        let mut lines = Vec::new();
        let mut count = 0;
        for event in kept {
            if self.limiter.ask(now) == Verdict::Hold {
                self.drop_some(1, now);
                continue;
            }
            let Some(line) = line(event, &at, self.teller) else {
                self.drop_some(1, now);
                continue;
            };
            if lines.len() + line.len() > LENGTH {
                self.write(&lines, count, now);
                lines.clear();
                count = 0;
            }
            lines.extend(line);
            count += 1;
        }
        if count > 0 {
            self.write(&lines, count, now);
        }
    }

    /// When [`Outbox::timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tell_at
    }

    /// Tells how many were dropped, if that is due.
    pub fn timeout(&mut self, now: Instant, wall: SystemTime) {
        if self.tell_at.is_none_or(|at| now < at) {
            return;
        }
        self.tell_at = Some(now + PERIOD);
        let event = json!({ "event": "dropped", "count": self.dropped });
        let line = line(&event, &timestamp(wall), self.teller).unwrap_or_default();
        if self.pipe.write(&line).is_ok() {
            self.dropped = 0;
            self.tell_at = None;
        }
    }

    fn write(&mut self, lines: &[u8], count: u64, now: Instant) {
        // Whole or not at all: it is no longer than PIPE_BUF.
        if self.pipe.write(lines).is_err() {
            self.drop_some(count, now);
        }
    }

    fn drop_some(&mut self, count: u64, now: Instant) {
        self.dropped += count;
        self.tell_at.get_or_insert(now + PERIOD);
    }
}

/// An event as a line, with who tells it and when: behind `at`, whatever it says of `child` and `pid` itself comes first.
fn line(event: &Value, at: &str, teller: &str) -> Option<Vec<u8>> {
    let whole = compose(event, at, teller)?;
    if whole.len() <= LENGTH {
        return Some(whole);
    }
    let mut event = event.clone();
    for text in event.as_object_mut()?.values_mut() {
        if let Value::String(text) = text
            && let Some((end, _)) = text.char_indices().nth(SHORT)
        {
            text.truncate(end);
            text.push('…');
        }
    }
    compose(&event, at, teller).filter(|line| line.len() <= LENGTH)
}

fn compose(event: &Value, at: &str, teller: &str) -> Option<Vec<u8>> {
    let fields = event.as_object()?;
    let mut line = format!("{{\"at\":\"{at}\"");
    if !fields.contains_key("child") {
        line.push_str(&format!(",\"child\":\"{teller}\""));
        if !fields.contains_key("pid") {
            line.push_str(&format!(",\"pid\":{}", std::process::id()));
        }
    }
    let rest = event.to_string();
    let rest = rest.strip_prefix('{')?;
    if rest != "}" {
        line.push(',');
    }
    line.push_str(rest);
    line.push('\n');
    Some(line.into_bytes())
}
