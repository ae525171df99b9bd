//! The supervising process of `holdfastd`: it starts the children, watches them, and carries reloads to them.
//!
//! * [`supervisor`]: who lives, who is started again, who is killed (pure)
//! * [`reload`]: prepare in all, commit in all, or nothing happens (pure)
//! * [`run`]: from start to end; [`detach`]: as a daemon that tells how its start-up ended
//! * `watchdog`: the process on the event loop, with its requests and its status
//! * `incarnation`: one living child; `text`: a checked configuration in sealed memory
//! * `mail`: e-mail alerts, their queue, and the process that delivers them
//! * `upgrade`: another version of the program in the place of this one
//! * `history`: what happened, for `holdfast events`
//! * `pidfile`, `rundir`, `announce`: what the rest of the machine sees of us
//!
//! It knows neither child's inside: it gets a table of roles, hands every child the checked text, and asks for no
//! more than an answer to a hello. See `docs/architecture.md`.

#![forbid(unsafe_code)]

mod announce;
mod failure;
mod history;
mod incarnation;
mod mail;
mod options;
mod parts;
mod pidfile;
pub mod reload;
mod run;
mod rundir;
pub mod supervisor;
mod text;
mod upgrade;
mod watchdog;

pub use announce::Announcer;
pub use failure::Failure;
pub use options::Options;
pub use parts::PARTS;
pub use run::{TITLE, check, detach, leave_terminal, run, tell};
pub use upgrade::Estate;
