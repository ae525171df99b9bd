//! The checking process of Holdfast: it probes the real servers of every virtual server and says what
//! the kernel's IPVS table should be.
//!
//! `checks` (one file per kind) and `machine` are pure: events in, actions out, no socket, no clock.
//! `transport` performs the steps of probes on real descriptors, `effects` carries the wanted table into
//! the kernel, `run` assembles them on the event loop. See `docs/architecture.md`.

#![forbid(unsafe_code)]

pub mod checks;
pub mod effects;
pub mod machine;
mod parts;
pub mod plan;
pub mod reload;
pub mod run;
pub mod status;
pub mod transport;
