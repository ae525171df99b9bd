//! What these tests stand on: a folder with scripts that any user may run, and files they may write to.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::{Lan, Netns, Result, TempDir, wait};

/// The virtual address of these tests.
pub(crate) const VIP: &str = "192.168.152.200";

/// A folder with scripts.
pub(crate) struct Stage {
    folder: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        lab::require_privileges()?;
        let folder = TempDir::new()?;
        let notes = folder.path().join("notes");
        fs::create_dir(&notes)?;
        // The scripts' user writes here.
        fs::set_permissions(&notes, Permissions::from_mode(0o1777))?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A shell script; `$NOTES` is the folder it may write to.
    pub(crate) fn script(&self, name: &str, body: &str) -> Result<String> {
        let notes = self.path("notes");
        let text = format!("#!/bin/sh\nNOTES={}\n{body}\n", notes.display());
        let path = self.folder.write(name, &text)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Puts a word into a file at one go, for a script to read.
    pub(crate) fn say(&self, name: &str, word: &str) -> Result {
        let (fresh, path) = (self.folder.write("fresh", word)?, self.path(name));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(fs::rename(fresh, path)?)
    }

    /// The lines that scripts have written into a file.
    pub(crate) fn notes(&self, name: &str) -> Vec<String> {
        lines(&self.path("notes").join(name))
    }

    /// Waits until scripts have written a line.
    #[track_caller]
    pub(crate) fn wait_note(&self, name: &str, line: &str, limit: Duration) -> Result {
        wait::until(&format!("the line {line:?} in {name}"), limit, || {
            Ok(self.notes(name).iter().any(|have| have == line))
        })
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Two directors on a wire.
pub(crate) fn directors() -> Result<(Lan, Netns, Netns)> {
    let lan = Lan::new()?;
    let a = lan.host("a", &["192.168.152.11/24"])?;
    let b = lan.host("b", &["192.168.152.12/24"])?;
    Ok((lan, a, b))
}

/// An instance that advertises five times a second; `extra` are more lines of it.
pub(crate) fn instance(priority: u8, extra: &str) -> String {
    format!(
        "[[vrrp.instance]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = {priority}\n\
         advert_interval = \"200ms\"\nvirtual_addresses = [\"{VIP}/24\"]\n{extra}\n"
    )
}

/// Waits until one host has the virtual address and the other has not.
#[track_caller]
pub(crate) fn wait_holder(holder: &Netns, other: &Netns) -> Result {
    holder.wait_address(VIP, lab::SECONDS_10)?;
    other.wait_no_address(VIP, lab::SECONDS_10)
}
