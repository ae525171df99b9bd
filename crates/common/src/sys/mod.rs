//! The only unsafe code of Holdfast: what neither std nor nix offer safely.
//!
//! * [`inherit`]: descriptors that an exec'ing parent left open for us
//! * [`memory`]: a heap that stays small
//! * `netlink`: raw message layouts
//! * [`pidfd`]: a descriptor for a process
//! * [`raw`]: raw and packet sockets and their options
//! * [`resources`]: scheduler, limits, locked memory
//! * [`script`]: fork and exec of somebody else's program, as another user
//! * [`spawn`]: fork and exec of a program with descriptors of our choice
//! * [`ack_with_data`], [`disconnect()`]: a TCP connection with few packets and system calls
//! * [`show_arguments`]: the name a process goes by
//!
//! Every block names its precondition and who guarantees it; every public function is safe to call.
#![expect(unsafe_code, reason = "this is the one module that may: see its documentation")]

pub mod inherit;
pub mod memory;
pub(crate) mod netlink;
pub mod pidfd;
pub mod raw;
pub mod resources;
pub mod script;
pub mod spawn;
mod stream;
mod title;

pub use stream::{ack_with_data, disconnect};
pub use title::show_arguments;
