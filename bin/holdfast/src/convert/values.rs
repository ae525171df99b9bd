//! Values of a keepalived.conf in the form that a holdfast.toml has for them.

use std::net::IpAddr;

use super::toml::Value;
use super::tree::Item;

/// A number of seconds with up to six decimals, as a duration: `"1s"`, `"100ms"`.
pub(super) fn seconds(text: &str) -> Option<String> {
    microseconds(text).map(duration)
}

/// The same in microseconds.
pub(super) fn microseconds(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if text.is_empty() || text == "." || part.len() > 6 || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u64 = if part.is_empty() { 0 } else { format!("{part:0<6}").parse().ok()? };
    whole.checked_mul(1_000_000)?.checked_add(part)
}

/// Microseconds as a duration.
pub(super) fn duration(us: u64) -> String {
    match us {
        _ if us.is_multiple_of(1_000_000) => format!("{}s", us / 1_000_000),
        _ if us.is_multiple_of(1000) => format!("{}ms", us / 1000),
        _ => format!("{us}us"),
    }
}

/// What keepalived takes for true or false.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// A command, and the user that follows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command {
    pub(super) command: Value,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
}

/// The command of `notify_master "…" user group` and the like.
pub(super) fn command_with_user(item: &Item) -> Option<Command> {
    let word = item.words.get(1)?;
    let command = if word.quoted { line(&word.text)? } else { Value::from(word.text.as_str()) };
    Some(Command { command, user: item.word(2).map(str::to_owned), group: item.word(3).map(str::to_owned) })
}

/// The command of `script …` and the like, where all that follows belongs to it.
pub(super) fn command(item: &Item) -> Option<Value> {
    match item.words.get(1..)? {
        [] => None,
        [one] => line(&one.text),
        many => Some(many.iter().map(|word| word.text.as_str()).collect()),
    }
}

/// One string, split as a shell would; what needs a shell gets one.
fn line(text: &str) -> Option<Value> {
    if text.contains(['|', '>', '<', ';', '&', '`', '*', '?']) || text.contains("$(") {
        return Some(["/bin/sh", "-c", text].into_iter().collect());
    }
    let words = shlex::split(text)?;
    match words.as_slice() {
        [] => None,
        [one] if !one.contains(char::is_whitespace) => Some(Value::from(one.as_str())),
        words => Some(words.iter().map(String::as_str).collect()),
    }
}

/// An address with the port that follows it: `10.0.0.1:80`, `[2001:db8::1]:80`, or without one.
pub(super) fn endpoint(address: IpAddr, port: Option<u16>) -> String {
    match (address, port) {
        (_, None) => address.to_string(),
        (IpAddr::V4(address), Some(port)) => format!("{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
    }
}

/// `ADDRESS [PORT]` from a word on. Port 0 is none.
pub(super) fn address_and_port(item: &Item, from: usize) -> Option<(IpAddr, Option<u16>)> {
    let address = item.word(from)?.parse().ok()?;
    let port = match item.word(from + 1) {
        None => None,
        Some(port) => Some(port.parse::<u16>().ok()?).filter(|port| *port != 0),
    };
    Some((address, port))
}

/// The addresses of `10.0.0.1-5`, `2001:db8::1-f` or `10.0.0.0/30`: keepalived counts in the last part.
pub(super) fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    if let Ok(address) = text.parse() {
        return Some(vec![address]);
    }
    if let Some((first, last)) = text.split_once('-') {
        let first: IpAddr = first.parse().ok()?;
        let bits = if first.is_ipv4() { 8 } else { 16 };
        let last = if first.is_ipv4() { last.parse().ok()? } else { u128::from_str_radix(last, 16).ok()? };
        let start = number(first);
        let end = (start >> bits << bits) | (last & ((1 << bits) - 1));
        return span(first, start, end);
    }
    let (network, prefix) = text.split_once('/')?;
    let network: IpAddr = network.parse().ok()?;
    let all: u32 = if network.is_ipv4() { 32 } else { 128 };
    let host = all.checked_sub(prefix.parse().ok()?).filter(|host| *host <= 16)?;
    let start = number(network) >> host << host;
    span(network, start, start | ((1 << host) - 1))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => address.into(),
    }
}

fn span(like: IpAddr, start: u128, end: u128) -> Option<Vec<IpAddr>> {
    let count = end.checked_sub(start)?;
    if count > 65_535 {
        return None;
    }
    let address = |number: u128| match like {
        IpAddr::V4(_) => u32::try_from(number).ok().map(|number| IpAddr::V4(number.into())),
        IpAddr::V6(_) => Some(IpAddr::V6(number.into())),
    };
    (start..=end).map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_with_decimals() {
        for (text, wanted) in
            [("1", "1s"), ("0.1", "100ms"), (".5", "500ms"), ("2.0", "2s"), ("0.000001", "1us")]
        {
            assert_eq!(seconds(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["", ".", "-1", "1s", "1.0000001", "x"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn commands_are_split_and_shells_are_given_where_they_are_needed() {
        assert_eq!(line("/bin/x").unwrap().to_string(), r#""/bin/x""#);
        assert_eq!(line("/bin/x -a 'b c'").unwrap().to_string(), r#"["/bin/x", "-a", "b c"]"#);
        assert_eq!(line("a | b").unwrap().to_string(), r#"["/bin/sh", "-c", "a | b"]"#);
    }

    #[test]
    fn ranges_count_in_the_last_part() {
        let texts = |text| addresses(text).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts("10.0.0.9-11"), ["10.0.0.9", "10.0.0.10", "10.0.0.11"]);
        assert_eq!(texts("fe80::e-10"), ["fe80::e", "fe80::f", "fe80::10"]);
        assert_eq!(texts("10.0.0.6/31"), ["10.0.0.6", "10.0.0.7"]);
        for text in ["10.0.0.9-3", "10.0.0.0/8", "x", "10.0.0.1-x", "10.0.0.1/99"] {
            assert_eq!(addresses(text), None, "{text}");
        }
    }
}
