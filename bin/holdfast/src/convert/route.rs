//! Routes, as `virtual_routes` and `static_routes` have them: the words of `ip route`.

use std::net::IpAddr;

use super::instance::Instance;
use super::keyword::{Context, Target, lost, misread};
use super::site::Site;
use super::toml::Value;
use super::tree::Item;

type Pairs = Vec<(String, Value)>;

/// What can be said with a number alone.
const NUMBERS: [(&[&str], &str); 4] = [
    (&["metric", "priority", "preference"], "metric"),
    (&["initcwnd"], "initcwnd"),
    (&["initrwnd"], "initrwnd"),
    (&["advmss"], "advmss"),
];

/// `virtual_routes { … }`
pub(super) fn virtual_routes(instance: &mut Instance, item: &Item, cx: &mut Context) {
    for line in item.items() {
        if let Some(value) = route(instance, line, cx) {
            instance.table.push("virtual_routes", value);
        }
    }
}

/// `static_routes { … }`
pub(super) fn static_routes(site: &mut Site, item: &Item, cx: &mut Context) {
    site.statics.comments.extend(item.comments.iter().cloned());
    for line in item.items() {
        if let Some(Value::Table(pairs)) = route(site, line, cx) {
            let way = ["via", "interface", "next_hops"];
            let leads = pairs.iter().any(|(key, _)| way.contains(&key.as_str()) || key == "type");
            if leads {
                site.statics.push("routes", Value::Table(pairs));
            } else {
                lost(site, line, "a static route needs an interface or a gateway", cx);
            }
        }
    }
}

