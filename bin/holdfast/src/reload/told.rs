//! The outcome of a reload, in words and as JSON.

use common::change::Traffic;
use serde::Deserialize;
use serde_json::Value;

/// The words of the protocol, and a mark for each that is not merely counted.
const KINDS: [&str; 4] = ["added", "removed", "changed", "kept"];

/// One object.
#[derive(Debug, Deserialize)]
struct Change {
    object: String,
    change: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    traffic: String,
}

impl Change {
    fn is_kept(&self) -> bool {
        self.change == "kept"
    }

    fn traffic(&self) -> Traffic {
        if self.is_kept() { Traffic::Untouched } else { Traffic::of_word(&self.traffic) }
    }
}

/// What the daemon said.
#[derive(Debug)]
pub(super) struct Told {
    changes: Vec<Change>,
}

impl Told {
    /// Out of the answer to a reload.
    pub(super) fn new(result: &Value) -> Self {
        let changes = result.get("changes").cloned().unwrap_or_default();
        Self { changes: serde_json::from_value(changes).unwrap_or_default() }
    }

    /// Nothing changes.
    pub(super) fn is_nothing(&self) -> bool {
        self.changes.iter().all(Change::is_kept)
    }

    /// The worst of what the traffic notices.
    fn traffic(&self) -> Traffic {
        self.changes.iter().map(Change::traffic).max().unwrap_or_default()
    }

    fn count(&self, kind: &str) -> usize {
        self.changes.iter().filter(|change| change.change == kind).count()
    }

    /// The answer itself, with what follows from it.
    pub(super) fn json(&self, mut result: Value, dry_run: bool) -> String {
        let summary: serde_json::Map<String, Value> =
            KINDS.iter().map(|kind| ((*kind).to_owned(), self.count(kind).into())).collect();
        if let Some(result) = result.as_object_mut() {
            result.insert("ok".to_owned(), true.into());
            result.insert("dry_run".to_owned(), dry_run.into());
            result.insert("traffic".to_owned(), self.traffic().word().into());
            result.insert("summary".to_owned(), summary.into());
        }
        format!("{result}\n")
    }

    /// What changed, one object a line, each with what the traffic notices; what stays as it is is only counted.
    pub(super) fn text(&self, dry_run: bool) -> String {
        let mut out = String::new();
        let changed = || self.changes.iter().filter(|change| !change.is_kept());
        let width = changed().map(|change| change.object.chars().count()).max().unwrap_or(0);
        for change in changed() {
            let Change { object, change: word, detail, .. } = change;
            let notice = match change.traffic() {
                Traffic::Untouched => "",
                Traffic::New => "  [new connections]",
                Traffic::All => "  [traffic]",
            };
            let line = format!("{word:<8} {object:<width$}  {detail}");
            out.push_str(line.trim_end());
            out.push_str(notice);
            out.push('\n');
        }
        let would = if dry_run { "would change" } else { "changed" };
        let kept = self.count("kept");
        let untouched = if kept > 0 { format!(", {kept} untouched") } else { String::new() };
        let traffic = match self.traffic() {
            _ if self.is_nothing() => "",
            Traffic::Untouched => "; the traffic notices nothing",
            Traffic::New => "; new connections may go elsewhere, those that are there stay",
            Traffic::All => "; connections that are there may move or end",
        };
        match self.changes.len() - kept {
            0 => out.push_str(&format!("nothing {would}{untouched}\n")),
            1 => out.push_str(&format!("1 object {would}{untouched}{traffic}\n")),
            count => out.push_str(&format!("{count} objects {would}{untouched}{traffic}\n")),
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(changes: &Value) -> Told {
        Told::new(&json!({ "changes": changes }))
    }

    #[test]
    fn changes_are_listed_with_what_the_traffic_notices_and_what_is_kept_is_counted() {
        let told = told(&json!([
            {"object": "vrrp instance VI_1", "change": "changed", "detail": "priority 100 -> 90", "traffic": "all"},
            {"object": "vrrp instance VI_10", "change": "removed", "detail": "", "traffic": "untouched"},
            {"object": "tcp 192.0.2.1:80", "change": "added", "detail": "1 real server", "traffic": "new"},
            {"object": "vrrp instance VI_3 with a long name", "change": "kept", "detail": "", "traffic": "untouched"},
        ]));
        assert_eq!(
            told.text(false),
            "changed  vrrp instance VI_1   priority 100 -> 90  [traffic]\n\
             removed  vrrp instance VI_10\n\
             added    tcp 192.0.2.1:80     1 real server  [new connections]\n\
             3 objects changed, 1 untouched; connections that are there may move or end\n"
        );
        assert!(!told.is_nothing());
        let answer: Value = serde_json::from_str(&told.json(json!({ "generation": 4 }), true)).unwrap();
        assert_eq!(
            answer,
            json!({
                "ok": true, "dry_run": true, "generation": 4, "traffic": "all",
                "summary": { "added": 1, "removed": 1, "changed": 1, "kept": 1 },
            })
        );
    }

    #[test]
    fn the_last_line_says_the_worst() {
        let one =
            |traffic| json!([{ "object": "o", "change": "changed", "detail": "d", "traffic": traffic }]);
        assert!(
            told(&one("untouched"))
                .text(true)
                .ends_with("1 object would change; the traffic notices nothing\n")
        );
        assert!(told(&one("new")).text(true).contains("those that are there stay"));
        // Of another version.
        assert!(told(&one("strange")).text(true).contains("may move or end"));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let kept = told(&json!([{ "object": "o", "change": "kept" }]));
        assert_eq!(
            (kept.text(true), kept.is_nothing()),
            ("nothing would change, 1 untouched\n".to_owned(), true)
        );
        assert_eq!(told(&json!([])).text(false), "nothing changed\n");
        assert_eq!(told(&Value::Null).text(false), "nothing changed\n");
    }
}
