//! Netlink: typed, synchronous requests to the kernel, and a monitor of what it reports.
//!
//! [`Socket`] sends requests and reads the answers; it knows nothing of the objects. One file per kernel
//! object ([`link`], [`address`], [`route`], [`rule`], [`filter`]) builds the messages and parses what comes back;
//! [`monitor`] and [`process`] are separate, non-blocking sockets. The kernel answers a request while it is being sent, so
//! a request socket blocks for no longer than the call itself; a receive limit guards against the rest.
//!
//! The socket and the protocol's constants come from `neli`; its message framing is not used, because it
//! misreads a successful acknowledgement that carries extended-ack attributes. No type of `neli` is public.

pub mod address;
mod attribute;
mod error;
pub mod filter;
pub mod generic;
pub mod link;
mod message;
pub mod monitor;
pub mod process;
pub mod route;
pub mod rule;
mod socket;

pub use attribute::{Attribute, Attributes};
pub use error::{Asked, Failure, NetlinkError};
pub use message::{Message, Replies, Reply};
pub use socket::{BATCH, Protocol, Socket};
