//! What a configuration wants of the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use checker::checks::Kind;
use common::config::Sources;
use common::config::global::Global;
use common::ipvs::Forward;
use vrrp::plan::{Tracked, Transport};

use super::facts::Place;

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// The files of the configuration, and whether passwords or keys stand in them.
    pub(super) files: Vec<PathBuf>,
    pub(super) secrets: bool,
    /// Interfaces that are named, and by what.
    pub(super) links: BTreeMap<String, BTreeSet<String>>,
    pub(super) instances: Vec<Instance>,
    /// IPVS is programmed.
    pub(super) ipvs: bool,
    pub(super) schedulers: BTreeSet<String>,
    /// Servers that are reached by address translation: of IPv4, of IPv6.
    pub(super) nat: [bool; 2],
    pub(super) scripts: Vec<Script>,
}

/// A virtual router.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) ipv6: bool,
    pub(super) multicast: bool,
    /// Adverts are signed with the time in them.
    pub(super) signed: bool,
    pub(super) virtual_mac: bool,
    pub(super) accept: bool,
    /// Virtual addresses and the interfaces that they are on.
    pub(super) addresses: Vec<Place>,
}

/// Something that is run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Script {
    pub(super) program: String,
    pub(super) user: Option<String>,
}

impl Wants {
    pub(super) fn new(
        sources: &Sources,
        global: &Global,
        vrrp: &vrrp::plan::Plan,
        checker: &checker::plan::Plan,
    ) -> Self {
        let mut wants = Self {
            files: sources.files().iter().map(|file| file.path.clone()).collect(),
            ipvs: checker.ipvs && !checker.virtual_servers.is_empty(),
            ..Self::default()
        };
        let mut scripts = BTreeSet::new();
        wants.read_vrrp(vrrp, &mut scripts);
        wants.read_checker(checker, &mut scripts);
        let user = |script: &mut Script| {
            script.user = script.user.take().or_else(|| global.script_user.as_ref().map(ToString::to_string));
        };
        wants.scripts = scripts.into_iter().collect();
        wants.scripts.iter_mut().for_each(user);
        wants
    }

    fn link(&mut self, name: &str, by: &str) {
        self.links.entry(name.to_owned()).or_default().insert(by.to_owned());
    }

    fn read_vrrp(&mut self, plan: &vrrp::plan::Plan, scripts: &mut BTreeSet<Script>) {
        let ours: BTreeSet<&str> =
            plan.instances.iter().filter_map(|i| Some(i.virtual_mac.as_ref()?.link.as_str())).collect();
        for i in &plan.instances {
            let by = format!("instance {}", i.name);
            let link = i.key.link.as_str();
            let addresses = i.addresses.iter().map(|a| (a.address, a.link.as_str().to_owned()));
            let ways = i.also_via.iter().map(|via| (via.link.as_str(), &via.transport));
            for (link, transport) in ways.chain([(link, &i.transport)]) {
                self.link(link, &by);
                self.instances.push(Instance {
                    name: i.name.to_string(),
                    link: link.to_owned(),
                    ipv6: i.key.family == vrrp::machine::id::Family::Ipv6,
                    multicast: *transport == Transport::Multicast,
                    ..Instance::default()
                });
            }
            // The last one is the instance's own way.
            if let Some(own) = self.instances.last_mut() {
                own.signed = i.keyring.is_some();
                own.virtual_mac = i.virtual_mac.is_some();
                own.accept = i.accept;
                own.addresses = addresses.collect();
            }
            for address in &i.addresses {
                if !ours.contains(address.link.as_str()) {
                    self.link(address.link.as_str(), &by);
                }
            }
            for tracker in &i.trackers {
                if let Tracked::Link(link) = &tracker.what {
                    self.link(link.as_str(), &by);
                }
            }
            self.secrets |= i.keyring.is_some() || i.auth != vrrp::wire::advert::Auth::None;
        }
        let notified = plan.instances.iter().map(|i| &i.notify).chain(plan.groups.iter().map(|g| &g.notify));
        let commands = notified.flat_map(|n| {
            [&n.master, &n.backup, &n.fault, &n.stop, &n.deleted, &n.lower_priority, &n.any]
                .into_iter()
                .flatten()
        });
        for command in commands.chain(plan.scripts.iter().map(|script| &*script.run)) {
            let program = command.argv.first().cloned().unwrap_or_default();
            scripts.insert(Script { program, user: command.user.clone() });
        }
    }

    fn read_checker(&mut self, plan: &checker::plan::Plan, scripts: &mut BTreeSet<Script>) {
        let mut script = |program: &str, user: Option<String>| {
            scripts.insert(Script { program: program.to_owned(), user });
        };
        for server in &plan.virtual_servers {
            self.schedulers.insert(server.service.scheduler.to_string());
            for notify in
                [&server.on_quorum].into_iter().chain(server.members().map(|member| &member.terms.notify))
            {
                for command in [&notify.up, &notify.down].into_iter().flatten() {
                    script(command.program(), None);
                }
            }
            for member in server.members() {
                if member.terms.forward == Forward::Masquerade {
                    let [v4, v6] = &mut self.nat;
                    *(if member.address.is_ipv4() { v4 } else { v6 }) = true;
                }
                for check in &*member.terms.checks {
                    if let Kind::Script(settings) = &check.settings.kind {
                        script(settings.command.program(), settings.user.as_ref().map(ToString::to_string));
                    }
                }
            }
        }
    }
}
