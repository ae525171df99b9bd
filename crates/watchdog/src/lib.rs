//! The supervising process of `holdfastd`: it starts the children, watches them, and carries reloads to them.
//!
//! * [`supervisor`]: who lives, who is started again, who is killed (pure)
//! * [`reload`]: prepare in all, commit in all, or nothing happens (pure)
//!
//! It knows neither child's inside: it gets a table of roles, hands every child the checked text, and asks for no
//! more than an answer to a hello. See `docs/architecture.md`.

#![forbid(unsafe_code)]

pub mod reload;
pub mod supervisor;