/// One line; nothing if it is lost, which was told.
fn route<T: Target>(target: &mut T, line: &Item, cx: &mut Context) -> Option<Value> {
    let words: Vec<&str> = line.words.iter().map(|word| word.text.as_str()).collect();
    let mut reader = Reader { words: &words, at: 0 };
    match reader.route() {
        Ok(pairs) => {
            for word in words.iter().filter(|word| LESS.contains(word)) {
                lost(target, line, &format!("{word} of a route"), cx);
            }
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

/// Options whose loss changes little.
const LESS: [&str; 20] = [
    "rtt",
    "rttvar",
    "reordering",
    "window",
    "cwnd",
    "ssthresh",
    "realms",
    "realm",
    "rto_min",
    "hoplimit",
    "quickack",
    "congctl",
    "pref",
    "expires",
    "ttl-propagate",
    "fastopen_no_cookie",
    "features",
    "track_group",
    "as",
    "append",
];

/// Why a line is not carried over.
pub(super) enum Trouble {
    Lost(String),
    Misread,
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += usize::from(word.is_some());
        word
    }

    fn value(&mut self) -> Result<&'a str, Trouble> {
        self.next().ok_or(Trouble::Misread)
    }

    fn number(&mut self) -> Result<Value, Trouble> {
        self.value()?.parse::<i64>().map(Value::Number).map_err(|_| Trouble::Misread)
    }

    /// A gateway, whose family may be told before it.
    fn gateway(&mut self) -> Result<Value, Trouble> {
        let mut word = self.value()?;
        if word == "inet" || word == "inet6" {
            word = self.value()?;
        }
        word.parse::<IpAddr>().map(|address| address.to_string().into()).map_err(|_| Trouble::Misread)
    }

    /// `mtu [lock] N`: the number, and whether it is locked.
    fn lockable(&mut self) -> Result<(Value, bool), Trouble> {
        let locked = self.words.get(self.at) == Some(&"lock");
        self.at += usize::from(locked);
        Ok((self.number()?, locked))
    }

    fn route(&mut self) -> Result<Pairs, Trouble> {
        let mut pairs = Pairs::new();
        let mut hops: Vec<Value> = Vec::new();
        let mut put = |key: &str, value: Value| pairs.push((key.to_owned(), value));
        let mut v6 = None;
        let mut to = None;
        while let Some(word) = self.next() {
            if let Some((_, key)) = NUMBERS.iter().find(|(names, _)| names.contains(&word)) {
                put(key, self.lockable()?.0);
                continue;
            }
            match word {
                "to" => to = Some(self.value()?),
                "via" | "gw" => {
                    let gateway = self.gateway()?;
                    v6 = v6.or(is_v6(&gateway));
                    put("via", gateway);
                }
                "src" => {
                    let source = Value::from(self.value()?);
                    v6 = v6.or(is_v6(&source));
                    put("source", source);
                }
                "dev" | "oif" => put("interface", self.value()?.into()),
                "onlink" => put("onlink", true.into()),
                "table" => put("table", table(self.value()?)?),
                "scope" => put("scope", scope(self.value()?)?),
                "mtu" => {
                    let (mtu, locked) = self.lockable()?;
                    put("mtu", mtu);
                    if locked {
                        put("mtu_lock", true.into());
                    }
                }
                "nexthop" => {
                    let hop = self.hop()?;
                    v6 = v6.or(hop.iter().find(|(key, _)| key == "via").and_then(|(_, via)| is_v6(via)));
                    hops.push(Value::Table(hop));
                }
                "blackhole" | "unreachable" | "prohibit" | "throw" | "local" => put("type", word.into()),
                "unicast" | "add" | "replace" | "no_track" => {}
                // Ours have a mark.
                "protocol" | "proto" => drop(self.value()?),
                "inet" => v6 = Some(false),
                "inet6" => v6 = Some(true),
                "or" | "encap" | "vrf" | "tos" | "dsfield" | "prepend" | "nat" | "broadcast"
                | "multicast" | "anycast" => return Err(Trouble::Lost(format!("{word} of a route"))),
                "append" | "fastopen_no_cookie" | "quickack" | "ttl-propagate" => {
                    let given = self.words.get(self.at).is_some_and(|word| ["0", "1"].contains(word));
                    self.at += usize::from(given);
                }
                less if LESS.contains(&less) => drop(self.value()?),
                destination if to.is_none() => to = Some(destination),
                _ => return Err(Trouble::Misread),
            }
        }
        let to = match to.ok_or(Trouble::Misread)? {
            "default" if v6 == Some(true) => "::/0".to_owned(),
            "default" => "default".to_owned(),
            address => network(address)?,
        };
        let to = if to == "default" && v6.is_none() { "0.0.0.0/0".to_owned() } else { to };
        pairs.insert(0, ("to".to_owned(), to.into()));
        if !hops.is_empty() {
            pairs.push(("next_hops".to_owned(), Value::List(hops)));
        }
        Ok(pairs)
    }

    /// What follows `nexthop`, up to the next one.
    fn hop(&mut self) -> Result<Pairs, Trouble> {
        let mut pairs = Pairs::new();
        let mut put = |key: &str, value: Value| pairs.push((key.to_owned(), value));
        while let Some(word) = self.words.get(self.at).copied().filter(|word| *word != "nexthop") {
            self.at += 1;
            match word {
                "via" | "gw" => put("via", self.gateway()?),
                "dev" | "oif" => put("interface", self.value()?.into()),
                "weight" => put("weight", self.number()?),
                "onlink" => put("onlink", true.into()),
                _ => return Err(Trouble::Lost(format!("{word} of a next hop"))),
            }
        }
        if pairs.is_empty() { Err(Trouble::Misread) } else { Ok(pairs) }
    }
}

fn is_v6(value: &Value) -> Option<bool> {
    match value {
        Value::Text(text) => Some(text.contains(':')),
        Value::Number(_) | Value::Flag(_) | Value::List(_) | Value::Table(_) => None,
    }
}

/// A network or an address.
pub(super) fn network(text: &str) -> Result<String, Trouble> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let fine = address.parse::<IpAddr>().is_ok() && (length.is_empty() || length.parse::<u8>().is_ok());
    if fine { Ok(text.to_owned()) } else { Err(Trouble::Misread) }
}

/// A number, or a name that means the same everywhere.
pub(super) fn table(word: &str) -> Result<Value, Trouble> {
    match (word, word.parse::<i64>()) {
        ("main" | "local" | "default", _) => Ok(word.into()),
        (_, Ok(number)) => Ok(number.into()),
        _ => Err(Trouble::Lost(format!("the name {word} of a table: write its number (rt_tables)"))),
    }
}

fn scope(word: &str) -> Result<Value, Trouble> {
    match word {
        "global" | "site" | "link" | "host" => Ok(word.into()),
        "0" | "universe" => Ok("global".into()),
        "200" => Ok("site".into()),
        "253" => Ok("link".into()),
        "254" => Ok("host".into()),
        other => Err(Trouble::Lost(format!("scope {other} of a route"))),
    }
}
