//! Why a netlink request failed: what was asked, the kernel's number and the kernel's own words.

use std::fmt;

use nix::errno::Errno;

use crate::capability::Capability;

/// Why a request failed, without what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The kernel said no.
    Refused {
        /// Its error number.
        errno: Errno,
        /// Its explanation, where it gave one (extended acknowledgement).
        text: Option<String>,
    },
    /// Sending or receiving failed.
    Socket {
        /// The call that failed.
        call: &'static str,
        /// Its error number.
        errno: Errno,
    },
    /// The kernel did not answer within the socket's limit.
    NoAnswer,
    /// The table changed during each of several attempts to read it.
    Interrupted,
    /// The answer could not be understood.
    Malformed(&'static str),
    /// The request does not fit a netlink message.
    TooLong,
}

impl Failure {
    /// The error number, where there is one.
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } | Self::Socket { errno, .. } => Some(*errno),
            Self::NoAnswer | Self::Interrupted | Self::Malformed(_) | Self::TooLong => None,
        }
    }

    /// Says what was asked.
    pub fn asked(self, asked: impl Into<String>) -> NetlinkError {
        NetlinkError { asked: asked.into(), failure: self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { errno, text } => {
                let words = text.as_deref().unwrap_or_else(|| errno.desc());
                write!(f, "{words} ({errno:?})")?;
                // Everything that is asked of the kernel takes the same one.
                if *errno == Errno::EPERM && Capability::NetAdmin.is_missing() {
                    write!(f, ": {} is missing", Capability::NetAdmin)?;
                }
                Ok(())
            }
            Self::Socket { call, errno } => write!(f, "netlink socket: {call}: {} ({errno:?})", errno.desc()),
            Self::NoAnswer => f.write_str("the kernel did not answer in time"),
            Self::Interrupted => f.write_str("the table kept changing while it was read"),
            Self::Malformed(what) => write!(f, "the kernel's answer was not understood: {what}"),
            Self::TooLong => f.write_str("the request is too long for a netlink message"),
        }
    }
}

impl std::error::Error for Failure {}

/// A failed request: what was asked, and why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetlinkError {
    /// What was asked, for people: `add address 192.0.2.1/24 on eth0`.
    pub asked: String,
    /// Why it failed.
    pub failure: Failure,
}

impl NetlinkError {
    /// The error number, where there is one.
    pub const fn errno(&self) -> Option<Errno> {
        self.failure.errno()
    }
}

impl fmt::Display for NetlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.asked, self.failure)
    }
}

impl std::error::Error for NetlinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.failure)
    }
}

/// Attaches what was asked to a failed request; the text is made only when it is needed.
pub trait Asked<T> {
    /// Says what was asked.
    ///
    /// # Errors
    /// The failure, with `asked` attached.
    fn asked<S: Into<String>>(self, asked: impl FnOnce() -> S) -> Result<T, NetlinkError>;
}

impl<T> Asked<T> for Result<T, Failure> {
    fn asked<S: Into<String>>(self, asked: impl FnOnce() -> S) -> Result<T, NetlinkError> {
        self.map_err(|failure| failure.asked(asked()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_what_was_asked_then_why() {
        let refused =
            Failure::Refused { errno: Errno::EINVAL, text: Some("address lifetime invalid".into()) };
        let error = refused.asked("add address 192.0.2.1/24 on eth0");
        assert_eq!(error.to_string(), "add address 192.0.2.1/24 on eth0: address lifetime invalid (EINVAL)");
        let bare = Failure::Refused { errno: Errno::EEXIST, text: None };
        assert_eq!(bare.to_string(), "File exists (EEXIST)");
    }
}
