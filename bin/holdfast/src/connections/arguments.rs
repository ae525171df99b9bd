//! The command line of `holdfast connections`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::filter::{Filter, Place, Service};

#[derive(Debug, Args)]
pub(crate) struct Connections {
    /// Only those to this service: ADDRESS, ADDRESS:PORT, ADDRESS/PREFIX, :PORT or "fwmark N"
    #[arg(long, value_name = "SERVICE")]
    service: Vec<Service>,
    /// Only those that go to this real server
    #[arg(long, value_name = "SERVER")]
    server: Vec<Place>,
    /// Only those of this client
    #[arg(long, value_name = "CLIENT")]
    client: Vec<Place>,
    /// Only those in such a state, such as established
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<String>,
    /// Only those of such a protocol: tcp, udp, sctp
    #[arg(long, value_name = "PROTOCOL", value_delimiter = ',')]
    protocol: Vec<String>,
    /// Count them for each service and server
    #[arg(long)]
    pub(super) count: bool,
    /// Print JSON, for programs: the same as -o json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How to print it
    #[arg(short = 'o', long = "output", value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Read a table that was saved, not the kernel's
    #[arg(long, value_name = "FILE")]
    pub(super) from: Option<PathBuf>,
}

/// The ways to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Connections {
    /// Whether it is for a program.
    pub(super) fn json(&self) -> bool {
        self.json || self.format == Some(Format::Json)
    }

    /// What is wanted.
    pub(super) fn filter(&self) -> Filter {
        Filter {
            services: self.service.clone(),
            servers: self.server.clone(),
            clients: self.client.clone(),
            states: self.state.clone(),
            protocols: self.protocol.clone(),
        }
    }
}
