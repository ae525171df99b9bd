//! `HTTP_GET` and `SSL_GET`.

use super::keyword::{Context, How, Keyword, Target as _, lost, misread, read};
use super::service::{Service, Timing};
use super::toml::Value;
use super::tree::Item;

/// Their keywords.
pub(super) const KEYWORDS: &[Keyword<Service>] = &[
    Keyword { names: &["url"], key: "path and the rest; urls where there are several", how: How::By(url) },
    Keyword { names: &["http_protocol"], key: "version", how: How::By(version) },
    Keyword { names: &["virtualhost"], key: "host", how: How::By(super::check::virtualhost) },
    Keyword { names: &["fast_recovery"], key: "all requests are made in one attempt", how: How::Needless },
];

/// Those of `SSL_GET` besides.
pub(super) const TLS: &[Keyword<Service>] = &[
    Keyword { names: &["enable_sni"], key: "the server is told its name, always", how: How::Needless },
    Keyword { names: &["sni_name"], key: "server_name", how: How::Word },
    Keyword {
        names: &["tls_compliant"],
        key: "a body is known to be whole by its length",
        how: How::Needless,
    },
];

/// Those of `url`.
pub(super) const URL: &[Keyword<Service>] = &[
    Keyword { names: &["path"], key: "path", how: How::Word },
    Keyword { names: &["digest"], key: "digest", how: How::By(digest) },
    Keyword { names: &["status_code"], key: "status", how: How::By(status) },
    Keyword { names: &["virtualhost"], key: "host", how: How::Word },
    Keyword { names: &["regex"], key: "body_match", how: How::By(regex) },
    Keyword { names: &["regex_no_match"], key: "body_no_match", how: How::By(no_match) },
    Keyword { names: &["regex_options"], key: "flags in the expression", how: How::By(options) },
    Keyword {
        names: &["regex_min_offset", "regex_max_offset"],
        key: "max_body says how much of the body is looked at",
        how: How::Lost,
    },
    Keyword { names: &["regex_stack", "tls_compliant"], key: "it needs no such thing", how: How::Needless },
];

fn url(check: &mut Service, item: &Item, cx: &mut Context) {
    let mut url = Service::new("", Timing::new());
    read("url", URL, &mut url, item.items(), cx);
    check.table.remarks.append(&mut url.table.remarks);
    if url.table.take("no_match").is_some()
        && let Some(regex) = url.table.take("body_match")
    {
        url.table.set("body_no_match", regex);
    }
    if let Some(Value::Text(flags)) = url.table.take("flags") {
        for key in ["body_match", "body_no_match"] {
            if let Some(Value::Text(regex)) = url.table.take(key) {
                url.table.set(key, format!("(?{flags}){regex}"));
            }
        }
    }
    let body = ["digest", "body_match", "body_no_match"].iter().any(|key| url.table.get(key).is_some());
    if body && url.table.get("status").is_none() {
        // keepalived then looks at nothing but the body.
        url.table.set("status", "100-599");
    }
    let keys: Vec<String> = url.table.keys().map(str::to_owned).collect();
    let pairs = keys.into_iter().filter_map(|key| url.table.take(&key).map(|value| (key, value))).collect();
    check.table.push("urls", Value::Table(pairs));
}

/// One request is written as the keys of the check itself.
pub(super) fn finish(check: &mut Service) {
    match check.table.take("urls") {
        Some(Value::List(urls)) => match urls.as_slice() {
            [Value::Table(pairs)] => {
                for (key, value) in pairs {
                    check.table.set(key, value.clone());
                }
            }
            many => check.table.set("urls", Value::List(many.to_vec())),
        },
        _ => check.remark("keepalived drops an HTTP check without a url".to_owned()),
    }
    if check.table.get("path") == Some(&Value::from("/")) {
        check.table.take("path");
    }
    if check.table.get("host").is_none()
        && let Some(host) = check.timing.get("host").cloned()
    {
        check.table.set("host", host);
    }
    match check.table.take("version") {
        Some(Value::Text(version)) if version == "1.1" => {}
        _ => check.table.set("version", "1.0"),
    }
}

fn version(check: &mut Service, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some("1.1") => check.table.set("version", "1.1"),
        Some("1.0" | "1.0c" | "1.0C" | "1.0k" | "1.0K") => check.table.set("version", "1.0"),
        _ => misread(check, item, cx),
    }
}

fn digest(url: &mut Service, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(digest) => url.table.set("digest", format!("md5:{}", digest.to_ascii_lowercase())),
        None => misread(url, item, cx),
    }
}

fn status(url: &mut Service, item: &Item, _: &mut Context) {
    for word in item.values() {
        match word.parse::<i64>() {
            Ok(number) => url.table.push("status", number),
            Err(_) => url.table.push("status", word),
        }
    }
}

fn regex(url: &mut Service, item: &Item, cx: &mut Context) {
    match item.word(1) {
        Some(regex) => url.table.set("body_match", regex),
        None => misread(url, item, cx),
    }
}

fn no_match(url: &mut Service, _: &Item, _: &mut Context) {
    url.table.set("no_match", true);
}

fn options(url: &mut Service, item: &Item, cx: &mut Context) {
    let mut flags = String::new();
    for word in item.values() {
        match word {
            "caseless" => flags.push('i'),
            "multiline" => flags.push('m'),
            "dotall" => flags.push('s'),
            "extended" => flags.push('x'),
            "utf" | "never_utf" | "no_auto_capture" | "no_utf_check" => {}
            other => lost(url, item, &format!("the option {other}"), cx),
        }
    }
    if !flags.is_empty() {
        url.table.set("flags", flags);
    }
}
