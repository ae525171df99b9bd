//! The parts of a process that may have a level of their own, beneath the process's: `vrrp.adverts`.

/// A part of a process, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What stands behind the process's name and a dot.
    pub name: &'static str,
    /// Whose lines these are: beginnings of modules' paths and of kinds of events. A line may name the part itself
    /// as its target as well: `log::debug!(target: "vrrp.adverts", …)`.
    pub targets: &'static [&'static str],
}

/// What every process has: requests of operators and programs.
pub const CONTROL: Part = Part { name: "control", targets: &["common::control"] };
