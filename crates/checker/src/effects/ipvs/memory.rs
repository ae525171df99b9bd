//! How long the kernel remembers connections: set as configured, kept so, and at the end as it was before.
//!
//! What it was before is written down in the run directory, for whoever comes after a process that was killed.

use std::io;
use std::path::{Path, PathBuf};

use common::ipvs::Timeouts;
use common::netlink::NetlinkError;

use super::Kernel;

/// The file's name in the run directory.
const NAME: &str = "ipvs.timeouts";

/// The timeouts.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    /// What is to be; 0: what was before.
    wanted: Timeouts,
    /// What was before; none while nothing of it was changed.
    before: Option<Timeouts>,
    /// What we have set.
    set: Option<Timeouts>,
}

/// The one, or the other where it says nothing.
fn over(wanted: Timeouts, before: Timeouts) -> Timeouts {
    let or = |wanted: u32, before: u32| if wanted == 0 { before } else { wanted };
    Timeouts {
        tcp: or(wanted.tcp, before.tcp),
        tcp_fin: or(wanted.tcp_fin, before.tcp_fin),
        udp: or(wanted.udp, before.udp),
    }
}

impl Memory {
    pub(super) fn new(run_dir: &Path) -> Self {
        let path = run_dir.join(NAME);
        let before = read(&path).unwrap_or_else(|error| {
            log::warn!("cannot read how IPVS was set before file={} error=\"{error}\"", path.display());
            None
        });
        Self { path, wanted: Timeouts::default(), before, set: None }
    }

    pub(super) fn want(&mut self, wanted: Timeouts) {
        self.wanted = wanted;
    }

    /// Sets what differs. True where another program had changed it.
    pub(super) fn settle(&mut self, kernel: &mut impl Kernel) -> Result<bool, NetlinkError> {
        if self.wanted == Timeouts::default() && self.before.is_none() {
            return Ok(false);
        }
        let found = kernel.timeouts()?;
        let first = self.before.is_none();
        let wanted = over(self.wanted, *self.before.get_or_insert(found));
        if first && let Err(error) = write(&self.path, found) {
            let path = self.path.display();
            log::warn!("cannot write down how IPVS was set before file={path} error=\"{error}\"");
        }
        let changed = self.set.is_some_and(|set| set != found);
        if changed {
            log::warn!("another program changed how long IPVS remembers connections: repairing");
        }
        if found != wanted {
            kernel.set_timeouts(wanted)?;
        }
        if self.set.replace(wanted) == Some(wanted) || found == wanted {
            return Ok(changed);
        }
        let Timeouts { tcp, tcp_fin, udp } = wanted;
        log::info!("IPVS remembers connections so long tcp={tcp}s tcp_fin={tcp_fin}s udp={udp}s");
        Ok(changed)
    }

    /// As it was before.
    pub(super) fn restore(&mut self, kernel: &mut impl Kernel) -> Result<(), NetlinkError> {
        self.wanted = Timeouts::default();
        self.settle(kernel)?;
        self.before = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("cannot remove file={} error=\"{error}\"", self.path.display());
            }
            Ok(()) | Err(_) => {}
        }
        Ok(())
    }
}

/// Three numbers: tcp, tcp_fin, udp. A file that says something else says nothing.
fn read(path: &Path) -> io::Result<Option<Timeouts>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let numbers: Vec<u32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [tcp, tcp_fin, udp] = numbers[..] else { return Ok(None) };
    Ok(Some(Timeouts { tcp, tcp_fin, udp }))
}

fn write(path: &Path, before: Timeouts) -> io::Result<()> {
    let fresh = path.with_extension("timeouts.new");
    std::fs::write(&fresh, format!("{} {} {}\n", before.tcp, before.tcp_fin, before.udp))?;
    std::fs::rename(&fresh, path)
}
