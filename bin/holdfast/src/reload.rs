//! `holdfast reload`: tells the daemon, waits for the outcome, prints what changed.

use std::path::PathBuf;
use std::time::Duration;

use common::control::{CallError, Client};
use common::exit::Exit;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::Arguments;
use crate::output::Output;
use crate::{check, status};

/// How long both steps may take; the watchdog gives its children less.
const PATIENCE: Duration = Duration::from_secs(60);

/// One line of the outcome.
#[derive(Debug, Deserialize)]
struct Change {
    object: String,
    change: String,
    #[serde(default)]
    detail: String,
}

/// Asks for the reload and tells its outcome.
pub(crate) fn run(arguments: &Arguments, dry_run: bool, output: &mut Output) -> Exit {
    let socket = arguments.run_dir.join("watchdog.sock");
    let reply = Client::connect(&socket, PATIENCE)
        .and_then(|mut client| client.call("reload", json!({ "dry_run": dry_run })));
    let result = match reply {
        Ok(result) => result,
        Err(error) => return refused(arguments, &error, output),
    };
    if result.get("ok") == Some(&Value::Bool(false)) {
        let message = result.get("error").and_then(Value::as_str).unwrap_or("the reload was refused");
        return refused(arguments, &CallError::Refused(message.to_owned()), output);
    }
    if let Some(warnings) = result.get("warnings").and_then(Value::as_str) {
        output.complain(warnings);
    }
    output.print(&told(result.get("changes").unwrap_or(&Value::Null), dry_run));
    Exit::Done
}

fn refused(arguments: &Arguments, error: &CallError, output: &mut Output) -> Exit {
    let text = error.to_string();
    output.complain(text.trim_end());
    output.complain("\n");
    let CallError::Refused(_) = error else { return status::exit_of(error) };
    output.complain("the reload was refused: nothing has changed\n");
    // The daemon's own file decides, wherever this command would look.
    let path = running_config(arguments).unwrap_or_else(|| arguments.config.clone());
    if check::is_faulty(&path) { Exit::Config } else { Exit::Failed }
}

fn running_config(arguments: &Arguments) -> Option<PathBuf> {
    let status = status::ask(&arguments.run_dir, "watchdog").ok()?;
    let watchdog = status.get("watchdog").unwrap_or(&status);
    watchdog.get("config")?.get("path")?.as_str().map(PathBuf::from)
}

/// What changed, one object a line; what stays as it is is only counted.
fn told(changes: &Value, dry_run: bool) -> String {
    let changes: Vec<Change> = serde_json::from_value(changes.clone()).unwrap_or_default();
    let mut out = String::new();
    let kept = changes.iter().filter(|change| change.change == "kept").count();
    let width = changes.iter().map(|change| change.object.chars().count()).max().unwrap_or(0);
    for Change { object, change, detail } in changes.iter().filter(|change| change.change != "kept") {
        let line = format!("{change:<8} {object:<width$}  {detail}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let would = if dry_run { "would change" } else { "changed" };
    let untouched = if kept > 0 { format!(", {kept} untouched") } else { String::new() };
    match changes.len() - kept {
        0 => out.push_str(&format!("nothing {would}{untouched}\n")),
        1 => out.push_str(&format!("1 object {would}{untouched}\n")),
        count => out.push_str(&format!("{count} objects {would}{untouched}\n")),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_listed_and_what_is_kept_is_counted() {
        let changes = json!([
            {"object": "vrrp instance VI_1", "change": "changed", "detail": "priority 100 -> 90"},
            {"object": "vrrp instance VI_10", "change": "removed", "detail": ""},
            {"object": "vrrp instance VI_3", "change": "kept", "detail": ""},
        ]);
        assert_eq!(
            told(&changes, false),
            "changed  vrrp instance VI_1   priority 100 -> 90\nremoved  vrrp instance VI_10\n2 objects changed, 1 untouched\n"
        );
        assert_eq!(told(&json!([]), true), "nothing would change\n");
        assert_eq!(told(&Value::Null, false), "nothing changed\n");
    }
}
