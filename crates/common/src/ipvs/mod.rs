//! IPVS: the kernel's table of virtual services and real servers.
//!
//! [`Client`] talks to the kernel; one file per object knows its attributes; [`table`] is pure: the table as
//! a value and the requests that lead from one table to another. Nothing here decides what the table should
//! be, and nothing here touches a service it was not told about.

mod attribute;
mod client;
mod daemon;
mod destination;
mod name;
mod service;
mod stats;
pub mod table;
mod timeouts;

pub use client::{Client, Info, ListedDestination, ListedService, Problem, ProblemKind};
pub use daemon::{SyncDaemon, SyncRole};
pub use destination::{Checksum, Connections, Destination, DestinationKey, Forward, Tunnel};
pub use name::{Name, NameError};
pub use service::{
    Family, FlagError, Persistence, SCHEDULERS, SchedulerFlags, Service, ServiceKey, ServiceKeyError,
    Transport,
};
pub use stats::Stats;
pub use table::{Entry, Table, TableOp};
pub use timeouts::Timeouts;

#[cfg(test)]
mod tests;
