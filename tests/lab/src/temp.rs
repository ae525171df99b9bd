//! A folder that goes when its guard goes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Result;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A number that no other guard of this process has.
pub(crate) fn unique() -> u32 {
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// A folder of its own under the system's temporary folder.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes the folder.
    pub fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("hf-{}-{}", std::process::id(), unique()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it and returns its path.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::env::var_os("LAB_KEEP").is_none() {
            // A folder that is already gone is what was wanted.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
