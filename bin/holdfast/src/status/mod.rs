//! `holdfast status`: asks every process for its part and puts them together.

mod grid;
pub(crate) mod model;
mod process;
mod servers;
mod text;
mod vrrp;
mod watchdog;

use std::path::Path;
use std::time::Duration;

use common::control::{CallError, Client};
use common::exit::Exit;
use serde_json::{Map, Value, json};

use crate::cli::{Arguments, Status, What};
use crate::output::Output;

/// How long one process may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The children, by the name of their socket and of their part of the status.
const CHILDREN: [(&str, What); 2] = [("vrrp", What::Vrrp), ("checker", What::Servers)];

/// Asks, merges and prints.
pub(crate) fn run(arguments: &Arguments, wanted: &Status, output: &mut Output) -> Exit {
    let (status, faults) = match gather(&arguments.run_dir, wanted.what) {
        Ok(gathered) => gathered,
        Err(error) => {
            output.complain(&format!("{error}\n"));
            return exit_of(&error);
        }
    };
    if wanted.json {
        let text = serde_json::to_string_pretty(&status).unwrap_or_default();
        output.print(&format!("{text}\n"));
    } else {
        output.print(&text::render(&status, wanted.what, output.colour));
    }
    for fault in &faults {
        output.complain(&format!("{fault}\n"));
    }
    if faults.is_empty() { Exit::Done } else { Exit::Failed }
}

/// The code a failed call ends the command with.
pub(crate) fn exit_of(error: &CallError) -> Exit {
    match error {
        CallError::NotRunning(_) => Exit::NotRunning,
        CallError::Permission(_) => Exit::Permission,
        CallError::TimedOut(_) | CallError::Broken(..) | CallError::Refused(_) => Exit::Failed,
    }
}

/// One process's part of the status.
pub(crate) fn ask(run_dir: &Path, process: &str) -> Result<Value, CallError> {
    let socket = run_dir.join(format!("{process}.sock"));
    Client::connect(&socket, PATIENCE)?.call("status", json!({}))
}

/// The parts put together, and who did not answer.
pub(crate) fn gather(run_dir: &Path, what: Option<What>) -> Result<(Value, Vec<String>), CallError> {
    let head = ask(run_dir, "watchdog")?;
    let mut whole = Map::new();
    // The watchdog's part, alone or with what stands beside it.
    if head.get("watchdog").is_some() {
        whole.extend(head.as_object().cloned().unwrap_or_default());
    } else {
        whole.insert("watchdog".to_owned(), head);
    }
    whole.entry("version").or_insert_with(|| env!("CARGO_PKG_VERSION").into());
    let children = running(&whole);
    let mut faults = Vec::new();
    for (name, part) in CHILDREN {
        if what.is_some_and(|what| what != part) {
            continue;
        }
        if !children.iter().any(|child| child == name) {
            whole.insert(name.to_owned(), Value::Null);
            continue;
        }
        match ask(run_dir, name) {
            Ok(value) => drop(whole.insert(name.to_owned(), value)),
            Err(error) => {
                faults.push(format!("the {name} process gives no status: {error}"));
                whole.insert(name.to_owned(), Value::Null);
            }
        }
    }
    if what.is_some_and(|what| what != What::Watchdog) {
        whole.remove("watchdog");
    }
    Ok((Value::Object(whole), faults))
}

/// The names of the children the watchdog has.
fn running(whole: &Map<String, Value>) -> Vec<String> {
    let children =
        whole.get("watchdog").and_then(|watchdog| watchdog.get("children")).and_then(Value::as_array);
    let names = children.into_iter().flatten().filter_map(|child| child.get("name")?.as_str());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
