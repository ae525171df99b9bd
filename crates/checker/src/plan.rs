//! What the checker is to do, out of the configuration: defaults filled, units as types, conflicts
//! impossible. Every fault is reported with its place, and none depends on the machine the text is read on.
//!
//! `service`, `server` and `check` read one kind of table each; `conflict` compares what they read. The
//! kernel accepts some settings that cannot work (direct routing to another port, the same service twice):
//! they are refused here.

mod check;
mod conflict;
mod endpoint;
mod likeness;
mod range;
mod server;
mod service;
mod sorry;
mod suspend;
mod table;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use common::config::global::Global;
use common::config::{CommandLine, Diagnostics, IfName, Span, Table, UserName};
use common::fifo;
use common::ipvs::{DestinationKey, Forward, Service, ServiceKey};
use common::surroundings::{self, Surroundings};

use crate::checks::Kind;
use crate::machine::schedule::Timing;
use likeness::Likeness;
pub use table::TableSettings;

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether the kernel's IPVS table is programmed.
    pub ipvs: bool,
    /// How.
    pub table: TableSettings,
    /// Whom check and notify scripts run as, unless they say otherwise.
    pub script_user: Option<UserName>,
    /// What the process lives in.
    pub surroundings: Surroundings,
    /// Where notifications are written to.
    pub fifos: Vec<PathBuf>,
    /// The virtual servers, in the order of the text.
    pub virtual_servers: Vec<Rc<VirtualServer>>,
}

/// One `[[virtual_server]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// What clients talk to: one service in the kernel for each, all with the same servers.
    pub services: Vec<ServiceKey>,
    /// How the kernel distributes.
    pub service: Service,
    /// The weight of living servers that is needed.
    pub quorum: u64,
    /// How far beyond the quorum that weight has to go before the quorum turns.
    pub hysteresis: u64,
    /// Who serves when the quorum is lost.
    pub sorry: Option<RealServer>,
    /// Backup servers are called when less than this share of the primary servers' weight is alive, in percent; 0:
    /// when nothing of it is.
    pub backup_below: u8,
    /// With these, checks run only while this machine holds one of them.
    pub suspend: Option<BTreeSet<IpAddr>>,
    /// Whether an orderly stop and a removal are told to the commands, as failures of what was up.
    pub notify_on_stop: bool,
    /// Whether mail is sent when the quorum turns; what is usual without.
    pub alert: Option<bool>,
    /// What is run when the quorum turns.
    pub on_quorum: Notify,
    /// The servers, in the order of the text.
    pub real_servers: Vec<RealServer>,
}

/// One real server of a virtual server: there can be ten thousand, so what they have in common they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Its address.
    pub address: IpAddr,
    /// Its port; the service's where absent.
    pub port: Option<u16>,
    /// Its share.
    pub weight: u32,
    /// All else: shared by all servers that have it alike.
    pub terms: Rc<Terms>,
}

/// What is mostly alike in all servers of a virtual server, and often in all there are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terms {
    /// How packets get there.
    pub forward: Forward,
    /// No new connections above this many; 0: no limit.
    pub upper_threshold: u32,
    /// New connections again below this many.
    pub lower_threshold: u32,
    /// On failure it stays in the kernel's table with weight 0, and keeps its connections.
    pub inhibit_on_failure: bool,
    /// It serves only when the others are not enough.
    pub backup: bool,
    /// How long it may keep its connections, with weight 0, when it is taken out though it is alive.
    pub drain: Duration,
    /// How long its weight takes to grow back after a failure.
    pub slow_start: Duration,
    /// Whether mail is sent when it turns; what is usual without.
    pub alert: Option<bool>,
    /// What is run when it turns.
    pub notify: Notify,
    /// What it is judged by; [`RealServer::checks`] has them with their targets.
    pub checks: Box<[CheckAt]>,
    /// How many of them must pass.
    pub needed: Needed,
}

/// A check without the address of the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckAt {
    /// The port it connects to; 0 where it does not connect to one.
    pub port: u16,
    /// How.
    pub settings: Rc<CheckSettings>,
}

/// How many checks of a server must pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needed {
    /// All.
    #[default]
    All,
    /// So many, or all where there are fewer.
    AtLeast(usize),
}

impl Needed {
    /// Whether so many of so many are enough. Without checks nothing is needed.
    pub fn met(self, passing: usize, all: usize) -> bool {
        match self {
            Self::All => passing == all,
            Self::AtLeast(count) => passing >= count.min(all),
        }
    }
}

/// What is run when something turns.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notify {
    /// To the better.
    pub up: Option<CommandLine>,
    /// To the worse.
    pub down: Option<CommandLine>,
}

/// A check of one target. Equal checks are one check, whoever asked for them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check {
    address: IpAddr,
    port: u16,
    /// How.
    pub settings: Rc<CheckSettings>,
}

/// The settings of a check, shared by all servers that inherit them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckSettings {
    /// What is asked and expected.
    pub kind: Kind,
    /// When.
    pub timing: Timing,
    /// From where.
    pub dial: Dial,
    /// Whether the log has every failure, and not only those that change something.
    pub log_all_failures: bool,
}

