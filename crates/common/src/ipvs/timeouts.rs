//! How long the kernel remembers idle connections.

use super::attribute::Top;
use crate::netlink::{Attributes, Message};

/// Seconds per kind of connection. When setting, 0 leaves a value as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeouts {
    /// Established TCP connections.
    pub tcp: u32,
    /// TCP connections after a FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

impl Timeouts {
    pub(super) fn write(self, message: &mut Message) {
        message.u32(Top::TimeoutTcp.id(), self.tcp);
        message.u32(Top::TimeoutTcpFin.id(), self.tcp_fin);
        message.u32(Top::TimeoutUdp.id(), self.udp);
    }

    pub(super) fn read(attributes: Attributes<'_>) -> Option<Self> {
        let number = |attribute: Top| attributes.find(attribute.id())?.u32();
        Some(Self {
            tcp: number(Top::TimeoutTcp)?,
            tcp_fin: number(Top::TimeoutTcpFin)?,
            udp: number(Top::TimeoutUdp)?,
        })
    }
}
