//! `holdfast upgrade`: the program that was installed takes the place of the one that runs, and nothing is let go.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::control::{CallError, Client};
use common::event_loop::clock;
use common::exit::Exit;
use serde_json::json;

use crate::cli::Arguments;
use crate::output::Output;
use crate::pace::pause;
use crate::status;
use crate::status::model::{Watchdog, Whole};

/// How long the new program may take to become ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the watchdog may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Checks that the new program can read the configuration, has the daemon give place to it, and waits until all is up.
pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Exit {
    match upgrade(&arguments.run_dir, output) {
        Ok(exit) => exit,
        Err(error) => {
            output.complain(&format!("{error}\n"));
            status::exit_of(&error)
        }
    }
}

fn upgrade(run_dir: &Path, output: &mut Output) -> Result<Exit, CallError> {
    let before = whole(run_dir)?;
    let Some(old) = before.watchdog() else {
        return Err(CallError::Refused("the watchdog tells nothing of itself".to_owned()));
    };
    if let Err(exit) = is_accepted(&old, output) {
        output.complain("the upgrade was refused: nothing has changed\n");
        return Ok(exit);
    }
    Client::connect(&run_dir.join("watchdog.sock"), ANSWER)?.call("upgrade", json!({}))?;
    // It keeps its number. Where that is one of another container's we cannot tell.
    let process = Path::new("/proc").join(old.pid.to_string());
    let seen = process.exists();
    let began = clock::now();
    while clock::now().saturating_duration_since(began) < PATIENCE {
        pause();
        if seen && !process.exists() {
            output.complain("the daemon has ended: it was told to stop meanwhile, or its log says why\n");
            return Ok(Exit::NotRunning);
        }
        // Between the two nobody listens.
        let Ok(now) = whole(run_dir) else { continue };
        let Some(new) = now.watchdog() else { continue };
        if new.incarnation == old.incarnation {
            if clock::now().saturating_duration_since(began) > ANSWER {
                output.complain("the version that ran still runs: its log says why\n");
                return Ok(Exit::Failed);
            }
        } else if new.children.iter().all(|child| child.state == "up") {
            let took = clock::now().saturating_duration_since(began).as_secs_f64();
            output.print(&format!(
                "version {} runs in the place of {}, after {took:.1} s\n",
                now.version, before.version
            ));
            return Ok(Exit::Done);
        }
    }
    output.complain("the new version is not ready yet: see holdfast status and the log\n");
    Ok(Exit::Failed)
}

fn whole(run_dir: &Path) -> Result<Whole, CallError> {
    let (value, _faults) = status::gather(run_dir, Some(status::wanted::What::Watchdog))?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Has the program that is installed by now read the configuration that runs: one that cannot must not take over.
fn is_accepted(old: &Watchdog, output: &mut Output) -> Result<(), Exit> {
    let Some(program) = &old.executable else {
        output.complain("the daemon does not know its program\n");
        return Err(Exit::Failed);
    };
    let checked = Command::new(program).arg("--check").arg("--config").arg(&old.config.path).output();
    match checked {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            output.complain(&String::from_utf8_lossy(&done.stderr));
            Err(done.status.code().and_then(Exit::from_code).unwrap_or(Exit::Failed))
        }
        Err(error) => {
            output.complain(&format!("cannot run {program}: {error}\n"));
            Err(Exit::Failed)
        }
    }
}
