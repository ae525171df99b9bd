//! The process that delivers e-mail alerts: started by the watchdog when there is something to deliver, ended when
//! that has been tried.
//!
//! * [`run`]: takes the job, opens what root alone may read, becomes an ordinary user, delivers
//! * `copies`: what outlives a reboot
//! * `letter`: a mail as it goes over the wire (pure)
//! * `session`: one conversation with the server
//!
//! It keeps no state and decides nothing: it tells the watchdog what became of each mail. Whatever hangs here (a name
//! server, a disk, the mail server) hangs here alone, and the watchdog kills it when it takes too long.

#![forbid(unsafe_code)]

mod copies;
mod letter;
mod run;
mod session;

pub use run::run;
