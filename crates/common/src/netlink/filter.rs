//! The kernel's packet filter (nftables), as far as it is needed: one table of ours whose only work is to drop what is
//! for certain addresses of this machine.
//!
//! The table is known by its name, and no message here names any other. Changes are transactions: all of it or nothing,
//! and no packet sees one half done. Neighbour discovery passes, so that an IPv6 address that takes nothing is still
//! found by its neighbours.
//!
//! The chain stands late on the way in (priority 150): what IPVS takes is not dropped, and what other tables refuse is
//! refused by them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use neli::consts::socket::NlFamily;
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::errno::Errno;

use super::error::{Asked, Failure, NetlinkError};
use super::message::{Message, Reply, frames};
use super::socket::{Socket, read_datagram, socket_failure};
use crate::sys::netlink::owned;

/// `NFNL_SUBSYS_NFTABLES`, the upper byte of a message's kind.
const SUBSYSTEM: u16 = 10 << 8;
/// `NFPROTO_INET`: both families.
const INET: u8 = 1;
/// `struct nfgenmsg`.
const HEADER: usize = 4;
/// `NF_INET_LOCAL_IN`.
const HOOK: u32 = 1;
/// After IPVS (98 and 99), before connections are confirmed.
const PRIORITY: u32 = 150;
/// The only chain.
const CHAIN: &str = "input";
/// Elements in one message, and in one transaction.
const CHUNK: usize = 1000;
/// `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;
/// Reports come several to a datagram.
const BUFFER: usize = 64 * 1024;

/// `NFT_MSG_*`.
#[derive(Clone, Copy)]
enum Kind {
    NewTable = 0,
    GetTable = 1,
    DelTable = 2,
    NewChain = 3,
    NewRule = 6,
    NewSet = 9,
    NewElement = 12,
    DelElement = 14,
}

/// Attributes whose numbers are the same in several objects: the table's name, and the name in it.
const TABLE: u16 = 1;
const LIST_ELEMENT: u16 = 1;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
/// `NFT_REG_1`.
const REGISTER: u32 = 1;

/// A family's addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Family {
    /// Its set.
    set: &'static str,
    /// Its number in a transaction.
    id: u32,
    /// `NFPROTO_*`.
    protocol: u8,
    /// nft's own number for the type, by which it shows the addresses.
    key_type: u32,
    length: u32,
    /// Where the destination is in the IP header.
    offset: u32,
}

const IPV4: Family = Family { set: "refused4", id: 1, protocol: 2, key_type: 7, length: 4, offset: 16 };
const IPV6: Family = Family { set: "refused6", id: 2, protocol: 10, key_type: 8, length: 16, offset: 24 };

const ICMPV6: u8 = 58;
/// Router solicitation and advertisement, neighbour solicitation and advertisement (RFC 4861 4).
const DISCOVERY: (u8, u8) = (133, 136);

/// What becomes of a packet.
#[derive(Clone, Copy)]
enum Verdict {
    Drop = 0,
    Accept = 1,
}

/// Makes the table anew, with these addresses, whatever was in it.
///
/// # Errors
/// The kernel's refusal; nothing has changed then, unless there are more than a thousand addresses.
pub fn replace(socket: &mut Socket, table: &str, addresses: &BTreeSet<IpAddr>) -> Result<(), NetlinkError> {
    let asked = || format!("replace packet filter table inet {table}");
    let list: Vec<IpAddr> = addresses.iter().copied().collect();
    let (first, rest) = list.split_at(list.len().min(CHUNK));
    // A table that is not there cannot be deleted, hence the first one.
    let mut messages = vec![new_table(table), del_table(table), new_table(table), chain(table)];
    messages.extend([IPV4, IPV6].map(|family| set(table, family)));
    messages.extend([
        rule(table, |list| refused(list, IPV4, Verdict::Drop)),
        rule(table, |list| {
            matches_set(list, IPV6);
            discovery(list);
            verdict(list, Verdict::Accept);
        }),
        rule(table, |list| refused(list, IPV6, Verdict::Drop)),
    ]);
    elements(table, Kind::NewElement, first, &mut messages);
    socket.transaction(&messages).asked(asked)?;
    for some in rest.chunks(CHUNK) {
        change(socket, table, Kind::NewElement, some).asked(asked)?;
    }
    Ok(())
}

