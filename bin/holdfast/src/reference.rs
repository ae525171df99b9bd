//! The keys that the code asks for, the manual page and the shipped files agree with each other.
//!
//! The list of keys comes from the code itself: the tables record what they are asked for while every shipped file is
//! checked. A key is named by the section of the manual that explains it and by its own name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::config::{Diagnostics, Sources};
use common::role;

use crate::roles::ROLES;

pub(crate) type Keys = BTreeSet<(String, String)>;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The shipped files, and the commented one once more with every setting switched on.
pub(crate) fn shipped() -> Vec<(String, String)> {
    let etc = root().join("etc/holdfast");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let default = read(&etc.join("holdfast.toml"));
    let on: Vec<&str> = default
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with([' ', '#']) => setting,
            _ => line,
        })
        .collect();
    let mut files = vec![
        ("every setting of holdfast.toml".to_owned(), on.join("\n")),
        ("holdfast.toml".to_owned(), default),
    ];
    for entry in fs::read_dir(etc.join("samples")).unwrap() {
        let path = entry.unwrap().path();
        files.push((path.file_name().unwrap().to_string_lossy().into_owned(), read(&path)));
    }
    assert!(files.len() > 7, "{files:?}");
    files
}

/// Tables that are read alike have one name, wherever they stand.
pub(crate) fn kind(table: &str) -> &str {
    let last = table.rsplit('.').next().unwrap_or_default();
    match last {
        "virtual_addresses" | "excluded_addresses" => "address",
        "addresses" if table == "vrrp.static.addresses" => "address",
        "virtual_routes" | "routes" => "route",
        "next_hops" => "next_hop",
        "virtual_rules" | "rules" => "rule",
        "unicast_peers" | "peers" => "peer",
        "keys" => "key",
        "urls" => "url",
        "track_scripts" | "track_files" | "track_processes" => "tracker",
        "track_interfaces" => "interface_tracker",
        "notify" if table == "vrrp.sync_group.notify" => table,
        "resources" | "headers" | "check" | "auth" | "notify" | "announce" | "virtual_mac" | "also_via"
        | "tunnel" | "sorry_server" | "timeouts" => last,
        _ => table,
    }
}

/// The section that explains a key, and the key; none for sections themselves and for names of the operator's choice.
pub(crate) fn place(path: &str) -> Option<(String, String)> {
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let section = match kind(table) {
        "" if key == "include" => "include",
        // The keys of `auth` are explained with their list.
        "" | "headers" | "key" => return None,
        "vrrp" | "checker" | "watchdog" | "global"
            if ["resources", "network_namespace", "notify_fifo"].contains(&key) =>
        {
            table
        }
        "vrrp"
            if !["instance", "script", "file", "process", "sync_group", "static", "ipvs_sync"]
                .contains(&key) =>
        {
            "vrrp.instance"
        }
        "interface_tracker" => "tracker",
        "url" => "check",
        "vrrp.sync_group.notify" => "notify",
        kind => kind,
    };
    Some((section.to_owned(), key.to_owned()))
}

/// What the tables are asked for while every shipped file is checked.
pub(crate) fn recorded() -> Diagnostics {
    let mut diagnostics = Diagnostics::recording();
    for (name, text) in shipped() {
        role::check(ROLES, &Sources::from_text(name, text), &mut diagnostics);
    }
    diagnostics
}

/// Every key the code asks for.
fn asked() -> Keys {
    recorded().asked().filter_map(place).collect()
}

/// Every key that stands in a shipped file, switched on or off.
fn shown() -> Keys {
    fn walk(value: &toml::Value, path: &str, keys: &mut Keys) {
        if let Some(list) = value.as_array() {
            list.iter().for_each(|value| walk(value, path, keys));
        }
        for (key, value) in value.as_table().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            keys.extend(place(&path));
            walk(value, &path, keys);
        }
    }
    let mut keys = Keys::new();
    for (_, text) in shipped() {
        walk(&toml::Value::Table(text.parse().unwrap()), "", &mut keys);
    }
    keys
}

