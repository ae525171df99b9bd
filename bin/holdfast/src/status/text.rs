//! The status for people: first what is wrong, then the parts.

use std::time::Duration;

use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::grid::{Cell, Tone, wrapped};
use super::model::Whole;
use super::view::View;
use super::wanted::What;
use super::{process, servers, vrrp, watchdog};

/// So many of the things that are wrong are told before the tables.
const FIRST_PROBLEMS: usize = 20;

/// The whole text.
pub(super) fn render(status: &Value, what: Option<What>, view: View) -> String {
    let whole = match Whole::deserialize(without_nulls(status)) {
        Ok(whole) => whole,
        Err(error) => return format!("the status cannot be shown ({error}); try --json\n"),
    };
    let shows = |part: What| what.is_none_or(|what| what == part);
    let mut problems = Vec::new();
    let mut parts = Vec::new();
    if shows(What::Watchdog)
        && let Some(part) = read(whole.watchdog.as_ref(), "watchdog", &mut problems)
    {
        problems.extend(watchdog::problems(&part));
        problems.extend(process::read(whole.watchdog.as_ref()).problems("watchdog"));
        parts.push(watchdog::render(&part, &whole, view));
    }
    if shows(What::Vrrp) {
        if let Some(part) = read(whole.vrrp.as_ref(), "vrrp", &mut problems) {
            problems.extend(process::read(whole.vrrp.as_ref()).problems("vrrp"));
            problems.extend(vrrp::problems(&part));
            parts.push(vrrp::render(&part, view));
        } else if what.is_some() {
            parts.push("no virtual router is configured\n".to_owned());
        }
    }
    if shows(What::Servers) {
        if let Some(part) = read(whole.checker.as_ref(), "checker", &mut problems) {
            problems.extend(process::read(whole.checker.as_ref()).problems("checker"));
            problems.extend(servers::problems(&part));
            parts.push(servers::render(&part, view));
        } else if what.is_some() {
            parts.push("no virtual server is configured\n".to_owned());
        }
    }
    parts.retain(|part| !part.is_empty());
    let mut out = told(&problems, view);
    out.push_str(&parts.join("\n"));
    out
}

/// What is wrong, one line each; of very many the first.
fn told(problems: &[String], view: View) -> String {
    let shown = if view.wide { usize::MAX } else { FIRST_PROBLEMS };
    let mut lines: Vec<String> = problems.iter().take(shown).map(|problem| format!("! {problem}")).collect();
    if let more @ 1.. = problems.len().saturating_sub(shown) {
        lines.push(format!("! and {more} more: see holdfast status --down, or -o wide"));
    }
    let lines = lines.into_iter().map(|line| wrapped(&Cell(line, Tone::Bad), 0, view.colour, view.room()));
    let mut out: String = lines.collect();
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// One part, if it is there and can be read.
fn read<T: DeserializeOwned>(part: Option<&Value>, name: &str, problems: &mut Vec<String>) -> Option<T> {
    match T::deserialize(part?) {
        Ok(part) => Some(part),
        Err(error) => {
            problems.push(format!("the status of {name} cannot be shown ({error}); try --json"));
            None
        }
    }
}

/// The value with every null left out, so that what is null is shown as empty.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(without_nulls).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// A span of time as one reads it at a glance: the two largest units.
pub(crate) fn ago(seconds: f64) -> String {
    let Ok(time) = Duration::try_from_secs_f64(seconds) else { return "?".to_owned() };
    let all = time.as_secs();
    let (days, hours, minutes) = (all / 86_400, all / 3600 % 24, all / 60 % 60);
    if days > 0 {
        format!("{days}d{hours}h")
    } else if hours > 0 {
        format!("{hours}h{minutes:02}m")
    } else if minutes > 0 {
        format!("{minutes}m{:02}s", all % 60)
    } else {
        format!("{all}s")
    }
}

/// A duration measured in microseconds.
pub(super) fn took(micros: f64) -> String {
    if micros < 1000.0 {
        format!("{micros:.0} us")
    } else if micros < 1_000_000.0 {
        format!("{:.1} ms", micros / 1000.0)
    } else {
        format!("{:.1} s", micros / 1_000_000.0)
    }
}

/// A value of unknown type, for people.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
