//! Network interfaces: read, set up and down, macvlans made and links deleted.

use super::error::{Asked, Failure, NetlinkError};
use super::message::{Message, Reply};
use super::socket::Socket;
use nix::errno::Errno;
use std::fmt;

/// The kernel's number of an interface. A deleted and re-created interface has a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfIndex(pub u32);

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: IfIndex,
    /// Its name.
    pub name: String,
    /// Set up by the administrator (`IFF_UP`).
    pub up: bool,
    /// Has carrier and can carry traffic (`IFF_RUNNING`).
    pub running: bool,
    /// Is the loopback.
    pub loopback: bool,
    /// Uses ARP (`IFF_NOARP` not set).
    pub arp: bool,
    /// Can multicast.
    pub multicast: bool,
    /// `ARPHRD_*`: 1 is Ethernet.
    pub hardware: u16,
    /// Its Ethernet address, where it has one of six bytes.
    pub mac: Option<Mac>,
    /// Its MTU.
    pub mtu: u32,
    /// The interface below it (`IFLA_LINK`), for macvlan, VLAN and the like.
    pub parent: Option<IfIndex>,
    /// The bridge, bond or VRF it belongs to (`IFLA_MASTER`).
    pub master: Option<IfIndex>,
    /// Its kind (`macvlan`, `veth`, …); physical ones have none.
    pub kind: Option<String>,
    /// A text that somebody attached to it (`IFLA_IFALIAS`).
    pub alias: Option<String>,
}

const HEADER: usize = 16;
const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_NOARP: u32 = 0x80;
const IFF_MULTICAST: u32 = 0x1000;

const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IFLA_INET_CONF: u16 = 1;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;

impl Link {
    /// Can carry traffic now: set up, and with carrier.
    pub const fn usable(&self) -> bool {
        self.up && self.running
    }

    /// Reads an `RTM_NEWLINK` or `RTM_DELLINK`; `None` for one that is about a bridge's port.
    pub fn parse(reply: &Reply<'_>) -> Option<Self> {
        let (header, attributes) = reply.split::<HEADER>()?;
        // A bridge reports its ports under its own family; a port that leaves it is not a link that is gone.
        if header.first() != Some(&0) {
            return None;
        }
        let flags = u32::from_ne_bytes(*header.get(8..)?.first_chunk()?);
        let mut link = Self {
            index: IfIndex(u32::from_ne_bytes(*header.get(4..)?.first_chunk()?)),
            name: String::new(),
            up: flags & IFF_UP != 0,
            running: flags & IFF_RUNNING != 0,
            loopback: flags & IFF_LOOPBACK != 0,
            arp: flags & IFF_NOARP == 0,
            multicast: flags & IFF_MULTICAST != 0,
            hardware: u16::from_ne_bytes(*header.get(2..)?.first_chunk()?),
            mac: None,
            mtu: 0,
            parent: None,
            master: None,
            kind: None,
            alias: None,
        };
        for attribute in attributes {
            match attribute.kind {
                libc::IFLA_IFNAME => attribute.text()?.clone_into(&mut link.name),
                libc::IFLA_ADDRESS => link.mac = <[u8; 6]>::try_from(attribute.value).ok().map(Mac),
                libc::IFLA_MTU => link.mtu = attribute.u32()?,
                libc::IFLA_LINK => link.parent = attribute.u32().filter(|index| *index != 0).map(IfIndex),
                libc::IFLA_IFALIAS => link.alias = attribute.text().map(str::to_owned),
                libc::IFLA_MASTER => link.master = attribute.u32().map(IfIndex),
                libc::IFLA_LINKINFO => {
                    let kind = attribute.nested().find(libc::IFLA_INFO_KIND);
                    link.kind = kind.and_then(|kind| kind.text().map(str::to_owned));
                }
                _ => {}
            }
        }
        (!link.name.is_empty()).then_some(link)
    }
}

/// How a macvlan shares its parent with its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Siblings don't see each other.
    Private,
    /// Siblings see each other without leaving the machine.
    Bridge,
}

/// A macvlan to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Macvlan<'a> {
    /// Its name.
    pub name: &'a str,
    /// The interface it sits on.
    pub parent: IfIndex,
    /// Its own Ethernet address.
    pub mac: Mac,
    /// How it shares the parent.
    pub mode: MacvlanMode,
}

/// Per-interface IPv4 settings, by their numbers in the kernel's `IPV4_DEVCONF_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ipv4Setting {
    /// `forwarding`
    Forwarding = 1,
    /// `rp_filter`
    RpFilter = 8,
    /// `arp_filter`
    ArpFilter = 13,
    /// `arp_announce`
    ArpAnnounce = 18,
    /// `arp_ignore`
    ArpIgnore = 19,
    /// `promote_secondaries`
    PromoteSecondaries = 20,
    /// `accept_local`
    AcceptLocal = 23,
}

