//! Who on the wire answers for an address: each is asked for twice, where the configuration puts it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;
use std::{fmt, io};

use common::event_loop::clock;
use common::netlink::address::{self, Address, DADFAILED, TENTATIVE};
use common::netlink::link::{self, Link, Mac};
use common::netlink::{Protocol, Socket};
use common::sys::raw;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket};

use super::facts::Place;
use super::{arp, neighbour};

/// How long answers are waited for after each of two questions.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) answers: BTreeMap<Place, BTreeSet<Mac>>,
    /// What could not be asked for, and why.
    pub(super) skipped: Vec<String>,
}

/// What is asked, and on which interface.
struct Question {
    index: u32,
    /// The interface's own: this machine is not somebody else.
    mac: Mac,
    frame: Vec<u8>,
}

/// Asks for every address on its interface; interfaces that are missing or down are left out.
pub(super) fn ask(places: &BTreeSet<Place>) -> io::Result<Heard> {
    let mut heard = Heard::default();
    let questions = questions(places, &mut heard.skipped)?;
    if questions.is_empty() {
        return Ok(heard);
    }
    let listener = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )?;
    let sender = raw::frame_socket()?;
    for _ in 0..2 {
        for question in questions.values() {
            raw::send_frame(sender.as_fd(), question.index, &question.frame)?;
        }
        let until = clock::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::ZERO);
            if poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], timeout)? == 0 {
                break;
            }
            let mut frame = [0; 256];
            while let Ok((count, from)) = recvfrom::<LinkAddr>(listener.as_raw_fd(), &mut frame) {
                let Some((address, mac)) = frame.get(..count).and_then(answer) else { continue };
                let came_by = from.and_then(|from| u32::try_from(from.ifindex()).ok());
                for (place, question) in questions.iter().filter(|(place, _)| place.0 == address) {
                    // What leaves is heard as well.
                    if mac != question.mac && came_by.is_none_or(|index| index == question.index) {
                        heard.answers.entry(place.clone()).or_default().insert(mac);
                    }
                }
            }
        }
    }
    Ok(heard)
}

fn questions(places: &BTreeSet<Place>, skipped: &mut Vec<String>) -> io::Result<BTreeMap<Place, Question>> {
    fn told(error: &dyn fmt::Display) -> io::Error {
        io::Error::other(error.to_string())
    }
    let mut questions = BTreeMap::new();
    if places.is_empty() {
        return Ok(questions);
    }
    let mut netlink = Socket::open(Protocol::Route).map_err(|error| told(&error))?;
    let links = link::list(&mut netlink).map_err(|error| told(&error))?;
    let held = address::list(&mut netlink).map_err(|error| told(&error))?;
    for place in places {
        let (address, name) = place;
        let link = links.iter().find(|link| link.name == *name && link.up && link.arp);
        let Some((link, mac)) = link.and_then(|link| Some((link, link.mac?))) else { continue };
        let frame = match address {
            IpAddr::V4(address) => arp::question(mac, *address),
            IpAddr::V6(address) => {
                let Some(source) = link_local(link, &held, *address) else {
                    skipped.push(format!(
                        "duplicates of {address}: {name} has no link-local address to ask from"
                    ));
                    continue;
                };
                let Some(frame) = neighbour::question(mac, source, *address) else { continue };
                frame
            }
        };
        questions.insert(place.clone(), Question { index: link.index.0, mac, frame });
    }
    Ok(questions)
}

/// The interface's own address, from which it may ask: not a virtual one, which another machine may hold by now.
fn link_local(link: &Link, held: &[Address], asked: Ipv6Addr) -> Option<Ipv6Addr> {
    let usable = |held: &&Address| {
        held.interface == link.index
            && !held.is_ours()
            && held.address != asked
            && held.flags & (TENTATIVE | DADFAILED) == 0
    };
    held.iter().filter(usable).find_map(|held| match held.address {
        IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    })
}

/// Whose address is whose.
fn answer(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    arp::answer(frame)
        .map(|(address, mac)| (address.into(), mac))
        .or_else(|| neighbour::answer(frame).map(|(address, mac)| (address.into(), mac)))
}

#[cfg(test)]
mod tests {
    use common::netlink::link::IfIndex;

    use super::*;

    #[test]
    fn questions_come_from_the_interfaces_own_address() {
        let link = Link {
            index: IfIndex(2),
            name: "eth0".into(),
            up: true,
            running: true,
            loopback: false,
            arp: true,
            multicast: true,
            hardware: 1,
            mac: None,
            mtu: 1500,
            parent: None,
            master: None,
            kind: None,
            alias: None,
        };
        let address = |index, text: &str, protocol, flags| Address {
            protocol,
            flags,
            ..Address::new(IfIndex(index), text.parse().unwrap(), 64)
        };
        let asked = "fe80::7".parse().unwrap();
        let all = [
            address(2, "fe80::7", 0, 0),
            address(2, "192.0.2.1", 0, 0),
            address(2, "2001:db8::1", 0, 0),
            address(3, "fe80::3", 0, 0),
            address(2, "fe80::1", address::MARK, 0),
            address(2, "fe80::2", 0, TENTATIVE),
        ];
        assert_eq!(link_local(&link, &all, asked), None);
        let own = address(2, "fe80::5", 0, 0);
        let all = [all.as_slice(), &[own]].concat();
        assert_eq!(link_local(&link, &all, asked), Some("fe80::5".parse().unwrap()));
    }
}
