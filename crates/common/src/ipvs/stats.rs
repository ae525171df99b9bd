//! What the kernel counts for a service or a destination.

use super::attribute::StatsAttr;
use crate::netlink::Attributes;

/// Counters since the entry was made, and rates averaged over the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; only with translation do they pass here.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Connections per second.
    pub connections_rate: u64,
    /// Packets per second from clients.
    pub packets_in_rate: u64,
    /// Packets per second to clients.
    pub packets_out_rate: u64,
    /// Bytes per second from clients.
    pub bytes_in_rate: u64,
    /// Bytes per second to clients.
    pub bytes_out_rate: u64,
}

impl Stats {
    /// Reads the counters of an object whose attributes hold them under `wide`, or, before Linux 4.1, under
    /// `narrow` only.
    pub(super) fn of(object: Attributes<'_>, wide: u16, narrow: u16) -> Self {
        let found = object.find(wide).or_else(|| object.find(narrow));
        found.map(|found| Self::read(found.nested())).unwrap_or_default()
    }

    /// Ten numbers of 64 bits or, most of them, of 32, with padding attributes anywhere between them.
    pub(super) fn read(attributes: Attributes<'_>) -> Self {
        let number = |attribute: StatsAttr| {
            let found = attributes.find(attribute.id())?;
            found.u64().or_else(|| found.u32().map(u64::from))
        };
        let number = |attribute: StatsAttr| number(attribute).unwrap_or(0);
        Self {
            connections: number(StatsAttr::Conns),
            packets_in: number(StatsAttr::InPkts),
            packets_out: number(StatsAttr::OutPkts),
            bytes_in: number(StatsAttr::InBytes),
            bytes_out: number(StatsAttr::OutBytes),
            connections_rate: number(StatsAttr::Cps),
            packets_in_rate: number(StatsAttr::InPps),
            packets_out_rate: number(StatsAttr::OutPps),
            bytes_in_rate: number(StatsAttr::InBps),
            bytes_out_rate: number(StatsAttr::OutBps),
        }
    }
}
