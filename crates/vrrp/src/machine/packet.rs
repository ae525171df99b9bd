//! The adverts of an instance as datagrams, made once and sent many times.

use std::net::IpAddr;
use std::sync::Arc;

use super::action::{AdvertCopy, AdvertPacket};
use super::instance::Ways;
use crate::machine::id::{Family, LinkName, Mac};
use crate::plan::{InstancePlan, Transport};
use crate::wire::advert::{Addresses, Advert, Auth, MAX_LEN, TTL, Version, group};
use crate::wire::checksum::Form;

/// Makes the datagrams of one advert: those for the instance's own interface if there is a source, then those for
/// further ways. A copy that cannot be encoded is left out; the plan refuses what leads there.
pub(super) fn build(
    plan: &InstancePlan,
    advertised: &[u8],
    source: Option<IpAddr>,
    ways: &Ways,
    priority: u8,
) -> Arc<AdvertPacket> {
    let family = plan.key.family;
    let advert = Advert {
        version: plan.version,
        vrid: plan.key.vrid,
        priority,
        interval: plan.interval,
        auth: if plan.version == Version::V2 { plan.auth } else { Auth::None },
        addresses: Addresses::new(family, advertised),
    };
    let form = match (plan.version, family) {
        (Version::V2, _) => Form::Plain,
        (Version::V3, Family::Ipv6) => Form::PseudoHeader,
        (Version::V3, Family::Ipv4) => plan.form,
    };
    let copy = |link: LinkName, source: IpAddr, mac: Option<Mac>, destination: IpAddr, ttl: u8| {
        let mut buffer = [0; MAX_LEN];
        let len = advert.encode(form, source, destination, &mut buffer).ok()?;
        let payload = buffer.get(..len)?.to_vec();
        Some(AdvertCopy { link, source, destination, ttl, mac, payload })
    };
    let mut copies = Vec::new();
    let mut add = |link, source, mac, transport: &Transport| match transport {
        Transport::Multicast => copies.extend(copy(link, source, mac, group(family), TTL)),
        Transport::Unicast(u) => {
            copies.extend(u.peers.iter().filter_map(|peer| copy(link, source, mac, peer.address, u.ttl)));
        }
    };
    if let Some(source) = source {
        // RFC 9568 7.2: the source is the virtual router MAC address.
        let mac = plan.virtual_mac.filter(|own| own.adverts).map(|own| own.mac);
        add(plan.key.link, source, mac, &plan.transport);
    }
    for (at, via) in plan.also_via.iter().enumerate() {
        if let Some(source) = ways.source(at + 1) {
            add(via.link, source, None, &via.transport);
        }
    }
    let signer = plan.keyring.clone().filter(|keyring| keyring.signs());
    Arc::new(AdvertPacket { copies, signer })
}
