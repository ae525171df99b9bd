//! Mail that waits to be delivered.

use serde::Deserialize;
use serde_json::Value;

use super::text::{ago, plain};

/// The watchdog's part about mail.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Mail {
    waiting: u64,
    gathered: u64,
    delivering: bool,
    next_try_s: Option<f64>,
    oldest: Option<Value>,
    sent: u64,
    given_up: u64,
    last_sent: Option<Value>,
    last_error: Option<LastError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LastError {
    text: String,
    at: Value,
}

impl Mail {
    /// What is wrong with it: mails wait because of a failure, or were given up.
    pub(super) fn problem(&self) -> Option<String> {
        let error = self.last_error.as_ref().filter(|_| self.waiting > 0 && self.next_try_s.is_some());
        let given_up = (self.given_up > 0).then(|| format!("{} mails were given up", self.given_up));
        let failing = error.map(|error| format!("{} mails are not delivered: {}", self.waiting, error.text));
        failing.or(given_up)
    }

    /// One line.
    pub(super) fn line(&self) -> String {
        let mut line = format!("mail: {} sent, {} waiting", self.sent, self.waiting);
        let mut add = |text: String| {
            line.push_str(", ");
            line.push_str(&text);
        };
        if self.gathered > 0 {
            add(format!("{} events gathered", self.gathered));
        }
        if let Some(oldest) = &self.oldest {
            add(format!("the oldest since {}", plain(oldest)));
        }
        if self.delivering {
            add("being delivered".to_owned());
        } else if let Some(next) = self.next_try_s.filter(|_| self.waiting > 0) {
            add(format!("next try in {}", ago(next)));
        }
        if self.given_up > 0 {
            add(format!("{} given up", self.given_up));
        }
        if let Some(at) = &self.last_sent {
            add(format!("last sent {}", plain(at)));
        }
        if let Some(error) = &self.last_error {
            add(format!("last error {}: {}", plain(&error.at), error.text));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_and_why_is_one_line_and_a_problem() {
        let mail: Mail = serde_json::from_value(serde_json::json!({
            "waiting": 3, "gathered": 7, "delivering": false, "next_try_s": 40.0, "oldest": null, "sent": 12,
            "given_up": 0, "last_sent": null, "last_error": { "text": "connecting: refused", "at": "" },
        }))
        .unwrap();
        let line = mail.line();
        assert!(line.starts_with("mail: 12 sent, 3 waiting, 7 events gathered, next try in 40"), "{line}");
        assert!(line.contains("connecting: refused"), "{line}");
        assert_eq!(mail.problem().unwrap(), "3 mails are not delivered: connecting: refused");
        assert_eq!(Mail { waiting: 0, ..mail }.problem(), None);
    }
}
