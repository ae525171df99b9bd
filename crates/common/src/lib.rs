//! See `docs/architecture.md`.

pub mod netlink;
pub mod sys;
