//! What is the same thing before and after a reload, and what a reload changes. The rules stand in
//! `docs/reload.md`; the pool follows the same ones, through [`virtual_servers`] and [`real_servers`].

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use common::change::{self, Traffic};
use common::ipvs::DestinationKey;
use serde_json::Value;

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
    /// What the traffic notices.
    pub traffic: Traffic,
}

impl Change {
    fn new(object: String, kind: ChangeKind, detail: String, traffic: Traffic) -> Self {
        Self { object, kind, detail, traffic }
    }

    /// As in the answer to a reload.
    pub fn told(&self) -> Value {
        change::told(&self.object, self.kind.word(), &self.detail, self.traffic)
    }
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
    /// It is not touched.
    Kept,
}

impl ChangeKind {
    /// As in the answer to a reload.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Kept => "kept",
        }
    }
}

/// Everything a reload from one plan to another changes, and the virtual servers that it leaves alone.
pub fn changes(old: &Plan, new: &Plan) -> Vec<Change> {
    let mut list = Vec::new();
    let mut words = Words::default();
    words.differ(Traffic::All, "ipvs", &old.ipvs, &new.ipvs);
    words.noted(Traffic::New, "timeouts", old.table.timeouts == new.table.timeouts);
    words.noted(Traffic::Untouched, "flush_at_start", old.table.flush_at_start == new.table.flush_at_start);
    words.noted(Traffic::Untouched, "flush_at_stop", old.table.flush_at_stop == new.table.flush_at_stop);
    words.noted(Traffic::Untouched, "script_user", old.script_user == new.script_user);
    words.noted(Traffic::Untouched, "notify_fifo", old.fifos == new.fifos);
    words.changed("checker".to_owned(), &mut list);
    let matched = virtual_servers(&old.virtual_servers, &new.virtual_servers);
    for (server, from) in new.virtual_servers.iter().zip(&matched) {
        match from.and_then(|from| old.virtual_servers.get(from)) {
            None => {
                list.push(Change::new(name(server), ChangeKind::Added, servers(server), Traffic::New));
            }
            Some(before) if before != server => virtual_server(before, server, &mut list),
            Some(_) => {
                list.push(Change::new(name(server), ChangeKind::Kept, servers(server), Traffic::Untouched));
            }
        }
    }
    let kept: BTreeSet<usize> = matched.into_iter().flatten().collect();
    for (index, server) in old.virtual_servers.iter().enumerate() {
        if !kept.contains(&index) {
            list.push(Change::new(name(server), ChangeKind::Removed, servers(server), Traffic::All));
        }
    }
    list
}

fn servers(server: &VirtualServer) -> String {
    match server.real_servers.len() {
        1 => "1 real server".to_owned(),
        count => format!("{count} real servers"),
    }
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
    words.differ(Traffic::All, "services", &keys(old), &keys(new));
    words.differ(Traffic::New, "scheduler", &old.service.scheduler, &new.service.scheduler);
    words.noted(Traffic::New, "scheduler flags", old.service.flags == new.service.flags);
    words.noted(Traffic::New, "persistence", old.service.persistence == new.service.persistence);
    words.noted(Traffic::New, "one_packet", old.service.one_packet == new.service.one_packet);
    words.differ(Traffic::New, "quorum", &old.quorum, &new.quorum);
    words.differ(Traffic::New, "hysteresis", &old.hysteresis, &new.hysteresis);
    let served = if old.sorry.is_some() { Traffic::All } else { Traffic::New };
    words.noted(served, "sorry server", old.sorry == new.sorry);
    words.differ(Traffic::New, "backup_below", &old.backup_below, &new.backup_below);
    words.noted(Traffic::New, "ha_suspend", old.suspend == new.suspend);
    words.differ(Traffic::Untouched, "notify_on_stop", &old.notify_on_stop, &new.notify_on_stop);
    words.noted(Traffic::Untouched, "alert", old.alert == new.alert);
    words.noted(Traffic::Untouched, "quorum commands", old.on_quorum == new.on_quorum);
    let object = name(new);
    let before = list.len();
    words.changed(object.clone(), list);
    real_server_changes(&object, old, new, list);
    if list.len() == before {
        // Only the order of its servers differs.
        list.push(Change::new(object, ChangeKind::Kept, servers(new), Traffic::Untouched));
    }
}

