//! `holdfast connections`: the kernel's table of connections, chosen, told or counted, line by line.
//!
//! A table may have millions of lines: none is kept, but the first ones, by which the columns line up. The running
//! daemon is asked once, for what it calls its services; without one there are only addresses.

mod arguments;
mod count;
mod entry;
mod filter;
mod list;
mod names;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use common::exit::Exit;
use serde_json::Value;

pub(crate) use arguments::Connections;

use crate::cli::Arguments;
use crate::output::Output;
use crate::status;
use count::Count;
use entry::{Entry, Line};
use list::List;
use names::Names;

/// The kernel's table, for each network namespace its own.
const TABLE: &str = "net/ip_vs_conn";
/// The kernel hands out pages.
const BUFFER: usize = 256 * 1024;

/// What is done with the connections that are wanted.
trait Sink {
    /// One more; false if nobody wants to know.
    fn take(&mut self, entry: &Entry<'_>, service: Option<&str>, output: &mut Output) -> bool;
    /// That was all.
    fn end(&mut self, output: &mut Output);
}

/// Reads, chooses and prints.
pub(crate) fn run(arguments: &Arguments, wanted: &Connections, output: &mut Output) -> Exit {
    let (names, checker) =
        if wanted.from.is_some() { (Names::default(), None) } else { known(&arguments.run_dir) };
    let table = match open(wanted.from.as_deref(), checker) {
        Ok(table) => table,
        Err(fault) => {
            output.complain(&fault);
            return Exit::Failed;
        }
    };
    let mut sink: Box<dyn Sink> =
        if wanted.count { Box::new(Count::new(wanted.json())) } else { Box::new(List::new(wanted.json())) };
    match pass(table, wanted, &names, &mut *sink, output) {
        Ok(0) => Exit::Done,
        Ok(strange) => {
            output.complain(&format!("{strange} lines of the table could not be read\n"));
            Exit::Failed
        }
        Err(error) => {
            output.complain(&format!("the table of connections cannot be read: {error}\n"));
            Exit::Failed
        }
    }
}

/// Lets the whole table pass by; how many lines were strange.
fn pass(
    mut table: impl BufRead,
    wanted: &Connections,
    names: &Names,
    sink: &mut dyn Sink,
    output: &mut Output,
) -> io::Result<u64> {
    let filter = wanted.filter();
    let (mut text, mut strange) = (Vec::new(), 0);
    while {
        text.clear();
        table.read_until(b'\n', &mut text)?
    } > 0
    {
        let read = std::str::from_utf8(&text).map_or(Line::Strange, entry::line);
        match read {
            Line::Head => {}
            Line::Strange => strange += 1,
            Line::Entry(entry) => {
                let service = names.of(&entry);
                if filter.wants(&entry, service) && !sink.take(&entry, service, output) {
                    return Ok(0);
                }
            }
        }
    }
    sink.end(output);
    Ok(strange)
}

/// What the daemon calls its services, and the process whose network they are in.
fn known(run_dir: &Path) -> (Names, Option<u64>) {
    let Ok(watchdog) = status::ask(run_dir, "watchdog") else { return (Names::default(), None) };
    let children = watchdog.pointer("/watchdog/children").or_else(|| watchdog.get("children"));
    let checker = children
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|child| child.get("name").and_then(Value::as_str) == Some("checker"));
    let pid = checker.and_then(|child| child.get("pid")).and_then(Value::as_u64);
    if pid.is_none() {
        return (Names::default(), None);
    }
    let part = status::ask(run_dir, "checker").ok();
    let part = part.and_then(|part| serde_json::from_value(status::text::without_nulls(&part)).ok());
    (part.map(|part| Names::new(&part)).unwrap_or_default(), pid)
}

/// The table: that of the daemon's network if there is one.
fn open(from: Option<&Path>, checker: Option<u64>) -> Result<BufReader<File>, String> {
    let own = PathBuf::from("/proc").join(TABLE);
    let theirs = checker.map(|pid| PathBuf::from(format!("/proc/{pid}")).join(TABLE));
    let path = match (from, theirs) {
        (Some(path), _) => path.to_owned(),
        (None, Some(path)) if path.exists() => path,
        (None, _) => own,
    };
    let file = File::open(&path).map_err(|error| {
        let why = if from.is_none() && error.kind() == io::ErrorKind::NotFound {
            "this kernel has no IPVS, or its module ip_vs is not loaded".to_owned()
        } else {
            error.to_string()
        };
        format!("{}: {why}\n", path.display())
    })?;
    Ok(BufReader::with_capacity(BUFFER, file))
}

#[cfg(test)]
mod tests;
