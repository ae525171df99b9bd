//! The scenarios, by what they are about.

mod checks;
mod health;
mod quorum;
mod reload;
mod table;

use crate::scenario::Scenario;

/// What stands before all of them.
pub const GLOBAL: (&str, &str) = ("", "");

/// All of them.
pub fn all() -> Vec<Scenario> {
    [health::ALL, quorum::ALL, checks::ALL, table::ALL, reload::ALL].concat()
}