/// The section that a heading of holdfast.toml(5) opens.
pub(crate) fn section(heading: &str) -> &str {
    match heading {
        "Included files" => "include",
        heading if heading.starts_with("An address") => "address",
        heading if heading.starts_with("A route") => "route",
        heading if heading.starts_with("A next hop") => "next_hop",
        heading if heading.starts_with("A rule") => "rule",
        "An element of unicast_peers" => "peer",
        "An element of also_via" => "also_via",
        heading if heading.starts_with("An element") => "tracker",
        heading if heading.starts_with("check") => "check",
        heading => heading.trim_matches(['[', ']']),
    }
}

/// The text of holdfast.toml(5).
pub(crate) fn page() -> String {
    fs::read_to_string(root().join("docs/man/holdfast.toml.5")).unwrap()
}

/// Every key that holdfast.toml(5) explains.
pub(crate) fn explained() -> Keys {
    let (mut keys, mut open) = (Keys::new(), String::new());
    for line in page().lines() {
        if let Some(heading) = line.strip_prefix(".Ss ") {
            open = section(heading).to_owned();
        } else if let Some(key) = line.strip_prefix(".It Ic ") {
            keys.insert((open.clone(), key.to_owned()));
        }
    }
    keys
}

pub(crate) fn missing(wanted: &Keys, from: &Keys) -> Vec<String> {
    wanted.difference(from).map(|(section, key)| format!("{section}: {key}")).collect()
}

/// The configurations that the documents show.
pub(crate) fn documented() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut take = |name: &str, begin: &str, end: &str| {
        let text = fs::read_to_string(root().join(name)).unwrap();
        for (number, part) in text.split(begin).skip(1).enumerate() {
            let block = part.split(end).next().unwrap_or_default();
            // Others show a shell, or a few keys.
            if block.contains("\n[[") {
                found.push((format!("{name}, block {number}"), block.to_owned()));
            }
        }
    };
    take("README.md", "```toml", "```");
    take("docs/man/holdfast.toml.5", ".Bd -literal -offset indent", ".Ed");
    assert!(found.len() >= 2, "{found:?}");
    found
}

#[test]
fn every_shipped_file_and_every_documented_one_is_without_fault() {
    for (name, text) in shipped().into_iter().chain(documented()) {
        let sources = Sources::from_text(name, text);
        let mut diagnostics = Diagnostics::new();
        role::check(ROLES, &sources, &mut diagnostics);
        assert_eq!(diagnostics.render(&sources), "");
    }
}

#[test]
fn the_manual_explains_every_key_and_no_other() {
    let (asked, explained) = (asked(), explained());
    assert_eq!(missing(&asked, &explained), Vec::<String>::new(), "asked for, but not in holdfast.toml(5)");
    assert_eq!(
        missing(&explained, &asked),
        Vec::<String>::new(),
        "in holdfast.toml(5), but nobody asks for it"
    );
}

#[test]
fn every_key_stands_in_a_shipped_file() {
    assert_eq!(missing(&asked(), &shown()), Vec::<String>::new());
}

#[test]
fn every_kind_of_check_is_explained_and_shown() {
    let page = page();
    let shipped: String = shipped().into_iter().map(|(_, text)| text).collect();
    for (kind, _) in checker::checks::KINDS {
        assert!(page.contains(&format!(".Ss check of type {kind}\n")), "{kind} is not in holdfast.toml(5)");
        assert!(shipped.contains(&format!("type = \"{kind}\"")), "{kind} is in no shipped file");
    }
}

#[test]
fn every_key_has_a_test_of_its_effect() {
    let table = fs::read_to_string(root().join("bin/holdfast/tests/effects")).unwrap();
    let mut listed = Keys::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let [section, key, file, test] = words[..] else { panic!("not four words: {line}") };
        let source = fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(source.contains(&format!("fn {test}(")), "there is no such test: {line}");
        listed.insert((section.to_owned(), key.to_owned()));
    }
    let asked = asked();
    assert_eq!(missing(&asked, &listed), Vec::<String>::new(), "without a test of its effect");
    assert_eq!(missing(&listed, &asked), Vec::<String>::new(), "listed, but nobody asks for it");
}
