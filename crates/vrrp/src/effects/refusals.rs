//! Packets for addresses that take none (`accept = false`): dropped by a table of ours in the kernel's packet filter.
//!
//! The table is there while there is something to drop. It has no lifetime in the kernel as addresses have: what a
//! killed run left is replaced or removed by the next one, and until then it matters only to who puts the very address
//! on this machine by hand. Its name has the run directory in it, so that every daemon of a machine has its own; that
//! there may be one is written down in the run directory, so that nobody needs to ask a kernel without packet filter.
//!
//! Somebody who flushes all rules (a firewall that starts) takes ours along: the kernel tells, and they come back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::event_loop::{Drained, Interest, Registration, Registry};
use common::netlink::filter::{self, Monitor, Seen};
use common::netlink::{Asked, Failure, NetlinkError, Protocol, Socket};

use crate::machine::event::Event;
use crate::machine::id::InstanceId;

/// After a failure it is tried again in this time.
const RETRY: Duration = Duration::from_secs(10);
/// How many datagrams are read before others have their turn.
const BUDGET: usize = 64;
/// The kernel's limit for a table's name, without the closing zero.
const LONGEST_NAME: usize = 255;

/// The table, and what is wanted of it.
#[derive(Debug)]
pub struct Refusals<K: Copy> {
    table: String,
    /// There while there may be a table.
    note: PathBuf,
    wanted: BTreeMap<InstanceId, BTreeSet<IpAddr>>,
    there: Table,
    open: Option<Open<K>>,
    retry: Option<Instant>,
    key: K,
    registry: Registry<K>,
}

/// What is known of the table.
#[derive(Debug, PartialEq, Eq)]
enum Table {
    /// Whatever an earlier run left.
    Unknown,
    /// There is none.
    Missing,
    /// With these addresses.
    Made(BTreeSet<IpAddr>),
}

#[derive(Debug)]
struct Open<K: Copy> {
    _registration: Registration<K>,
    monitor: Monitor,
    socket: Socket,
}

impl<K: Copy> Refusals<K> {
    /// For the daemon in this run directory. What the kernel reports becomes readable under `key`.
    pub fn new(run_dir: &Path, key: K, registry: &Registry<K>) -> Self {
        let note = run_dir.join("vrrp.filter");
        let there = if note.exists() { Table::Unknown } else { Table::Missing };
        Self {
            table: name(run_dir),
            note,
            wanted: BTreeMap::new(),
            there,
            open: None,
            retry: None,
            key,
            registry: registry.clone(),
        }
    }

    /// An instance wants these refused, and no others any more. Takes effect with [`Self::before`] and [`Self::after`].
    pub(super) fn want(&mut self, instance: InstanceId, addresses: Vec<IpAddr>) {
        if addresses.is_empty() {
            self.wanted.remove(&instance);
        } else {
            self.wanted.insert(instance, addresses.into_iter().collect());
        }
    }

    /// Before addresses are put up: what is to be refused is.
    pub(super) fn before(&mut self, now: Instant, news: &mut Vec<Event<'static>>) {
        let wanted = self.all();
        let done = match &self.there {
            _ if wanted.is_empty() => return,
            Table::Unknown | Table::Missing => self.replace(wanted),
            Table::Made(there) => {
                let more: Vec<IpAddr> = wanted.difference(there).copied().collect();
                if more.is_empty() {
                    return;
                }
                self.add(&more).or_else(|_| self.replace(wanted))
            }
        };
        self.outcome(done, now, news);
    }

    /// After addresses were taken away: what is not to be refused is not.
    pub(super) fn after(&mut self, now: Instant, news: &mut Vec<Event<'static>>) {
        let wanted = self.all();
        let done = match &self.there {
            Table::Unknown | Table::Missing => return,
            Table::Made(_) if wanted.is_empty() => self.remove(),
            Table::Made(there) => {
                let fewer: Vec<IpAddr> = there.difference(&wanted).copied().collect();
                if fewer.is_empty() {
                    return;
                }
                self.take(&fewer).or_else(|_| self.replace(wanted))
            }
        };
        self.outcome(done, now, news);
    }

    /// After the start: what an earlier run left and this one has no use for is removed.
    pub(super) fn settle(&mut self, now: Instant, news: &mut Vec<Event<'static>>) {
        if self.there == Table::Unknown && self.wanted.is_empty() {
            let done = self.remove();
            self.outcome(done, now, news);
        }
    }

    /// The kernel reports something.
    pub fn ready(&mut self, now: Instant, news: &mut Vec<Event<'static>>) -> Drained {
        let mut doubt = false;
        for _ in 0..BUDGET {
            let Some(open) = &mut self.open else { return Drained::Yes };
            match open.monitor.read(&self.table) {
                Ok(Seen::Doubt) => doubt = true,
                Ok(Seen::Others) => {}
                Ok(Seen::Nothing) => {
                    if doubt {
                        self.check(now, news);
                    }
                    return Drained::Yes;
                }
                Err(failure) => {
                    // Opened anew with the next change.
                    log::warn!("cannot read what the packet filter reports: {failure}");
                    self.open = None;
                    return Drained::Yes;
                }
            }
        }
        if doubt {
            self.check(now, news);
        }
        Drained::More
    }