/// Adds addresses to the table.
///
/// # Errors
/// The kernel's refusal: the table is gone, say.
pub fn add(socket: &mut Socket, table: &str, addresses: &[IpAddr]) -> Result<(), NetlinkError> {
    let mut chunks = addresses.chunks(CHUNK);
    chunks
        .try_for_each(|some| change(socket, table, Kind::NewElement, some))
        .asked(|| format!("add addresses to packet filter table inet {table}"))
}

/// Takes addresses out of the table.
///
/// # Errors
/// The kernel's refusal: the table is gone, say.
pub fn take(socket: &mut Socket, table: &str, addresses: &[IpAddr]) -> Result<(), NetlinkError> {
    let mut chunks = addresses.chunks(CHUNK);
    chunks
        .try_for_each(|some| change(socket, table, Kind::DelElement, some))
        .asked(|| format!("take addresses out of packet filter table inet {table}"))
}

fn change(socket: &mut Socket, table: &str, kind: Kind, addresses: &[IpAddr]) -> Result<(), Failure> {
    let mut messages = Vec::new();
    elements(table, kind, addresses, &mut messages);
    socket.transaction(&messages)
}

/// Removes the table; false if there was none.
///
/// # Errors
/// The kernel's refusal.
pub fn remove(socket: &mut Socket, table: &str) -> Result<bool, NetlinkError> {
    match socket.transaction(&[del_table(table)]) {
        Ok(()) => Ok(true),
        Err(Failure::Refused { errno: Errno::ENOENT, .. }) => Ok(false),
        Err(failure) => Err(failure.asked(format!("remove packet filter table inet {table}"))),
    }
}

/// Whether the table is there.
///
/// # Errors
/// The kernel could not be asked.
pub fn exists(socket: &mut Socket, table: &str) -> Result<bool, NetlinkError> {
    match socket.get(&named(Kind::GetTable, table)) {
        Ok(_) => Ok(true),
        Err(Failure::Refused { errno: Errno::ENOENT, .. }) => Ok(false),
        Err(failure) => Err(failure.asked(format!("get packet filter table inet {table}"))),
    }
}

fn message(kind: Kind) -> Message {
    Message::new(SUBSYSTEM | kind as u16, &[INET, 0, 0, 0])
}

fn named(kind: Kind, table: &str) -> Message {
    let mut message = message(kind);
    message.text(TABLE, table);
    message
}

fn new_table(table: &str) -> Message {
    named(Kind::NewTable, table).create_if_missing()
}

fn del_table(table: &str) -> Message {
    named(Kind::DelTable, table)
}

fn chain(table: &str) -> Message {
    const NAME: u16 = 3;
    const HOOK_IN: u16 = 4;
    const TYPE: u16 = 7;
    let mut message = named(Kind::NewChain, table).create();
    message.text(NAME, CHAIN);
    message.nested(HOOK_IN, |hook| {
        hook.be32(1, HOOK).be32(2, PRIORITY);
    });
    message.text(TYPE, "filter");
    message
}

fn set(table: &str, family: Family) -> Message {
    const NAME: u16 = 2;
    const KEY_TYPE: u16 = 4;
    const KEY_LENGTH: u16 = 5;
    const ID: u16 = 10;
    let mut message = named(Kind::NewSet, table).create();
    message.text(NAME, family.set).be32(KEY_TYPE, family.key_type).be32(KEY_LENGTH, family.length);
    message.be32(ID, family.id);
    message
}

/// One message for each family that has some.
fn elements(table: &str, kind: Kind, addresses: &[IpAddr], messages: &mut Vec<Message>) {
    const SET: u16 = 2;
    const ELEMENTS: u16 = 3;
    const KEY: u16 = 1;
    for family in [IPV4, IPV6] {
        let own = |address: &&IpAddr| address.is_ipv4() == (family == IPV4);
        if !addresses.iter().any(|address| own(&address)) {
            continue;
        }
        let mut message = named(kind, table);
        if matches!(kind, Kind::NewElement) {
            message = message.create_if_missing();
        }
        message.text(SET, family.set);
        message.nested(ELEMENTS, |list| {
            for address in addresses.iter().filter(own) {
                list.nested(LIST_ELEMENT, |element| {
                    element.nested(KEY, |key| {
                        key.ip(DATA_VALUE, *address);
                    });
                });
            }
        });
        messages.push(message);
    }
}

fn rule(table: &str, expressions: impl FnOnce(&mut Message)) -> Message {
    const IN_CHAIN: u16 = 2;
    const EXPRESSIONS: u16 = 4;
    let mut message = named(Kind::NewRule, table).append();
    message.text(IN_CHAIN, CHAIN).nested(EXPRESSIONS, expressions);
    message
}

