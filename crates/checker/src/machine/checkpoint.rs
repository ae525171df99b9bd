//! The state a successor needs: every verdict. Written whole whenever one changes, a few bytes per check,
//! so that a checker that is killed at any moment leaves behind what it knew.
//!
//! Checks, servers and services are named by a 64-bit fingerprint of what identifies them, so a checkpoint
//! fits a configuration that has changed since: what is still there finds its verdict.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

use common::ipvs::{Checksum, Forward, Tunnel};
use common::steer::Origin;

use super::steer::Order;
use crate::checks::Weight;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// Checks that have judged.
    pub(super) checks: BTreeMap<u64, Saved>,
    /// Whether servers are alive.
    pub(super) servers: BTreeMap<u64, Saved>,
    /// Whether virtual servers have their quorum.
    pub(super) services: BTreeMap<u64, Saved>,
    /// Who keeps its connections for a while.
    pub(super) leaving: Vec<SavedLeaving>,
    /// What operators have ordered.
    pub(super) orders: Vec<SavedOrder>,
}

/// One verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) up: bool,
    /// What a check made of the weight.
    pub(super) weight: Option<Weight>,
    /// Of a check: the verdict is old, the first outcome decides. Of a server: it was never alive.
    pub(super) early: bool,
    /// Of a server: since when it grows back, in nanoseconds since boot.
    pub(super) ramp: Option<u64>,
}

/// One server on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SavedLeaving {
    /// Its virtual server.
    pub(super) service: u64,
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
    pub(super) forward: Forward,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    /// In nanoseconds since boot.
    pub(super) until: u64,
}

/// An operator's order that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SavedOrder {
    /// For which server.
    pub(super) server: u64,
    pub(super) order: Order,
    /// In nanoseconds since boot.
    pub(super) until: Option<u64>,
    pub(super) origin: Origin,
}

const VERSION: u8 = 4;
/// The one before had no orders.
const WITHOUT_ORDERS: u8 = 3;
const UP: u8 = 1;
const SET: u8 = 2;
const ADD: u8 = 4;
const EARLY: u8 = 8;
const RAMP: u8 = 16;
/// Of an order: it ends by itself.
const TIMED: u8 = 16;

/// A checkpoint being written: the checks, the servers and the services, then who is leaving, and what was ordered.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// `entries` is about how many there will be.
    pub(super) fn new(entries: usize) -> Self {
        let mut out = Vec::with_capacity(17 + entries * 9);
        out.push(VERSION);
        Self(out)
    }

    /// Adds the next of the three parts that have names.
    pub(super) fn part(&mut self, entries: impl Iterator<Item = (u64, Saved)>) {
        self.counted(entries, |(name, saved), out| {
            out.extend_from_slice(&name.to_le_bytes());
            saved.encode(out);
        });
    }

    /// Adds who is leaving.
    pub(super) fn leaving(&mut self, leaving: impl Iterator<Item = SavedLeaving>) {
        self.counted(leaving, |leaving, out| leaving.encode(out));
    }

    /// Adds the last part.
    pub(super) fn finish(mut self, orders: impl Iterator<Item = SavedOrder>) -> Vec<u8> {
        self.counted(orders, |order, out| order.encode(out));
        self.0
    }

    fn counted<T>(&mut self, entries: impl Iterator<Item = T>, encode: impl Fn(T, &mut Vec<u8>)) {
        let Self(out) = self;
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let mut count = 0_u32;
        for entry in entries {
            count = count.saturating_add(1);
            encode(entry, out);
        }
        if let Some(place) = out.get_mut(start..).and_then(|part| part.first_chunk_mut()) {
            *place = count.to_le_bytes();
        }
    }
}

impl Checkpoint {
    /// None where the bytes are of another version or cut short: then nothing is known.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let [version] = take(&mut bytes)?;
        if version != VERSION && version != WITHOUT_ORDERS {
            return None;
        }
        let mut part = || {
            let mut part = BTreeMap::new();
            for _ in 0..u32::from_le_bytes(take(&mut bytes)?) {
                let name = u64::from_le_bytes(take(&mut bytes)?);
                part.insert(name, Saved::decode(&mut bytes)?);
            }
            Some(part)
        };
        let (checks, servers, services) = (part()?, part()?, part()?);
        let mut leaving = Vec::new();
        for _ in 0..u32::from_le_bytes(take(&mut bytes)?) {
            leaving.push(SavedLeaving::decode(&mut bytes)?);
        }
        let mut orders = Vec::new();
        if version == VERSION {
            for _ in 0..u32::from_le_bytes(take(&mut bytes)?) {
                orders.push(SavedOrder::decode(&mut bytes)?);
            }
        }
        Some(Self { checks, servers, services, leaving, orders })
    }

    #[cfg(test)]
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(0);
        for part in [&self.checks, &self.servers, &self.services] {
            writer.part(part.iter().map(|(name, saved)| (*name, *saved)));
        }
        writer.leaving(self.leaving.iter().copied());
        writer.finish(self.orders.iter().cloned())
    }
}

