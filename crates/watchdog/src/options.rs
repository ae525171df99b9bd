//! How the daemon was asked to run, and the same again as arguments for the processes it starts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use common::log::{Levels, Target};
use common::role::Role;

/// How the daemon was asked to run. Paths are absolute: a daemon leaves its working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Where the sockets and the pid file are.
    pub run_dir: PathBuf,
    /// Run this role only, whatever else the configuration asks for.
    pub only: Option<&'static str>,
    /// How much is logged.
    pub log_level: Levels,
    /// Where to.
    pub log_target: Target,
}

impl Options {
    /// The arguments that make a child of this daemon.
    pub(crate) fn child_args(&self, role: &Role) -> Vec<OsString> {
        let mut args = vec![OsString::from("--role"), role.name.into()];
        args.extend(self.shared_args());
        args
    }

    /// The arguments that make a courier of it.
    pub(crate) fn courier_args(&self) -> Vec<OsString> {
        let mut args = vec![OsString::from("--role"), "mail".into()];
        args.extend(self.shared_args());
        args
    }

    /// The arguments that make this daemon once more.
    pub(crate) fn daemon_args(&self) -> Vec<OsString> {
        let mut args = vec![OsString::from("--config"), self.config.clone().into()];
        args.extend(self.only.map(|role| OsString::from(format!("--{role}-only"))));
        args.extend(self.shared_args());
        args
    }

    fn shared_args(&self) -> [OsString; 6] {
        [
            "--run-dir".into(),
            self.run_dir.clone().into(),
            "--log-level".into(),
            self.log_level.to_string().into(),
            "--log-target".into(),
            self.log_target.to_string().into(),
        ]
    }

    /// The control socket of a process.
    pub(crate) fn socket(&self, process: &str) -> PathBuf {
        socket(&self.run_dir, process)
    }
}

/// The control socket of a process.
pub(crate) fn socket(run_dir: &Path, process: &str) -> PathBuf {
    run_dir.join(format!("{process}.sock"))
}
