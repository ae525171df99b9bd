//! A packet from the wire: judged without a panic, and what was admitted can be said again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vrrp::machine::id::{Family, LinkName, Vrid};
use vrrp::wire::admit::{Datagram, Mismatch, Settings, admit, describe};
use vrrp::wire::advert::{Advert, Auth, Version, View, address_bytes};
use vrrp::wire::checksum::{Form, sum};
use vrrp::wire::reach::{Path, Peer};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

/// The first three bytes choose the settings and the envelope, the rest is what follows the IP header.
pub fn advert(data: &[u8]) {
    let Some(([choice, more, ttl], payload)) = data.split_first_chunk() else { return };
    let (Some(link), Some(vrid), Some(auth)) = (LinkName::new("eth0"), Vrid::new(51), Auth::password("1111"))
    else {
        return;
    };
    let bit = |number: u8| choice >> number & 1 == 1;
    let (family, source) = if bit(0) { (Family::Ipv6, V6) } else { (Family::Ipv4, V4) };
    let version = if bit(1) { Version::V3 } else { Version::V2 };
    let destination = match family {
        Family::Ipv4 => IpAddr::from([224, 0, 0, 18]),
        Family::Ipv6 => IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12]),
    };
    let settings = Settings {
        version,
        family,
        vrid,
        interval: Duration::from_secs(1),
        keyring: None,
        auth: if bit(2) { auth } else { Auth::None },
        addresses: address_bytes(family, [source]),
        owner: bit(3),
        paths: vec![if bit(4) {
            Path { link, peers: vec![Peer { address: source, min_ttl: 0, max_ttl: 255 }], any_source: None }
        } else {
            Path::multicast(link)
        }],
        mismatch: match more & 3 {
            0 => Mismatch::Drop,
            1 => Mismatch::Report,
            _ => Mismatch::Ignore,
        },
        form: if bit(5) { Form::Plain } else { Form::PseudoHeader },
        strict_form: bit(6),
        strict_link_local: bit(7),
    };
    let form = match (version, family) {
        (Version::V2, _) => Form::Plain,
        (Version::V3, Family::Ipv4) => settings.form,
        (Version::V3, Family::Ipv6) => Form::PseudoHeader,
    };
    let mut payload = payload.to_vec();
    // Random bytes hardly ever have a right checksum; mend it where asked to, so that what is behind it is reached.
    if more & 4 == 4 {
        mend(&mut payload, version, family, source, destination, form);
    }
    let datagram = Datagram { link, source, destination, ttl: *ttl, payload: &payload };
    let verdict = admit(&settings, &datagram, None, |address| address == destination);
    if let Some(field) = verdict.differs {
        let words = describe(field, &settings, &datagram);
        assert!(words.is_some(), "a difference has words: {field:?}");
    }
    let (Ok(admitted), Some(view)) = (verdict.outcome, View::new(&payload)) else { return };

    assert_eq!(admitted.source, source);
    let again = Advert {
        version,
        vrid,
        priority: admitted.priority,
        interval: admitted.interval,
        auth: settings.auth,
        addresses: view.addresses(family),
    };
    let mut buffer = [0; 8192];
    // An interval of zero is admitted by nobody but can be received; it cannot be sent.
    let Ok(length) = again.encode(form, source, destination, &mut buffer) else { return };
    let payload = buffer.get(..length).unwrap_or_default();
    let repeated = admit(&settings, &Datagram { payload, ..datagram }, None, |_| false);
    assert_eq!(repeated.outcome, Ok(admitted), "what was admitted is admitted again in our own words");
}

fn mend(
    payload: &mut [u8],
    version: Version,
    family: Family,
    source: IpAddr,
    destination: IpAddr,
    form: Form,
) {
    let Some(length) = View::new(payload).map(|view| view.message_len(version, family)) else { return };
    let Some(message) = payload.get_mut(..length) else { return };
    let place = 6..8;
    let Some(field) = message.get_mut(place.clone()) else { return };
    field.fill(0);
    let right = sum(form, source, destination, message).to_be_bytes();
    if let Some(field) = message.get_mut(place) {
        field.copy_from_slice(&right);
    }
}
