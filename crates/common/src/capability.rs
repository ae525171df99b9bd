//! What root may still do here (capabilities(7)): a container leaves little of it. Where the kernel refuses something,
//! the operator is told which capability it takes, if this process lacks it.

use std::fmt;
use std::io;

/// A capability that something of Holdfast needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// To end processes of other users.
    Kill,
    /// To have other groups.
    Setgid,
    /// To become another user.
    Setuid,
    /// Ports below 1024.
    NetBindService,
    /// Addresses, routes, interfaces, IPVS.
    NetAdmin,
    /// Raw and packet sockets.
    NetRaw,
    /// Another network namespace.
    SysAdmin,
    /// To look into processes that may do more than this one.
    SysPtrace,
}

impl Capability {
    /// Its bit (`linux/capability.h`).
    const fn bit(self) -> u32 {
        match self {
            Self::Kill => 5,
            Self::Setgid => 6,
            Self::Setuid => 7,
            Self::NetBindService => 10,
            Self::NetAdmin => 12,
            Self::NetRaw => 13,
            Self::SysPtrace => 19,
            Self::SysAdmin => 21,
        }
    }

    /// Whether this process lacks it. Asked only when something has gone wrong.
    #[must_use]
    pub fn is_missing(self) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        lacks(&status, self)
    }

    /// The error, and the capability that is missing where it is one of permission.
    #[must_use]
    pub fn explain(self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::PermissionDenied && self.is_missing() {
            return io::Error::new(error.kind(), format!("{error}: {self} is missing"));
        }
        error
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "CAP_KILL",
            Self::Setgid => "CAP_SETGID",
            Self::Setuid => "CAP_SETUID",
            Self::NetBindService => "CAP_NET_BIND_SERVICE",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
        })
    }
}

/// Where nothing is known, nothing is missing.
fn lacks(status: &str, capability: Capability) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| (mask >> capability.bit()) & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_a_process_is_read() {
        let status = "Name:\ta\nCapPrm:\t0000000000000000\nCapEff:\t0000000000003000\nCapBnd:\t0\n";
        assert!(!lacks(status, Capability::NetAdmin) && !lacks(status, Capability::NetRaw));
        assert!(lacks(status, Capability::SysAdmin) && lacks(status, Capability::Kill));
        for nothing in ["", "CapEff:\t\n", "CapEff:\tx\n"] {
            assert!(!lacks(nothing, Capability::NetAdmin), "{nothing:?}");
        }
    }

    #[test]
    fn an_error_of_another_kind_stays_as_it_is() {
        let error = Capability::SysAdmin.explain(io::Error::from_raw_os_error(libc::ENOENT));
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }
}
