//! Permanent addresses of ours that a run left behind when everything was killed at once.
//!
//! A leased address leaves by itself, and what the configuration still names is found by its mark and taken over or
//! removed by the core. What is left is an address without lease that the configuration no longer names: others may use
//! our mark too (another daemon on this machine), so every permanent address is written down before it is installed,
//! one a line, in the run directory.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::machine::address::{Lifetime, Options, VirtualAddress};
use crate::machine::event::ObservedLink;
use crate::machine::id::LinkName;
use crate::plan::Plan;

/// An address on an interface.
type Place = (LinkName, IpAddr);

/// The list of permanent addresses.
#[derive(Debug)]
pub struct Leftovers {
    file: PathBuf,
    written: Option<String>,
}

impl Leftovers {
    /// The list in this run directory.
    pub fn new(run_dir: &Path) -> Self {
        Self { file: run_dir.join("vrrp.addresses"), written: None }
    }

    /// The addresses that an earlier run wrote down, that are there with our mark, and that nobody wants any more.
    pub fn found(&self, plan: &Plan, picture: &[ObservedLink]) -> Vec<VirtualAddress> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        stale(&text, plan, picture)
    }

    /// Writes down what a plan may install.
    pub fn write(&mut self, plan: &Plan) {
        let text = list(plan);
        if self.written.as_ref() == Some(&text) {
            return;
        }
        let done = if text.is_empty() { self.remove() } else { self.replace(&text) };
        match done {
            Ok(()) => self.written = Some(text),
            Err(error) => log::warn!(
                "permanent addresses not written down, a later run may leave them: {error} file={}",
                self.file.display()
            ),
        }
    }

    /// Forgets the list: every address was removed in order.
    pub fn clear(&mut self) {
        self.write(&Plan::default());
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let fresh = self.file.with_extension("new");
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

/// The permanent addresses of a plan, one a line.
fn list(plan: &Plan) -> String {
    let permanent = plan.instances.iter().filter(|instance| instance.lifetime == Lifetime::Forever);
    let places: BTreeSet<Place> =
        permanent.flat_map(|instance| &instance.addresses).map(|a| (a.link, a.address)).collect();
    places.iter().map(|(link, address)| format!("{link} {address}\n")).collect()
}

fn stale(text: &str, plan: &Plan, picture: &[ObservedLink]) -> Vec<VirtualAddress> {
    let wanted = |link: LinkName, address: IpAddr| {
        let all = plan.instances.iter().flat_map(|instance| &instance.addresses);
        all.into_iter().any(|a| (a.link, a.address) == (link, address))
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
