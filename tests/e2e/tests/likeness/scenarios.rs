//! The scenarios, by what they are about.

mod checks;
mod health;
mod quorum;
mod reload;
mod table;
mod words;

use crate::scenario::Scenario;

/// All of them.
pub fn all() -> Vec<Scenario> {
    [health::ALL, quorum::ALL, checks::ALL, table::ALL, reload::ALL, words::ALL].concat()
}
