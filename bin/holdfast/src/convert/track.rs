//! Scripts, files and interfaces that instances track, and groups.

use super::instance::{Instance, drop_default};
use super::keyword::{Context, How, Keyword, Target, TrackFile, lost, misread, note, read};
use super::site::Site;
use super::toml::{Table, Value};
use super::tree::Item;
use super::values;

/// A table whose keys are set one by one.
pub(super) struct Plain(pub(super) Table);

impl Target for Plain {
    fn set(&mut self, key: &str, value: Value) {
        match key.split_once('.') {
            Some((table, key)) => self.0.set_in(table, key, value),
            None => self.0.set(key, value),
        }
    }

    fn remark(&mut self, text: String) {
        self.0.remarks.push(text);
    }
}

/// The keywords of `vrrp_script`.
pub(super) const SCRIPT: &[Keyword<Plain>] = &[
    Keyword { names: &["script"], key: "command", how: How::By(script_command) },
    Keyword { names: &["interval"], key: "interval", how: How::Seconds },
    Keyword { names: &["timeout"], key: "timeout", how: How::Seconds },
    Keyword { names: &["weight"], key: "weight", how: How::By(weight) },
    Keyword { names: &["rise"], key: "rise", how: How::Number },
    Keyword { names: &["fall"], key: "fall", how: How::Number },
    Keyword { names: &["user"], key: "user", how: How::By(user) },
    Keyword { names: &["init_fail"], key: "it does nothing in keepalived either", how: How::Needless },
];

/// The keywords of `track_file` at the top of the file.
pub(super) const FILE: &[Keyword<Plain>] = &[
    Keyword { names: &["file"], key: "path", how: How::Word },
    Keyword { names: &["weight"], key: "weight", how: How::By(weight) },
    Keyword {
        names: &["init_file"],
        key: "a file that is missing says 0: write it before the daemon starts",
        how: How::Lost,
    },
];

/// The keywords of `vrrp_sync_group`.
pub(super) const GROUP: &[Keyword<Plain>] = &[
    Keyword { names: &["group"], key: "instances", how: How::By(members) },
    Keyword { names: &["track_interface"], key: "track_interfaces", how: How::By(group_interfaces) },
    Keyword { names: &["track_script"], key: "track_scripts", how: How::By(group_scripts) },
    Keyword { names: &["track_file"], key: "track_files", how: How::By(group_files) },
    Keyword { names: &["track_process"], key: "track_processes", how: How::By(group_processes) },
    Keyword { names: &["notify_master"], key: "notify.master", how: How::Command("notify.user") },
    Keyword { names: &["notify_backup"], key: "notify.backup", how: How::Command("notify.user") },
    Keyword { names: &["notify_fault"], key: "notify.fault", how: How::Command("notify.user") },
    Keyword { names: &["notify_stop"], key: "notify.stop", how: How::Command("notify.user") },
    Keyword { names: &["notify"], key: "notify.any", how: How::Command("notify.user") },
    Keyword {
        names: &["sync_group_tracking_weight", "global_tracking"],
        key: "trackers of members keep their weight",
        how: How::Needless,
    },
    Keyword { names: &["notify_priority_changes"], key: "its instances tell of theirs", how: How::Lost },
    Keyword { names: &["smtp_alert"], key: "alert", how: How::Flag(true) },
    Keyword {
        names: &["track_bfd"],
        key: "there is no BFD: short intervals of version 3 notice as fast",
        how: How::Lost,
    },
];

/// `vrrp_script NAME { … }`
pub(super) fn script(site: &mut Site, item: &Item, cx: &mut Context) {
    if let Some(mut table) = named("[[vrrp.script]]", "vrrp_script", SCRIPT, site, item, cx) {
        drop_default(&mut table, "interval", "1s");
        cx.uses_scripts |= table.get("user").is_none();
        site.scripts.push(table);
    }
}

/// `track_file NAME { … }`
pub(super) fn file(site: &mut Site, item: &Item, cx: &mut Context) {
    if let Some(table) = named("[[vrrp.file]]", "track_file", FILE, site, item, cx) {
        let weight = match table.get("weight") {
            Some(Value::Number(weight)) => *weight,
            _ => 1,
        };
        if let (Some(name), Some(Value::Text(path))) = (item.word(1), table.get("path")) {
            cx.files.insert(name.to_owned(), TrackFile { path: path.clone(), weight });
        }
        site.files.push(table);
    }
}

