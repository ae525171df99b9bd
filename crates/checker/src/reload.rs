//! What is the same thing before and after a reload, and what a reload changes. The rules stand in
//! `docs/reload.md`; the pool follows the same ones, through [`virtual_servers`] and [`real_servers`].

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use common::ipvs::DestinationKey;

use crate::plan::{Plan, RealServer, VirtualServer};

/// For each new virtual server the old one it continues: the first that had one of its services and is not
/// taken yet.
pub fn virtual_servers(old: &[Rc<VirtualServer>], new: &[Rc<VirtualServer>]) -> Vec<Option<usize>> {
    let mut owner = BTreeMap::new();
    for (index, server) in old.iter().enumerate() {
        for key in &server.services {
            owner.insert(*key, index);
        }
    }
    let mut taken = BTreeSet::new();
    let mut find = |server: &VirtualServer| {
        let mut owners = server.services.iter().filter_map(|key| owner.get(key).copied());
        owners.find(|index| taken.insert(*index))
    };
    new.iter().map(|server| find(server)).collect()
}

/// For each new real server of a virtual server the old one it continues: the one with its address and port.
pub fn real_servers(old: &VirtualServer, new: &VirtualServer) -> Vec<Option<usize>> {
    let identity = |of: &VirtualServer, server: &RealServer| match of.services.first() {
        Some(service) => server.key(*service),
        None => DestinationKey { address: server.address, port: server.port.unwrap_or(0) },
    };
    let places: BTreeMap<DestinationKey, usize> =
        old.real_servers.iter().enumerate().map(|(index, server)| (identity(old, server), index)).collect();
    new.real_servers.iter().map(|server| places.get(&identity(new, server)).copied()).collect()
}

/// As [`real_servers`], for all members: the sorry server is the same if it has the same address and port.
pub fn members(old: &VirtualServer, new: &VirtualServer) -> Vec<Option<usize>> {
    let mut matched = real_servers(old, new);
    if let Some(sorry) = &new.sorry {
        let same = |old: &&RealServer| (old.address, old.port) == (sorry.address, sorry.port);
        matched.push(old.sorry.as_ref().filter(same).map(|_| old.real_servers.len()));
    }
    matched
}

/// What a reload does to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which object: `tcp 192.0.2.1:80 server 10.0.0.1:80`.
    pub object: String,
    /// What happens to it.
    pub kind: ChangeKind,
    /// In plain words: what is different.
    pub detail: String,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It goes.
    Removed,
    /// It stays and is set differently.
    Changed,
}

impl ChangeKind {
    /// As in the answer to a reload.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// Everything a reload from one plan to another changes.
pub fn changes(old: &Plan, new: &Plan) -> Vec<Change> {
    let mut list = Vec::new();
    if old.ipvs != new.ipvs {
        let detail = format!("ipvs: {} -> {}", old.ipvs, new.ipvs);
        list.push(Change { object: "checker".into(), kind: ChangeKind::Changed, detail });
    }
    if old.table != new.table {
        let detail = "what becomes of the IPVS table as a whole".to_owned();
        list.push(Change { object: "checker".into(), kind: ChangeKind::Changed, detail });
    }
    let matched = virtual_servers(&old.virtual_servers, &new.virtual_servers);
    for (server, from) in new.virtual_servers.iter().zip(&matched) {
        match from.and_then(|from| old.virtual_servers.get(from)) {
            None => {
                let detail = format!("{} real servers", server.real_servers.len());
                list.push(Change { object: name(server), kind: ChangeKind::Added, detail });
            }
            Some(before) if before != server => virtual_server(before, server, &mut list),
            Some(_) => {}
        }
    }
    let kept: BTreeSet<usize> = matched.into_iter().flatten().collect();
    for (index, server) in old.virtual_servers.iter().enumerate() {
        if !kept.contains(&index) {
            let detail = format!("{} real servers", server.real_servers.len());
            list.push(Change { object: name(server), kind: ChangeKind::Removed, detail });
        }
    }
    list
}

/// What a virtual server is called: its first service.
pub fn name(server: &VirtualServer) -> String {
    server.services.first().map_or_else(String::new, ToString::to_string)
}

fn virtual_server(old: &VirtualServer, new: &VirtualServer, list: &mut Vec<Change>) {
    let mut words = Words::default();
    let keys = |server: &VirtualServer| {
        let keys: Vec<String> = server.services.iter().map(ToString::to_string).collect();
        keys.join(", ")
    };
    words.differ("services", &keys(old), &keys(new));
    words.differ("scheduler", &old.service.scheduler, &new.service.scheduler);
    words.noted("scheduler flags", old.service.flags == new.service.flags);
    words.noted("persistence", old.service.persistence == new.service.persistence);
    words.noted("one_packet", old.service.one_packet == new.service.one_packet);
    words.differ("quorum", &old.quorum, &new.quorum);
    words.differ("hysteresis", &old.hysteresis, &new.hysteresis);
    words.noted("sorry server", old.sorry == new.sorry);
    words.differ("backup_below", &old.backup_below, &new.backup_below);
    words.noted("ha_suspend", old.suspend == new.suspend);
    words.differ("notify_on_stop", &old.notify_on_stop, &new.notify_on_stop);
    words.noted("quorum commands", old.on_quorum == new.on_quorum);
    let object = name(new);
    words.changed(object.clone(), list);
    let matched = real_servers(old, new);
    let label = |of: &VirtualServer, server: &RealServer| {
        let key = of.services.first().map(|service| server.key(*service).to_string());
        format!("{object} server {}", key.unwrap_or_default())
    };
    for (server, from) in new.real_servers.iter().zip(&matched) {
        let object = label(new, server);
        match from.and_then(|from| old.real_servers.get(from)) {
            None => {
                let detail = format!("weight {}", server.weight);
                list.push(Change { object, kind: ChangeKind::Added, detail });
            }
            Some(before) => {
                let mut words = Words::default();
                words.differ("weight", &before.weight, &server.weight);
                words.differ("forward", &before.forward, &server.forward);
                words.differ("upper_threshold", &before.upper_threshold, &server.upper_threshold);
                words.differ("lower_threshold", &before.lower_threshold, &server.lower_threshold);
                words.differ("inhibit_on_failure", &before.inhibit_on_failure, &server.inhibit_on_failure);
                words.differ("backup", &before.backup, &server.backup);
                words.noted("drain", before.drain == server.drain);
                words.noted("slow_start", before.slow_start == server.slow_start);
                words.noted("notify commands", before.notify == server.notify);
                words.noted("checks_needed", before.needed == server.needed);
                words.noted("checks", before.checks == server.checks);
                words.changed(object, list);
            }
        }
    }
    let kept: BTreeSet<usize> = matched.into_iter().flatten().collect();
    for (index, server) in old.real_servers.iter().enumerate() {
        if !kept.contains(&index) {
            let object = label(old, server);
            list.push(Change { object, kind: ChangeKind::Removed, detail: String::new() });
        }
    }
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn differ<T: PartialEq + std::fmt::Display>(&mut self, what: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(format!("{what}: {old} -> {new}"));
        }
    }

    fn noted(&mut self, what: &str, same: bool) {
        if !same {
            self.0.push(format!("{what} changed"));
        }
    }

    fn changed(self, object: String, list: &mut Vec<Change>) {
        if !self.0.is_empty() {
            list.push(Change { object, kind: ChangeKind::Changed, detail: self.0.join(", ") });
        }
    }
}

#[cfg(test)]
mod tests;
