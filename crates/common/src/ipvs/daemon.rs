//! The connection-synchronisation daemons: kernel threads that tell a backup director which connection goes
//! where. Master and backup may both run.

use super::attribute::{DaemonAttr, daemon_state};
use crate::netlink::{Attributes, Message};
use std::fmt;
use std::net::IpAddr;

/// Which way a daemon's messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncRole {
    /// Sends.
    Master,
    /// Listens.
    Backup,
}

impl SyncRole {
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Master => daemon_state::MASTER,
            Self::Backup => daemon_state::BACKUP,
        }
    }

    const fn from_number(number: u32) -> Option<Self> {
        match number {
            daemon_state::MASTER => Some(Self::Master),
            daemon_state::BACKUP => Some(Self::Backup),
            _ => None,
        }
    }
}

/// A daemon's settings. Absent ones are the kernel's defaults (group 224.0.0.81, port 8848, TTL 1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyncDaemon {
    /// Which way its messages go.
    pub role: SyncRole,
    /// The interface they use.
    pub interface: String,
    /// Messages with another number are not for us.
    pub id: u8,
    /// The longest message.
    pub max_length: Option<u16>,
    /// The multicast group.
    pub group: Option<IpAddr>,
    /// The UDP port.
    pub port: Option<u16>,
    /// How many routers messages may pass.
    pub ttl: Option<u8>,
}

impl SyncDaemon {
    /// Adds the attributes that start a daemon.
    pub(super) fn write(&self, message: &mut Message) {
        message.u32(DaemonAttr::State.id(), self.role.number());
        message.text(DaemonAttr::McastIfn.id(), &self.interface);
        message.u32(DaemonAttr::SyncId.id(), u32::from(self.id));
        if let Some(length) = self.max_length {
            message.u16(DaemonAttr::SyncMaxlen.id(), length);
        }
        match self.group {
            Some(IpAddr::V4(group)) => {
                message.bytes(DaemonAttr::McastGroup.id(), &group.octets());
            }
            Some(IpAddr::V6(group)) => {
                message.bytes(DaemonAttr::McastGroup6.id(), &group.octets());
            }
            None => {}
        }
        if let Some(port) = self.port {
            // The one port of the family that travels in host order.
            message.u16(DaemonAttr::McastPort.id(), port);
        }
        if let Some(ttl) = self.ttl {
            message.u8(DaemonAttr::McastTtl.id(), ttl);
        }
    }

    /// Reads a daemon from the attributes nested in a reply.
    pub(super) fn read(attributes: Attributes<'_>) -> Option<Self> {
        let group = attributes
            .find(DaemonAttr::McastGroup.id())
            .or_else(|| attributes.find(DaemonAttr::McastGroup6.id()));
        Some(Self {
            role: SyncRole::from_number(attributes.find(DaemonAttr::State.id())?.u32()?)?,
            interface: attributes.find(DaemonAttr::McastIfn.id())?.text()?.to_owned(),
            id: u8::try_from(attributes.find(DaemonAttr::SyncId.id())?.u32()?).ok()?,
            max_length: attributes.find(DaemonAttr::SyncMaxlen.id()).and_then(|found| found.u16()),
            group: group.and_then(|found| found.ip()),
            port: attributes.find(DaemonAttr::McastPort.id()).and_then(|found| found.u16()),
            ttl: attributes.find(DaemonAttr::McastTtl.id()).and_then(|found| found.u8()),
        })
    }
}

impl fmt::Display for SyncRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}