/// `vrrp_sync_group NAME { … }`
pub(super) fn group(site: &mut Site, item: &Item, cx: &mut Context) {
    if let Some(table) = named("[[vrrp.sync_group]]", "vrrp_sync_group", GROUP, site, item, cx) {
        site.groups.push(table);
    }
}

pub(super) fn named(
    header: &str,
    block: &str,
    keywords: &[Keyword<Plain>],
    site: &mut Site,
    item: &Item,
    cx: &mut Context,
) -> Option<Table> {
    let mut plain = Plain(Table::new(header));
    plain.0.comments.clone_from(&item.comments);
    let Some(name) = item.word(1) else {
        misread(site, item, cx);
        return None;
    };
    plain.0.set("name", name);
    read(block, keywords, &mut plain, item.items(), cx);
    Some(plain.0)
}

fn script_command(plain: &mut Plain, item: &Item, cx: &mut Context) {
    match values::command(item) {
        Some(command) => plain.0.set("command", command),
        None => misread(plain, item, cx),
    }
}

pub(super) fn weight(plain: &mut Plain, item: &Item, cx: &mut Context) {
    match item.word(1).and_then(|word| word.parse::<i64>().ok()) {
        Some(weight) => plain.0.set("weight", weight),
        None => misread(plain, item, cx),
    }
    if item.word(2) == Some("reverse") {
        lost(plain, item, "reverse belongs where the tracker is used: { name = \"…\", reverse = true }", cx);
    }
}

fn user(plain: &mut Plain, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(name) => plain.0.set("user", name),
        None => misread(plain, item, cx),
    }
    if let Some(group) = item.word(2) {
        note(plain, item, format!("scripts have the groups of their user, not {group} alone"), cx);
    }
}

fn members(plain: &mut Plain, item: &Item, _: &mut Context) {
    for name in item.items().iter().flat_map(|line| &line.words) {
        plain.0.push("instances", name.text.as_str());
    }
}

/// `NAME [weight N] [reverse]` as text or as a table.
fn tracked<T: Target>(key: &str, target: &mut T, line: &Item, cx: &mut Context) -> Value {
    let mut pairs = vec![(key.to_owned(), Value::from(line.name()))];
    let mut words = line.values();
    while let Some(word) = words.next() {
        match word {
            "weight" => match words.next().and_then(|word| word.parse::<i64>().ok()) {
                Some(weight) => pairs.push(("weight".to_owned(), weight.into())),
                None => misread(target, line, cx),
            },
            "reverse" => pairs.push(("reverse".to_owned(), true.into())),
            "noreverse" => {}
            _ => misread(target, line, cx),
        }
    }
    if pairs.len() == 1 { Value::from(line.name()) } else { Value::Table(pairs) }
}

/// `track_interface { … }` of an instance.
pub(super) fn interfaces(instance: &mut Instance, item: &Item, cx: &mut Context) {
    for line in item.items() {
        let value = tracked("interface", instance, line, cx);
        instance.table.push("track_interfaces", value);
    }
}

/// `track_script { … }` of an instance.
pub(super) fn scripts(instance: &mut Instance, item: &Item, cx: &mut Context) {
    for line in item.items() {
        let value = tracked("name", instance, line, cx);
        instance.table.push("track_scripts", value);
    }
}

/// `track_file { … }` of an instance.
pub(super) fn files(instance: &mut Instance, item: &Item, cx: &mut Context) {
    for line in item.items() {
        let value = tracked("name", instance, line, cx);
        instance.table.push("track_files", value);
    }
}

/// `track_process { … }` of an instance.
pub(super) fn processes(instance: &mut Instance, item: &Item, cx: &mut Context) {
    for line in item.items() {
        let value = tracked("name", instance, line, cx);
        instance.table.push("track_processes", value);
    }
}

fn group_processes(plain: &mut Plain, item: &Item, cx: &mut Context) {
    for line in item.items() {
        let value = tracked("name", plain, line, cx);
        plain.0.push("track_processes", value);
    }
}

fn group_interfaces(plain: &mut Plain, item: &Item, cx: &mut Context) {
    for line in item.items() {
        let value = tracked("interface", plain, line, cx);
        plain.0.push("track_interfaces", value);
    }
}

fn group_scripts(plain: &mut Plain, item: &Item, cx: &mut Context) {
    for line in item.items() {
        let value = tracked("name", plain, line, cx);
        plain.0.push("track_scripts", value);
    }
}

fn group_files(plain: &mut Plain, item: &Item, cx: &mut Context) {
    for line in item.items() {
        let value = tracked("name", plain, line, cx);
        plain.0.push("track_files", value);
    }
}
