//! Rules of policy routing, as `virtual_rules` and `static_rules` have them: the words of `ip rule`.

use super::instance::Instance;
use super::keyword::{Context, Target, lost, misread, note};
use super::route::{Trouble, network, table};
use super::site::Site;
use super::toml::Value;
use super::tree::Item;

type Pairs = Vec<(String, Value)>;

/// Where keepalived begins to give out priorities, downwards.
const FIRST_FREE: i64 = 16_384;

/// `virtual_rules { … }`
pub(super) fn virtual_rules(instance: &mut Instance, item: &Item, cx: &mut Context) {
    for line in item.items() {
        if let Some(value) = rule(instance, line, cx) {
            instance.table.push("virtual_rules", value);
        }
    }
}

/// `static_rules { … }`
pub(super) fn static_rules(site: &mut Site, item: &Item, cx: &mut Context) {
    site.statics.comments.extend(item.comments.iter().cloned());
    for line in item.items() {
        if let Some(value) = rule(site, line, cx) {
            site.statics.push("rules", value);
        }
    }
}

/// One line; nothing if it is lost, which was told.
fn rule<T: Target>(target: &mut T, line: &Item, cx: &mut Context) -> Option<Value> {
    match pairs(line) {
        Ok(mut pairs) => {
            if pairs.iter().all(|(key, _)| key != "priority") {
                let number = FIRST_FREE - cx.rules_without_priority;
                cx.rules_without_priority += 1;
                note(target, line, format!("a rule needs a place of its own: priority {number}"), cx);
                pairs.push(("priority".to_owned(), number.into()));
            }
            pairs.sort_by_key(|(key, _)| key != "priority");
            Some(Value::Table(pairs))
        }
        Err(Trouble::Lost(what)) => {
            lost(target, line, &what, cx);
            None
        }
        Err(Trouble::Misread) => {
            misread(target, line, cx);
            None
        }
    }
}

fn pairs(line: &Item) -> Result<Pairs, Trouble> {
    let mut pairs = Pairs::new();
    let mut put = |key: &str, value: Value| pairs.push((key.to_owned(), value));
    let mut words = line.words.iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(Trouble::Misread);
        match word {
            "from" | "to" => match value()? {
                "all" | "any" => {}
                end => put(word, network(end)?.into()),
            },
            "table" | "lookup" => put("table", table(value()?)?),
            "preference" | "order" | "priority" => {
                put("priority", Value::Number(value()?.parse().map_err(|_| Trouble::Misread)?));
            }
            "fwmark" => put("fwmark", mark(value()?)?),
            "iif" | "dev" => put("input_interface", value()?.into()),
            "oif" => put("output_interface", value()?.into()),
            "suppress_prefixlength" | "sup_pl" => {
                put("suppress_prefix_length", Value::Number(value()?.parse().map_err(|_| Trouble::Misread)?));
            }
            "inet" => put("family", "ipv4".into()),
            "inet6" => put("family", "ipv6".into()),
            "blackhole" | "unreachable" | "prohibit" => put("action", word.into()),
            "type" => put("action", value()?.into()),
            // What somebody removes is put back; ours have a mark.
            "no_track" => {}
            "protocol" | "proto" => drop(value()?),
            "not" | "realms" | "suppress_ifgroup" | "sup_group" | "tun_id" | "uidrange" | "l3mdev"
            | "ipproto" | "sport" | "dport" | "goto" | "nop" | "tos" | "dsfield" | "track_group" => {
                return Err(Trouble::Lost(format!("{word} of a rule, and the rule with it")));
            }
            _ => return Err(Trouble::Misread),
        }
    }
    if pairs.is_empty() { Err(Trouble::Misread) } else { Ok(pairs) }
}

/// A number, or text where there is a mask.
fn mark(word: &str) -> Result<Value, Trouble> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    match word.split_once('/') {
        None => number(word).map(Value::Number).map_err(|_| Trouble::Misread),
        Some((mark, mask)) if number(mark).is_ok() && number(mask).is_ok() => Ok(word.into()),
        Some(_) => Err(Trouble::Misread),
    }
}
