//! What the machine has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use common::netlink::link::Mac;

/// An address, and the interface that it is on.
pub(super) type Place = (IpAddr, String);

/// All that the rules look at. What could not be found out is missing, and no rule complains of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// What was not looked at, and why.
    pub(super) skipped: Vec<String>,
    /// Capabilities that a root user here lacks, by name; none where we are not root.
    pub(super) lacking: BTreeSet<&'static str>,
    pub(super) links: BTreeMap<String, LinkFact>,
    /// By path under `/proc/sys`.
    pub(super) settings: BTreeMap<String, i64>,
    /// Parts of the kernel that were looked for, and whether they are there or can be loaded.
    pub(super) modules: BTreeMap<String, bool>,
    /// Addresses that this machine holds, and who else on the wire answers for the virtual ones.
    pub(super) held: BTreeSet<Place>,
    pub(super) answers: BTreeMap<Place, BTreeSet<Mac>>,
    /// The states of the instances of a daemon that runs.
    pub(super) states: BTreeMap<String, String>,
    /// Whether the kernel's clock is in step with others.
    pub(super) clock_in_step: Option<bool>,
    /// What is wrong with a script.
    pub(super) scripts: BTreeMap<String, String>,
    /// Files and their modes.
    pub(super) modes: BTreeMap<PathBuf, u32>,
    /// Chains of the packet filter that drop what no rule names, and do not name VRRP.
    pub(super) closed_chains: Vec<String>,
}

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LinkFact {
    pub(super) up: bool,
    pub(super) carrier: bool,
    pub(super) multicast: bool,
    pub(super) loopback: bool,
    /// `dummy`, `vlan` and so on.
    pub(super) kind: String,
    /// Of its hardware.
    pub(super) driver: String,
    /// Who else configures it.
    pub(super) manager: Option<Manager>,
}

/// Programs that remove addresses which they did not add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    Networkd,
    NetworkManager,
}