/// The interface of this name, if there is one.
///
/// # Errors
/// When the kernel could not be asked.
pub fn by_name(socket: &mut Socket, name: &str) -> Result<Option<Link>, NetlinkError> {
    let mut message = Message::new(libc::RTM_GETLINK, &header(None, 0, 0));
    message.text(libc::IFLA_IFNAME, name);
    one(socket, &message, || format!("get interface {name}"))
}

/// The interface of this number, if there is one.
///
/// # Errors
/// When the kernel could not be asked.
pub fn by_index(socket: &mut Socket, index: IfIndex) -> Result<Option<Link>, NetlinkError> {
    let message = Message::new(libc::RTM_GETLINK, &header(Some(index), 0, 0));
    one(socket, &message, || format!("get interface number {index}"))
}

/// All interfaces.
///
/// # Errors
/// When the kernel could not be asked.
pub fn list(socket: &mut Socket) -> Result<Vec<Link>, NetlinkError> {
    let message = Message::new(libc::RTM_GETLINK, &header(None, 0, 0));
    let replies = socket.dump(&message).asked(|| "list interfaces")?;
    Ok(replies.iter().filter_map(|reply| Link::parse(&reply)).collect())
}

/// Sets an interface up or down.
///
/// # Errors
/// The kernel's refusal.
pub fn set_up(socket: &mut Socket, index: IfIndex, up: bool) -> Result<(), NetlinkError> {
    let message = Message::new(libc::RTM_NEWLINK, &header(Some(index), if up { IFF_UP } else { 0 }, IFF_UP));
    let word = if up { "up" } else { "down" };
    socket.request(&message).asked(|| format!("set interface number {index} {word}"))
}

/// Creates a macvlan, down.
///
/// # Errors
/// The kernel's refusal.
pub fn create_macvlan(socket: &mut Socket, macvlan: &Macvlan<'_>) -> Result<(), NetlinkError> {
    socket.request(&macvlan_message(macvlan)).asked(|| {
        let Macvlan { name, parent, mac, .. } = macvlan;
        format!("create macvlan {name} with {mac} on interface number {parent}")
    })
}

fn macvlan_message(macvlan: &Macvlan<'_>) -> Message {
    let mode: u32 = match macvlan.mode {
        MacvlanMode::Private => 1,
        MacvlanMode::Bridge => 4,
    };
    let mut message = Message::new(libc::RTM_NEWLINK, &header(None, 0, 0)).create();
    message.text(libc::IFLA_IFNAME, macvlan.name);
    message.u32(libc::IFLA_LINK, macvlan.parent.0);
    message.bytes(libc::IFLA_ADDRESS, &macvlan.mac.0);
    message.nested(libc::IFLA_LINKINFO, |info| {
        info.bytes(libc::IFLA_INFO_KIND, b"macvlan");
        info.nested(libc::IFLA_INFO_DATA, |data| {
            data.u32(IFLA_MACVLAN_MODE, mode);
        });
    });
    message
}

/// Changes per-interface settings that otherwise live in `/proc/sys/net`: the IPv4 ones given, and, with
/// `no_link_local`, that IPv6 makes no link-local address by itself. To be done before the link is set up.
///
/// # Errors
/// The kernel's refusal.
pub fn configure(
    socket: &mut Socket,
    index: IfIndex,
    ipv4: &[(Ipv4Setting, u32)],
    no_link_local: bool,
) -> Result<(), NetlinkError> {
    let mut message = Message::new(libc::RTM_SETLINK, &header(Some(index), 0, 0));
    settings(&mut message, ipv4, no_link_local);
    socket.request(&message).asked(|| format!("configure interface number {index}"))
}

/// How the name of an interface begins that is being made and gets its own name in a moment.
pub const TEMPORARY: &str = "hf-new-";

