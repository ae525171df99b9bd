//! `[vrrp.ipvs_sync]`: directors tell each other of the connections they balance.

use std::net::{IpAddr, Ipv4Addr};

use common::config::{Diagnostics, IfName, Located, Table};

use super::instance::Read;
use super::parts::link_name;
use super::read::unknown_instance;
use crate::machine::id::Key;
use crate::machine::ipvs_sync::SyncSettings;

/// The kernel's group, where none is told.
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
const PORT: u16 = 8848;

/// The daemons for connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpvsSyncPlan {
    /// The instance whose state they follow; both run all the time where there is none.
    pub instance: Option<Key>,
    /// How they talk.
    pub settings: SyncSettings,
}

/// Reads the table, when the instances are known.
pub(super) fn read(mut table: Table<'_>, read: &[Read], d: &mut Diagnostics) -> Option<IpvsSyncPlan> {
    let interface = table.required::<IfName>("interface", d);
    let instance = table.optional::<String>("instance", d);
    let id = table.within("id", &(0..=u8::MAX), d).map(|id| id.value);
    let max_length = table.within("max_length", &(64..=65_507_u16), d).map(|length| length.value);
    let group = table.optional::<IpAddr>("group", d);
    let port = table.within_or("port", &(1..=u16::MAX), PORT, d);
    let ttl = table.within_or("ttl", &(1..=u8::MAX), 1, d);
    table.finish(d);
    if let Some(group) = group.as_ref().filter(|group| !group.value.is_multicast()) {
        d.error(group.span, format!("`group`: {} is no multicast address", group.value))
            .hint("such as \"224.0.0.81\" or \"ff02::81\"");
    }
    let instance = match instance {
        None => None,
        Some(name) => Some(followed(&name, read, d)?),
    };
    let id = id.or_else(|| instance.map(|key| key.vrid.get())).unwrap_or(0);
    let group = group.map_or(GROUP, |group| group.value);
    let settings = SyncSettings { link: link_name(&interface?, d)?, id, max_length, group, port, ttl };
    Some(IpvsSyncPlan { instance, settings })
}

fn followed(name: &Located<String>, read: &[Read], d: &mut Diagnostics) -> Option<Key> {
    let Some(found) = read.iter().find(|r| r.name.value == name.value) else {
        unknown_instance(name, read, d);
        return None;
    };
    found.plan.as_ref().map(|plan| plan.key)
}
