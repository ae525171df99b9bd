//! The checks of real servers, with what they inherit.

use super::http;
use super::keyword::{Context, How, Keyword, Target as _, lost, misread, read};
use super::service::{Service, Timing};
use super::toml::{Table, Value};
use super::tree::Item;
use super::values;

/// Keywords that every check has which connects.
pub(super) const CONNECT: &[Keyword<Service>] = &[
    Keyword { names: &["connect_ip"], key: "address", how: How::Word },
    Keyword { names: &["connect_port"], key: "port", how: How::Number },
    Keyword { names: &["bindto"], key: "source", how: How::Word },
    Keyword { names: &["bind_if"], key: "interface", how: How::Word },
    Keyword { names: &["bind_port"], key: "the kernel chooses the port", how: How::Lost },
    Keyword { names: &["fwmark"], key: "fwmark", how: How::Number },
    Keyword { names: &["connect_timeout"], key: "timeout", how: How::By(timeout) },
];

/// Keywords that every check has.
pub(super) const COMMON: &[Keyword<Service>] = &[
    Keyword { names: &["delay_loop"], key: "interval", how: How::By(delay_loop) },
    Keyword { names: &["retry", "nb_get_retry"], key: "retries", how: How::By(retry) },
    Keyword { names: &["delay_before_retry"], key: "retry_delay", how: How::By(retry_delay) },
    Keyword { names: &["warmup"], key: "warm_up", how: How::By(warm_up) },
    Keyword { names: &["alpha"], key: "initial = \"down\"", how: How::By(alpha) },
    Keyword { names: &["log_all_failures"], key: "log_all_failures", how: How::By(log_all) },
];

/// Keywords of `SMTP_CHECK`.
pub(super) const SMTP: &[Keyword<Service>] =
    &[Keyword { names: &["helo_name"], key: "helo_name", how: How::Word }];

/// Keywords of `DNS_CHECK`.
pub(super) const DNS: &[Keyword<Service>] = &[
    Keyword { names: &["type"], key: "record", how: How::By(record) },
    Keyword { names: &["name"], key: "name", how: How::Word },
];

/// Keywords of `UDP_CHECK`.
pub(super) const UDP: &[Keyword<Service>] = &[
    Keyword { names: &["payload"], key: "payload", how: How::By(payload) },
    Keyword { names: &["require_reply"], key: "reply, require_reply", how: How::By(require_reply) },
    Keyword { names: &["min_reply_length"], key: "min_reply_length", how: How::Number },
    Keyword { names: &["max_reply_length"], key: "max_reply_length", how: How::Number },
];

/// Keywords of `MISC_CHECK`.
pub(super) const MISC: &[Keyword<Service>] = &[
    Keyword { names: &["misc_path"], key: "command", how: How::By(misc_path) },
    Keyword { names: &["misc_timeout"], key: "timeout", how: How::By(timeout) },
    Keyword { names: &["misc_dynamic"], key: "dynamic", how: How::Flag(true) },
    Keyword { names: &["user"], key: "user", how: How::Word },
];

/// Keywords of `FILE_CHECK`.
pub(super) const FILE: &[Keyword<Service>] = &[
    Keyword { names: &["track_file"], key: "path", how: How::By(track_file) },
    Keyword { names: &["weight"], key: "factor", how: How::By(factor) },
];

/// What a kind of check does when nothing is said, in keepalived and here.
struct Defaults {
    retries: i64,
    /// None: the interval.
    retry_delay: Option<u64>,
    our_retry_delay: u64,
    /// None: the interval.
    timeout: Option<u64>,
}

const SECOND: u64 = 1_000_000;
const NETWORK: Defaults =
    Defaults { retries: 1, retry_delay: Some(SECOND), our_retry_delay: SECOND, timeout: Some(5 * SECOND) };