/// Creates a macvlan, down, marked with an alias and configured as by [`configure`], in one go: one that exists is
/// never found without its mark, whenever this process is killed.
///
/// # Errors
/// The kernel's refusal; nothing is left of it then.
pub fn make_macvlan(
    socket: &mut Socket,
    macvlan: &Macvlan<'_>,
    alias: &str,
    ipv4: &[(Ipv4Setting, u32)],
) -> Result<(), NetlinkError> {
    let asked = || {
        let Macvlan { name, parent, mac, .. } = macvlan;
        format!("create macvlan {name} with {mac} on interface number {parent}")
    };
    // The message that creates a macvlan may not carry IFLA_AF_SPEC (EAFNOSUPPORT), hence a second one. Both are in one
    // datagram, which the kernel handles as one. They use a name that nobody else has, or the second one might change
    // an interface that somebody else made a moment ago.
    let temporary = format!("{TEMPORARY}{}", std::process::id());
    let mut marked = Message::new(libc::RTM_SETLINK, &header(None, 0, 0));
    marked.text(libc::IFLA_IFNAME, &temporary);
    marked.text(libc::IFLA_IFALIAS, alias);
    settings(&mut marked, ipv4, true);
    let created = macvlan_message(&Macvlan { name: &temporary, ..*macvlan });
    let refused = socket.batch(&[created, marked]).asked(asked)?;
    let Some(link) = by_name(socket, &temporary)? else {
        let why = refused.into_iter().next().map_or(Failure::NoAnswer, |(_, why)| why);
        return Err(why.asked(asked()));
    };
    let named = refused.into_iter().next().map_or(Ok(()), |(_, why)| Err(why)).and_then(|()| {
        let mut message = Message::new(libc::RTM_SETLINK, &header(Some(link.index), 0, 0));
        message.text(libc::IFLA_IFNAME, macvlan.name);
        socket.request(&message)
    });
    if named.is_err() {
        delete(socket, link.index)?;
    }
    named.asked(asked)
}

fn settings(message: &mut Message, ipv4: &[(Ipv4Setting, u32)], no_link_local: bool) {
    message.nested(libc::IFLA_AF_SPEC, |families| {
        if no_link_local {
            families.nested(family_attribute(libc::AF_INET6), |inet6| {
                inet6.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
            });
        }
        if !ipv4.is_empty() {
            families.nested(family_attribute(libc::AF_INET), |inet| {
                inet.nested(IFLA_INET_CONF, |settings| {
                    for (setting, value) in ipv4 {
                        settings.u32(*setting as u16, *value);
                    }
                });
            });
        }
    });
}

/// The value of an interface's IPv4 setting; `None` if there is no such interface, or it has no IPv4.
///
/// # Errors
/// When the kernel could not be asked.
pub fn ipv4_setting(
    socket: &mut Socket,
    index: IfIndex,
    setting: Ipv4Setting,
) -> Result<Option<u32>, NetlinkError> {
    let message = Message::new(libc::RTM_GETLINK, &header(Some(index), 0, 0));
    match socket.get(&message) {
        Ok(replies) => Ok(replies.iter().find_map(|reply| read_setting(&reply, setting))),
        Err(Failure::Refused { errno: Errno::ENODEV, .. }) => Ok(None),
        Err(failure) => Err(failure.asked(format!("get settings of interface number {index}"))),
    }
}

/// The kernel reports all settings as an array of numbers, the first one being number 1.
fn read_setting(reply: &Reply<'_>, setting: Ipv4Setting) -> Option<u32> {
    let (_, attributes) = reply.split::<HEADER>()?;
    let families = attributes.find(libc::IFLA_AF_SPEC)?.nested();
    let inet = families.find(family_attribute(libc::AF_INET))?.nested();
    let values = inet.find(IFLA_INET_CONF)?.value;
    let at = (setting as usize).checked_sub(1)?.checked_mul(4)?;
    Some(u32::from_ne_bytes(*values.get(at..)?.first_chunk()?))
}

/// Deletes an interface; false if there was none.
///
/// # Errors
/// The kernel's refusal.
pub fn delete(socket: &mut Socket, index: IfIndex) -> Result<bool, NetlinkError> {
    let message = Message::new(libc::RTM_DELLINK, &header(Some(index), 0, 0));
    match socket.request(&message) {
        Ok(()) => Ok(true),
        Err(Failure::Refused { errno: Errno::ENODEV, .. }) => Ok(false),
        Err(failure) => Err(failure.asked(format!("delete interface number {index}"))),
    }
}

fn one(
    socket: &mut Socket,
    message: &Message,
    asked: impl FnOnce() -> String,
) -> Result<Option<Link>, NetlinkError> {
    match socket.get(message) {
        Ok(replies) => Ok(replies.iter().find_map(|reply| Link::parse(&reply))),
        Err(Failure::Refused { errno: Errno::ENODEV, .. }) => Ok(None),
        Err(failure) => Err(failure.asked(asked())),
    }
}

/// `struct ifinfomsg`: family, padding, type, index, flags, change mask.
fn header(index: Option<IfIndex>, flags: u32, change: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let (_, rest) = bytes.split_at_mut(4);
    let words = [index.map_or(0, |index| index.0), flags, change];
    for (place, word) in rest.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

fn family_attribute(family: i32) -> u16 {
    u16::try_from(family).unwrap_or(0)
}

#[cfg(test)]
mod tests;
