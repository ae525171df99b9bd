//! For the tests: a directory of our own with scripts in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that is removed in the end. Its place is safe: `/tmp` is sticky.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("/tmp/holdfast-script-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A shell script.
    pub(crate) fn script(&self, name: &str, body: &str) -> PathBuf {
        self.file(name, &format!("#!/bin/sh\n{body}\n"))
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A place that scripts of other users may write to.
    pub(crate) fn open_to_all(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o1777)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// Whether this test runs as root; where root was promised (`REQUIRE_PRIVILEGED`), it must.
pub(crate) fn root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    assert!(root || std::env::var_os("REQUIRE_PRIVILEGED").is_none(), "this test needs root");
    if !root {
        println!("skipped: needs root");
    }
    root
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
