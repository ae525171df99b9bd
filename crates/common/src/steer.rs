//! What an operator has ordered at run time, beside the configuration: who, when, for how long and why.
//!
//! Both children take such orders over their control sockets, show them in the status and keep them in their
//! checkpoints; what is alike of that stands here. Whoever may open the socket may give orders. Who did is known from
//! the socket's peer, not from what the client says; under sudo that is root, so a client may say besides for whom it
//! was started, which is kept and shown as what it is: a claim.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::log::timestamp;

/// The longest reason, in bytes.
pub const MAX_REASON: usize = 200;
/// The longest time an order can be in force for without being in force until it is released.
pub const MAX_LASTING: Duration = Duration::from_secs(10 * 366 * 86_400);
/// The longest name that a client may claim, in bytes.
const MAX_CLAIM: usize = 64;
/// The client of `holdfast serve` where it is no other machine.
pub const THIS_MACHINE: &str = "this machine";
/// So many names are offered where one is not known.
const OFFERED: usize = 5;

/// Who ordered something, when, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The user at the other end of the socket.
    pub uid: Option<u32>,
    /// What that user was called then; or whose order that user passed on.
    pub user: Option<String>,
    /// For whom sudo started the client, as the client says: nobody has verified it.
    pub sudo_user: Option<String>,
    /// In seconds since 1970.
    pub at: u64,
    /// In the operator's words; may be empty.
    pub reason: String,
}

/// An order's terms as they came with the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Who gave it.
    pub origin: Origin,
    /// For how long; none until it is released.
    pub lasting: Option<Duration>,
}

impl Terms {
    /// Out of a request: `for_s`, `reason`, `sudo_user`, and `serve_client` where `holdfast serve` passes on somebody's
    /// order. `uid` is the peer's.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(params: &Value, uid: Option<u32>, wall: SystemTime) -> Result<Self, String> {
        let lasting = match params.get("for_s") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let wanted = value.as_f64().and_then(|wanted| Duration::try_from_secs_f64(wanted).ok());
                let wanted = wanted.filter(|wanted| !wanted.is_zero() && *wanted <= MAX_LASTING);
                Some(wanted.ok_or("it cannot be in force for that long: 1s to 3660d")?)
            }
        };
        let reason = params.get("reason").and_then(Value::as_str).unwrap_or_default();
        if reason.len() > MAX_REASON {
            return Err(format!("the reason is too long: {} bytes of at most {MAX_REASON}", reason.len()));
        }
        // It will stand in a line of the log and on a terminal.
        let harmless = |c: char| if c.is_control() { ' ' } else { c };
        let reason = reason.trim().chars().map(harmless).collect();
        let at = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let user = match params.get("serve_client") {
            None | Some(Value::Null) => uid.and_then(user_name),
            Some(client) => Some(served(client)?),
        };
        let claim = params.get("sudo_user").and_then(Value::as_str).filter(|name| is_name(name));
        // Whoever is verified to be somebody need not claim it.
        let sudo_user = claim.filter(|name| user.as_deref() != Some(*name)).map(ToOwned::to_owned);
        Ok(Self { origin: Origin { uid, user, sudo_user, at, reason }, lasting })
    }
}

/// Whether it can be the name of a user, and cannot be taken for anything else in a line of the log.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || ['.', '_', '-', '@', '+', '$', '\\'].contains(&c);
    !text.is_empty() && text.len() <= MAX_CLAIM && text.chars().all(plain)
}

/// For whom sudo has started this process, if it has: what an order may claim.
#[must_use]
pub fn sudo_user() -> Option<String> {
    std::env::var("SUDO_USER").ok().filter(|name| is_name(name))
}

/// Who orders over HTTP: all that is known is the token, and where it came from. The user is `serve`'s own.
fn served(client: &Value) -> Result<String, String> {
    let client = client.as_str().filter(|client| *client == THIS_MACHINE || client.parse::<IpAddr>().is_ok());
    let client = client.ok_or("serve_client is no address")?;
    Ok(format!("serve (token) from {client}"))
}

/// What the file of users calls this one. Not asked of the network: the loop that adverts depend on waits for the
/// answer.
fn user_name(uid: u32) -> Option<String> {
    named(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

fn named(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

/// `by=root uid=0 claims_sudo_by=alice reason="…"`, for the log. What is no single word stands in quotes.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uid = self.uid.map_or_else(|| "unknown".to_owned(), |uid| uid.to_string());
        match self.user.as_deref().unwrap_or("unknown") {
            word if word.contains(char::is_whitespace) => write!(f, "by={word:?} uid={uid}")?,
            word => write!(f, "by={word} uid={uid}")?,
        }
        if let Some(name) = &self.sudo_user {
            write!(f, " claims_sudo_by={name}")?;
        }
        if self.reason.is_empty() { Ok(()) } else { write!(f, " reason={:?}", self.reason) }
    }
}

/// What the status says of an order: its kind, who gave it, when, until when, and why.
pub fn shown(kind: &str, origin: &Origin, left: Option<Duration>, wall: SystemTime) -> Value {
    let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(origin.at)).unwrap_or(wall);
    json!({
        "kind": kind,
        "user": origin.user,
        "uid": origin.uid,
        "sudo_user": origin.sudo_user,
        "since": timestamp(since),
        "until": left.and_then(|left| wall.checked_add(left)).map(timestamp),
        "left_s": left.map(|left| left.as_secs()),
        "reason": origin.reason,
    })
}

/// The end of an order that begins now.
pub fn end(lasting: Option<Duration>, now: Instant) -> Option<Instant> {
    lasting.and_then(|lasting| now.checked_add(lasting))
}

impl Origin {
    /// Appends it to a checkpoint.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let text = |text: &str, out: &mut Vec<u8>| {
            let length = u16::try_from(text.len()).unwrap_or_default();
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text.as_bytes().get(..usize::from(length)).unwrap_or_default());
        };
        let claims = self.sudo_user.is_some();
        out.push(u8::from(self.uid.is_some()) | u8::from(self.user.is_some()) << 1 | u8::from(claims) << 2);
        out.extend_from_slice(&self.uid.unwrap_or_default().to_le_bytes());
        out.extend_from_slice(&self.at.to_le_bytes());
        text(self.user.as_deref().unwrap_or_default(), out);
        text(&self.reason, out);
        if let Some(name) = &self.sudo_user {
            text(name, out);
        }
    }

    /// Takes it from the front of a checkpoint's bytes; none where they are something else.
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let [flags] = take(bytes)?;
        let uid = u32::from_le_bytes(take(bytes)?);
        let at = u64::from_le_bytes(take(bytes)?);
        let mut text = || {
            let length = u16::from_le_bytes(take(bytes)?);
            let (head, tail) = bytes.split_at_checked(usize::from(length))?;
            *bytes = tail;
            String::from_utf8(head.to_owned()).ok()
        };
        let (user, reason) = (text()?, text()?);
        // Earlier versions wrote none.
        let sudo_user = if flags & 4 == 0 { None } else { Some(text()?) };
        Some(Self {
            uid: (flags & 1 != 0).then_some(uid),
            user: (flags & 2 != 0).then_some(user),
            sudo_user,
            at,
            reason,
        })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(*head)
}

/// What there is instead of a name that is not known: the nearest, or all where they are few.
pub fn nearest(wanted: &str, names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return "there is none".to_owned();
    }
    if names.len() <= OFFERED {
        return format!("there is {}", names.join(", "));
    }
    let likeness = |name: &String| strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase());
    names.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    names.truncate(OFFERED);
    format!("the nearest are {}", names.join(", "))
}

#[cfg(test)]
mod tests;
