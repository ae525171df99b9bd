//! The kernel's daemons that tell other directors of connections, as values.

use std::fmt;
use std::net::IpAddr;

use super::id::{LinkIndex, LinkName};

/// How they talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncSettings {
    /// The interface they use.
    pub link: LinkName,
    /// Only daemons with the same number understand each other.
    pub id: u8,
    /// The longest message; the kernel's choice where absent.
    pub max_length: Option<u16>,
    /// The multicast group.
    pub group: IpAddr,
    /// The UDP port.
    pub port: u16,
    /// How many routers messages may pass.
    pub ttl: u8,
}

/// Which daemons are to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedSync {
    /// How they talk.
    pub settings: SyncSettings,
    /// The number of the interface; none while it is missing. A daemon does not follow an interface that is made anew.
    pub index: Option<LinkIndex>,
    /// The one that sends.
    pub master: bool,
    /// The one that listens.
    pub backup: bool,
}

impl fmt::Display for SyncSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, id, max_length, group, port, ttl } = self;
        write!(f, "interface={link} id={id} group={group} port={port} ttl={ttl}")?;
        max_length.map_or(Ok(()), |length| write!(f, " max_length={length}"))
    }
}

impl fmt::Display for WantedSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.master, self.backup) {
            (true, true) => "master and backup",
            (true, false) => "master",
            (false, true) => "backup",
            (false, false) => "none",
        })?;
        write!(f, " {}", self.settings)
    }
}
