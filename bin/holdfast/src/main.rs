//! The operator's command: checks a configuration, shows the state of a running daemon, makes it read its
//! configuration again.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod connections;
mod convert;
mod digest;
mod doctor;
mod events;
mod output;
mod pace;
mod realserver;
#[cfg(test)]
mod reference;
mod reload;
mod roles;
mod schema;
mod screen;
mod serve;
#[cfg(test)]
mod spoiled;
mod status;
mod steer;
mod top;
mod upgrade;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Arguments, Command};
use output::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(cli::line());
    let mut output = Output::standard(arguments.color);
    let exit = match &arguments.command {
        Command::Check(check) => check::run(check.file.as_deref().unwrap_or(&arguments.config), &mut output),
        Command::Connections(wanted) => connections::run(&arguments, wanted, &mut output),
        Command::Convert(how) => convert::run(how, &mut output),
        Command::Events(what) => events::run(&arguments, what, &mut output),
        Command::Schema => schema::run(&mut output),
        Command::Serve(how) => serve::run(&arguments, how, &mut output),
        Command::Status(what) => status::run(&arguments, what, &mut output),
        Command::Top(wanted) => top::run(&arguments, wanted, &mut output),
        Command::Drain(how) => steer::server(&arguments, "drain", how, &mut output),
        Command::Disable(how) => steer::server(&arguments, "disable", how, &mut output),
        Command::Enable(how) => steer::enable(&arguments, how, &mut output),
        Command::Weight(how) => steer::weight(&arguments, how, &mut output),
        Command::Failover(how) => steer::failover(&arguments, how, &mut output),
        Command::Maintenance(how) => steer::maintenance(&arguments, how, &mut output),
        Command::Release(how) => steer::release(&arguments, how, &mut output),
        Command::Upgrade => upgrade::run(&arguments, &mut output),
        Command::Doctor(how) => doctor::run(&arguments, how, &mut output),
        Command::Realserver(how) => realserver::run(how, &mut output),
        Command::Digest(how) => digest::run(how, &mut output),
        Command::Reload(how) => reload::run(&arguments, how, &mut output),
    };
    exit.into()
}
