//! The kernel's IPVS table through generic netlink: read it, change it in batches.
//!
//! Requests are synchronous: the kernel answers within the call. Everything belongs to the network namespace
//! in which the client was opened.

use super::attribute::{Command, DaemonAttr, DestAttr, FAMILY, InfoAttr, ServiceAttr, Top};
use super::daemon::{SyncDaemon, SyncRole};
use super::destination::{self, Connections, Destination, DestinationKey};
use super::service::{self, Service, ServiceKey};
use super::stats::Stats;
use super::table::{Entry, Table, TableOp};
use super::timeouts::Timeouts;
use crate::netlink::generic::Family as Generic;
use crate::netlink::{
    Asked, Attributes, BATCH, Failure, Message, NetlinkError, Protocol, Replies, Reply, Socket,
};
use nix::errno::Errno;
use std::fmt;

/// A service as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedService {
    /// What identifies it.
    pub key: ServiceKey,
    /// How it distributes.
    pub service: Service,
    /// What it has done.
    pub stats: Stats,
}

impl ListedService {
    /// Reads one object of a listing.
    pub fn parse(reply: &Reply<'_>) -> Option<Self> {
        listed_service(reply.generic()?.find(Top::Service.id())?.nested())
    }
}

/// A destination as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDestination {
    /// What identifies it.
    pub key: DestinationKey,
    /// What it is set to.
    pub destination: Destination,
    /// The connections it has.
    pub connections: Connections,
    /// What it has done.
    pub stats: Stats,
}

impl ListedDestination {
    /// Reads one object of a listing, of a service of this family.
    pub fn parse(family: service::Family, reply: &Reply<'_>) -> Option<Self> {
        listed_destination(family, reply.generic()?.find(Top::Dest.id())?.nested())
    }
}

/// A request of a batch that the kernel did not carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The position of the request in the batch.
    pub position: usize,
    /// What its refusal means.
    pub kind: ProblemKind,
    /// What was asked and why it was refused.
    pub error: NetlinkError,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The table was not what it was taken for (the entry exists already, or is gone): read it again.
    Stale,
    /// The kernel will not have it.
    Refused,
}

/// IPVS of one network namespace.
pub struct Client {
    socket: Socket,
    family: Generic,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("family", &self.family.id).finish_non_exhaustive()
    }
}

impl Client {
    /// Opens IPVS in the current network namespace; `None` when the kernel has no IPVS. Asking loads its
    /// module where there is one.
    ///
    /// # Errors
    /// When the kernel could not be asked.
    pub fn open() -> Result<Option<Self>, NetlinkError> {
        let mut socket = Socket::open(Protocol::Generic).asked(|| "open a netlink socket for IPVS")?;
        let family = Generic::find(&mut socket, FAMILY)?;
        Ok(family.map(|family| Self { socket, family }))
    }

    /// The services, in the kernel's order; kinds that cannot be made with this client are left out.
    ///
    /// # Errors
    /// When the table could not be read.
    pub fn services(&mut self) -> Result<Vec<ListedService>, NetlinkError> {
        let message = self.message(Command::GetService);
        let replies = self.socket.dump(&message).asked(|| "list IPVS services")?;
        Ok(nested(&replies, Top::Service).filter_map(listed_service).collect())
    }

    /// One service; `None` if there is none.
    ///
    /// # Errors
    /// When the table could not be read.
    pub fn service(&mut self, key: ServiceKey) -> Result<Option<ListedService>, NetlinkError> {
        let mut message = self.message(Command::GetService);
        message.nested(Top::Service.id(), |message| key.write(message));
        match self.socket.get(&message) {
            Ok(replies) => Ok(nested(&replies, Top::Service).find_map(listed_service)),
            Err(Failure::Refused { errno: Errno::ESRCH, .. }) => Ok(None),
            Err(failure) => Err(failure.asked(format!("read IPVS service {key}"))),
        }
    }

    /// The destinations of a service; none if there is no such service.
    ///
    /// # Errors
    /// When the table could not be read.
    pub fn destinations(&mut self, service: ServiceKey) -> Result<Vec<ListedDestination>, NetlinkError> {
        let mut message = self.message(Command::GetDest);
        message.nested(Top::Service.id(), |message| service.write(message));
        let replies =
            self.socket.dump(&message).asked(|| format!("list destinations of IPVS service {service}"))?;
        let family = service.family();
        Ok(nested(&replies, Top::Dest).filter_map(|found| listed_destination(family, found)).collect())
    }

