//! `holdfast reload`: tells the daemon, waits for the outcome, prints what changed, or what would.

mod told;

use std::path::PathBuf;
use std::time::Duration;

use common::control::{CallError, Client};
use common::exit::Exit;
use serde_json::{Value, json};

use crate::cli::Arguments;
use crate::output::Output;
use crate::{check, status};
use told::Told;

/// How long both steps may take; the watchdog gives its children less.
const PATIENCE: Duration = Duration::from_secs(60);

/// How it is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Reload {
    /// Only say what would change; the exit status is 3 if anything would
    #[arg(long)]
    dry_run: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Asks for the reload and tells its outcome.
pub(crate) fn run(arguments: &Arguments, how: &Reload, output: &mut Output) -> Exit {
    let socket = arguments.run_dir.join("watchdog.sock");
    let reply = Client::connect(&socket, PATIENCE)
        .and_then(|mut client| client.call("reload", json!({ "dry_run": how.dry_run })));
    let result = match reply {
        Ok(result) => result,
        Err(error) => return refused(arguments, how, &error, output),
    };
    if result.get("ok") == Some(&Value::Bool(false)) {
        let message = result.get("error").and_then(Value::as_str).unwrap_or("the reload was refused");
        return refused(arguments, how, &CallError::Refused(message.to_owned()), output);
    }
    let told = Told::new(&result);
    if how.json {
        output.print(&told.json(result, how.dry_run));
    } else {
        if let Some(warnings) = result.get("warnings").and_then(Value::as_str) {
            output.complain(warnings);
        }
        output.print(&told.text(how.dry_run));
    }
    if how.dry_run && !told.is_nothing() { Exit::Differs } else { Exit::Done }
}

fn refused(arguments: &Arguments, how: &Reload, error: &CallError, output: &mut Output) -> Exit {
    let text = error.to_string();
    if how.json {
        let answer = json!({ "ok": false, "dry_run": how.dry_run, "error": text.trim_end() });
        output.print(&format!("{answer}\n"));
    } else {
        output.complain(&format!("{}\n", text.trim_end()));
    }
    let CallError::Refused(_) = error else { return status::exit_of(error) };
    if !how.json {
        let outcome = if how.dry_run { "would be refused" } else { "was refused: nothing has changed" };
        output.complain(&format!("the reload {outcome}\n"));
    }
    // The daemon's own file decides, wherever this command would look.
    let path = running_config(arguments).unwrap_or_else(|| arguments.config.clone());
    if check::is_faulty(&path) { Exit::Config } else { Exit::Failed }
}

fn running_config(arguments: &Arguments) -> Option<PathBuf> {
    let status = status::ask(&arguments.run_dir, "watchdog").ok()?;
    let watchdog = status.get("watchdog").unwrap_or(&status);
    watchdog.get("config")?.get("path")?.as_str().map(PathBuf::from)
}
