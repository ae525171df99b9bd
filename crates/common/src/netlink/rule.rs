//! Policy routing rules: installed, removed, read.

use super::address::{MARK, family};
use super::error::{Asked, Failure, NetlinkError};
use super::message::{Message, Reply};
use super::socket::Socket;
use nix::errno::Errno;
use std::fmt;
use std::net::IpAddr;

const HEADER: usize = 12;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
/// `FRA_PROTOCOL`, since Linux 4.17.
const FRA_PROTOCOL: u16 = 21;
/// `FR_ACT_TO_TBL`: look the packet up in a table.
pub const TO_TABLE: u8 = 1;
/// `FR_ACT_BLACKHOLE`: drop the packet in silence.
pub const BLACKHOLE: u8 = 6;
/// `FR_ACT_UNREACHABLE`: answer "unreachable".
pub const UNREACHABLE: u8 = 7;
/// `FR_ACT_PROHIBIT`: answer "prohibited".
pub const PROHIBIT: u8 = 8;

/// The family of a rule that names no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    const fn any(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// A rule: which packets are looked up in which table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Its family.
    pub family: Family,
    /// Its place; lower is asked first.
    pub priority: Option<u32>,
    /// Packets from here.
    pub from: Option<(IpAddr, u8)>,
    /// Packets to here.
    pub to: Option<(IpAddr, u8)>,
    /// Packets that came in through this interface.
    pub input: Option<String>,
    /// Packets from sockets bound to this interface.
    pub output: Option<String>,
    /// Packets with this mark, under this mask.
    pub mark: Option<(u32, u32)>,
    /// What is done: 1 is a lookup in `table`; the kernel's `FR_ACT_*` otherwise.
    pub action: u8,
    /// The table.
    pub table: u32,
    /// Routes found there that are this short or shorter do not count.
    pub suppress_prefix_length: Option<u32>,
    /// Who installed it: [`MARK`] for us.
    pub protocol: u8,
}

impl Rule {
    /// A rule of ours that sends everything of a family to a table, to be narrowed.
    pub const fn new(family: Family, table: u32) -> Self {
        Self {
            family,
            priority: None,
            from: None,
            to: None,
            input: None,
            output: None,
            mark: None,
            action: TO_TABLE,
            table,
            suppress_prefix_length: None,
            protocol: MARK,
        }
    }

    /// Carries our mark.
    pub const fn is_ours(&self) -> bool {
        self.protocol == MARK
    }

    /// The request that installs it.
    pub fn install_message(&self) -> Message {
        self.fill(Message::new(libc::RTM_NEWRULE, &self.header()).create())
    }

    /// The request that removes it.
    pub fn remove_message(&self) -> Message {
        self.fill(Message::new(libc::RTM_DELRULE, &self.header()))
    }

    fn fill(&self, mut message: Message) -> Message {
        if let Some((address, _)) = self.from {
            message.ip(FRA_SRC, address);
        }
        if let Some((address, _)) = self.to {
            message.ip(FRA_DST, address);
        }
        if let Some(name) = &self.input {
            message.text(FRA_IIFNAME, name);
        }
        if let Some(name) = &self.output {
            message.text(FRA_OIFNAME, name);
        }
        if let Some((mark, mask)) = self.mark {
            message.u32(FRA_FWMARK, mark).u32(FRA_FWMASK, mask);
        }
        if let Some(priority) = self.priority {
            message.u32(FRA_PRIORITY, priority);
        }
        message.u32(FRA_TABLE, self.table);
        if let Some(length) = self.suppress_prefix_length {
            message.u32(FRA_SUPPRESS_PREFIXLEN, length);
        }
        message.u8(FRA_PROTOCOL, self.protocol);
        message
    }

    /// `struct fib_rule_hdr`: family, lengths, TOS, table, two reserved, action, flags.
    fn header(&self) -> [u8; HEADER] {
        let length = |prefix: Option<(IpAddr, u8)>| prefix.map_or(0, |(_, length)| length);
        let table = u8::try_from(self.table).unwrap_or(libc::RT_TABLE_UNSPEC);
        let family = family(self.family.any());
        [family, length(self.to), length(self.from), 0, table, 0, 0, self.action, 0, 0, 0, 0]
    }

    /// Reads an `RTM_NEWRULE` or `RTM_DELRULE`.
    pub fn parse(reply: &Reply<'_>) -> Option<Self> {
        let (&[family, to, from, _, table, _, _, action, ..], attributes) = reply.split::<HEADER>()?;
        let family = match i32::from(family) {
            libc::AF_INET => Family::V4,
            libc::AF_INET6 => Family::V6,
            _ => return None,
        };
        let mut rule = Self::new(family, u32::from(table));
        rule.action = action;
        rule.protocol = 0;
        let mut mark = None;
        let mut mask = u32::MAX;
        for attribute in attributes {
            match attribute.kind {
                FRA_SRC => rule.from = attribute.ip().map(|address| (address, from)),
                FRA_DST => rule.to = attribute.ip().map(|address| (address, to)),
                FRA_IIFNAME => rule.input = attribute.text().map(str::to_owned),
                FRA_OIFNAME => rule.output = attribute.text().map(str::to_owned),
                FRA_FWMARK => mark = attribute.u32().filter(|mark| *mark != 0),
                FRA_FWMASK => mask = attribute.u32()?,
                FRA_PRIORITY => rule.priority = attribute.u32(),
                FRA_TABLE => rule.table = attribute.u32()?,
                // The kernel shows -1 where there is none.
                FRA_SUPPRESS_PREFIXLEN => {
                    rule.suppress_prefix_length = attribute.u32().filter(|length| *length != u32::MAX);
                }
                FRA_PROTOCOL => rule.protocol = attribute.u8()?,
                _ => {}
            }
        }
        rule.mark = mark.map(|mark| (mark, mask));
        Some(rule)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.priority {
            Some(priority) => write!(f, "{priority} to table {}", self.table),
            None => write!(f, "to table {}", self.table),
        }
    }
}

/// Installs a rule; false if the same one was there.
///
/// # Errors
/// The kernel's refusal.
pub fn install(socket: &mut Socket, rule: &Rule) -> Result<bool, NetlinkError> {
    match socket.request(&rule.install_message()) {
        Ok(()) => Ok(true),
        Err(Failure::Refused { errno: Errno::EEXIST, .. }) => Ok(false),
        Err(failure) => Err(failure.asked(format!("install rule {rule}"))),
    }
}

/// Removes a rule; false if it was not there.
///
/// # Errors
/// The kernel's refusal.
pub fn remove(socket: &mut Socket, rule: &Rule) -> Result<bool, NetlinkError> {
    match socket.request(&rule.remove_message()) {
        Ok(()) => Ok(true),
        Err(failure) if is_gone(&failure) => Ok(false),
        Err(failure) => Err(failure.asked(format!("remove rule {rule}"))),
    }
}

/// Whether a refused removal means that the rule is already gone.
pub fn is_gone(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { errno: Errno::ENOENT, .. })
}

/// All rules of both families.
///
/// # Errors
/// When the kernel could not be asked.
pub fn list(socket: &mut Socket) -> Result<Vec<Rule>, NetlinkError> {
    let message = Message::new(libc::RTM_GETRULE, &[0; HEADER]);
    let replies = socket.dump(&message).asked(|| "list rules")?;
    Ok(replies.iter().filter_map(|reply| Rule::parse(&reply)).collect())
}

#[cfg(test)]
mod tests;
