//! An event as a line for people: when, who tells it, what, about what, from what to what, and the rest as `key=value`.

use common::history::Line;
use serde_json::Value;

use super::filter::OBJECTS;

/// Said elsewhere in the line, or by it.
const SAID: &[&str] = &["seq", "at", "child", "event", "from", "to", "up"];
/// What is good news, and what is bad.
const GOOD: &[&str] = &["master", "up"];
const BAD: &[&str] = &["fault", "down"];

/// The line, without its end.
pub(super) fn render(line: &Line, colour: bool) -> String {
    let named = |field: &&&str| line.fields.get(**field).is_some_and(Value::is_string);
    let objects: Vec<&str> = OBJECTS.iter().filter(named).copied().collect();
    let mut words = vec![
        line.text_of("at").to_owned(),
        format!("{:<8}", line.text_of("child")),
        line.text_of("event").to_owned(),
    ];
    words.extend(objects.first().map(|field| line.text_of(field).to_owned()));
    if let (Some(from), Some(to)) = (line.fields.get("from"), line.fields.get("to")) {
        words.push(format!("{} -> {}", plain(from), toned(&plain(to), colour)));
    } else if let Some(up) = line.fields.get("up").and_then(Value::as_bool) {
        words.push(toned(if up { "up" } else { "down" }, colour));
    }
    for (name, value) in &line.fields {
        let told = SAID.contains(&name.as_str()) || objects.first().is_some_and(|object| object == name);
        // Whose process it was is worth a word where it is no more.
        let own = name == "pid" && line.text_of("event") != "child_died";
        if !told && !own && !value.is_null() {
            words.push(format!("{name}={}", quoted(&plain(value))));
        }
    }
    words.join(" ")
}

fn toned(word: &str, colour: bool) -> String {
    let tone = match word {
        _ if !colour => None,
        word if GOOD.contains(&word) => Some(32),
        word if BAD.contains(&word) => Some(31),
        _ => None,
    };
    tone.map_or_else(|| word.to_owned(), |tone| format!("\u{1b}[{tone}m{word}\u{1b}[0m"))
}

/// A value in one line: whoever wrote it, it moves no cursor.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains(char::is_whitespace) {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_what_matters() {
        for (json, text) in [
            (
                r#"{"seq":1,"at":"2026-11-21T09:00:00.000Z","child":"vrrp","pid":7,"event":"state_changed","from":"backup","instance":"VI_1","priority":100,"reason":"no advert heard","to":"master"}"#,
                "2026-11-21T09:00:00.000Z vrrp     state_changed VI_1 backup -> master priority=100 reason=\"no advert heard\"",
            ),
            (
                r#"{"seq":3,"at":"T","child":"checker","pid":7,"event":"server_changed","from":"up","to":"down","up":false,"server":"10.0.0.1:80","service":"tcp 192.0.2.1:80","reason":"http: 503\nx"}"#,
                "T checker  server_changed 10.0.0.1:80 up -> down reason=\"http: 503 x\" service=\"tcp 192.0.2.1:80\"",
            ),
            (
                r#"{"seq":3,"at":"T","child":"vrrp","pid":7,"event":"child_died","reason":"signal 9"}"#,
                "T vrrp     child_died pid=7 reason=\"signal 9\"",
            ),
            (
                r#"{"seq":3,"at":"T","child":"checker","pid":7,"event":"quorum_changed","up":false,"service":"tcp 192.0.2.1:80","sorry_server":null}"#,
                "T checker  quorum_changed tcp 192.0.2.1:80 down",
            ),
        ] {
            assert_eq!(render(&Line::parse(json).unwrap(), false), text);
        }
    }
}
