//! `holdfast convert`: a keepalived.conf as a holdfast.toml.
//!
//! Text goes through four steps: lines ([`source`]: includes, conditions, definitions, repetitions), blocks
//! ([`tree`]), keywords with what becomes of each ([`keyword`] and the tables of [`site`], [`instance`], [`track`],
//! [`service`], [`check`] and [`http`]), and TOML ([`toml`]). What is lost is told with its line, on standard error
//! and in its place in the new file.

mod address;
mod alerts;
mod auth;
mod check;
mod http;
mod instance;
mod kernel;
mod keyword;
mod keywords;
mod lex;
mod place;
mod process;
mod repeat;
mod resources;
mod route;
mod rule;
mod service;
mod site;
mod source;
mod sync;
#[cfg(test)]
mod tests;
mod toml;
mod track;
mod tree;
mod values;
mod vmac;

use std::path::{Path, PathBuf};

use common::exit::Exit;

use crate::cli::Convert;
use crate::output::Output;
use keyword::Context;
use place::Report;

/// Reads the file, writes the new one, and tells what was lost.
pub(crate) fn run(how: &Convert, output: &mut Output) -> Exit {
    if how.keywords {
        output.print(&keywords::page());
        return Exit::Done;
    }
    let id = how.id.clone().unwrap_or_else(host);
    let converted = match convert(&Disk, &how.file, &id) {
        Ok(converted) => converted,
        Err(fault) => {
            output.complain(&format!("{fault}\n"));
            return if how.file.exists() { Exit::Failed } else { Exit::NoConfig };
        }
    };
    for remark in converted.report.remarks() {
        output.complain(&format!("{remark}\n"));
    }
    let written = match &how.output {
        None => {
            output.print(&converted.text);
            Ok(())
        }
        Some(path) => write_new(path, &converted.text),
    };
    match written {
        Ok(()) if converted.report.is_whole() => Exit::Done,
        Ok(()) => Exit::Failed,
        Err(error) => {
            output.complain(&format!("{error}\n"));
            Exit::Failed
        }
    }
}

/// A converted configuration.
#[derive(Debug)]
struct Converted {
    text: String,
    report: Report,
}

fn convert(files: &dyn source::Files, path: &Path, id: &str) -> Result<Converted, String> {
    let mut cx = Context::default();
    let lines = source::Reader::new(files, id, &mut cx.report).read(path)?;
    let items = tree::tree(&lines, &mut cx.report);
    let site = site::site(&items, &mut cx);
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Converted { text: site.render(&name), report: cx.report })
}

/// The real file system.
struct Disk;

impl source::Files for Disk {
    fn read(&self, path: &Path) -> Result<String, String> {
        let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn find(&self, pattern: &str) -> Vec<PathBuf> {
        glob::glob(pattern).map(|found| found.filter_map(Result::ok).collect()).unwrap_or_default()
    }
}

/// What keepalived compares `@` conditions with unless it is told.
fn host() -> String {
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// Writes a file that is not there yet: a configuration that somebody has worked on is not overwritten.
fn write_new(path: &Path, text: &str) -> Result<(), String> {
    use std::io::Write as _;
    let file = std::fs::File::options().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
