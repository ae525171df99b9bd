//! What the end-to-end tests share beyond the lab: the scenarios that several of them start from.

pub mod entries;
pub mod farm;
pub mod pair;
pub mod site;
pub mod terminal;
