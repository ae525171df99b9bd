//! See `docs/architecture.md`.

pub mod config;
pub mod netlink;
pub mod sys;
