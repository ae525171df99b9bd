//! What `global_defs` says of the kernel's IPVS table.

use super::keyword::{Context, Target, misread};
use super::site::Site;
use super::toml::Value;
use super::tree::Item;
use super::values;

/// `lvs_flush_on_stop [VS]`: with the word, only services of our own go at once, as they do anyway.
pub(super) fn flush_at_stop(site: &mut Site, item: &Item, cx: &mut Context) {
    match item.word(1) {
        None => site.set("checker.flush_at_stop", Value::Flag(true)),
        Some("VS") => {}
        Some(_) => misread(site, item, cx),
    }
}

/// `lvs_timeouts [tcp N] [tcpfin N] [udp N]`; 0 is as without it.
pub(super) fn timeouts(site: &mut Site, item: &Item, cx: &mut Context) {
    let mut rest = item.words.iter().skip(1);
    let mut found = Vec::new();
    while let Some(name) = rest.next() {
        let key = match name.text.as_str() {
            "tcp" => "checker.timeouts.tcp",
            "tcpfin" => "checker.timeouts.tcp_fin",
            "udp" => "checker.timeouts.udp",
            _ => return misread(site, item, cx),
        };
        let number = rest.next().map(|word| word.text.as_str()).filter(|word| word.parse::<u32>().is_ok());
        let Some(seconds) = number.and_then(values::seconds) else { return misread(site, item, cx) };
        found.push((key, seconds));
    }
    for (key, seconds) in found.into_iter().filter(|(_, seconds)| seconds != "0s") {
        site.set(key, Value::Text(seconds));
    }
}
