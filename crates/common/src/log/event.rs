//! A line of the log about an event, with its fields for logs that keep them.

use std::fmt;

use log::kv::{Error, Key, Source, Value as Kept, VisitSource};
use log::{Level, Record};
use serde_json::{Map, Value};

/// The fields of an event.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl Source for Fields<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        for (name, value) in self.0 {
            let kept = match value {
                Value::Null => continue,
                Value::String(text) => Kept::from(text.as_str()),
                other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    Kept::from_display(other)
                }
            };
            visitor.visit_pair(Key::from_str(name), kept)?;
        }
        Ok(())
    }
}

/// Logs what an event says in words. The journal of systemd gets the event's fields besides. Its kind is the target, so
/// that it belongs to a part of the process.
pub fn event(level: Level, event: &Value, words: fmt::Arguments<'_>) {
    let nothing = Map::new();
    let fields = Fields(event.as_object().unwrap_or(&nothing));
    if level <= log::max_level() {
        let kind = event.get("event").and_then(Value::as_str).unwrap_or(module_path!());
        let mut record = Record::builder();
        record.level(level).target(kind).args(words).key_values(&fields);
        log::logger().log(&record.build());
    }
}