fn defaults(kind: &str) -> Defaults {
    match kind {
        "http" | "https" => {
            Defaults { retry_delay: Some(3 * SECOND), our_retry_delay: 3 * SECOND, ..NETWORK }
        }
        "dns" => Defaults { retries: 3, retry_delay: None, ..NETWORK },
        "script" => Defaults { retries: 0, timeout: None, ..NETWORK },
        "file" => Defaults { retries: 0, ..NETWORK },
        _ => NETWORK,
    }
}

/// Reads a check and adds it to the server.
pub(super) fn check(
    server: &mut Service,
    item: &Item,
    kind: &str,
    own: &[&[Keyword<Service>]],
    finish: fn(&mut Service),
    cx: &mut Context,
) {
    let mut check = Service::new("", server.timing.clone());
    check.table.set("type", kind);
    for inner in item.items() {
        let knows = |keywords: &&&[Keyword<Service>]| {
            keywords.iter().any(|keyword| keyword.names.contains(&inner.name()))
        };
        let keywords = own.iter().find(knows).copied().unwrap_or(COMMON);
        read(item.name(), keywords, &mut check, std::slice::from_ref(inner), cx);
    }
    finish(&mut check);
    let timing = std::mem::take(&mut check.timing);
    put_timing(&mut check.table, kind, &timing);
    server.table.remarks.append(&mut check.table.remarks);
    let keys: Vec<String> = check.table.keys().map(str::to_owned).collect();
    let pairs = keys.into_iter().filter_map(|key| check.table.take(&key).map(|value| (key, value))).collect();
    server.checks.push(Value::Table(pairs));
}

/// The times of a check, as far as they are not the defaults of Holdfast.
fn put_timing(table: &mut Table, kind: &str, timing: &Timing) {
    let defaults = defaults(kind);
    let time = |key: &str| match timing.get(key) {
        Some(Value::Text(text)) => text.parse::<u64>().ok(),
        _ => None,
    };
    let interval = time("interval").unwrap_or(60 * SECOND);
    let mut put = |key: &str, value: u64, default: u64| {
        if value != default {
            table.set(key, values::duration(value));
        }
    };
    put("interval", interval, 10 * SECOND);
    let timeout = time("timeout").or(defaults.timeout).unwrap_or(interval);
    put("timeout", timeout, interval.min(5 * SECOND));
    put("warm_up", time("warm_up").unwrap_or(interval), interval);
    let retry_delay = time("retry_delay").or(defaults.retry_delay).unwrap_or(interval);
    let retries = match timing.get("retries") {
        Some(Value::Number(number)) => *number,
        _ => defaults.retries,
    };
    if retries != 0 {
        put("retry_delay", retry_delay, defaults.our_retry_delay);
    }
    if retries != defaults.retries {
        table.set("retries", retries);
    }
    if timing.get("alpha") == Some(&Value::Flag(true)) {
        table.set("initial", "down");
    }
    if timing.get("log_all_failures") == Some(&Value::Flag(true)) {
        table.set("log_all_failures", true);
    }
}

pub(super) fn tcp(server: &mut Service, item: &Item, cx: &mut Context) {
    check(server, item, "tcp", &[CONNECT], |_| (), cx);
}

pub(super) fn http(server: &mut Service, item: &Item, cx: &mut Context) {
    check(server, item, "http", &[http::KEYWORDS, CONNECT], http::finish, cx);
}

pub(super) fn https(server: &mut Service, item: &Item, cx: &mut Context) {
    check(server, item, "https", &[http::KEYWORDS, http::TLS, CONNECT], http::finish, cx);
}

pub(super) fn smtp(server: &mut Service, item: &Item, cx: &mut Context) {
    check(server, item, "smtp", &[SMTP, CONNECT], |_| (), cx);
}

pub(super) fn dns(server: &mut Service, item: &Item, cx: &mut Context) {
    // keepalived takes an empty answer for one.
    check(server, item, "dns", &[DNS, CONNECT], |check| check.table.set("allow_empty", true), cx);
}

pub(super) fn udp(server: &mut Service, item: &Item, cx: &mut Context) {
    check(server, item, "udp", &[UDP, CONNECT], |_| (), cx);
}

