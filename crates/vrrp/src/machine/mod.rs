//! The VRRP core: events in, actions out, no input or output of its own.
//!
//! [`router::Router`] is the set of virtual routers of this machine. It is driven by three calls that all take
//! the time as an argument and append to the caller's list of [`Action`]s, which are to be performed in order:
//! `handle(event, now, out)`, `handle_timeout(now, out)` (due when `poll_timeout()` says so; being early or late is
//! harmless) and `reconfigure(plan, now, out)`. An effect that failed comes back as an [`Event`].
//! There is no clock, no random source, no log and no socket in here; deadlines live in the state they belong to.

pub mod action;
pub mod address;
mod announce;
mod deadlines;
pub mod event;
pub mod fact;
mod group;
pub mod id;
mod index;
mod instance;
pub mod ipvs_sync;
pub mod ledger;
mod limiter;
mod links;
pub mod object;
pub mod order;
mod owned;
mod packet;
mod peers;
mod process;
mod replay;
pub mod router;
mod script;
pub mod timing;
mod track;

pub use action::Action;
pub use event::Event;
pub use fact::Fact;
pub use router::Router;
