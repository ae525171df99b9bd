//! `lvs_sync_daemon`: directors that tell each other of connections.

use super::instance::Instance;
use super::keyword::{Context, Target, misread};
use super::site::Site;
use super::toml::Value;
use super::tree::Item;

/// Where an instance keeps its `lvs_sync_daemon_interface` until it is whole.
const HELD: &str = "lvs_sync_daemon_interface";

/// `lvs_sync_daemon IF [inst VI] [id N] …`, or in the old way `IF [VI [N]]`.
pub(super) fn lvs_sync_daemon(site: &mut Site, item: &Item, cx: &mut Context) {
    let mut words = item.values();
    let Some(interface) = words.next() else { return misread(site, item, cx) };
    let mut pairs = vec![("interface", Value::from(interface))];
    let mut faulty = false;
    while let Some(word) = words.next() {
        let (key, text) = match word {
            "inst" => ("instance", words.next()),
            "id" => ("id", words.next()),
            "maxlen" => ("max_length", words.next()),
            "port" => ("port", words.next()),
            "ttl" => ("ttl", words.next()),
            "group" => ("group", words.next()),
            old if pairs.len() == 1 => ("instance", Some(old)),
            old if pairs.len() == 2 => ("id", Some(old)),
            _ => ("", None),
        };
        let value = match (key, text) {
            ("instance" | "group", Some(text)) => Some(Value::from(text)),
            (_, Some(text)) => text.parse::<i64>().ok().map(Value::Number),
            (_, None) => None,
        };
        match value {
            Some(value) => pairs.push((key, value)),
            None => faulty = true,
        }
    }
    if faulty {
        misread(site, item, cx);
    }
    site.sync.comments.extend(item.comments.iter().cloned());
    for (key, value) in pairs {
        site.sync.set(key, value);
    }
}

/// `lvs_sync_daemon_interface IF` of an instance.
pub(super) fn interface(instance: &mut Instance, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(name) => instance.set(HELD, name.into()),
        None => misread(instance, item, cx),
    }
}

/// What an instance said of it.
pub(super) fn of_instance(instance: &mut Instance, site: &mut Site) {
    let Some(interface) = instance.table.take(HELD) else { return };
    if let Some(name) = instance.table.get("name").cloned()
        && site.sync.is_empty()
    {
        site.sync.set("interface", interface);
        site.sync.set("instance", name);
    }
}
