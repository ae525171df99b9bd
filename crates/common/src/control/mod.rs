//! The control sockets: newline-delimited JSON over unix sockets, one request object, one reply object.
//!
//! `{"id":7,"method":"hello","params":{…}}` is answered by `{"id":7,"result":{…}}` or by
//! `{"id":7,"error":{"message":…}}`. Descriptors travel with the request they belong to (`SCM_RIGHTS`).
//! Every process serves one ([`Server`]); the watchdog is a client of its children ([`Connection`],
//! non-blocking), the operator's command a client of all ([`Client`], blocking with a limit).
//! Garbage, an oversized line or a slow reader costs the client its connection and the server nothing.

mod client;
mod connection;
mod line;
mod message;
mod server;
mod wire;

pub use client::{CallError, Client};
pub use connection::Connection;
pub use line::{Lines, TooLong};
pub use message::{Reply, ReplyError, Request};
pub use server::{ClientId, ControlKey, Incoming, Server};

/// The longest request line a server accepts, in bytes. Larger things travel as descriptors.
pub const MAX_REQUEST: usize = 64 * 1024;
/// The longest reply line a client accepts, in bytes.
pub const MAX_REPLY: usize = 256 << 20;

#[cfg(test)]
mod tests;
