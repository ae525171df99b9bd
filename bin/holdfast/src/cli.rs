//! The command line, as design.md 1.2 fixes it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::connections::Connections;
use crate::digest::Digest;
use crate::doctor::Doctor;
use crate::output::Color;
use crate::realserver::RealServer;
use crate::reload::Reload;
use crate::status::wanted::{Status, joined};
use crate::steer;
use crate::top::Top;

/// The words of this process, as the parser wants them.
pub(crate) fn line() -> Vec<OsString> {
    joined(std::env::args_os())
}

/// What the operator asked for.
#[derive(Debug, Parser)]
#[command(
    name = "holdfast",
    version,
    about = "Checks, shows and reloads Holdfast",
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", default_value = "/etc/holdfast/holdfast.toml")]
    pub(crate) config: PathBuf,
    /// Where the daemon has its sockets
    #[arg(long, global = true, value_name = "DIR", default_value = "/run/holdfast")]
    pub(crate) run_dir: PathBuf,
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto", alias = "colour")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a configuration: every fault with its place, without touching anything
    Check(Check),
    /// Show the state of the running daemon
    Status(Status),
    /// Show what happened: transitions, faults, verdicts, restarts, reloads
    Events(Events),
    /// Show everything on one screen, renewed, with what goes through it
    Top(Top),
    /// Show the connections in the kernel's table
    Connections(Connections),
    /// Make the running daemon read its configuration again, wholly or not at all
    Reload(Reload),
    /// Look for what on this machine is in the way of the configuration
    Doctor(Doctor),
    /// Make this machine a real server for direct routing or tunnels
    Realserver(RealServer),
    /// Ask a web server as a check would, and print the digest for the check
    Digest(Digest),
    /// Give place to the program that was installed
    Upgrade,
    /// Send a real server no new connections, and leave it those it has
    Drain(steer::Server),
    /// Take a real server out of its services
    Disable(steer::Server),
    /// Bring a real server back that was drained or disabled
    Enable(steer::Enable),
    /// Give a real server another weight
    Weight(steer::Weight),
    /// Have a master hand over to another machine, which keeps the addresses
    Failover(steer::Failover),
    /// Have all masters here hand over, and be master of nothing meanwhile
    Maintenance(steer::Maintenance),
    /// End what was ordered by hand: back to the configuration
    Release(steer::Release),
    /// Turn a keepalived.conf into a configuration of Holdfast
    Convert(Convert),
    /// Print a JSON Schema of the configuration, for editors
    Schema,
    /// Serve the status over HTTP: metrics, JSON, CSV and a page
    Serve(Serve),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The file to check instead of the configuration file
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The configuration of keepalived
    #[arg(default_value = "/etc/keepalived/keepalived.conf")]
    pub(crate) file: PathBuf,
    /// Write to this new file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The name that lines for `@NAME` are compared with, instead of the host's
    #[arg(long, value_name = "NAME")]
    pub(crate) id: Option<String>,
    /// Only say what becomes of every keyword
    #[arg(long)]
    pub(crate) keywords: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen: ADDRESS:PORT or unix:PATH
    #[arg(long, default_value = "127.0.0.1:9650")]
    pub(crate) listen: String,
    /// Also give the metrics the names that another exporter has
    #[arg(long, value_enum)]
    pub(crate) compat: Option<Compat>,
    /// Take orders to drain and enable servers from who has the token in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// Exporters whose names can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compat {
    /// That of keepalived
    KeepalivedExporter,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on with what comes, until killed
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Print JSON, an event a line, for programs
    #[arg(long)]
    pub(crate) json: bool,
    /// From when on: a duration before now (10m), or a time in UTC (2026-11-21T09:00:00Z)
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Only so many of the last ones
    #[arg(short, value_name = "NUMBER")]
    pub(crate) number: Option<usize>,
    /// Only these: kinds (state_changed), families of kinds (transitions), objects (VI_1, 10.0.0.1:80)
    #[arg(value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_options_stand_before_or_after_the_command() {
        for line in [
            ["holdfast", "--run-dir", "/r", "status", "--json"],
            ["holdfast", "status", "--json", "--run-dir", "/r"],
        ] {
            let arguments = Arguments::parse_from(line);
            assert_eq!(arguments.run_dir, PathBuf::from("/r"));
            assert_eq!(arguments.config, PathBuf::from("/etc/holdfast/holdfast.toml"));
            assert!(matches!(arguments.command, Command::Status(Status { json: true, what: None, .. })));
        }
    }

    /// `UPDATE=1 cargo test` writes them anew.
    #[test]
    fn the_completions_that_are_installed_are_those_of_this_command_line() {
        use clap::CommandFactory as _;
        use clap_complete::Shell::{Bash, Fish, Zsh};

        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc/completions");
        for (shell, name) in [(Bash, "holdfast.bash"), (Zsh, "_holdfast"), (Fish, "holdfast.fish")] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "holdfast", &mut text);
            let text = String::from_utf8(text).unwrap();
            let path = directory.join(name);
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
        }
    }

    #[test]
    fn a_faulty_line_is_a_usage_fault() {
        for line in [&["holdfast"][..], &["holdfast", "fly"], &["holdfast", "status", "nothing"]] {
            assert_eq!(Arguments::try_parse_from(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }
}
