//! The VRRP process: virtual addresses that move between machines.
//!
//! Pure parts, tested without a kernel: [`wire`] (bytes to values and back), [`machine`] (who is master, and what
//! follows from it), [`plan`] (configuration to what will run), [`reload`] (what a new plan changes).
//! The shell around them: `io` (sockets, scripts), `effects` (netlink), `run` (the loop's process).
#![forbid(unsafe_code)]

pub mod effects;
pub mod events;
pub mod io;
pub mod machine;
mod parts;
pub mod plan;
pub mod reload;
pub mod run;
pub mod status;
pub mod wire;
