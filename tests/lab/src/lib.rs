//! The laboratory of the end-to-end tests: hosts, wires, processes and witnesses on one machine.
//!
//! A host is a network namespace ([`Netns`]); a wire is a bridge in a namespace of its own ([`Lan`]); programs run in
//! hosts as [`Process`]es ([`Keepalived`] and [`Holdfast`] know those two programs). What happened is told by
//! witnesses that know nothing of Holdfast: [`Capture`] (packets with the kernel's time stamps), [`Monitor`]
//! (`ip monitor`), [`Netns::addresses`] (`ip -j addr`), [`arping()`], a plain [`HttpServer`] and
//! client, and a [`Browser`]. Every guard undoes its work when it is dropped, also when the test panics; what a killed test run left behind
//! is swept by the next one. Nothing sleeps: tests wait for a condition with a limit ([`wait`]).
//!
//! ```no_run
//! # fn main() -> lab::Result {
//! lab::require_privileges()?;
//! let lan = lab::Lan::new()?;
//! let a = lan.host("a", &["192.168.152.11/24"])?; // its interface is eth0
//! let b = lan.host("b", &["192.168.152.12/24"])?;
//! let wire = lan.capture()?;
//! let peer = lab::Keepalived::start(&a, &lab::keepalived::Instance::v2(51, 100, "192.168.152.200").config())?;
//! peer.wait_state("VI_1", "MASTER", lab::SECONDS_10)?;
//! let advert = wire.wait_advert(lab::SECONDS_10, |advert| advert.vrid == 51)?;
//! assert_eq!(advert.priority, 100);
//! assert!(a.has_address("192.168.152.200")?);
//! # Ok(()) }
//! ```

mod arping;
mod browser;
mod capture;
mod certificate;
mod command;
mod error;
pub mod frr;
mod holdfast;
mod http;
pub mod keepalived;
mod lan;
mod log;
mod monitor;
mod netns;
mod nginx;
pub mod packet;
mod process;
mod sleeper;
mod temp;
mod traffic;
pub mod uml;
pub mod wait;

use std::time::Duration;

pub use arping::arping;
pub use browser::{Asked, Browser};
pub use capture::{Capture, Frame};
pub use certificate::self_signed;
pub use command::{Output, output, run};
pub use error::{Error, Result};
pub use frr::Frr;
pub use holdfast::{Holdfast, Program, program};
pub use http::{Behaviour, HttpServer, Reply, get};
pub use keepalived::Keepalived;
pub use lan::Lan;
pub use log::Log;
pub use monitor::Monitor;
pub use netns::{Address, Netns};
pub use nginx::Nginx;
pub use process::{Process, alive, children};
pub use sleeper::Sleeper;
pub use temp::TempDir;
pub use traffic::{Sample, Traffic};
pub use wait::Stopwatch;

/// The usual limit of a wait: long against what is waited for, short against a hanging test run.
pub const SECONDS_10: Duration = Duration::from_secs(10);

/// Fails when this machine cannot run privileged tests. A test that cannot run must be seen, not skipped.
pub fn require_privileges() -> Result {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::new(
            "this test needs root (network namespaces): run it as root, or use `make test-unit`",
        ));
    }
    for tool in ["ip", "tcpdump", "setpriv"] {
        command::find(tool)?;
    }
    Ok(())
}
