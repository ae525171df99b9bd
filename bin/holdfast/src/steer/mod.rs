//! Orders at run time: `drain`, `disable`, `enable`, `weight`, `failover`, `maintenance`, `release`. They go to the child that they are for, over
//! its control socket, which also knows who gives them.

mod routers;
mod servers;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};
use common::config::parse_duration;
use common::control::{CallError, Client};
use common::exit::Exit;
use common::steer::{MAX_LASTING, MAX_REASON, sudo_user};
use serde_json::{Value, json};

use crate::cli::Arguments;
use crate::output::Output;
use crate::status;
pub(crate) use routers::{failover, maintenance};

/// How long the child may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// For how long, and why.
#[derive(Debug, Default, Args)]
pub(crate) struct Terms {
    /// End it by itself after this time: 90s, 10m, 1h30m
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting)]
    pub(crate) lasting: Option<Duration>,
    /// Why, for the log and for those who look at the status
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

/// A server, and on what terms.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// ADDRESS:PORT, or VIRTUAL/ADDRESS:PORT for one service only
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

#[derive(Debug, Args)]
pub(crate) struct Enable {
    /// ADDRESS:PORT, or VIRTUAL/ADDRESS:PORT for one service only
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    /// Have it serve whatever its checks say
    #[arg(long)]
    pub(crate) force: bool,
    /// With --force: end that by itself after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting, requires = "force")]
    pub(crate) lasting: Option<Duration>,
    /// Why, for the log and for those who look at the status
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Weight {
    /// ADDRESS:PORT, or VIRTUAL/ADDRESS:PORT for one service only
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    /// The weight
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(0..=0x7fff_ffff))]
    pub(crate) weight: u32,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

