//! The measurements: Holdfast beside keepalived, in one run on one machine, so that the ratios mean something.
//!
//! `bench [failover|stop|lease|handover|many|idle|config|ipvs|detection|reload|tcp|http|https|spread]…` prints one table in Markdown; without arguments, all of it.

mod checks;
mod config;
mod detection;
mod director;
mod failover;
mod farm;
mod guest;
mod handover;
mod idle;
mod ipvs;
mod lease;
mod many;
mod reload;
mod table;

use std::process::ExitCode;

use table::Table;

/// Adds its rows to the table.
type Measure = fn(&mut Table) -> lab::Result;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let all: [(&str, Measure); 14] = [
        ("failover", failover::killed),
        ("stop", failover::stopped),
        ("lease", lease::measure),
        ("handover", handover::measure),
        ("many", many::measure),
        ("idle", idle::measure),
        ("config", config::measure),
        ("ipvs", ipvs::measure),
        ("detection", detection::measure),
        ("reload", reload::measure),
        ("tcp", checks::tcp),
        ("http", checks::http),
        ("https", checks::https),
        ("spread", checks::spread),
    ];
    let names = all.map(|(name, _)| name);
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        eprintln!("bench: no measurement {unknown:?}: there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|want| want == name);
    let mut table = Table::default();
    let run = |table: &mut Table| -> lab::Result {
        lab::require_privileges()?;
        for (name, measure) in all {
            if is_wanted(name) {
                measure(table)?;
            }
        }
        Ok(())
    };
    let outcome = run(&mut table);
    println!("\n{table}");
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
