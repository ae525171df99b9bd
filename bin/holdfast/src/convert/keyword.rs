//! What becomes of each keyword, as tables: the converter reads by them, and the page for keepalived's users is
//! written from them.

use std::collections::BTreeMap;

use super::place::{Kind, Place, Report};
use super::toml::Value;
use super::tree::Item;
use super::values;

/// What all parts of the converter share.
#[derive(Default)]
pub(super) struct Context {
    pub(super) report: Report,
    /// The files that `track_file` names.
    pub(super) files: BTreeMap<String, TrackFile>,
    /// `default_interface`.
    pub(super) default_interface: Option<String>,
    /// How many rules were given a priority.
    pub(super) rules_without_priority: i64,
    /// Whether any command is run as the default user.
    pub(super) uses_scripts: bool,
    /// The addresses and marks of each `virtual_server_group`.
    pub(super) groups: BTreeMap<String, Vec<super::service::Member>>,
}

/// A tracked file, as checks need it.
#[derive(Clone, Debug)]
pub(super) struct TrackFile {
    pub(super) path: String,
    pub(super) weight: i64,
}

/// Something that keywords set keys of.
pub(super) trait Target {
    /// Sets a key; `a.b` is key `b` of table `a`.
    fn set(&mut self, key: &str, value: Value);
    /// Says something in the place where the keyword was.
    fn remark(&mut self, text: String);
}

/// How a keyword is read.
pub(super) enum How<T> {
    /// One whole number.
    Number,
    /// A time in seconds.
    Seconds,
    /// One word.
    Word,
    /// Its presence, unless it says `off`.
    Flag(bool),
    /// A command and, perhaps, a user, which goes to the second key.
    Command(&'static str),
    /// In a way of its own.
    By(fn(&mut T, &Item, &mut Context)),
    /// Not at all: Holdfast does so anyway, or has no need of it.
    Needless,
    /// It is lost.
    Lost,
}

/// A keyword in one kind of block.
pub(super) struct Keyword<T> {
    pub(super) names: &'static [&'static str],
    /// The key it becomes; or what to know, or to do, instead.
    pub(super) key: &'static str,
    pub(super) how: How<T>,
}

/// Reads all items of a block.
pub(super) fn read<T: Target>(
    block: &str,
    keywords: &[Keyword<T>],
    target: &mut T,
    items: &[Item],
    cx: &mut Context,
) {
    for item in items {
        match keywords.iter().find(|keyword| keyword.names.contains(&item.name())) {
            Some(keyword) => one(keyword, target, item, cx),
            None => unknown(block, keywords, target, item, cx),
        }
    }
}

fn one<T: Target>(keyword: &Keyword<T>, target: &mut T, item: &Item, cx: &mut Context) {
    let value = match &keyword.how {
        How::Number => item.word(1).and_then(|word| word.parse::<i64>().ok()).map(Value::Number),
        How::Seconds => item.word(1).and_then(values::seconds).map(Value::Text),
        How::Word => item.word(1).map(Value::from),
        How::Flag(on) => match item.word(1) {
            None => Some(Value::Flag(*on)),
            Some(word) => values::flag(word).map(|given| Value::Flag(given == *on)),
        },
        How::Command(user) => return command(keyword.key, user, target, item, cx),
        How::By(read) => return read(target, item, cx),
        How::Needless => return,
        How::Lost => return lost(target, item, keyword.key, cx),
    };
    match value {
        Some(value) => target.set(keyword.key, value),
        None => misread(target, item, cx),
    }
}

fn command<T: Target>(key: &str, user: &str, target: &mut T, item: &Item, cx: &mut Context) {
    let Some(command) = values::command_with_user(item) else { return misread(target, item, cx) };
    target.set(key, command.command);
    cx.uses_scripts |= command.user.is_none();
    if let Some(name) = command.user {
        target.set(user, name.into());
    }
    if let Some(group) = command.group {
        lost(target, item, &format!("the group {group}: scripts have the groups of their user"), cx);
    }
}

/// Says that something is lost, here and in the new file.
pub(super) fn lost<T: Target>(target: &mut T, item: &Item, instead: &str, cx: &mut Context) {
    tell(target, &item.place, Kind::Lost, format!("{}: {instead}", item.name()), cx);
}

/// Says that the value of a keyword cannot be understood.
pub(super) fn misread<T: Target>(target: &mut T, item: &Item, cx: &mut Context) {
    let words: Vec<&str> = item.words.iter().map(|word| word.text.as_str()).collect();
    tell(target, &item.place, Kind::Fault, format!("cannot make sense of `{}`", words.join(" ")), cx);
}

/// Says something that the operator should know, here and in the new file.
pub(super) fn note<T: Target>(target: &mut T, item: &Item, text: impl Into<String>, cx: &mut Context) {
    tell(target, &item.place, Kind::Note, text.into(), cx);
}

fn tell<T: Target>(target: &mut T, place: &Place, kind: Kind, text: String, cx: &mut Context) {
    let mark = match kind {
        Kind::Fault => "ERROR: ",
        Kind::Lost => "NOT CARRIED OVER: ",
        Kind::Note => "",
    };
    target.remark(format!("{mark}{text} ({place})"));
    cx.report.add(place, kind, text);
}

fn unknown<T: Target>(block: &str, keywords: &[Keyword<T>], target: &mut T, item: &Item, cx: &mut Context) {
    let name = item.name();
    let near = keywords
        .iter()
        .flat_map(|keyword| keyword.names)
        .filter(|known| strsim::damerau_levenshtein(known, name) <= 2)
        .min_by_key(|known| strsim::damerau_levenshtein(known, name));
    let hint = near.map(|near| format!(" (is `{near}` meant?)")).unwrap_or_default();
    let mut text = format!("keepalived knows no keyword `{name}` in {block}{hint}");
    if item.block.is_some() {
        text.push_str(", and would read its block as if it were not there");
    }
    tell(target, &item.place, Kind::Fault, text, cx);
}

/// A row of the page for keepalived's users: names, key or words, and whether it is carried over.
pub(super) type Row = (String, &'static str, Fate);

/// What the page says of a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Key,
    Needless,
    Lost,
}

/// The rows of a block.
pub(super) fn rows<T>(keywords: &[Keyword<T>]) -> Vec<Row> {
    let row = |keyword: &Keyword<T>| {
        let fate = match keyword.how {
            How::Needless => Fate::Needless,
            How::Lost => Fate::Lost,
            How::Number | How::Seconds | How::Word | How::Flag(_) | How::Command(_) | How::By(_) => Fate::Key,
        };
        (keyword.names.join(", "), keyword.key, fate)
    };
    keywords.iter().map(row).collect()
}
