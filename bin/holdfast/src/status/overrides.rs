//! What operators have ordered at run time.

use serde::Deserialize;

use super::text::ago;

/// An order that is in force.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Override {
    pub(crate) kind: String,
    pub(crate) weight: Option<u32>,
    pub(crate) user: Option<String>,
    pub(crate) uid: Option<u32>,
    pub(crate) sudo_user: Option<String>,
    pub(crate) since: String,
    pub(crate) until: Option<String>,
    pub(crate) left_s: Option<f64>,
    pub(crate) reason: String,
}

impl Override {
    /// What it makes of its object: `drained`, `weight 5`, with its end.
    pub(crate) fn words(&self) -> String {
        let state = match self.kind.as_str() {
            "drain" => "drained".to_owned(),
            "disable" => "disabled".to_owned(),
            "force" => "forced to serve".to_owned(),
            "weight" => format!("weight {}", self.weight.unwrap_or_default()),
            "failover" => "handed over, and not taken back".to_owned(),
            "maintenance" => "under maintenance".to_owned(),
            other => other.to_owned(),
        };
        match (&self.until, self.left_s) {
            (Some(until), Some(left)) => format!("{state} until {until} (for {})", ago(left)),
            _ => format!("{state} until released"),
        }
    }

    /// The same, with who ordered it, when and why.
    pub(crate) fn line(&self) -> String {
        // What is verified comes first.
        let claim = self.sudo_user.as_ref().map(|name| format!("claims sudo by {name}"));
        let who = match (&self.user, self.uid, claim) {
            (Some(user), Some(uid), Some(claim)) => format!("{user} (uid {uid}, {claim})"),
            (Some(user), Some(uid), None) => format!("{user} (uid {uid})"),
            (None, Some(uid), Some(claim)) => format!("uid {uid} ({claim})"),
            (None, Some(uid), None) => format!("uid {uid}"),
            (Some(user), None, _) => user.clone(),
            (None, None, _) => "somebody unknown".to_owned(),
        };
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("{}, by {who} at {}{why}", self.words(), self.since)
    }
}
