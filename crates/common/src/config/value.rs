//! Value types shared by the roles: addresses, names and command lines that can only hold what is valid.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU8;
use std::str::FromStr;

use super::diagnostic::Diagnostics;
use super::form::Form;
use super::shape::{FromValue, Shape, Value};

/// An IPv4 address.
pub const IPV4: &str = r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
/// An IPv6 address, and some things that only look like one.
pub const IPV6: &str = "[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*";
/// A port, and numbers of five digits that are too large for one.
pub const PORT: &str = "0*[0-9]{1,5}";

/// An address with the length of its network's prefix: `192.0.2.1/24`; without a prefix a host's (32 or 128).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpCidr {
    addr: IpAddr,
    prefix: u8,
}

impl IpCidr {
    /// `None` if the prefix is longer than the address.
    pub fn new(addr: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= Self::host_prefix(addr)).then_some(Self { addr, prefix })
    }

    /// The address alone.
    pub fn host(addr: IpAddr) -> Self {
        Self { addr, prefix: Self::host_prefix(addr) }
    }

    fn host_prefix(addr: IpAddr) -> u8 {
        if addr.is_ipv4() { 32 } else { 128 }
    }

    /// The address.
    pub fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The length of the network's prefix in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

/// Always with the prefix.
impl fmt::Display for IpCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

impl FromStr for IpCidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (addr, prefix) = match text.split_once('/') {
            Some((addr, prefix)) => (addr, Some(prefix)),
            None => (text, None),
        };
        let addr = parse_address(addr)?;
        let Some(prefix) = prefix else { return Ok(Self::host(addr)) };
        let most = Self::host_prefix(addr);
        let number = if prefix.starts_with('+') { None } else { prefix.parse().ok() };
        number
            .and_then(|prefix| Self::new(addr, prefix))
            .ok_or_else(|| format!("the prefix after / is a number from 0 to {most}"))
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        if text.starts_with('[') {
            "an address without a port is written without brackets".to_owned()
        } else if text.matches(':').count() == 1 {
            "there is a port, and only an address belongs here".to_owned()
        } else if text.contains('%') {
            "a zone (%) is not accepted; the interface has its own key".to_owned()
        } else if looks_like_a_name(text) {
            "names are not looked up, write the address".to_owned()
        } else if text.contains(':') {
            "it is not an IPv6 address".to_owned()
        } else {
            "an IPv4 address is four numbers from 0 to 255 without leading zeros".to_owned()
        }
    })
}

fn looks_like_a_name(text: &str) -> bool {
    !text.contains(':') && text.chars().any(char::is_alphabetic)
}

fn parse_socket_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Err("a zone (%) is not accepted".to_owned()),
            SocketAddr::V4(_) | SocketAddr::V6(_) => Ok(address),
        };
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Err(format!("the port is missing, as in {text}:80"));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("IPv6 addresses with a port have brackets, as in [{text}]:80"));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(parse_address(text).err().unwrap_or_else(|| "the port is missing".to_owned()));
    };
    if port.parse::<u16>().is_err() {
        return Err("the port after : is a number from 0 to 65535".to_owned());
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Err(parse_address(host)
        .err()
        .unwrap_or_else(|| "IPv6 addresses have brackets, as in [2001:db8::1]:80".to_owned()))
}

/// The name of a network interface: 1 to 15 bytes, no slash, no white space, as the kernel demands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(String);

