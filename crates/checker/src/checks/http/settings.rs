//! The keys of `type = "http"`, and the requests made of them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use common::config::{Diagnostics, Form, FromValue, Shape, Table, Value};

use super::body::Rules;

/// The keys of this kind: what is asked for, one after the other; all must be as expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// At least one. Either the check's own keys, or each table of `urls` with those as defaults. Shared with the
    /// attempts.
    pub urls: Arc<[Url]>,
}

/// One thing asked for, and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    /// `path`: what is asked for; default `"/"`.
    pub path: String,
    /// `method`: `"GET"` (default), `"HEAD"` or `"OPTIONS"`.
    pub method: Method,
    /// `version`: `"1.1"` (default) or `"1.0"`.
    pub version: Version,
    /// `host`: the virtual host that is asked for; default: the address connected to.
    pub host: Option<String>,
    /// `headers`: further header lines, `{ "X-Check" = "holdfast" }`.
    pub headers: Vec<Header>,
    /// `status`: what counts as well: `[200, "300-399"]`; default `"200-299"`.
    pub status: StatusSet,
    /// `digest`, `body_match`, `body_no_match`, `max_body`: what the body must be like.
    pub body: Rules,
}

/// A request method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// With the body.
    Get,
    /// Without the body.
    Head,
    /// What the server can do.
    Options,
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0.
    V1_0,
    /// HTTP/1.1.
    V1_1,
}

/// A header line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// Expected statuses, as ranges in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusSet(Vec<(u16, u16)>);

impl StatusSet {
    /// Whether a status is among them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }
}

impl Default for StatusSet {
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (low, high)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            if low == high { write!(f, "{comma}{low}")? } else { write!(f, "{comma}{low}-{high}")? }
        }
        Ok(())
    }
}

impl FromValue for StatusSet {
    const EXPECTED: &'static str = "a status, a range like \"200-299\", or a list of them";

    fn forms() -> Vec<Form> {
        let one = vec![Form::Integer(100, 999), Form::String];
        vec![Form::Integer(100, 999), Form::String, Form::List(one)]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let values = v.one_or_list();
        if values.is_empty() {
            v.refuse("an empty list: no status would ever be right", d);
            return None;
        }
        let read: Vec<Option<(u16, u16)>> = values.iter().map(|value| range(value, d)).collect();
        let mut ranges = read.into_iter().collect::<Option<Vec<_>>>()?;
        ranges.sort_unstable();
        ranges.dedup();
        Some(Self(ranges))
    }
}

fn range(v: &Value<'_>, d: &mut Diagnostics) -> Option<(u16, u16)> {
    let status = |number: u16| (100..=999).contains(&number);
    match v.shape() {
        Shape::Integer(Some(number)) => {
            if let Some(number) = u16::try_from(number).ok().filter(|number| status(*number)) {
                return Some((number, number));
            }
            v.mismatch("a status from 100 to 999", d);
        }
        Shape::String(text) => {
            let (low, high) = text.split_once('-').unwrap_or((text, text));
            let number = |text: &str| text.trim().parse::<u16>().ok().filter(|number| status(*number));
            match (number(low), number(high)) {
                (Some(low), Some(high)) if low <= high => return Some((low, high)),
                (Some(_), Some(_)) => {
                    v.refuse(format!("{} ends before it begins", v.describe()), d);
                }
                _ => {
                    v.mismatch("a status from 100 to 999 or a range like \"200-299\"", d);
                }
            }
        }
        Shape::Integer(None)
        | Shape::Float(_)
        | Shape::Boolean(_)
        | Shape::Datetime
        | Shape::List(_)
        | Shape::Table(_) => {
            v.mismatch("a status or a range like \"200-299\"", d);
        }
    }
    None
}

impl Settings {
    pub(in super::super) fn read_from(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        let own = Url::read(table, None, d);
        let tables = table.tables("urls", d);
        if tables.is_empty() {
            return Some(Self { urls: Arc::new([own]) });
        }
        let read = |mut table: Table<'_>| {
            let url = Url::read(&mut table, Some(&own), d);
            table.finish(d);
            url
        };
        Some(Self { urls: tables.into_iter().map(read).collect() })
    }
}