fn refused(list: &mut Message, family: Family, what: Verdict) {
    matches_set(list, family);
    // For people: `nft list ruleset` shows how many were dropped.
    expression(list, "counter", |_| {});
    verdict(list, what);
}

/// The packet is of the family, and for one of its addresses.
fn matches_set(list: &mut Message, family: Family) {
    const NFPROTO: u32 = 15;
    const NETWORK: u32 = 1;
    meta(list, NFPROTO);
    compare(list, Comparison::Equal, family.protocol);
    payload(list, NETWORK, family.offset, family.length);
    expression(list, "lookup", |data| {
        data.text(1, family.set).be32(2, REGISTER).be32(4, family.id);
    });
}

/// The packet is of neighbour discovery.
fn discovery(list: &mut Message) {
    const L4PROTO: u32 = 16;
    const TRANSPORT: u32 = 2;
    meta(list, L4PROTO);
    compare(list, Comparison::Equal, ICMPV6);
    payload(list, TRANSPORT, 0, 1);
    compare(list, Comparison::AtLeast, DISCOVERY.0);
    compare(list, Comparison::AtMost, DISCOVERY.1);
}

fn expression(list: &mut Message, name: &str, data: impl FnOnce(&mut Message)) {
    list.nested(LIST_ELEMENT, |expression| {
        expression.text(1, name).nested(2, data);
    });
}

fn meta(list: &mut Message, key: u32) {
    expression(list, "meta", |data| {
        data.be32(1, REGISTER).be32(2, key);
    });
}

fn payload(list: &mut Message, base: u32, offset: u32, length: u32) {
    expression(list, "payload", |data| {
        data.be32(1, REGISTER).be32(2, base).be32(3, offset).be32(4, length);
    });
}

/// `NFT_CMP_*`.
#[derive(Clone, Copy)]
enum Comparison {
    Equal = 0,
    AtMost = 3,
    AtLeast = 5,
}

fn compare(list: &mut Message, comparison: Comparison, value: u8) {
    expression(list, "cmp", |data| {
        data.be32(1, REGISTER).be32(2, comparison as u32).nested(3, |with| {
            with.u8(DATA_VALUE, value);
        });
    });
}

fn verdict(list: &mut Message, verdict: Verdict) {
    expression(list, "immediate", |data| {
        // Register 0 is the verdict.
        data.be32(1, 0).nested(2, |with| {
            with.nested(DATA_VERDICT, |code| {
                code.be32(1, verdict as u32);
            });
        });
    });
}

/// A subscription to what becomes of tables.
#[derive(Debug)]
pub struct Monitor {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// What was read of the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing is left to read.
    Nothing,
    /// Reports of no interest here.
    Others,
    /// The table was deleted, or reports were lost: look whether it is there.
    Doubt,
}

impl Monitor {
    /// Subscribes, in the current network namespace.
    ///
    /// # Errors
    /// When the kernel gives no such socket.
    pub fn open() -> Result<Self, Failure> {
        let socket = NlSocket::connect(NlFamily::Netfilter, None, Groups::new_groups(&[GROUP]))
            .map_err(socket_failure("subscribe"))?;
        socket.nonblock().map_err(socket_failure("set non-blocking"))?;
        Ok(Self { socket: owned(socket), buffer: vec![0; BUFFER] })
    }

    /// Reads one datagram, looking for the end of this table.
    ///
    /// # Errors
    /// When the socket failed for good.
    pub fn read(&mut self, table: &str) -> Result<Seen, Failure> {
        match read_datagram(&self.socket, &mut self.buffer) {
            Ok(Some(datagram)) if deletes(datagram, table) => Ok(Seen::Doubt),
            Ok(_) | Err(Errno::EINTR) => Ok(Seen::Others),
            Err(Errno::ENOBUFS | Errno::EMSGSIZE) => Ok(Seen::Doubt),
            Err(Errno::EAGAIN) => Ok(Seen::Nothing),
            Err(errno) => Err(Failure::Socket { call: "receive report", errno }),
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether a datagram of reports says that this table is gone.
pub fn deletes(datagram: &[u8], table: &str) -> bool {
    frames(datagram).any(|frame| {
        let reply = Reply { kind: frame.kind, payload: frame.payload };
        let Some((header, attributes)) = reply.split::<HEADER>() else { return false };
        frame.kind == SUBSYSTEM | Kind::DelTable as u16
            && header.first() == Some(&INET)
            && attributes.find(TABLE).and_then(|name| name.text()) == Some(table)
    })
}

#[cfg(test)]
mod tests;
