//! Packets that should not be: dropped, counted by reason, few words in the log, and adverts go on.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use common::sys::raw::{self, IntOption};
use lab::{Holdfast, Netns, Result, SECONDS_10, wait};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockaddrIn, sendto};
use std::os::fd::AsFd;

use super::{NAME, Two, transitions};

/// A socket of a third host that sends what it is told to.
struct Injector {
    socket: OwnedFd,
    _host: Netns,
}

impl Injector {
    fn new(two: &Two) -> Result<Self> {
        let host = two.lan.host("evil", &["192.168.152.66/24"])?;
        host.ip("route add 224.0.0.0/4 dev eth0")?;
        let socket = host.enter(|| raw::ip_socket(false, 112))??;
        let injector = Self { socket, _host: host };
        injector.ttl(255)?;
        Ok(injector)
    }

    fn ttl(&self, ttl: i32) -> Result {
        Ok(raw::set_int(self.socket.as_fd(), IntOption::IpMulticastTtl, ttl)?)
    }

    fn send(&self, payload: &[u8]) -> Result {
        let group = SockaddrIn::new(224, 0, 0, 18, 0);
        loop {
            match sendto(self.socket.as_raw_fd(), payload, &group, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                // The socket does not block, and its queue is short.
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EINTR) => std::thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A right version 3 advert from the injector for our virtual router, with some bytes of the header replaced.
fn advert(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut packet = vec![0x31, 51, 50, 1, 0, 10, 0, 0, 192, 168, 152, 200];
    for (at, value) in changes {
        packet[*at] = *value;
    }
    let mut pseudo: Vec<u8> = Vec::new();
    pseudo.extend(Ipv4Addr::new(192, 168, 152, 66).octets());
    pseudo.extend(Ipv4Addr::new(224, 0, 0, 18).octets());
    pseudo.extend([0, 112, 0, 12]);
    let words = pseudo.iter().chain(&packet).copied().collect::<Vec<_>>();
    let sum = words.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or_default();
    packet[6..8].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// How many adverts were dropped, whatever for.
#[track_caller]
fn rejected(holdfast: &Holdfast) -> Result<u64> {
    let counts = holdfast.instance(NAME, "/advertisements/rejected")?;
    Ok(counts.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum())
}

#[test]
fn w3_w7_w8_w9_every_wrong_packet_is_dropped_and_counted() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    let evil = Injector::new(&two)?;
    let mut expected = rejected(&a)?;
    let mut wrong = vec![
        advert(&[(0, 0x32)]),                         // another type
        advert(&[(0, 0x21)]),                         // another version
        advert(&[(0, 0x41)]),                         // a version that does not exist
        advert(&[(5, 0)]),                            // interval 0 (erratum 8301)
        advert(&[(3, 0)]),                            // no address (erratum 8299)
        advert(&[(3, 2)]),                            // more addresses than there are
        [&advert(&[])[..7], &[0x55; 5][..]].concat(), // a wrong sum
    ];
    wrong.extend((8..12).map(|length| advert(&[])[..length].to_vec()));
    for packet in &wrong {
        evil.send(packet)?;
        expected += 1;
        wait::until(&format!("{packet:x?} to be counted"), SECONDS_10, || Ok(rejected(&a)? == expected))?;
    }
    // Without a whole header nobody knows whom it was for.
    for length in 0..8 {
        evil.send(&advert(&[])[..length])?;
    }
    evil.ttl(254)?;
    evil.send(&advert(&[]))?;
    wait::until("the wrong TTL to be counted", SECONDS_10, || Ok(rejected(&a)? == expected + 1))?;
    assert_eq!(a.instance(NAME, "/state")?, "master");
    assert_eq!(b.instance(NAME, "/state")?, "backup");
    // The same in all but these faults is taken.
    evil.ttl(255)?;
    let before = a.instance(NAME, "/advertisements/received")?.as_u64();
    evil.send(&advert(&[]))?;
    wait::until("a right one to be taken", SECONDS_10, || {
        Ok(a.instance(NAME, "/advertisements/received")?.as_u64() > before)
    })
}

#[test]
fn w12_a_flood_costs_no_advert_and_few_lines() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    let evil = Injector::new(&two)?;
    let (log, before) = (a.log().mark(), (transitions(&a)?, transitions(&b)?));
    let (sent, said) = (rejected(&a)?, two.wire.mark());
    let mut bad = advert(&[]);
    bad[6] ^= 0xff;
    for _ in 0..20_000 {
        evil.send(&bad)?;
    }
    // What did not fit into the socket was dropped by the kernel.
    wait::until("most of it to be counted", SECONDS_10, || Ok(rejected(&a)? > sent + 1000))?;
    two.wire.wait_advert_from(said, SECONDS_10, |advert| advert.priority == 200)?;
    assert_eq!((transitions(&a)?, transitions(&b)?), before, "{}", b.log().tail(10));
    let lines = a.log().text_from(log).lines().filter(|line| line.contains("packet dropped")).count();
    assert!(lines <= 3, "{lines} lines");
    Ok(())
}
