//! `vrrp_track_process`.

use super::keyword::{Context, How, Keyword, misread};
use super::site::Site;
use super::toml::Value;
use super::track::{self, Plain};
use super::tree::Item;

/// Its keywords.
pub(super) const KEYWORDS: &[Keyword<Plain>] = &[
    Keyword { names: &["process"], key: "program, arguments", how: How::By(program) },
    Keyword { names: &["param_match"], key: "arguments_match", how: How::By(matching) },
    Keyword {
        names: &["full_command"],
        key: "a program with its whole path is looked for by its file",
        how: How::Needless,
    },
    Keyword { names: &["quorum"], key: "quorum", how: How::Number },
    Keyword { names: &["quorum_max"], key: "quorum_max", how: How::Number },
    Keyword { names: &["weight"], key: "weight", how: How::By(track::weight) },
    Keyword { names: &["delay"], key: "delay", how: How::Seconds },
    Keyword { names: &["fork_delay"], key: "fork_delay", how: How::Seconds },
    Keyword { names: &["terminate_delay"], key: "terminate_delay", how: How::Seconds },
];

/// `vrrp_track_process NAME { … }`
pub(super) fn process(site: &mut Site, item: &Item, cx: &mut Context) {
    let read = track::named("[[vrrp.process]]", "vrrp_track_process", KEYWORDS, site, item, cx);
    if let Some(mut table) = read {
        // keepalived matches arguments only where it is told how.
        if table.get("arguments").is_none() {
            table.take("arguments_match");
        }
        site.processes.push(table);
    }
}

fn program(plain: &mut Plain, item: &Item, cx: &mut Context) {
    let text: Vec<&str> = item.values().collect();
    let words = shlex::split(&text.join(" ")).unwrap_or_default();
    let Some((program, arguments)) = words.split_first() else { return misread(plain, item, cx) };
    plain.0.set("program", program.as_str());
    if !arguments.is_empty() {
        plain.0.set("arguments", arguments.iter().map(String::as_str).collect::<Value>());
    }
}

fn matching(plain: &mut Plain, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some("initial") => plain.0.set("arguments_match", "first"),
        Some("partial") => plain.0.set("arguments_match", "beginning"),
        Some("exact") => plain.0.set("arguments_match", "all"),
        _ => misread(plain, item, cx),
    }
}
