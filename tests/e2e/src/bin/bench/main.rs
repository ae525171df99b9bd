//! The measurements: Holdfast beside keepalived, in one run on one machine, so that the ratios mean something.
//!
//! `bench [failover|stop|idle|config|ipvs]…` prints one table in Markdown; without arguments, all of it.

mod config;
mod director;
mod failover;
mod idle;
mod ipvs;
mod table;

use std::process::ExitCode;

use table::Table;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let all = ["failover", "stop", "idle", "config", "ipvs"];
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(&name.as_str())) {
        eprintln!("bench: no measurement {unknown:?}: there are {}", all.join(", "));
        return ExitCode::from(2);
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|want| want == name);
    let mut table = Table::default();
    let run = |table: &mut Table| -> lab::Result {
        lab::require_privileges()?;
        if is_wanted("failover") {
            failover::killed(table)?;
        }
        if is_wanted("stop") {
            failover::stopped(table)?;
        }
        if is_wanted("idle") {
            idle::measure(table)?;
        }
        if is_wanted("config") {
            config::measure(table)?;
        }
        if is_wanted("ipvs") {
            ipvs::measure(table)?;
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