pub(super) fn ping(server: &mut Service, item: &Item, cx: &mut Context) {
    check(server, item, "ping", &[CONNECT], |_| (), cx);
}

pub(super) fn misc(server: &mut Service, item: &Item, cx: &mut Context) {
    cx.uses_scripts = true;
    check(server, item, "script", &[MISC], |_| (), cx);
}

pub(super) fn file(server: &mut Service, item: &Item, cx: &mut Context) {
    // The path comes with the name of the file, wherever that stands.
    check(server, item, "file", &[FILE], |_| (), cx);
}

/// Times are kept in microseconds until it is known what they are compared with.
fn time(service: &mut Service, item: &Item, key: &str, cx: &mut Context) {
    match item.word(1).and_then(values::microseconds) {
        Some(us) => service.set(&format!("timing.{key}"), us.to_string().into()),
        None => misread(service, item, cx),
    }
}

pub(super) fn delay_loop(service: &mut Service, item: &Item, cx: &mut Context) {
    time(service, item, "interval", cx);
}

pub(super) fn retry_delay(service: &mut Service, item: &Item, cx: &mut Context) {
    time(service, item, "retry_delay", cx);
}

pub(super) fn warm_up(service: &mut Service, item: &Item, cx: &mut Context) {
    time(service, item, "warm_up", cx);
}

pub(super) fn timeout(service: &mut Service, item: &Item, cx: &mut Context) {
    time(service, item, "timeout", cx);
}

pub(super) fn retry(service: &mut Service, item: &Item, cx: &mut Context) {
    match item.word(1).and_then(|word| word.parse::<i64>().ok()) {
        Some(retries) => service.set("timing.retries", retries.into()),
        None => misread(service, item, cx),
    }
}

fn flag(service: &mut Service, item: &Item, key: &str) {
    let on = item.word(1).and_then(values::flag).unwrap_or(true);
    service.set(key, on.into());
}

pub(super) fn alpha(service: &mut Service, item: &Item, _: &mut Context) {
    flag(service, item, "timing.alpha");
}

pub(super) fn log_all(service: &mut Service, item: &Item, _: &mut Context) {
    flag(service, item, "timing.log_all_failures");
}

pub(super) fn virtualhost(service: &mut Service, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(name) => service.set("timing.host", name.into()),
        None => misread(service, item, cx),
    }
}

fn record(check: &mut Service, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(record) => check.table.set("record", record.to_ascii_uppercase()),
        None => misread(check, item, cx),
    }
}

fn hexadecimal(item: &Item) -> Option<String> {
    let digits: String = item.values().collect();
    (!digits.is_empty()).then(|| format!("hex:{digits}"))
}

fn payload(check: &mut Service, item: &Item, cx: &mut Context) {
    match hexadecimal(item) {
        Some(payload) => check.table.set("payload", payload),
        None => misread(check, item, cx),
    }
}

fn require_reply(check: &mut Service, item: &Item, _: &mut Context) {
    match hexadecimal(item) {
        Some(reply) => check.table.set("reply", reply),
        None => check.table.set("require_reply", true),
    }
}

fn misc_path(check: &mut Service, item: &Item, cx: &mut Context) {
    match values::command(item) {
        Some(command) => check.table.set("command", command),
        None => misread(check, item, cx),
    }
}

fn track_file(check: &mut Service, item: &Item, cx: &mut Context) {
    let Some(file) = item.word(1).and_then(|name| cx.files.get(name)).cloned() else {
        return lost(check, item, "no track_file has this name", cx);
    };
    check.table.set("path", file.path);
    if check.table.get("factor").is_none() && file.weight != 1 {
        check.table.set("factor", file.weight);
    }
}

fn factor(check: &mut Service, item: &Item, cx: &mut Context) {
    match item.word(1).and_then(|word| word.parse::<i64>().ok()) {
        Some(factor) => check.table.set("factor", factor),
        None => return misread(check, item, cx),
    }
    if item.word(2) == Some("reverse") {
        check.table.set("reverse", true);
    }
}