#[derive(Debug, Args)]
pub(crate) struct Failover {
    /// A virtual router or a sync group
    #[arg(value_name = "INSTANCE|GROUP")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

#[derive(Debug, Args)]
pub(crate) struct Maintenance {
    /// Whether it begins or ends
    #[arg(value_enum)]
    pub(crate) switch: Switch,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

/// Two words that everybody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It begins
    On,
    /// It ends
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct Release {
    /// A server, virtual router or sync group, as for the command that gave the order, or `maintenance`
    #[arg(value_name = "TARGET", required_unless_present = "all")]
    pub(crate) target: Option<String>,
    /// Everything that was ordered
    #[arg(long, conflicts_with = "target")]
    pub(crate) all: bool,
    /// Why, for the log
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

pub(crate) fn lasting(text: &str) -> Result<Duration, String> {
    let lasting = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => parse_duration(text)?,
    };
    if lasting.is_zero() || lasting > MAX_LASTING {
        return Err("it is 1s to 3660d".to_owned());
    }
    Ok(lasting)
}

pub(crate) fn reason(text: &str) -> Result<String, String> {
    if text.len() > MAX_REASON {
        return Err(format!("it has {} bytes of at most {MAX_REASON}", text.len()));
    }
    Ok(text.to_owned())
}

/// Gives an order for a server that takes nothing else, as the commands do, for a client of `serve`; says what came of
/// it.
pub(crate) fn order_server(
    run_dir: &Path,
    order: &str,
    server: &str,
    terms: &Terms,
    client: &str,
) -> Result<String, CallError> {
    let params = json!({ "order": order, "server": server, "serve_client": client });
    // For whom that process was started is not who gives the order.
    servers::give(run_dir, &on_terms(params, terms.lasting, terms.reason.as_deref()))
}

/// `drain` and `disable`.
pub(crate) fn server(arguments: &Arguments, order: &str, how: &Server, output: &mut Output) -> Exit {
    let Server { server, terms: Terms { lasting, reason } } = how;
    let params = json!({ "order": order, "server": server });
    servers::order(arguments, &with_terms(params, *lasting, reason.as_deref()), output)
}

/// `enable`.
pub(crate) fn enable(arguments: &Arguments, how: &Enable, output: &mut Output) -> Exit {
    let order = if how.force { "force" } else { "enable" };
    let params = json!({ "order": order, "server": how.server });
    servers::order(arguments, &with_terms(params, how.lasting, how.reason.as_deref()), output)
}

/// `weight`.
pub(crate) fn weight(arguments: &Arguments, how: &Weight, output: &mut Output) -> Exit {
    let Weight { server, weight, terms: Terms { lasting, reason } } = how;
    let params = json!({ "order": "weight", "server": server, "weight": weight });
    servers::order(arguments, &with_terms(params, *lasting, reason.as_deref()), output)
}

/// `release`. Who is meant may be a server or a virtual router: both processes are asked.
pub(crate) fn release(arguments: &Arguments, how: &Release, output: &mut Output) -> Exit {
    let params = with_terms(json!({ "order": "release" }), None, how.reason.as_deref());
    let with = |key: &str| {
        let mut params = params.clone();
        if let (Some(target), Some(fields)) = (&how.target, params.as_object_mut()) {
            fields.insert(key.to_owned(), target.as_str().into());
        }
        params
    };
    let vrrp = call(&arguments.run_dir, "vrrp", &with("target"));
    // Nobody else knows of it.
    let checker = match how.target.as_deref() {
        Some("maintenance") => Ok(None),
        _ => call(&arguments.run_dir, "checker", &with("server")),
    };
    let (vrrp, checker) = match (vrrp, checker) {
        (Err(error), Ok(None)) | (Ok(None), Err(error)) => return failed(&error, output),
        // Who looks like an address is no virtual router.
        (Err(vrrp), Err(checker)) => {
            let address = how.target.as_ref().is_some_and(|target| target.contains(['.', ':', '/']));
            return failed(if address { &checker } else { &vrrp }, output);
        }
        (Err(error), Ok(checker)) if !is_refusal(&error) || checker.is_none() => {
            return failed(&error, output);
        }
        (Ok(vrrp), Err(error)) if !is_refusal(&error) || vrrp.is_none() => return failed(&error, output),
        (vrrp, checker) => (vrrp.ok().flatten(), checker.ok().flatten()),
    };
    let mut text = String::new();
    if let Some(reply) = vrrp {
        text.push_str(&routers::released(&serde_json::from_value(reply).unwrap_or_default()));
    }
    if let Some(reply) = checker {
        text.push_str(&servers::told(reply));
    }
    output.print(if text.is_empty() { "nothing was in force\n" } else { &text });
    Exit::Done
}

const fn is_refusal(error: &CallError) -> bool {
    matches!(error, CallError::Refused(_))
}

/// What an operator has typed, perhaps behind `sudo`: the process knows that it was root, and can show who we say it was.
fn with_terms(params: Value, lasting: Option<Duration>, reason: Option<&str>) -> Value {
    let mut params = on_terms(params, lasting, reason);
    if let Some(fields) = params.as_object_mut() {
        fields.extend(sudo_user().map(|name| ("sudo_user".to_owned(), name.into())));
    }
    params
}

fn on_terms(mut params: Value, lasting: Option<Duration>, reason: Option<&str>) -> Value {
    if let Some(fields) = params.as_object_mut() {
        fields.extend(lasting.map(|lasting| ("for_s".to_owned(), lasting.as_secs_f64().into())));
        fields.extend(reason.map(|reason| ("reason".to_owned(), reason.into())));
    }
    params
}

/// Gives a child its order. None where the configuration has no such child.
fn call(run_dir: &Path, child: &str, params: &Value) -> Result<Option<Value>, CallError> {
    // Where there is no child its socket is missing: that the daemon runs, the watchdog's says.
    let called = Client::connect(&run_dir.join(format!("{child}.sock")), PATIENCE)
        .and_then(|mut client| client.call("steer", params.clone()));
    match called {
        Ok(reply) => Ok(Some(reply)),
        Err(error @ CallError::NotRunning(_)) => {
            let watchdog = Client::connect(&run_dir.join("watchdog.sock"), PATIENCE);
            match watchdog {
                Ok(_) => Ok(None),
                Err(CallError::Permission(path)) => Err(CallError::Permission(path)),
                Err(_) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Says what went wrong.
fn failed(error: &CallError, output: &mut Output) -> Exit {
    output.complain(&format!("{error}\n"));
    status::exit_of(error)
}
