//! Orders for real servers, and what the checker answers.

use std::path::Path;

use common::control::CallError;
use common::exit::Exit;
use serde::Deserialize;
use serde_json::Value;

use super::{call, failed};
use crate::cli::Arguments;
use crate::output::Output;
use crate::status::overrides::Override;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reply {
    servers: Vec<Told>,
}

/// What came of an order for one server of one virtual server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    service: String,
    server: String,
    alive: bool,
    weight_before: u32,
    weight: u32,
    quorum_met_before: bool,
    quorum_met: bool,
    sorry_active: bool,
    overrides_before: Vec<String>,
    overrides: Vec<Override>,
}

/// Gives the order and tells what came of it.
pub(super) fn order(arguments: &Arguments, params: &Value, output: &mut Output) -> Exit {
    match give(&arguments.run_dir, params) {
        Ok(text) => {
            output.print(&text);
            Exit::Done
        }
        Err(error) => failed(&error, output),
    }
}

/// Gives the order; what came of it.
pub(super) fn give(run_dir: &Path, params: &Value) -> Result<String, CallError> {
    let Some(reply) = call(run_dir, "checker", params)? else {
        let none = "there are no real servers: the configuration has no virtual server";
        return Err(CallError::Refused(none.to_owned()));
    };
    let text = told(reply);
    Ok(if text.is_empty() { "nothing was in force\n".to_owned() } else { text })
}

/// A line for each service that the server is in, and what the virtual server has to say to it.
pub(super) fn told(reply: Value) -> String {
    let reply: Reply = serde_json::from_value(reply).unwrap_or_default();
    let mut out = String::new();
    for told in &reply.servers {
        out.push_str(&format!("{} in {}: {}\n", told.server, told.service, changed(told)));
        if told.quorum_met_before && !told.quorum_met {
            let sorry =
                if told.sorry_active { "the sorry server answers" } else { "nobody answers who comes" };
            out.push_str(&format!("  {} has lost its quorum by this: {sorry}\n", told.service));
        }
        if !told.quorum_met_before && told.quorum_met {
            out.push_str(&format!("  {} has its quorum again\n", told.service));
        }
    }
    out
}

fn changed(told: &Told) -> String {
    let now: Vec<String> = told.overrides.iter().map(Override::words).collect();
    let mut words = match (told.overrides_before.is_empty(), now.is_empty()) {
        (true, true) => return "nothing was in force".to_owned(),
        (false, true) => "as configured again".to_owned(),
        (_, false) => now.join(", "),
    };
    if told.weight != told.weight_before {
        words.push_str(&format!(", weight {} -> {}", told.weight_before, told.weight));
    } else {
        words.push_str(&format!(", weight {} as before", told.weight));
    }
    if !told.alive {
        words.push_str("; its checks fail");
    }
    words
}