impl IfName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IfName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 15 {
            return Err(format!("an interface name has 1 to 15 bytes, this has {}", text.len()));
        }
        if text == "."
            || text == ".."
            || text.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
        {
            return Err("an interface name has no slash and no white space".to_owned());
        }
        if text.contains(':') {
            return Err(
                "an interface name has no colon; an alias such as eth0:1 is a label of an address".to_owned()
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// A virtual router identifier, 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// `None` for 0.
    pub fn new(id: u8) -> Option<Self> {
        NonZeroU8::new(id).map(Self)
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A configured VRRP priority, 1 to 255; 255 is the address owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(NonZeroU8);

impl Priority {
    /// The priority of a router that owns the addresses (RFC 9568 section 5.2.4).
    pub const OWNER: Self = Self(NonZeroU8::MAX);

    /// `None` for 0, which only says "I am leaving".
    pub fn new(priority: u8) -> Option<Self> {
        NonZeroU8::new(priority).map(Self)
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A command to execute: the program and its arguments. Never passed through a shell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandLine(Vec<String>);

impl CommandLine {
    /// `None` without a program, or with a zero byte, which no argument can hold.
    pub fn new(argv: Vec<String>) -> Option<Self> {
        let usable =
            argv.first().is_some_and(|program| !program.is_empty()) && argv.iter().all(|a| !a.contains('\0'));
        usable.then_some(Self(argv))
    }

    /// The program and its arguments.
    pub fn argv(&self) -> &[String] {
        &self.0
    }

    /// The program.
    pub fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The arguments.
    pub fn arguments(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }
}

/// As a shell would need it.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match shlex::try_join(self.0.iter().map(String::as_str)) {
            Ok(line) => f.write_str(&line),
            Err(_) => write!(f, "{:?}", self.0),
        }
    }
}

/// The name of a user of the system; whether it exists is known at run time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UserName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 255 {
            return Err("a user name is not empty and not longer than 255 bytes".to_owned());
        }
        if text.starts_with('-')
            || text.contains(|c: char| c == ':' || c == '/' || c.is_whitespace() || c.is_control())
        {
            return Err("a user name has no colon, slash or white space and does not begin with -".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

/// Reads a string and gives it to a parser whose error says why not.
fn from_text<T>(
    v: &Value<'_>,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
    d: &mut Diagnostics,
) -> Option<T> {
    let Shape::String(text) = v.shape() else {
        v.mismatch(expected, d);
        return None;
    };
    match parse(text) {
        Ok(value) => Some(value),
        Err(reason) => {
            v.refuse(format!("{} is not {expected}: {reason}", v.describe()), d);
            None
        }
    }
}

impl FromValue for IpAddr {
    const EXPECTED: &'static str = "an IP address";

    fn forms() -> Vec<Form> {
        vec![Form::text(&format!("{IPV4}|{IPV6}"), "192.0.2.1")]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        from_text(
            v,
            Self::EXPECTED,
            |text| match text.split_once('/') {
                Some((addr, _)) if addr.parse::<Self>().is_ok() => {
                    Err("it has no prefix (/) here".to_owned())
                }
                _ => parse_address(text),
            },
            d,
        )
    }
}

impl FromValue for SocketAddr {
    const EXPECTED: &'static str = "an address with a port";

    fn forms() -> Vec<Form> {
        vec![Form::text(&format!(r"(?:{IPV4}|\[{IPV6}(?:%[0-9]+)?\]):{PORT}"), "192.0.2.1:80")]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        from_text(v, Self::EXPECTED, parse_socket_address, d)
    }
}

macro_rules! from_str {
    ($($type:ty, $expected:literal, $pattern:expr, $example:literal;)*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn forms() -> Vec<Form> {
                vec![Form::text($pattern, $example)]
            }

            fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
                from_text(v, Self::EXPECTED, str::parse, d)
            }
        }
    )*};
}

from_str! {
    IpCidr, "an address like \"192.0.2.1\" or \"192.0.2.1/24\"",
        &format!("{IPV4}(?:/0*(?:3[0-2]|[12]?[0-9]))?|{IPV6}(?:/0*(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"),
        "192.0.2.1/24";
    IfName, "an interface name", "[^/: ]{1,15}", "eth0";
    UserName, "a user name", "[^-/: ][^/: ]*", "nobody";
}

macro_rules! one_to_255 {
    ($($type:ty, $expected:literal;)*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn forms() -> Vec<Form> {
                vec![Form::Integer(1, 255)]
            }

            fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
                let number = match v.shape() {
                    Shape::Integer(number) => number,
                    Shape::String(_)
                    | Shape::Float(_)
                    | Shape::Boolean(_)
                    | Shape::Datetime
                    | Shape::List(_)
                    | Shape::Table(_) => None,
                };
                let found = number.and_then(|number| u8::try_from(number).ok()).and_then(Self::new);
                if found.is_none() {
                    v.mismatch(Self::EXPECTED, d);
                }
                found
            }
        }
    )*};
}

one_to_255! {
    Vrid, "a virtual router id from 1 to 255";
    Priority, "a priority from 1 to 255";
}

impl FromValue for CommandLine {
    const EXPECTED: &'static str = "a command (a list of arguments, or one string)";

    fn forms() -> Vec<Form> {
        vec![Form::String, Form::List(vec![Form::String])]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let argv = match v.shape() {
            Shape::String(text) => match shlex::split(text) {
                Some(argv) => argv,
                None => {
                    v.refuse(format!("{} has a quote or backslash without its end", v.describe()), d);
                    return None;
                }
            },
            Shape::List(_) => Vec::<String>::from_value(v, d)?,
            Shape::Integer(_) | Shape::Float(_) | Shape::Boolean(_) | Shape::Datetime | Shape::Table(_) => {
                v.mismatch(Self::EXPECTED, d);
                return None;
            }
        };
        let Some(command) = Self::new(argv) else {
            v.refuse("the command names no program", d);
            return None;
        };
        if command.program().contains('/') && !command.program().starts_with('/') {
            v.refuse("the program is neither an absolute path nor a bare name", d);
            return None;
        }
        Some(command)
    }
}