impl Url {
    fn read(table: &mut Table<'_>, defaults: Option<&Self>, d: &mut Diagnostics) -> Self {
        let method = [("GET", Method::Get), ("HEAD", Method::Head), ("OPTIONS", Method::Options)];
        let method = table.choice("method", &method, d).map(|method| method.value);
        let method = method.or(defaults.map(|url| url.method)).unwrap_or(Method::Get);
        let version = [("1.0", Version::V1_0), ("1.1", Version::V1_1)];
        let version = table.choice("version", &version, d).map(|version| version.value);
        let version = version.or(defaults.map(|url| url.version)).unwrap_or(Version::V1_1);
        let path = path(table, method, d).or(defaults.map(|url| url.path.clone()));
        let host = host(table, d).or(defaults.and_then(|url| url.host.clone()));
        let headers = headers(table, d).or(defaults.map(|url| url.headers.clone()));
        let status = table.optional("status", d).map(|status| status.value);
        let status = status.or(defaults.map(|url| url.status.clone()));
        let body = Rules::read(table, defaults.map(|url| &url.body), d);
        if method == Method::Head
            && body.wanted()
            && let Some(span) =
                table.key_span("method").or(table.key_span("digest")).or(table.key_span("body_match"))
        {
            d.error(span, "an answer to HEAD has no body to look at");
        }
        Self {
            path: path.unwrap_or_else(|| "/".to_owned()),
            method,
            version,
            host,
            headers: headers.unwrap_or_default(),
            status: status.unwrap_or_default(),
            body,
        }
    }

    /// The request, ready to send.
    pub fn request(&self, target: SocketAddr, usual_port: u16) -> Vec<u8> {
        let method = match self.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
        };
        let version = match self.version {
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
        };
        let host = match (&self.host, target) {
            (Some(host), _) => host.clone(),
            (None, target) if target.port() != usual_port => target.to_string(),
            (None, SocketAddr::V4(target)) => target.ip().to_string(),
            (None, SocketAddr::V6(target)) => format!("[{}]", target.ip()),
        };
        let mut text = format!("{method} {} HTTP/{version}\r\nHost: {host}\r\n", self.path);
        let given = |name: &str| self.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
        for (name, value) in [("User-Agent", "holdfast"), ("Accept", "*/*"), ("Connection", "close")] {
            if !given(name) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        for header in &self.headers {
            text.push_str(&format!("{}: {}\r\n", header.name, header.value));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

fn path(table: &mut Table<'_>, method: Method, d: &mut Diagnostics) -> Option<String> {
    let path = table.optional::<String>("path", d)?;
    let whole_server = method == Method::Options && path.value == "*";
    if !path.value.starts_with('/') && !whole_server {
        d.error(path.span, "`path` does not begin with /").hint(format!("write \"/{}\"", path.value));
    } else if !path.value.bytes().all(|byte| byte.is_ascii_graphic()) {
        d.error(path.span, "`path` has white space or characters beyond ASCII")
            .hint("write them percent-encoded: a space is %20");
    }
    Some(path.value)
}

fn host(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<String> {
    let host = table.optional::<String>("host", d)?;
    if host.value.is_empty() || !host.value.bytes().all(|byte| byte.is_ascii_graphic()) {
        d.error(host.span, "`host` is empty or has white space or characters beyond ASCII");
    }
    Some(host.value)
}

fn headers(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Vec<Header>> {
    let mut lines = table.table("headers", d)?;
    let mut headers = Vec::new();
    for (name, span, value) in lines.entries() {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            d.error(span, format!("{name:?} is not the name of a header"));
            continue;
        }
        if name.eq_ignore_ascii_case("host") {
            d.error(span, "the `Host` header has its own key").hint("write host = \"www.example.org\"");
            continue;
        }
        let Some(text) = value.read::<String>(d) else { continue };
        if text.chars().any(|c| c.is_control() && c != '\t') {
            d.error(value.span(), format!("the value of header {name} has control characters"));
            continue;
        }
        headers.push(Header { name: name.to_owned(), value: text });
    }
    lines.finish(d);
    Some(headers)
}