/// How a check connects.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dial {
    /// Another address than the real server's.
    pub address: Option<IpAddr>,
    /// Another port than the real server's.
    pub port: Option<u16>,
    /// The address it connects from.
    pub source: Option<IpAddr>,
    /// The interface it connects through.
    pub interface: Option<IfName>,
    /// The mark of its packets, for routing rules.
    pub fwmark: Option<NonZeroU32>,
}

impl VirtualServer {
    /// How the kernel distributes for this service: the client mask fits its family.
    pub fn service_for(&self, key: ServiceKey) -> Service {
        let mut service = self.service;
        if let Some(persistence) = &mut service.persistence {
            persistence.granularity = persistence.granularity.min(key.family().bits());
        }
        service
    }

    /// The servers in their order, and the sorry server after them.
    pub fn members(&self) -> impl Iterator<Item = &RealServer> {
        self.real_servers.iter().chain(&self.sorry)
    }

    /// The server at this place, counted as in [`Self::members`].
    pub fn member(&self, place: usize) -> Option<&RealServer> {
        self.real_servers
            .get(place)
            .or_else(|| self.sorry.as_ref().filter(|_| place == self.real_servers.len()))
    }

    /// Whether some servers wait until the others are not enough.
    pub fn has_backups(&self) -> bool {
        self.real_servers.iter().any(|server| server.terms.backup)
    }
}

impl RealServer {
    /// Its place in the kernel's table under this service.
    pub fn key(&self, service: ServiceKey) -> DestinationKey {
        destination(self.address, self.port, service)
    }

    /// What it is judged by.
    pub fn checks(&self) -> impl ExactSizeIterator<Item = Check> {
        self.terms.checks.iter().map(|check| check.of(self.address))
    }
}

impl CheckAt {
    /// The check of the server with this address.
    fn of(&self, server: IpAddr) -> Check {
        let address = self.settings.dial.address.unwrap_or(server);
        Check { address, port: self.port, settings: Rc::clone(&self.settings) }
    }
}

impl Check {
    /// Where it connects to. (A check that does not connect has the real server's address.)
    pub fn target(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// Where a server with this address and port stands under this service.
pub fn destination(address: IpAddr, port: Option<u16>, service: ServiceKey) -> DestinationKey {
    let port = port.unwrap_or_else(|| service_port(service).unwrap_or(0));
    DestinationKey { address, port }
}

/// The port of a service: none for marks, and none where it stands for all ports.
pub fn service_port(service: ServiceKey) -> Option<u16> {
    match service {
        ServiceKey::Address { port, .. } => Some(port).filter(|port| *port != 0),
        ServiceKey::Mark { .. } => None,
    }
}

/// Reads `[checker]` and `[[virtual_server]]` from the root of the configuration.
pub fn plan(root: &mut Table<'_>, global: &Global, d: &mut Diagnostics) -> Plan {
    replan(root, global, Vec::new(), d)
}

/// Like [`plan`], where the plans of some virtual servers are known already: by their places in the text.
pub fn replan(
    root: &mut Table<'_>,
    global: &Global,
    known: Vec<Option<Rc<VirtualServer>>>,
    d: &mut Diagnostics,
) -> Plan {
    let mut virtual_servers = Vec::new();
    let own = read(root, known, d, |server| virtual_servers.push(server));
    Plan {
        ipvs: own.ipvs,
        table: own.table,
        script_user: global.script_user.clone(),
        surroundings: own.surroundings.or(&global.surroundings),
        fifos: fifo::paths(global.notify_fifo.as_ref(), own.notify_fifo.as_ref()),
        virtual_servers,
    }
}

/// Reports the faults that [`plan`] would, and returns the number of virtual servers. Keeps none of them.
pub fn judge(root: &mut Table<'_>, _global: &Global, d: &mut Diagnostics) -> usize {
    let mut count = 0;
    read(root, Vec::new(), d, |_| count += 1);
    count
}

/// What `[checker]` says.
struct Own {
    ipvs: bool,
    table: TableSettings,
    surroundings: Surroundings,
    notify_fifo: Option<PathBuf>,
}

fn read(
    root: &mut Table<'_>,
    known: Vec<Option<Rc<VirtualServer>>>,
    d: &mut Diagnostics,
    mut found: impl FnMut(Rc<VirtualServer>),
) -> Own {
    let mut own = Own {
        ipvs: true,
        table: TableSettings::default(),
        surroundings: Surroundings::default(),
        notify_fifo: None,
    };
    if let Some(mut checker) = root.table("checker", d) {
        (own.ipvs, own.table) = table::read(&mut checker, d);
        own.notify_fifo = fifo::read(&mut checker, d);
        own.surroundings = surroundings::read(&mut checker, d);
        checker.finish(d);
    }
    let mut seen = conflict::Services::default();
    let mut alike = Likeness::default();
    known.iter().flatten().for_each(|server| alike.note(server));
    let mut known = known.into_iter();
    let tables = root.list("virtual_server", d);
    for index in 0..tables.len() {
        if let Some(server) = known.next().flatten() {
            if server.services.iter().all(|service| seen.note(*service, Span::START, d)) {
                found(server);
            }
            continue;
        }
        let server = tables.read(index, d, |mut table, d| {
            let server = service::read(&mut table, &mut seen, d);
            table.finish(d);
            server
        });
        if let Some(mut server) = server {
            alike.share(&mut server);
            found(Rc::new(server));
        }
    }
    own
}

#[cfg(test)]
pub(crate) mod tests;
