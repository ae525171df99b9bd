//! Network namespaces: into one for good, or into the first for as long as a socket is being opened.
//!
//! A socket belongs for ever to the namespace it was opened in, so a process can have sockets in several.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use crate::capability::Capability;

/// Where `ip netns add` puts the names.
const NAMED: &str = "/run/netns";
/// The namespace this process is in.
const OWN: &str = "/proc/self/ns/net";
/// The namespace of the kernel's own threads (2 is the parent of them all): the first one of the machine.
const FIRST: &str = "/proc/2/ns/net";

/// A network namespace cannot be entered.
#[derive(Debug)]
pub enum NamespaceError {
    /// There is none of this name.
    Missing(PathBuf),
    /// What is there is none, or it cannot be entered.
    Enter(PathBuf, io::Error),
}

impl NamespaceError {
    /// A permission is missing: trying again cannot help.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Missing(_) => false,
            Self::Enter(_, error) => error.kind() == io::ErrorKind::PermissionDenied,
        }
    }
}

impl fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "there is no network namespace {}", path.display()),
            Self::Enter(path, error) => {
                write!(f, "cannot enter the network namespace {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for NamespaceError {}

/// The file of a namespace that the configuration names: a name of `ip netns`, or a path.
#[must_use]
pub fn file(name: &str) -> PathBuf {
    if name.starts_with('/') { PathBuf::from(name) } else { Path::new(NAMED).join(name) }
}

/// Moves this process into a network namespace for good: what it opens from now on is in there.
///
/// # Errors
/// There is no such namespace, or no permission (`CAP_SYS_ADMIN`).
pub fn enter(name: &str) -> Result<(), NamespaceError> {
    let path = file(name);
    let namespace = match File::open(&path) {
        Ok(namespace) => namespace,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NamespaceError::Missing(path)),
        Err(error) => return Err(NamespaceError::Enter(path, error)),
    };
    let entered = setns(namespace, CloneFlags::CLONE_NEWNET);
    entered.map_err(|error| NamespaceError::Enter(path, Capability::SysAdmin.explain(error.into())))
}

/// Does something in the first network namespace of this machine, and comes back. Every process of Holdfast has one
/// thread, so nobody else finds himself moved.
///
/// # Errors
/// That namespace cannot be entered; nothing was done then.
pub fn in_the_first<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let own = File::open(OWN)?;
    setns(File::open(FIRST)?, CloneFlags::CLONE_NEWNET)?;
    let done = work();
    if let Err(error) = setns(own.as_fd(), CloneFlags::CLONE_NEWNET) {
        // It was ours a moment ago. To go on in the wrong one would be to speak in the wrong network.
        log::error!("cannot come back to our network namespace: {error}");
        std::process::abort();
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_of_ip_netns_and_a_path_is_a_path() {
        assert_eq!(file("blue"), Path::new("/run/netns/blue"));
        assert_eq!(file("/proc/7/ns/net"), Path::new("/proc/7/ns/net"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = enter("no-such-namespace").unwrap_err();
        assert_eq!(error.to_string(), "there is no network namespace /run/netns/no-such-namespace");
        assert!(!error.is_permission());
    }
}