impl Saved {
    fn encode(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let kind = match self.weight {
            None => 0,
            Some(Weight::Set(_)) => SET,
            Some(Weight::Add(_)) => ADD,
        };
        out.push(flag(self.up, UP) | kind | flag(self.early, EARLY) | flag(self.ramp.is_some(), RAMP));
        match self.weight {
            None => {}
            Some(Weight::Set(weight)) => out.extend_from_slice(&weight.to_le_bytes()),
            Some(Weight::Add(weight)) => out.extend_from_slice(&weight.to_le_bytes()),
        }
        if let Some(ramp) = self.ramp {
            out.extend_from_slice(&ramp.to_le_bytes());
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let [flags] = take(bytes)?;
        let weight = if flags & SET != 0 {
            Some(Weight::Set(u32::from_le_bytes(take(bytes)?)))
        } else if flags & ADD != 0 {
            Some(Weight::Add(i64::from_le_bytes(take(bytes)?)))
        } else {
            None
        };
        let ramp = if flags & RAMP != 0 { Some(u64::from_le_bytes(take(bytes)?)) } else { None };
        Some(Self { up: flags & UP != 0, weight, early: flags & EARLY != 0, ramp })
    }
}

impl SavedLeaving {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.service.to_le_bytes());
        let (family, address) = match self.address {
            IpAddr::V4(v4) => (4, v4.to_ipv6_mapped()),
            IpAddr::V6(v6) => (6, v6),
        };
        out.push(family);
        out.extend_from_slice(&address.octets());
        // 0 is no port of a server.
        out.extend_from_slice(&self.port.unwrap_or(0).to_le_bytes());
        let sum = |checksum: Checksum| match checksum {
            Checksum::None => 0,
            Checksum::Plain => 1,
            Checksum::Remote => 2,
        };
        let (method, sum, port) = match self.forward {
            Forward::Masquerade => (0, 0, 0),
            Forward::DirectRoute => (1, 0, 0),
            Forward::Tunnel(Tunnel::Ipip) => (2, 0, 0),
            Forward::Tunnel(Tunnel::Gue { port, checksum }) => (3, sum(checksum), port),
            Forward::Tunnel(Tunnel::Gre { checksum }) => (4, sum(checksum), 0),
            Forward::Local => (5, 0, 0),
            Forward::Bypass => (6, 0, 0),
        };
        out.extend_from_slice(&[method, sum]);
        out.extend_from_slice(&u16::to_le_bytes(port));
        out.extend_from_slice(&self.upper_threshold.to_le_bytes());
        out.extend_from_slice(&self.lower_threshold.to_le_bytes());
        out.extend_from_slice(&self.until.to_le_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let service = u64::from_le_bytes(take(bytes)?);
        let [family] = take(bytes)?;
        let address = Ipv6Addr::from(take::<16>(bytes)?);
        let address = match family {
            4 => IpAddr::V4(address.to_ipv4_mapped()?),
            6 => IpAddr::V6(address),
            _ => return None,
        };
        let port = Some(u16::from_le_bytes(take(bytes)?)).filter(|port| *port != 0);
        let [method, sum] = take(bytes)?;
        let gue = u16::from_le_bytes(take(bytes)?);
        let checksum = match sum {
            0 => Checksum::None,
            1 => Checksum::Plain,
            2 => Checksum::Remote,
            _ => return None,
        };
        let forward = match method {
            0 => Forward::Masquerade,
            1 => Forward::DirectRoute,
            2 => Forward::Tunnel(Tunnel::Ipip),
            3 => Forward::Tunnel(Tunnel::Gue { port: gue, checksum }),
            4 => Forward::Tunnel(Tunnel::Gre { checksum }),
            5 => Forward::Local,
            6 => Forward::Bypass,
            _ => return None,
        };
        let number = |bytes: &mut &[u8]| take(bytes).map(u32::from_le_bytes);
        let (upper_threshold, lower_threshold) = (number(bytes)?, number(bytes)?);
        let until = u64::from_le_bytes(take(bytes)?);
        Some(Self { service, address, port, forward, upper_threshold, lower_threshold, until })
    }
}

