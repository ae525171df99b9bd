//! Which events are wanted: kinds, families of kinds, and names of objects.

use common::history::{FAMILIES, Family, KINDS, Line, kind};
use serde_json::Value;

/// The fields that name an object.
pub(super) const OBJECTS: &[&str] = &[
    "instance",
    "sync_group",
    "server",
    "service",
    "script",
    "process",
    "path",
    "interface",
    "address",
    "object",
    "target",
];
/// Others by which an event is found.
const PEERS: &[&str] = &["child", "master", "peer", "sender"];

/// What is wanted. Words of one sort are alternatives; an event has to fit both sorts.
#[derive(Debug)]
pub(super) struct Filter {
    since: Option<String>,
    kinds: Vec<&'static str>,
    families: Vec<Family>,
    objects: Vec<String>,
}

impl Filter {
    /// From words as they were typed: one that is no kind and no family names an object.
    pub(super) fn new(words: &[String], since: Option<String>) -> Self {
        let mut filter = Self { since, kinds: Vec::new(), families: Vec::new(), objects: Vec::new() };
        for word in words {
            if let Some((_, family)) = FAMILIES.iter().find(|(name, _)| name == word) {
                filter.families.push(*family);
            } else if let Some(kind) = KINDS.iter().find(|kind| kind.name == word) {
                filter.kinds.push(kind.name);
            } else {
                filter.objects.push(word.clone());
            }
        }
        filter
    }

    /// Whether an event is wanted.
    pub(super) fn wants(&self, line: &Line) -> bool {
        let name = line.text_of("event");
        let family = kind(name).map(|kind| kind.family);
        let fits_kind = (self.kinds.is_empty() && self.families.is_empty())
            || self.kinds.contains(&name)
            || family.is_some_and(|family| self.families.contains(&family));
        let recent = self.since.as_deref().is_none_or(|since| line.text_of("at") >= since);
        recent
            && fits_kind
            && (self.objects.is_empty() || self.objects.iter().any(|object| is_about(line, object)))
    }
}

/// Whether an object is named: wholly, or by a word of it (`tcp 192.0.2.1:80`) with or without its port.
fn is_about(line: &Line, object: &str) -> bool {
    let fields =
        OBJECTS.iter().chain(PEERS).filter_map(|field| line.fields.get(*field).and_then(Value::as_str));
    let mut names = fields.flat_map(|name| std::iter::once(name).chain(name.split_whitespace()));
    names.any(|name| {
        name == object || name.rsplit_once(':').is_some_and(|(host, _)| unbracketed(host) == object)
    })
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(words: &[&str], since: Option<&str>) -> Vec<u64> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let filter = Filter::new(&words, since.map(ToString::to_string));
        let lines = [
            r#"{"seq":1,"at":"2026-11-21T09:00:00.000Z","child":"vrrp","event":"state_changed","instance":"VI_1"}"#,
            r#"{"seq":2,"at":"2026-11-21T09:00:01.000Z","child":"vrrp","event":"fault","instance":"VI_2"}"#,
            r#"{"seq":3,"at":"2026-11-21T09:00:02.000Z","child":"checker","event":"server_changed","server":"[2001:db8::1]:80","service":"tcp 192.0.2.1:80"}"#,
            r#"{"seq":4,"at":"2026-11-21T09:00:03.000Z","child":"watchdog","event":"of_tomorrow"}"#,
        ];
        lines
            .iter()
            .filter_map(|line| Line::parse(line))
            .filter(|line| filter.wants(line))
            .map(|line| line.seq())
            .collect()
    }

    #[test]
    fn words_of_one_sort_are_alternatives_and_both_sorts_count() {
        assert_eq!(wanted(&[], None), [1, 2, 3, 4]);
        assert_eq!(wanted(&["state_changed"], None), [1]);
        assert_eq!(wanted(&["transitions", "fault"], None), [1, 2]);
        assert_eq!(wanted(&["VI_1", "VI_2"], None), [1, 2]);
        assert_eq!(wanted(&["faults", "VI_1"], None), Vec::<u64>::new());
        assert_eq!(wanted(&["vrrp"], None), [1, 2]);
        for server in ["[2001:db8::1]:80", "2001:db8::1", "192.0.2.1", "192.0.2.1:80", "tcp 192.0.2.1:80"] {
            assert_eq!(wanted(&[server], None), [3], "{server}");
        }
        assert_eq!(wanted(&["VI"], None), Vec::<u64>::new());
    }

    #[test]
    fn every_kind_that_is_told_can_be_asked_for() {
        let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates");
        let mut told = 0;
        for file in [
            "vrrp/src/events.rs",
            "checker/src/effects/herald.rs",
            "watchdog/src/watchdog.rs",
            "watchdog/src/watchdog/actions.rs",
            "watchdog/src/watchdog/requests.rs",
            "watchdog/src/watchdog/succession.rs",
            "common/src/history/outbox.rs",
        ] {
            let text = std::fs::read_to_string(crates.join(file)).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for name in text.split("\"event\": \"").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(kind(name).is_some(), "{file}: {name} is not in history::KINDS");
                told += 1;
            }
        }
        assert!(told > 20, "{told}");
    }

    #[test]
    fn since_is_a_beginning() {
        assert_eq!(wanted(&[], Some("2026-11-21T09:00:01")), [2, 3, 4]);
        assert_eq!(wanted(&[], Some("2026-11-21T09:00:02.001Z")), [4]);
        assert_eq!(wanted(&[], Some("2026-11-21")), [1, 2, 3, 4]);
    }
}
