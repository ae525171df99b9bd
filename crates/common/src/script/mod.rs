//! One runner for every script: track scripts, notify scripts, script checks.
//!
//! Pure parts, with the time passed in: [`RunTable`] (time limits of runs), [`NotifyQueue`] (order of
//! notifications), [`Output`] (bounded), [`shebang`]. Shell parts: [`Runner`] starts processes and reaps
//! them, [`path`] decides what may be executed, [`Identity`] as whom. Which script is run when, and what its
//! outcome means, is the business of the callers.
//!
//! What a script gets: its own session and process group, the ids and groups of its user, `/` as directory,
//! `/dev/null` as input, one bounded pipe as output, default signal handling, no descriptor of ours, and an
//! environment made here. A process that leaves the group (`setsid`) is out of reach of the time limit's
//! signals; it holds nothing of ours, and the script's outcome does not wait for it.

mod command;
mod identity;
mod notify_queue;
mod outcome;
mod output;
mod outputs;
pub mod path;
mod program;
mod run_table;
mod runner;
pub mod shebang;

pub use command::{Command, Purpose};
pub use identity::{Identity, IdentityError};
pub use notify_queue::{Class, JobNumber, Notice, NotifyAction, NotifyQueue};
pub use outcome::{Finished, Outcome};
pub use output::Output;
pub use run_table::{Ending, Exit, RunTable, Step};
pub use runner::Runner;

#[cfg(test)]
mod scratch;