    /// One service with its destinations; `None` if there is none.
    ///
    /// # Errors
    /// When the table could not be read.
    pub fn entry(&mut self, key: ServiceKey) -> Result<Option<Entry>, NetlinkError> {
        let Some(listed) = self.service(key)? else { return Ok(None) };
        self.with_destinations(&listed).map(Some)
    }

    /// The part of the table that `take` chooses by the services' keys.
    ///
    /// # Errors
    /// When the table could not be read.
    pub fn table(&mut self, mut take: impl FnMut(&ServiceKey) -> bool) -> Result<Table, NetlinkError> {
        let mut table = Table::default();
        for listed in self.services()? {
            if take(&listed.key) {
                table.services.insert(listed.key, self.with_destinations(&listed)?);
            }
        }
        Ok(table)
    }

    fn with_destinations(&mut self, listed: &ListedService) -> Result<Entry, NetlinkError> {
        let destinations = self.destinations(listed.key)?;
        let destinations = destinations.into_iter().map(|found| (found.key, found.destination)).collect();
        Ok(Entry { service: listed.service, destinations })
    }

    /// Sends these requests in their order, many at a time; a refusal does not stop the ones after it.
    ///
    /// # Errors
    /// When the socket failed: it is then unknown what was carried out, and the table has to be read again.
    pub fn apply(&mut self, ops: &[TableOp]) -> Result<Vec<Problem>, NetlinkError> {
        let mut problems = Vec::new();
        let mut messages = Vec::with_capacity(ops.len().min(BATCH));
        for (start, part) in (0..).step_by(BATCH).zip(ops.chunks(BATCH)) {
            messages.clear();
            messages.extend(part.iter().map(|op| self.encode(op)));
            let refused =
                self.socket.batch(&messages).asked(|| format!("send {} changes to IPVS", ops.len()))?;
            problems.extend(refused.into_iter().filter_map(|(place, failure)| {
                let op = part.get(place)?;
                let kind = kind(op, failure.errno())?;
                Some(Problem {
                    position: place.saturating_add(start),
                    kind,
                    error: failure.asked(op.to_string()),
                })
            }));
        }
        Ok(problems)
    }

    fn encode(&self, op: &TableOp) -> Message {
        let command = match op {
            TableOp::AddService(..) => Command::NewService,
            TableOp::EditService(..) => Command::SetService,
            TableOp::DeleteService(_) => Command::DelService,
            TableOp::AddDestination(..) => Command::NewDest,
            TableOp::EditDestination(..) => Command::SetDest,
            TableOp::DeleteDestination(..) => Command::DelDest,
        };
        let mut message = self.message(command);
        write_op(op, &mut message);
        message
    }

    /// Removes every service and every destination of this network namespace, whoever made them.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn flush(&mut self) -> Result<(), NetlinkError> {
        let message = self.message(Command::Flush);
        self.socket.request(&message).asked(|| "flush IPVS")
    }

    /// How long idle connections are remembered.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn timeouts(&mut self) -> Result<Timeouts, NetlinkError> {
        let message = self.message(Command::GetConfig);
        let found = self.socket.get(&message).map(|replies| top(&replies).find_map(Timeouts::read));
        found.and_then(|found| found.ok_or(Failure::Malformed("no timeouts"))).asked(|| "read IPVS timeouts")
    }

    /// Sets how long idle connections are remembered; a 0 leaves a value as it is.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), NetlinkError> {
        let mut message = self.message(Command::SetConfig);
        timeouts.write(&mut message);
        self.socket.request(&message).asked(|| "set IPVS timeouts")
    }

    /// The synchronisation daemons that run.
    ///
    /// # Errors
    /// When they could not be listed.
    pub fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, NetlinkError> {
        let message = self.message(Command::GetDaemon);
        let replies = self.socket.dump(&message).asked(|| "list IPVS synchronisation daemons")?;
        Ok(nested(&replies, Top::Daemon).filter_map(SyncDaemon::read).collect())
    }

    /// Starts a synchronisation daemon.
    ///
    /// # Errors
    /// The kernel's refusal, `EEXIST` among them where one of this role runs.
    pub fn start_sync_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), NetlinkError> {
        let mut message = self.message(Command::NewDaemon);
        message.nested(Top::Daemon.id(), |message| daemon.write(message));
        let asked =
            || format!("start the IPVS synchronisation {} daemon on {}", daemon.role, daemon.interface);
        self.socket.request(&message).asked(asked)
    }

    /// Stops a synchronisation daemon; one that does not run is stopped.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn stop_sync_daemon(&mut self, role: SyncRole) -> Result<(), NetlinkError> {
        let mut message = self.message(Command::DelDaemon);
        message.nested(Top::Daemon.id(), |message| {
            message.u32(DaemonAttr::State.id(), role.number());
        });
        match self.socket.request(&message) {
            Ok(()) | Err(Failure::Refused { errno: Errno::ESRCH, .. }) => Ok(()),
            Err(failure) => Err(failure.asked(format!("stop the IPVS synchronisation {role} daemon"))),
        }
    }

    /// The kernel's IPVS version and the size of its connection table.
    ///
    /// # Errors
    /// When it could not be read.
    pub fn info(&mut self) -> Result<Info, NetlinkError> {
        let message = self.message(Command::GetInfo);
        let found = self.socket.get(&message).map(|replies| top(&replies).find_map(Info::read));
        found.and_then(|found| found.ok_or(Failure::Malformed("no version"))).asked(|| "read IPVS version")
    }

    fn message(&self, command: Command) -> Message {
        self.family.message(command.id())
    }
}

