//! `holdfast status`: asks every process for its part and puts them together.

pub(crate) mod grid;
mod health;
mod mail;
pub(crate) mod model;
pub(crate) mod overrides;
mod process;
mod select;
mod servers;
pub(crate) mod text;
mod view;
mod vrrp;
pub(crate) mod wanted;
pub(crate) mod watch;
mod watchdog;

use std::path::Path;
use std::time::Duration;

use common::control::{CallError, Client};
use common::event_loop::clock;
use common::exit::Exit;
use serde_json::{Map, Value, json};

use crate::cli::Arguments;
use crate::output::Output;
use select::Selection;
use view::View;
use wanted::{Format, Status, What};

/// How long one process may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The children, by the name of their socket and of their part of the status.
const CHILDREN: [(&str, What); 2] = [("vrrp", What::Vrrp), ("checker", What::Servers)];

/// Asks, merges and prints.
pub(crate) fn run(arguments: &Arguments, wanted: &Status, output: &mut Output) -> Exit {
    let selection = match Selection::new(wanted) {
        Ok(selection) => selection,
        Err(error) => {
            output.complain(&format!("{error}\n"));
            return Exit::Config;
        }
    };
    if wanted.quiet {
        return probe(arguments, wanted, &selection);
    }
    if let Some(interval) = wanted.watch {
        return watch::run(arguments, wanted, &selection, interval, output);
    }
    let (mut status, faults) = match gather(&arguments.run_dir, wanted.what) {
        Ok(gathered) => gathered,
        Err(error) => {
            output.complain(&format!("{error}\n"));
            return exit_of(&error);
        }
    };
    let found = selection.apply(&mut status);
    if wanted.format() == Format::Json {
        let text = serde_json::to_string_pretty(&status).unwrap_or_default();
        output.print(&format!("{text}\n"));
    } else if found > 0 {
        let width = output.width();
        output.print(&text::render(&status, wanted.what, view(wanted, output.colour, width)));
    } else if wanted.down && wanted.names.is_empty() {
        output.print("nothing is down and nothing is in fault\n");
    }
    for fault in &faults {
        output.complain(&format!("{fault}\n"));
    }
    if found == 0 && !wanted.down {
        output.complain(&format!("{}\n", nothing(wanted)));
        return Exit::Failed;
    }
    if faults.is_empty() { Exit::Done } else { Exit::Failed }
}

fn view(wanted: &Status, colour: bool, width: Option<usize>) -> View {
    let wide = wanted.format() == Format::Wide;
    View { colour, wide, close: !wanted.names.is_empty(), width, now: clock::wall() }
}

/// Why nothing is shown.
fn nothing(wanted: &Status) -> String {
    let states = wanted.states();
    let states: Vec<&str> = states.iter().map(|state| state.word()).collect();
    match (wanted.names.is_empty(), states.is_empty()) {
        (false, true) => format!("nothing is called {}", wanted.names.join(" or ")),
        (false, false) => {
            format!("nothing that is called {} is {}", wanted.names.join(" or "), states.join(" or "))
        }
        (true, _) => format!("nothing is {}", states.join(" or ")),
    }
}

/// Whether all is well, as an exit code.
fn probe(arguments: &Arguments, wanted: &Status, selection: &Selection) -> Exit {
    let (mut status, faults) = match gather(&arguments.run_dir, wanted.what) {
        Ok(gathered) => gathered,
        Err(error) => return exit_of(&error),
    };
    if !faults.is_empty() {
        return Exit::Failed;
    }
    let missing = match wanted.what {
        Some(What::Vrrp) => status.get("vrrp").is_none_or(Value::is_null),
        Some(What::Servers) => status.get("checker").is_none_or(Value::is_null),
        Some(What::Watchdog) | None => false,
    };
    let found = selection.apply(&mut status);
    let fault = health::fault(&status, selection.named());
    if missing || found == 0 || fault.is_some() { Exit::Failed } else { Exit::Done }
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
