//! `use_vmac` and `strict_mode`: keywords that mean something together with others, so they are put down when all of the
//! instance has been read.

use super::instance::Instance;
use super::keyword::{Context, lost, misread, note};
use super::site::Site;
use super::toml::Value;
use super::tree::Item;
use super::values;

/// What an instance says of them.
#[derive(Default)]
pub(super) struct Wish {
    vmac: Option<Vec<(String, Value)>>,
    from_base: bool,
    strict: Option<bool>,
}

/// `use_vmac [NAME] [MAC] [netlink_notify_msg] [group N]`.
pub(super) fn use_vmac(instance: &mut Instance, item: &Item, cx: &mut Context) {
    let mut pairs: Vec<(String, Value)> = Vec::new();
    let mut words = item.words.get(1..).unwrap_or_default().iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        let is_mac = word.split(':').count() == 6;
        match word {
            "netlink_notify_msg" => {}
            "group" => {
                let number = words.next().unwrap_or_default();
                lost(instance, item, &format!("the group {number} of its interface"), cx);
            }
            _ if is_mac => pairs.push(("mac".to_owned(), word.into())),
            _ if pairs.iter().all(|(key, _)| key != "interface") => {
                pairs.push(("interface".to_owned(), word.into()));
            }
            _ => lost(instance, item, &format!("{word}: it is on the instance's interface"), cx),
        }
    }
    instance.wish.vmac = Some(pairs);
}

pub(super) fn xmit_base(instance: &mut Instance, _: &Item, _: &mut Context) {
    instance.wish.from_base = true;
}

pub(super) fn strict_mode(instance: &mut Instance, item: &Item, cx: &mut Context) {
    match item.word(1).map_or(Some(true), values::flag) {
        Some(on) => instance.wish.strict = Some(on),
        None => misread(instance, item, cx),
    }
}

/// Puts them down.
pub(super) fn finish(instance: &mut Instance, site: &Site, item: &Item, cx: &mut Context) {
    let Wish { vmac, from_base, strict } = std::mem::take(&mut instance.wish);
    if let Some(mut pairs) = vmac {
        if let Some(prefix) = &site.vmac_prefix
            && pairs.iter().all(|(key, _)| key != "interface")
            && let Some(Value::Number(vrid)) = instance.table.get("virtual_router_id")
        {
            let six = if instance.v6 == Some(true) { "6" } else { "" };
            pairs.insert(0, ("interface".to_owned(), format!("{prefix}{six}.{vrid}").into()));
        }
        if from_base {
            pairs.push(("adverts_from".to_owned(), "base".into()));
        }
        let value = if pairs.is_empty() { Value::Flag(true) } else { Value::Table(pairs) };
        instance.table.set("virtual_mac", value);
    }
    if strict.unwrap_or(site.strict) {
        keep_strict(instance, item, cx);
    } else if instance.table.get("accept") == Some(&Value::Flag(true)) {
        instance.table.take("accept");
    }
}

/// keepalived's strict mode drops what the RFC forbids; ours refuses it, and asks for more.
fn keep_strict(instance: &mut Instance, item: &Item, cx: &mut Context) {
    let owner = instance.table.get("priority") == Some(&Value::Number(255));
    let password = |auth: &Value| match auth {
        Value::Table(pairs) => {
            pairs.iter().any(|(key, value)| key == "type" && *value == Value::from("pass"))
        }
        Value::Text(_) | Value::Number(_) | Value::Flag(_) | Value::List(_) => false,
    };
    if instance.table.get("auth").is_some_and(password) {
        instance.table.take("auth");
        // It was what said so.
        instance.table.set("version", 2);
        note(instance, item, "keepalived's strict mode drops authentication", cx);
    }
    for key in ["preempt_delay", "down_timer_adverts", "answer_better"] {
        if instance.table.take(key).is_some() {
            note(instance, item, format!("keepalived's strict mode drops what became `{key}`"), cx);
        }
    }
    if instance.table.get("unicast_peers").is_some() {
        note(instance, item, "keepalived's strict mode refuses unicast_peer; it is kept", cx);
    }
    instance.table.set("answer_inferior", false);
    instance.table.set_in("announce", "inferior_repeat", 0);
    let version2 = instance.table.get("version") == Some(&Value::Number(2));
    match instance.table.take("accept") {
        Some(Value::Flag(true)) if !version2 || owner => {}
        _ => instance.table.set("accept", false),
    }
    let text = "what keepalived's strict mode does is written out; `strict = true` holds to all of RFC 9568, \
                the virtual MAC and the checksum among it";
    note(instance, item, text, cx);
}
