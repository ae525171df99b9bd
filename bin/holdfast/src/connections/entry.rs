//! A line of the kernel's connection table, `/proc/net/ip_vs_conn`.
//!
//! `Pro FromIP FPrt ToIP TPrt DestIP DPrt State Expires [PEName PEData]`: addresses of IPv4 are eight hexadecimal
//! digits, those of IPv6 eight groups of four; a connection of one family may go to a server of the other.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A connection, or a template from which those of a persistent client are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'t> {
    pub(super) protocol: &'t str,
    pub(super) client: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) state: &'t str,
    pub(super) expires_s: u32,
}

/// What is in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'t> {
    /// The titles, or nothing.
    Head,
    /// A connection.
    Entry(Entry<'t>),
    /// Neither: a table of another kind, or of a later kernel.
    Strange,
}

/// Reads one line.
pub(super) fn line(text: &str) -> Line<'_> {
    if text.trim().is_empty() || text.starts_with("Pro ") {
        return Line::Head;
    }
    entry(text).map_or(Line::Strange, Line::Entry)
}

fn entry(text: &str) -> Option<Entry<'_>> {
    let mut words = text.split_ascii_whitespace();
    let protocol = words.next()?;
    let mut place =
        || Some(SocketAddr::new(address(words.next()?)?, u16::from_str_radix(words.next()?, 16).ok()?));
    let (client, to, server) = (place()?, place()?, place()?);
    let state = words.next()?;
    // Of the connections that another director sent, the other table says so before the time.
    let expires_s = words.find_map(|word| word.parse().ok())?;
    Some(Entry { protocol, client, to, server, state, expires_s })
}

fn address(word: &str) -> Option<IpAddr> {
    if word.contains(':') {
        return word.parse().ok().map(IpAddr::V6);
    }
    let digits = (word.len() == 8).then(|| u32::from_str_radix(word, 16).ok())??;
    Some(Ipv4Addr::from(digits).into())
}

impl Entry<'_> {
    /// No connection: what remembers to which server a persistent client goes.
    pub(super) fn is_template(&self) -> bool {
        self.client.port() == 0 && self.protocol != "ICMP"
    }

    /// Where the client went to: of a template of a firewall mark that is the mark.
    pub(super) fn target(&self) -> Target {
        match self.to.ip() {
            IpAddr::V4(mark) if self.protocol == "IP" && self.is_template() => Target::Mark(mark.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => Target::Place(self.to),
        }
    }
}

/// Where a client went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Place(SocketAddr),
    Mark(u32),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => place.fmt(f),
            Self::Mark(mark) => write!(f, "fwmark {mark}"),
        }
    }
}

/// A span of time as `ipvsadm` shows it: minutes and seconds.
pub(super) fn clock(seconds: u32) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Entry<'_> {
        let Line::Entry(entry) = line(text) else { panic!("{text}") };
        entry
    }

    #[test]
    fn both_families_and_their_mixture_are_read() {
        let four = read("TCP 0A000015 B2C6 C0000264 0050 0A000016 1F90 ESTABLISHED     899");
        assert_eq!(four.client, "10.0.0.21:45766".parse().unwrap());
        assert_eq!(four.target().to_string(), "192.0.2.100:80");
        assert_eq!(four.server, "10.0.0.22:8080".parse().unwrap());
        assert_eq!(
            (four.protocol, four.state, clock(four.expires_s)),
            ("TCP", "ESTABLISHED", "14:59".to_owned())
        );
        assert!(!four.is_template());
        let six = read(
            "UDP 2001:0db8:0000:0000:0000:0000:0000:0001 B2C6 2001:0db8:0000:0000:0000:0000:0000:0064 0035 \
             0A000016 0035 UDP             299",
        );
        assert_eq!(six.to, "[2001:db8::64]:53".parse().unwrap());
        assert_eq!(six.server, "10.0.0.22:53".parse().unwrap());
    }

    #[test]
    fn templates_persistence_data_and_synchronised_ones_are_read() {
        let template = read("TCP 0A000000 0000 C0000264 0050 0A000016 0050 NONE            112");
        assert!(template.is_template());
        let mark = read("IP  0A000000 0000 0000000A 0000 0A000016 0000 NONE             49");
        assert_eq!(mark.target(), Target::Mark(10));
        let sip = read("UDP 0A000015 13C4 C0000264 13C4 0A000016 13C4 UDP             299 sip abc-12");
        assert_eq!(sip.expires_s, 299);
        let synced = read("TCP 0A000015 B2C6 C0000264 0050 0A000016 0050 ESTABLISHED SYNC      177");
        assert_eq!(synced.expires_s, 177);
    }

    #[test]
    fn titles_are_no_connections_and_anything_else_is_told_apart() {
        assert_eq!(
            line("Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData"),
            Line::Head
        );
        assert_eq!(line(""), Line::Head);
        for strange in [
            "TCP",
            "TCP 0A000015 B2C6 C0000264 0050 0A000016 1F90 ESTABLISHED",
            "TCP 0A00001 B2C6 C0000264 0050 0A000016 1F90 ESTABLISHED 1",
            "TCP 0A000015 B2C6F C0000264 0050 0A000016 1F90 ESTABLISHED 1",
            "TCP 2001::x B2C6 C0000264 0050 0A000016 1F90 ESTABLISHED 1",
            "\u{fffd}\u{fffd}",
        ] {
            assert_eq!(line(strange), Line::Strange, "{strange}");
        }
    }
}
