//! What a run left behind when everything was killed at once: permanent addresses, routes and rules.
//!
//! A leased address leaves by itself, and what the configuration still names is found by its mark and taken over or
//! removed by the core. What is left is what the configuration no longer names and the kernel keeps: others may use our
//! mark too (another daemon on this machine), so all of it is written down before it is installed, one a line, in the run
//! directory. The lists name what the last two plans may install: what the one before had may still be handed over.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::machine::address::{Lifetime, Options, VirtualAddress};
use crate::machine::event::ObservedLink;
use crate::machine::id::LinkName;
use crate::machine::object::Object;
use crate::plan::Plan;

/// An address on an interface.
type Place = (LinkName, IpAddr);

/// The lists of what a successor is to look for.
#[derive(Debug)]
pub struct Leftovers {
    addresses: List,
    objects: List,
}

/// A file with a line for each.
#[derive(Debug)]
pub(super) struct List {
    file: PathBuf,
    written: Option<String>,
}

impl Leftovers {
    /// The lists in this run directory.
    pub fn new(run_dir: &Path) -> Self {
        Self { addresses: List::new(run_dir, "vrrp.addresses"), objects: List::new(run_dir, "vrrp.objects") }
    }

    /// The addresses that an earlier run wrote down, that are there with our mark, and that nobody wants any more.
    pub fn found(&self, plan: &Plan, picture: &[ObservedLink]) -> Vec<VirtualAddress> {
        stale(&self.addresses.read(), plan, picture)
    }

    /// The routes and rules that an earlier run wrote down, and those of a plan, as they are written.
    pub fn objects(&self, plan: &Plan) -> BTreeSet<String> {
        let now = plan.objects().map(|object| object.key().to_string());
        self.objects.read().lines().map(str::to_owned).chain(now).collect()
    }

    /// Writes down what these plans may install, and what was found of an earlier run.
    pub fn write(&mut self, plans: &[&Plan], found: &[Object]) {
        self.addresses.write(list(plans));
        let planned = plans.iter().flat_map(|plan| plan.objects());
        let listed = planned.chain(found).filter(|object| !matches!(object, Object::Address(_)));
        let lines: BTreeSet<String> = listed.map(|object| format!("{}\n", object.key())).collect();
        self.objects.write(lines.into_iter().collect());
    }

    /// Forgets the lists: everything was removed in order.
    pub fn clear(&mut self) {
        self.write(&[], &[]);
    }
}

impl List {
    /// The file of this name in the run directory.
    pub(super) fn new(run_dir: &Path, name: &str) -> Self {
        Self { file: run_dir.join(name), written: None }
    }

    pub(super) fn read(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }

    pub(super) fn write(&mut self, text: String) {
        if self.written.as_ref() == Some(&text) {
            return;
        }
        let done = if text.is_empty() { self.remove() } else { self.replace(&text) };
        match done {
            Ok(()) => self.written = Some(text),
            Err(error) => log::warn!(
                "what is installed could not be written down, a later run may leave it: {error} file={}",
                self.file.display()
            ),
        }
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let mut fresh = self.file.clone().into_os_string();
        fresh.push(".new");
        std::fs::write(&fresh, text)?;
        std::fs::rename(&fresh, &self.file)
    }

    fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The permanent addresses of plans, one a line.
fn list(plans: &[&Plan]) -> String {
    let instances = plans.iter().flat_map(|plan| &plan.instances);
    let permanent = instances.filter(|instance| instance.lifetime == Lifetime::Forever);
    let places: BTreeSet<Place> = permanent
        .flat_map(|instance| instance.addresses.iter().map(|a| (a.link, a.address)))
        .chain(plans.iter().flat_map(|plan| static_places(plan)))
        .collect();
    places.iter().map(|(link, address)| format!("{link} {address}\n")).collect()
}

fn static_places(plan: &Plan) -> impl Iterator<Item = Place> {
    plan.statics.iter().filter_map(|object| match object {
        Object::Address(address) => Some((address.link, address.address)),
        Object::Route(_) | Object::Rule(_) => None,
    })
}

fn stale(text: &str, plan: &Plan, picture: &[ObservedLink]) -> Vec<VirtualAddress> {
    let wanted = |link: LinkName, address: IpAddr| {
        let mut all = plan.instances.iter().flat_map(|instance| &instance.addresses);
        all.any(|a| (a.link, a.address) == (link, address))
            || static_places(plan).any(|place| place == (link, address))
    };
    let lines = text.lines().filter_map(|line| {
        let (link, address) = line.split_once(' ')?;
        Some((LinkName::new(link)?, address.parse().ok()?))
    });
    let unwanted = lines.filter(|(link, address)| !wanted(*link, *address));
    unwanted
        .filter_map(|(link, address)| {
            let observed = picture.iter().find(|observed| observed.link == link)?;
            let there = observed.addresses.iter().find(|there| there.address == address && there.ours)?;
            Some(VirtualAddress {
                address,
                prefix: there.prefix,
                link,
                label: None,
                scope: None,
                broadcast: None,
                options: Options::default(),
                advertised: false,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