    /// When [`Self::timeout`] has something to do.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.retry
    }

    /// Tries again what failed.
    pub fn timeout(&mut self, now: Instant, news: &mut Vec<Event<'static>>) {
        if self.retry.is_some_and(|due| due <= now) {
            self.retry = None;
            self.before(now, news);
            self.after(now, news);
            self.settle(now, news);
        }
    }

    fn check(&mut self, now: Instant, news: &mut Vec<Event<'static>>) {
        let Table::Made(_) = self.there else { return };
        let Some(open) = &mut self.open else { return };
        match filter::exists(&mut open.socket, &self.table) {
            Ok(true) => {}
            Ok(false) => {
                log::warn!(
                    "somebody removed a packet filter table of ours, putting it back table={}",
                    self.table
                );
                self.there = Table::Missing;
                self.before(now, news);
            }
            Err(error) => self.outcome(Err(error), now, news),
        }
    }

    fn all(&self) -> BTreeSet<IpAddr> {
        self.wanted.values().flatten().copied().collect()
    }

    fn outcome(&mut self, done: Result<(), NetlinkError>, now: Instant, news: &mut Vec<Event<'static>>) {
        let Err(error) = done else {
            self.retry = None;
            return;
        };
        self.there = Table::Unknown;
        self.retry = Some(now + RETRY);
        if self.wanted.is_empty() {
            log::warn!("a packet filter table of ours is left, trying again: {error}");
        }
        for instance in self.wanted.keys() {
            let error = format!("packets for its addresses are taken in spite of accept = false: {error}");
            news.push(Event::GuardFailed { instance: *instance, error });
        }
    }

    fn replace(&mut self, wanted: BTreeSet<IpAddr>) -> Result<(), NetlinkError> {
        if let Err(error) = std::fs::write(&self.note, format!("inet {}\n", self.table)) {
            log::warn!(
                "packet filter table not written down, a later run may leave it: {error} file={}",
                self.note.display()
            );
        }
        let Self { table, .. } = self;
        let table = table.clone();
        filter::replace(self.socket()?, &table, &wanted)?;
        self.there = Table::Made(wanted);
        Ok(())
    }

    fn add(&mut self, more: &[IpAddr]) -> Result<(), NetlinkError> {
        let table = self.table.clone();
        filter::add(self.socket()?, &table, more)?;
        if let Table::Made(there) = &mut self.there {
            there.extend(more);
        }
        Ok(())
    }

    fn take(&mut self, fewer: &[IpAddr]) -> Result<(), NetlinkError> {
        let table = self.table.clone();
        filter::take(self.socket()?, &table, fewer)?;
        if let Table::Made(there) = &mut self.there {
            there.retain(|address| !fewer.contains(address));
        }
        Ok(())
    }

    fn remove(&mut self) -> Result<(), NetlinkError> {
        let table = self.table.clone();
        if filter::remove(self.socket()?, &table)? && self.there == Table::Unknown {
            log::warn!("removed a packet filter table that an earlier run left behind table={table}");
        }
        self.there = Table::Missing;
        self.open = None;
        match std::fs::remove_file(&self.note) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("{error} file={}", self.note.display());
            }
            Ok(()) | Err(_) => {}
        }
        Ok(())
    }

    fn socket(&mut self) -> Result<&mut Socket, NetlinkError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(self.key, &self.registry).asked(|| "open the packet filter")?,
        };
        Ok(&mut self.open.insert(open).socket)
    }
}

impl<K: Copy> Open<K> {
    fn new(key: K, registry: &Registry<K>) -> Result<Self, Failure> {
        let monitor = Monitor::open()?;
        let registration = registry.add(&monitor, key, Interest::Read).map_err(|error| {
            let errno = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0));
            Failure::Socket { call: "register", errno }
        })?;
        Ok(Self { _registration: registration, monitor, socket: Socket::open(Protocol::Netfilter)? })
    }
}

/// `holdfast-/run/holdfast`: letters, digits and what else `nft` takes in a name; the rest in hexadecimal.
fn name(run_dir: &Path) -> String {
    let mut name = "holdfast-".to_owned();
    for byte in run_dir.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-.".contains(byte) {
            name.push(char::from(*byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(name, "_{byte:02x}");
        }
    }
    name.truncate(LONGEST_NAME);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_s_name_is_one_that_nft_takes_and_no_other_directory_has() {
        assert_eq!(name(Path::new("/run/holdfast")), "holdfast-/run/holdfast");
        assert_eq!(name(Path::new("/run/hold fast")), "holdfast-/run/hold_20fast");
        assert_ne!(name(Path::new("/run/a_20b")), name(Path::new("/run/a b")));
        assert_eq!(name(Path::new(&"x".repeat(400))).len(), LONGEST_NAME);
    }
}
