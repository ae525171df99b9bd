//! What the processes of Holdfast share.
//!
//! * [`alerts`]: to whom mail is sent about what happens
//! * [`capability`]: what root may still do here
//! * [`config`]: text, spans, diagnostics, value types
//! * [`event_loop`]: one turn of the loop, registrations, the only reader of the clock
//! * [`child`]: what every child process does alike (life line, hello, reload, stop)
//! * [`control`]: newline-delimited JSON over unix sockets, both ends
//! * [`change`]: what a reload does to an object
//! * [`checkpoint`]: the state a successor needs, kept outside the process
//! * [`fifo`]: notifications for programs that read a named pipe
//! * [`history`]: what happened, kept in two files
//! * [`namespace`]: network namespaces
//! * [`netlink`]: typed requests to the kernel
//! * [`script`]: one runner for every script
//! * [`steer`]: what operators order at run time
//! * [`surroundings`]: what a process lives in: namespace, real time, limits
//! * [`sys`]: the only unsafe code
//!
//! See `docs/architecture.md` for the whole picture.

pub mod alerts;
pub mod capability;
pub mod change;
pub mod checkpoint;
pub mod child;
pub mod config;
pub mod control;
pub mod event_loop;
pub mod exit;
pub mod fifo;
pub mod history;
pub mod ipvs;
pub mod log;
pub mod namespace;
pub mod netlink;
pub mod role;
pub mod script;
pub mod steer;
pub mod surroundings;
pub mod sys;
