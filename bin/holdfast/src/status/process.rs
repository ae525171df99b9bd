//! What is alike in every process: how late it was, and what the kernel refused it.

use serde::Deserialize;
use serde_json::Value;

use super::text::{ago, took};

/// A stall is a problem for so long; afterwards it is history.
const RECENT_S: f64 = 600.0;

/// The part of a process's status that all processes have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Process {
    lateness: Lateness,
    resources_refused: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lateness {
    worst_us: f64,
    stalls: u64,
    last_stall_s: Option<f64>,
}

/// Out of a process's part of the status; one that says nothing has nothing to tell.
pub(super) fn read(part: Option<&Value>) -> Process {
    part.and_then(|part| Process::deserialize(part).ok()).unwrap_or_default()
}

impl Process {
    /// What is wrong with it.
    pub(super) fn problems(&self, name: &str) -> Vec<String> {
        let mut problems: Vec<String> =
            self.resources_refused.iter().map(|refused| format!("the {name} process: {refused}")).collect();
        if let Some(since) = self.lateness.last_stall_s.filter(|since| *since < RECENT_S) {
            problems.push(format!(
                "the {name} process was late {} ago: the machine is overloaded, or was paused",
                ago(since)
            ));
        }
        problems
    }

    /// How late it was, if it was.
    pub(super) fn remark(&self) -> Option<String> {
        let Lateness { worst_us, stalls, last_stall_s } = self.lateness;
        let last = last_stall_s.map_or_else(String::new, |since| format!(", last {} ago", ago(since)));
        (stalls > 0).then(|| format!("late {stalls} times{last}, {} at worst", took(worst_us)))
    }
}
