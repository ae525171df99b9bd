//! Which services are ours, written down in the run directory.
//!
//! An IPVS service carries no mark of its owner. After every process was killed and the configuration
//! changed, this file is what tells our leftovers from other people's services. The run directory does not
//! outlive the kernel, and neither does the table.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use common::ipvs::ServiceKey;

/// The file's name in the run directory.
const NAME: &str = "ipvs.services";

/// The file.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    /// What it holds, as far as we wrote it.
    written: Option<BTreeSet<ServiceKey>>,
}

impl Ledger {
    pub(super) fn new(run_dir: &Path) -> Self {
        Self { path: run_dir.join(NAME), written: None }
    }

    /// The services that an earlier life called its own. Lines that name none are skipped.
    pub(super) fn read(&self) -> io::Result<BTreeSet<ServiceKey>> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file, unless it says so already. Readers see the old one or the new one.
    pub(super) fn write(&mut self, keys: BTreeSet<ServiceKey>) -> io::Result<()> {
        if self.written.as_ref() == Some(&keys) {
            return Ok(());
        }
        let mut text: Vec<String> = keys.iter().map(ToString::to_string).collect();
        text.push(String::new());
        let fresh = self.path.with_extension("services.new");
        std::fs::write(&fresh, text.join("\n"))?;
        std::fs::rename(&fresh, &self.path)?;
        self.written = Some(keys);
        Ok(())
    }

    /// Nothing is ours any more.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        self.written = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
