//! The adverts of an instance as datagrams, made once and sent many times.

use std::net::IpAddr;
use std::sync::Arc;

use super::action::{AdvertCopy, AdvertPacket};
use crate::machine::id::Family;
use crate::plan::{InstancePlan, Transport};
use crate::wire::advert::{Addresses, Advert, Auth, MAX_LEN, TTL, Version, group};
use crate::wire::checksum::Form;

/// Makes the datagrams of one advert. A copy that cannot be encoded is left out; the plan refuses what leads there.
pub(super) fn build(
    plan: &InstancePlan,
    advertised: &[u8],
    source: IpAddr,
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
    let copy = |destination: IpAddr, ttl: u8| {
        let mut buffer = [0; MAX_LEN];
        let len = advert.encode(form, source, destination, &mut buffer).ok()?;
        let payload = buffer.get(..len)?.to_vec();
        // RFC 9568 7.2: the source is the virtual router MAC address.
        let mac = plan.virtual_mac.filter(|own| own.adverts).map(|own| own.mac);
        Some(AdvertCopy { link: plan.key.link, source, destination, ttl, mac, payload })
    };
    let copies = match &plan.transport {
        Transport::Multicast => copy(group(family), TTL).into_iter().collect(),
        Transport::Unicast(u) => u.peers.iter().filter_map(|peer| copy(peer.address, u.ttl)).collect(),
    };
    let signer = plan.keyring.clone().filter(|keyring| keyring.signs());
    Arc::new(AdvertPacket { copies, signer })
}
