//! From where and over how many hops adverts are taken, for each path they come by.

use std::net::IpAddr;

use super::admit::{Datagram, Reject};
use super::advert::TTL;
use crate::machine::id::LinkName;

/// A unicast peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The lowest TTL or hop limit taken from it.
    pub min_ttl: u8,
    /// The highest.
    pub max_ttl: u8,
}

/// A way adverts come in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The interface.
    pub link: LinkName,
    /// The unicast peers; empty for multicast.
    pub peers: Vec<Peer>,
    /// Whether somebody who is no peer is heard too; then by these bounds.
    pub any_source: Option<(u8, u8)>,
}

impl Path {
    /// From the VRRP group, TTL 255 only (RFC 9568 7.1).
    #[must_use]
    pub const fn multicast(link: LinkName) -> Self {
        Self { link, peers: Vec::new(), any_source: Some((TTL, TTL)) }
    }

    const fn is_multicast(&self) -> bool {
        self.peers.is_empty()
    }

    pub(super) fn check(&self, datagram: &Datagram<'_>) -> Result<(), Reject> {
        let peer = self.peers.iter().find(|peer| peer.address == datagram.source);
        let bounds = peer.map(|peer| (peer.min_ttl, peer.max_ttl)).or(self.any_source);
        let (lowest, highest) = bounds.ok_or(Reject::NotPeer)?;
        if (lowest..=highest).contains(&datagram.ttl) { Ok(()) } else { Err(Reject::Ttl) }
    }
}

/// The path a datagram came by: its interface decides, then whether it was sent to the group.
pub(super) fn path<'p>(paths: &'p [Path], datagram: &Datagram<'_>) -> Option<(usize, &'p Path)> {
    let here = || paths.iter().enumerate().filter(|(_, path)| path.link == datagram.link);
    let multicast = datagram.destination.is_multicast();
    here().find(|(_, path)| path.is_multicast() == multicast).or_else(|| here().next())
}
