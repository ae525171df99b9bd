//! Running a program to its end.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::{Error, Result};

/// How a program ended and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a program and returns how it ended, whatever the exit code.
#[track_caller]
pub fn output<S: AsRef<OsStr>>(argv: &[S]) -> Result<Output> {
    let [program, arguments @ ..] = argv else { return Err(Error::new("an empty command line")) };
    let done = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::new(format!("cannot run {}: {error}", program.as_ref().display())))?;
    Ok(Output {
        code: done.status.code(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}

/// Runs a program that must succeed and returns its standard output.
#[track_caller]
pub fn run<S: AsRef<OsStr>>(argv: &[S]) -> Result<String> {
    let done = output(argv)?;
    if done.code == Some(0) {
        return Ok(done.stdout);
    }
    let line: Vec<_> = argv.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    Err(Error::new(format!(
        "`{}` failed (exit code {:?}): {}",
        line.join(" "),
        done.code,
        done.stderr.trim()
    )))
}

/// Fails when a program is not installed, naming the package list that has it.
pub(crate) fn find(program: &str) -> Result {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file());
    if found {
        return Ok(());
    }
    Err(Error::new(format!(
        "`{program}` is not installed: run `make deps` (packages are listed in tests/packages)"
    )))
}