fn real_server_changes(object: &str, old: &VirtualServer, new: &VirtualServer, list: &mut Vec<Change>) {
    let matched = real_servers(old, new);
    let label = |of: &VirtualServer, server: &RealServer| {
        let key = of.services.first().map(|service| server.key(*service).to_string());
        format!("{object} server {}", key.unwrap_or_default())
    };
    let mut untouched = Vec::new();
    let first = list.len();
    for (server, from) in new.real_servers.iter().zip(&matched) {
        let object = label(new, server);
        match from.and_then(|from| old.real_servers.get(from)) {
            None => {
                let detail = format!("weight {}", server.weight);
                list.push(Change::new(object, ChangeKind::Added, detail, Traffic::New));
            }
            Some(before) => {
                let words = real_server(before, server);
                if words.0.is_empty() {
                    untouched.push(Change::new(object, ChangeKind::Kept, String::new(), Traffic::Untouched));
                } else {
                    words.changed(object, list);
                }
            }
        }
    }
    let kept: BTreeSet<usize> = matched.into_iter().flatten().collect();
    for (index, server) in old.real_servers.iter().enumerate() {
        if !kept.contains(&index) {
            // One that drains keeps its connections.
            let traffic = if server.terms.drain.is_zero() { Traffic::All } else { Traffic::New };
            list.push(Change::new(label(old, server), ChangeKind::Removed, String::new(), traffic));
        }
    }
    // Of a virtual server that is touched, also those that are not.
    if list.len() > first {
        list.append(&mut untouched);
    }
}

fn real_server(old: &RealServer, new: &RealServer) -> Words {
    let mut words = Words::default();
    words.differ(Traffic::New, "weight", &old.weight, &new.weight);
    let (old, new) = (&old.terms, &new.terms);
    words.differ(Traffic::All, "forward", &old.forward, &new.forward);
    words.differ(Traffic::New, "upper_threshold", &old.upper_threshold, &new.upper_threshold);
    words.differ(Traffic::New, "lower_threshold", &old.lower_threshold, &new.lower_threshold);
    words.differ(Traffic::Untouched, "inhibit_on_failure", &old.inhibit_on_failure, &new.inhibit_on_failure);
    words.differ(Traffic::New, "backup", &old.backup, &new.backup);
    words.noted(Traffic::Untouched, "drain", old.drain == new.drain);
    words.noted(Traffic::New, "slow_start", old.slow_start == new.slow_start);
    words.noted(Traffic::Untouched, "alert", old.alert == new.alert);
    words.noted(Traffic::Untouched, "notify commands", old.notify == new.notify);
    words.noted(Traffic::New, "checks_needed", old.needed == new.needed);
    words.noted(Traffic::New, "checks", old.checks == new.checks);
    words
}

#[derive(Default)]
struct Words(Vec<String>, Traffic);

impl Words {
    fn differ<T: PartialEq + std::fmt::Display>(&mut self, traffic: Traffic, what: &str, old: &T, new: &T) {
        if old != new {
            self.push(traffic, format!("{what}: {old} -> {new}"));
        }
    }

    fn noted(&mut self, traffic: Traffic, what: &str, same: bool) {
        if !same {
            self.push(traffic, format!("{what} changed"));
        }
    }

    fn push(&mut self, traffic: Traffic, words: String) {
        self.0.push(words);
        self.1 = self.1.max(traffic);
    }

    fn changed(self, object: String, list: &mut Vec<Change>) {
        if !self.0.is_empty() {
            list.push(Change::new(object, ChangeKind::Changed, self.0.join(", "), self.1));
        }
    }
}

#[cfg(test)]
mod tests;
