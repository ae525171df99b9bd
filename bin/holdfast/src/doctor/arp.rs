//! Who on the wire answers for an address: ARP probes (RFC 5227 section 2.1.1), which change nobody's cache.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use common::event_loop::clock;
use common::netlink::link::{self, Mac};
use common::netlink::{Protocol, Socket};
use common::sys::raw;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket};

/// How long answers are waited for after each of two probes.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks for every address on its interface; interfaces that are missing or down are left out.
pub(super) fn probe(addresses: &[(Ipv4Addr, String)]) -> io::Result<BTreeMap<Ipv4Addr, BTreeSet<Mac>>> {
    let mut answers = BTreeMap::new();
    if addresses.is_empty() {
        return Ok(answers);
    }
    let mut netlink = Socket::open(Protocol::Route).map_err(|error| io::Error::other(error.to_string()))?;
    let listener = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )?;
    let sender = raw::frame_socket()?;
    let mut asked = BTreeMap::new();
    for (address, name) in addresses {
        let link = link::by_name(&mut netlink, name).ok().flatten().filter(|link| link.up && link.arp);
        if let Some((link, mac)) = link.and_then(|link| link.mac.map(|mac| (link, mac))) {
            asked.insert(*address, (link.index.0, mac));
        }
    }
    for _ in 0..2 {
        for (address, (index, mac)) in &asked {
            raw::send_frame(sender.as_fd(), *index, &question(*mac, *address))?;
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
            let mut frame = [0; 128];
            while let Ok((count, from)) = recvfrom::<LinkAddr>(listener.as_raw_fd(), &mut frame) {
                let Some((address, mac)) = frame.get(..count).and_then(answer) else { continue };
                let Some((index, own)) = asked.get(&address) else { continue };
                let index = usize::try_from(*index).unwrap_or_default();
                // What leaves is heard as well; and this machine is not somebody else.
                if mac != *own && from.is_none_or(|from| from.ifindex() == index) {
                    answers.entry(address).or_insert_with(BTreeSet::new).insert(mac);
                }
            }
        }
    }
    Ok(answers)
}

/// Who has this address? From nobody, so that nobody learns anything.
fn question(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac.0);
    // ARP, for Ethernet and IPv4, a request.
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac.0);
    frame.extend([0; 10]);
    frame.extend(address.octets());
    frame
}

/// Whose address is whose, out of an ARP reply.
fn answer(frame: &[u8]) -> Option<(Ipv4Addr, Mac)> {
    if frame.get(12..22)? != [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2] {
        return None;
    }
    let mac: [u8; 6] = frame.get(22..28)?.try_into().ok()?;
    let address: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
    Some((address.into(), Mac(mac)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_an_arp_probe_and_only_a_reply_is_an_answer() {
        let (mac, address) = (Mac([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(192, 0, 2, 1));
        let mut frame = question(mac, address);
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[28..32], [0; 4], "the sender has no address: RFC 5227");
        assert_eq!(frame[38..], [192, 0, 2, 1]);
        assert_eq!(answer(&frame), None);
        frame[21] = 2;
        frame[28..32].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(answer(&frame), Some((address, mac)));
        for length in 0..32 {
            assert_eq!(answer(&frame[..length]), None);
        }
    }
}
