//! Orders for virtual routers, and what came of them: a hand-over takes until the successor is heard.

use std::path::Path;
use std::time::Duration;

use common::control::CallError;
use common::event_loop::clock;
use common::exit::Exit;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failover, Maintenance, Switch, call, failed, with_terms};
use crate::cli::Arguments;
use crate::output::Output;
use crate::pace::pause;
use crate::status;
use crate::status::model::{Instance, Vrrp};

/// Longer than any hand-over takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the process answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reply {
    pub(super) instances: Vec<String>,
    pub(super) maintenance: bool,
}

/// `failover`.
pub(crate) fn failover(arguments: &Arguments, how: &Failover, output: &mut Output) -> Exit {
    let params = json!({ "order": "failover", "target": how.target });
    let params = with_terms(params, how.terms.lasting, how.terms.reason.as_deref());
    match give(&arguments.run_dir, &params).and_then(|reply| outcome(&arguments.run_dir, &reply.instances)) {
        Ok(instances) => {
            let (text, done) = told(&instances);
            output.print(&text);
            if done { Exit::Done } else { Exit::Failed }
        }
        Err(error) => failed(&error, output),
    }
}

/// `maintenance`.
pub(crate) fn maintenance(arguments: &Arguments, how: &Maintenance, output: &mut Output) -> Exit {
    if how.switch == Switch::Off && how.terms.lasting.is_some() {
        output.complain("maintenance that is off has no duration: leave --for out\n");
        return Exit::Config;
    }
    let done = match how.switch {
        Switch::On => begin(arguments, how, output),
        Switch::Off => end(arguments, how, output),
    };
    match done {
        Ok(()) => Exit::Done,
        Err(error) => failed(&error, output),
    }
}

fn begin(arguments: &Arguments, how: &Maintenance, output: &mut Output) -> Result<(), CallError> {
    let params =
        with_terms(json!({ "order": "maintenance" }), how.terms.lasting, how.terms.reason.as_deref());
    let reply = give(&arguments.run_dir, &params)?;
    let instances = outcome(&arguments.run_dir, &reply.instances)?;
    output.print(&told(&instances).0);
    let end = match how.terms.lasting {
        Some(lasting) => format!("for {}", common::config::format_duration(lasting)),
        None => "until it is switched off".to_owned(),
    };
    output.print(&format!(
        "under maintenance {end}: this machine is master of nothing, whoever else is there\n"
    ));
    Ok(())
}

fn end(arguments: &Arguments, how: &Maintenance, output: &mut Output) -> Result<(), CallError> {
    let params = json!({ "order": "release", "target": "maintenance" });
    let reply = give(&arguments.run_dir, &with_terms(params, None, how.terms.reason.as_deref()))?;
    output.print(&released(&reply));
    Ok(())
}

fn give(run_dir: &Path, params: &Value) -> Result<Reply, CallError> {
    let Some(reply) = call(run_dir, "vrrp", params)? else {
        return Err(CallError::Refused("the configuration has no virtual router".to_owned()));
    };
    Ok(serde_json::from_value(reply).unwrap_or_default())
}

/// What is in force no more.
pub(super) fn released(reply: &Reply) -> String {
    let mut out = String::new();
    for name in &reply.instances {
        out.push_str(&format!("{name}: ordinary election again\n"));
    }
    if reply.maintenance {
        out.push_str("no longer under maintenance: ordinary election again\n");
    }
    out
}

/// Waits until these have handed over or have it back.
fn outcome(run_dir: &Path, names: &[String]) -> Result<Vec<Instance>, CallError> {
    let began = clock::now();
    loop {
        let part: Vrrp = serde_json::from_value(status::ask(run_dir, "vrrp")?).unwrap_or_default();
        let late = clock::now().saturating_duration_since(began) > PATIENCE;
        let ours = |instance: &Instance| names.contains(&instance.name);
        let instances: Vec<Instance> = part.instances.into_iter().filter(ours).collect();
        if late || !instances.iter().any(|instance| instance.handing_over) {
            return Ok(instances);
        }
        pause();
    }
}

/// What became of each, and whether all have handed over.
pub(super) fn told(instances: &[Instance]) -> (String, bool) {
    let mut out = String::new();
    let mut done = true;
    for instance in instances {
        let what = match (instance.state.as_str(), &instance.master) {
            ("master", _) if instance.handing_over => {
                done = false;
                "still handing over".to_owned()
            }
            ("master", _) => {
                done = false;
                "nobody came forward to take over: it stays master here".to_owned()
            }
            (_, Some(master)) => format!("handed over to {master}"),
            (_, None) => {
                "given up, and nobody was heard to take over: ITS ADDRESSES MAY BE NOWHERE".to_owned()
            }
        };
        out.push_str(&format!("{}: {what}\n", instance.name));
    }
    (out, done)
}
