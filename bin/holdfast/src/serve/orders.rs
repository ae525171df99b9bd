//! Orders for real servers over HTTP: the status page's buttons. Only with a token that stands in a file.
//!
//! The token comes in a header and in nothing else. A browser adds no such header by itself, so that no other page can
//! give orders in the name of whoever looks at it (RFC 6750 section 2.1, and no cookies).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::control::CallError;
use common::steer::THIS_MACHINE;
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::http::Request;
use super::{Answer, PLAIN};
use crate::steer::{self, Terms};

/// What is shorter can be guessed.
const SHORTEST: usize = 16;
/// What is longer is no token.
const LONGEST: usize = 1024;
/// How often the log hears of those who were sent away.
const PACE: Duration = Duration::from_secs(10);
/// Where orders are given, and what they are called.
const PATHS: [(&str, &str); 3] =
    [("/servers/drain", "drain"), ("/servers/enable", "enable"), ("/servers/release", "release")];

/// What one has to know to give orders.
pub(super) struct Token(Vec<u8>);

impl Token {
    /// Reads it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let broken = |error: io::Error| format!("cannot be read: {error}");
        let file = File::open(path).map_err(broken)?;
        let mode = file.metadata().map_err(broken)?.permissions().mode() & 0o777;
        if mode & 0o027 != 0 {
            return Err(format!(
                "has mode {mode:04o}: whoever reads or changes it may give orders (chmod 0600, or 0640 for a group)"
            ));
        }
        let mut text = String::new();
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_mul(2);
        file.take(most).read_to_string(&mut text).map_err(broken)?;
        Self::new(text.trim())
    }

    fn new(text: &str) -> Result<Self, String> {
        match text.len() {
            0 => Err(format!("is empty: it has to hold a token of {SHORTEST} characters or more")),
            length if length < SHORTEST => {
                Err(format!("holds a token of {length} characters: it has to have {SHORTEST} or more"))
            }
            length if length > LONGEST => {
                Err(format!("holds more than a token: {LONGEST} characters are the most"))
            }
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("holds more than one word, or one that cannot be sent in a header: letters, digits and signs of \
                     ASCII only"
                    .to_owned())
            }
            _ => Ok(Self(text.as_bytes().to_owned())),
        }
    }

    /// Whether a header has it. How long that takes says nothing of how much of it was right.
    fn is_in(&self, header: Option<&str>) -> bool {
        let Some((scheme, token)) = header.and_then(|header| header.split_once(' ')) else { return false };
        scheme.eq_ignore_ascii_case("bearer") && bool::from(self.0.ct_eq(token.trim().as_bytes()))
    }
}

/// Where orders come in.
pub(super) struct Orders {
    run_dir: PathBuf,
    /// Without one there are no orders.
    token: Option<Token>,
    refusals: Refusals,
}

/// What is said of orders: to who gave one, and to the log.
pub(super) struct Told {
    pub(super) answer: Answer,
    pub(super) log: Option<String>,
}

/// What an order says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    server: String,
    reason: Option<String>,
    /// As the command has it: `10m`, or a number of seconds.
    #[serde(rename = "for")]
    lasting: Option<Value>,
}

impl Order {
    /// For how long and why, as the command takes it.
    fn terms(&self, order: &str) -> Result<Terms, String> {
        let reason = self.reason.as_deref().filter(|reason| !reason.is_empty());
        let reason = reason.map(steer::reason).transpose();
        let reason = reason.map_err(|error| format!("the reason is too long: {error}"))?;
        let lasting = match &self.lasting {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(_) if order != "drain" => return Err(format!("{order} has no end: leave `for` out")),
            Some(Value::String(text)) => Some(steer::lasting(text)),
            Some(Value::Number(seconds)) => Some(steer::lasting(&seconds.to_string())),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                Some(Err("10m, or a number of seconds".to_owned()))
            }
        };
        let lasting = lasting.transpose().map_err(|error| format!("`for` is not a duration: {error}"))?;
        Ok(Terms { lasting, reason })
    }
}

impl Orders {
    pub(super) fn new(run_dir: PathBuf, token: Option<Token>) -> Self {
        Self { run_dir, token, refusals: Refusals::default() }
    }

    /// Whether there are any.
    pub(super) fn are_taken(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this is for orders, whatever its method.
    pub(super) fn is_place(target: &str) -> bool {
        order_of(target).is_some()
    }

    /// Whether who asks may give the order, and which it is; otherwise what is said to that.
    pub(super) fn admit(&mut self, request: &Request, now: Instant) -> Result<Permitted, Told> {
        let no = |status, words: &str| Told { answer: (status, PLAIN, format!("{words}\n")), log: None };
        let Some(order) = order_of(&request.target) else { return Err(no(404, "there are no such orders")) };
        if request.method != "POST" {
            return Err(no(405, "only POST"));
        }
        let Some(token) = &self.token else {
            return Err(no(403, "no orders are taken here: holdfast serve was started without --token-file"));
        };
        if !token.is_in(request.authorization.as_deref()) {
            let words = if request.authorization.is_none() {
                "this takes the token: Authorization: Bearer TOKEN"
            } else {
                "the token is wrong"
            };
            let log = self.refusals.add(&peer(request), now);
            return Err(Told { log, ..no(401, words) });
        }
        let read: Order = serde_json::from_slice(&request.body)
            .map_err(|error| no(400, &format!("that is no order: {error}")))?;
        let terms = read.terms(order).map_err(|error| no(400, &error))?;
        let run_dir = self.run_dir.clone();
        Ok(Permitted { run_dir, order, server: read.server, terms, peer: peer(request) })
    }
}

/// The order that is given at a path. It is not looked for in a query: nothing of an order stands in an address.
fn order_of(target: &str) -> Option<&'static str> {
    PATHS.iter().find(|(path, _)| *path == target).map(|(_, order)| *order)
}

fn peer(request: &Request) -> String {
    request.peer.map_or_else(|| THIS_MACHINE.to_owned(), |peer| peer.to_canonical().to_string())
}

/// An order of somebody who may give it.
#[derive(Debug)]
pub(super) struct Permitted {
    run_dir: PathBuf,
    order: &'static str,
    server: String,
    terms: Terms,
    peer: String,
}

impl Permitted {
    /// Gives it to the daemon, as the command does.
    pub(super) fn give(&self) -> Told {
        let Self { run_dir, order, server, terms, peer } = self;
        let given = steer::order_server(run_dir, order, server, terms, peer);
        let (status, words) = match given {
            Ok(words) => (200, words),
            Err(error) => (status_of(&error), format!("{error}\n")),
        };
        let words_of_log = words.trim().replace('\n', "; ");
        let log = format!("{order} {server:?} ordered from {peer}: {words_of_log}");
        Told { answer: (status, PLAIN, words), log: Some(log) }
    }
}

const fn status_of(error: &CallError) -> u16 {
    match error {
        CallError::Refused(_) => 422,
        CallError::NotRunning(_) => 503,
        CallError::TimedOut(_) => 504,
        CallError::Permission(_) | CallError::Broken(..) => 502,
    }
}

/// Those who had no token or a wrong one.
#[derive(Debug, Default)]
struct Refusals {
    told: Option<Instant>,
    untold: u64,
}

impl Refusals {
    /// One more; what the log hears of it.
    fn add(&mut self, peer: &str, now: Instant) -> Option<String> {
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < PACE) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        let more = match std::mem::take(&mut self.untold) {
            0 => String::new(),
            untold => format!(", and {untold} more before it"),
        };
        Some(format!("an order from {peer} was refused: it had no token or a wrong one{more}"))
    }
}

#[cfg(test)]
mod tests;
