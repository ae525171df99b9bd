//! What every kind of check has in common: how it is read from the configuration, and its defaults.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use common::config::{Diagnostics, Table};

use super::Probe;

/// A kind of check: its settings are the values of this type.
pub trait CheckKind: Sized {
    /// The word of the configuration: `type = "tcp"`.
    const NAME: &'static str;
    /// What holds where the configuration says nothing.
    const DEFAULTS: Defaults = Defaults::NETWORK;

    /// Takes the keys of this kind from the check's table; reports every fault. The caller has taken the
    /// keys common to all kinds, and finishes the table.
    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self>;

    /// An attempt on this target.
    fn probe(&self, target: SocketAddr) -> Box<dyn Probe>;
}

/// What holds for a kind of check where the configuration says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Further attempts before a failure counts.
    pub retries: u32,
    /// The pause between them.
    pub retry_delay: Duration,
    /// How the port to connect to is found.
    pub port: Port,
}

/// Which port a kind of check connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The real server's.
    Server,
    /// The one of the protocol, unless the check names another.
    Usual(u16),
    /// None: it does not connect.
    None,
}

impl Defaults {
    /// For checks that talk to the real server's port.
    pub const NETWORK: Self = Self { retries: 1, retry_delay: Duration::from_secs(1), port: Port::Server };
}

/// A byte string shortened and made harmless, for messages about what a server sent.
#[derive(Debug)]
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 40;
        let part = self.0.get(..MOST).unwrap_or(self.0);
        write!(f, "\"{}\"", part.escape_ascii())?;
        if self.0.len() > MOST { f.write_str("...") } else { Ok(()) }
    }
}