/// What the kernel says of its IPVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Major, minor, patch.
    pub version: (u8, u8, u8),
    /// Buckets of the connection table.
    pub connection_table: u32,
}

impl Info {
    fn read(attributes: Attributes<'_>) -> Option<Self> {
        let [_, major, minor, patch] = attributes.find(InfoAttr::Version.id())?.u32()?.to_be_bytes();
        let connection_table = attributes.find(InfoAttr::ConnTabSize.id())?.u32()?;
        Some(Self { version: (major, minor, patch), connection_table })
    }
}

/// Adds what a request says beyond its command.
pub(super) fn write_op(op: &TableOp, message: &mut Message) {
    let key = op.service();
    message.nested(Top::Service.id(), |message| {
        key.write(message);
        match op {
            TableOp::AddService(_, service) | TableOp::EditService(_, service) => {
                service.write(key.family(), message);
            }
            TableOp::DeleteService(_)
            | TableOp::AddDestination(..)
            | TableOp::EditDestination(..)
            | TableOp::DeleteDestination(..) => {}
        }
    });
    match op {
        TableOp::AddService(..) | TableOp::EditService(..) | TableOp::DeleteService(_) => {}
        TableOp::AddDestination(_, at, destination) | TableOp::EditDestination(_, at, destination) => {
            message.nested(Top::Dest.id(), |message| {
                at.write(message);
                destination.write(message);
            });
        }
        TableOp::DeleteDestination(_, at) => {
            message.nested(Top::Dest.id(), |message| at.write(message));
        }
    }
}

/// What this refusal of this request means; nothing where the intent is reached all the same.
fn kind(op: &TableOp, errno: Option<Errno>) -> Option<ProblemKind> {
    match (op, errno) {
        (TableOp::DeleteService(_), Some(Errno::ESRCH)) => None,
        // ENOENT about a service is its scheduler or engine, which no module provides.
        (TableOp::AddService(..) | TableOp::AddDestination(..), Some(Errno::EEXIST))
        | (TableOp::EditService(..) | TableOp::AddDestination(..), Some(Errno::ESRCH))
        | (
            TableOp::EditDestination(..) | TableOp::DeleteDestination(..),
            Some(Errno::ENOENT | Errno::ESRCH),
        ) => Some(ProblemKind::Stale),
        _ => Some(ProblemKind::Refused),
    }
}

fn top(replies: &Replies) -> impl Iterator<Item = Attributes<'_>> {
    replies.iter().filter_map(|reply: Reply<'_>| reply.generic())
}

fn nested(replies: &Replies, kind: Top) -> impl Iterator<Item = Attributes<'_>> {
    top(replies).filter_map(move |attributes| Some(attributes.find(kind.id())?.nested()))
}

fn listed_service(attributes: Attributes<'_>) -> Option<ListedService> {
    let (key, service) = service::read(attributes)?;
    let stats = Stats::of(attributes, ServiceAttr::Stats64.id(), ServiceAttr::Stats.id());
    Some(ListedService { key, service, stats })
}

fn listed_destination(family: service::Family, attributes: Attributes<'_>) -> Option<ListedDestination> {
    let (key, destination, connections) = destination::read(family, attributes)?;
    let stats = Stats::of(attributes, DestAttr::Stats64.id(), DestAttr::Stats.id());
    Some(ListedDestination { key, destination, connections, stats })
}
