//! A line in the native protocol of systemd's journal: `FIELD=value`, or, for a value with line breaks, the field, a
//! length of eight bytes and the value.

use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Record};

use super::target::severity;
use crate::history::kind;

/// A datagram, as the process called `ident` says it. The fields of an event are fields of the journal.
pub(super) fn datagram(ident: &str, record: &Record<'_>) -> Vec<u8> {
    let mut fields = Fields { out: Vec::new(), child: false };
    let level: Level = record.level();
    fields.put("PRIORITY", &severity(level).to_string());
    fields.put("SYSLOG_FACILITY", "3");
    fields.put("SYSLOG_IDENTIFIER", "holdfastd");
    fields.put("SYSLOG_PID", &std::process::id().to_string());
    fields.put("HOLDFAST_ROLE", ident);
    fields.put("MESSAGE", &format!("{ident}: {}", record.args()));
    // It cannot fail: ours does not.
    let _whole = record.key_values().visit(&mut fields);
    if !fields.child {
        fields.put("CHILD", ident);
    }
    fields.out
}

struct Fields {
    out: Vec<u8>,
    /// It names a process.
    child: bool,
}

impl Fields {
    fn put(&mut self, name: &str, value: &str) {
        self.out.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            self.out.push(b'\n');
            let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
            self.out.extend_from_slice(&length.to_le_bytes());
        } else {
            self.out.push(b'=');
        }
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'\n');
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let value = value.to_string();
        match key.as_str() {
            "event" => {
                self.put("EVENT", &value);
                if let Some(kind) = kind(&value) {
                    self.put("MESSAGE_ID", kind.id);
                }
            }
            "from" => self.put("OLD", &value),
            "to" => self.put("NEW", &value),
            "virtual_router_id" => self.put("VRID", &value),
            // These mean something else there.
            "priority" => self.put("VRRP_PRIORITY", &value),
            "pid" => self.put("CHILD_PID", &value),
            "message" => self.put("TEXT", &value),
            name => {
                self.child |= name == "child";
                let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
                let name: String = name.chars().map(plain).collect();
                self.put(name.trim_start_matches('_'), &value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// As the journal reads it.
    fn parsed(mut bytes: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            let line = String::from_utf8(bytes[..end].to_vec()).unwrap();
            bytes = &bytes[end + 1..];
            let (name, value) = match line.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => {
                    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
                    let value = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
                    assert_eq!(bytes[8 + length], b'\n');
                    bytes = &bytes[9 + length..];
                    (line, value)
                }
            };
            assert_eq!(fields.insert(name.clone(), value), None, "{name} twice");
        }
        fields
    }

    #[test]
    fn an_event_is_fields_and_a_line_break_is_no_end() {
        let event = serde_json::json!({
            "event": "state_changed", "instance": "VI_1", "virtual_router_id": 51, "from": "backup", "to": "master",
            "priority": 100, "reason": "no advert\nheard", "peer": null,
        });
        let fields = super::super::event::Fields(event.as_object().unwrap());
        let mut record = Record::builder();
        record.level(Level::Warn).key_values(&fields);
        let fields = parsed(&datagram("vrrp", &record.args(format_args!("state changed\nindeed")).build()));
        for (name, value) in [
            ("PRIORITY", "4"),
            ("SYSLOG_IDENTIFIER", "holdfastd"),
            ("MESSAGE", "vrrp: state changed\nindeed"),
            ("MESSAGE_ID", kind("state_changed").unwrap().id),
            ("INSTANCE", "VI_1"),
            ("VRID", "51"),
            ("OLD", "backup"),
            ("NEW", "master"),
            ("VRRP_PRIORITY", "100"),
            ("REASON", "no advert\nheard"),
            ("CHILD", "vrrp"),
        ] {
            assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!fields.contains_key("PEER"));
    }

    #[test]
    fn a_child_that_is_spoken_of_is_named_and_a_line_without_event_has_no_identifier() {
        let event = serde_json::json!({ "event": "child_died", "child": "checker", "pid": 7 });
        let fields = super::super::event::Fields(event.as_object().unwrap());
        let mut record = Record::builder();
        record.level(Level::Error).key_values(&fields);
        let fields = parsed(&datagram("watchdog", &record.args(format_args!("child died")).build()));
        assert_eq!((fields["CHILD"].as_str(), fields["CHILD_PID"].as_str()), ("checker", "7"));
        assert_eq!(fields["HOLDFAST_ROLE"], "watchdog");
        let plain = parsed(&datagram("vrrp", &Record::builder().args(format_args!("hello")).build()));
        assert!(!plain.contains_key("MESSAGE_ID"));
        assert_eq!(plain["CHILD"], "vrrp");
    }
}