impl SavedOrder {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.server.to_le_bytes());
        let (kind, weight) = match self.order {
            Order::Drain => (1, 0),
            Order::Disable => (2, 0),
            Order::Force => (3, 0),
            Order::Weight(weight) => (4, weight),
            // These are never in force.
            Order::Enable | Order::Release => (0, 0),
        };
        out.push(kind | if self.until.is_some() { TIMED } else { 0 });
        out.extend_from_slice(&u32::to_le_bytes(weight));
        out.extend_from_slice(&self.until.unwrap_or_default().to_le_bytes());
        self.origin.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let server = u64::from_le_bytes(take(bytes)?);
        let [kind] = take(bytes)?;
        let weight = u32::from_le_bytes(take(bytes)?);
        let until = u64::from_le_bytes(take(bytes)?);
        let origin = Origin::decode(bytes)?;
        let order = match kind & !TIMED {
            1 => Order::Drain,
            2 => Order::Disable,
            3 => Order::Force,
            4 => Order::Weight(weight),
            _ => return None,
        };
        Some(Self { server, order, until: (kind & TIMED != 0).then_some(until), origin })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(*head)
}

/// FNV-1a: the same in every process, unlike the standard hasher.
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The fingerprint of what identifies something.
pub(super) fn identity(of: &impl Hash) -> u64 {
    let mut hasher = Fingerprint(0xcbf2_9ce4_8422_2325);
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part() -> impl Strategy<Value = BTreeMap<u64, Saved>> {
        let weight = prop_oneof![
            Just(None),
            any::<u32>().prop_map(|weight| Some(Weight::Set(weight))),
            any::<i64>().prop_map(|weight| Some(Weight::Add(weight))),
        ];
        let saved = (any::<bool>(), weight, any::<bool>(), any::<Option<u64>>());
        let saved = saved.prop_map(|(up, weight, early, ramp)| Saved { up, weight, early, ramp });
        prop::collection::btree_map(any::<u64>(), saved, 0..20)
    }

    fn leaving() -> impl Strategy<Value = Vec<SavedLeaving>> {
        let checksum = prop_oneof![Just(Checksum::None), Just(Checksum::Plain), Just(Checksum::Remote)];
        let tunnel = (any::<u16>(), checksum.clone())
            .prop_map(|(port, checksum)| Forward::Tunnel(Tunnel::Gue { port, checksum }));
        let forward = prop_oneof![
            Just(Forward::Masquerade),
            Just(Forward::DirectRoute),
            Just(Forward::Tunnel(Tunnel::Ipip)),
            checksum.prop_map(|checksum| Forward::Tunnel(Tunnel::Gre { checksum })),
            tunnel,
        ];
        let address =
            prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from),];
        let parts = (any::<u64>(), address, 0_u16.., forward, any::<[u32; 2]>(), any::<u64>());
        let one = parts.prop_map(|(service, address, port, forward, [upper, lower], until)| SavedLeaving {
            service,
            address,
            port: Some(port).filter(|port| *port != 0),
            forward,
            upper_threshold: upper,
            lower_threshold: lower,
            until,
        });
        prop::collection::vec(one, 0..5)
    }

    fn orders() -> impl Strategy<Value = Vec<SavedOrder>> {
        let order = prop_oneof![
            Just(Order::Drain),
            Just(Order::Disable),
            Just(Order::Force),
            any::<u32>().prop_map(Order::Weight),
        ];
        let name = any::<Option<String>>;
        let origin = (any::<Option<u32>>(), name(), name(), any::<String>());
        let origin =
            origin.prop_map(|(uid, user, sudo_user, reason)| Origin { uid, user, sudo_user, at: 7, reason });
        let one = (any::<u64>(), order, any::<Option<u64>>(), origin);
        let one = one.prop_map(|(server, order, until, origin)| SavedOrder { server, order, until, origin });
        prop::collection::vec(one, 0..5)
    }

    /// As the version before wrote it.
    #[test]
    fn a_checkpoint_without_orders_is_understood() {
        let checks = BTreeMap::from([(7, Saved { up: true, ..Saved::default() })]);
        let checkpoint = Checkpoint { checks, ..Checkpoint::default() };
        let mut bytes = checkpoint.encode();
        bytes[0] = WITHOUT_ORDERS;
        bytes.truncate(bytes.len() - 4);
        assert_eq!(Checkpoint::decode(&bytes), Some(checkpoint));
    }

    proptest! {
        #[test]
        fn what_was_saved_is_read_back(
            checks in part(), servers in part(), services in part(), leaving in leaving(), orders in orders(),
        ) {
            let checkpoint = Checkpoint { checks, servers, services, leaving, orders };
            prop_assert_eq!(Checkpoint::decode(&checkpoint.encode()), Some(checkpoint));
        }

        #[test]
        fn anything_else_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _any = Checkpoint::decode(&bytes);
        }

        #[test]
        fn what_is_cut_short_is_refused(checks in part(), cut in 1_usize..50) {
            let checkpoint = Checkpoint { checks, ..Checkpoint::default() };
            let bytes = checkpoint.encode();
            let end = bytes.len().saturating_sub(cut);
            prop_assert_eq!(Checkpoint::decode(&bytes[..end]), None);
        }
    }
}
