//! The test kernel: runs a command in user-mode Linux with real IPVS, whatever the host's kernel has.
//!
//! Everything is done by the script `tests/lab/uml`, so that a shell (demo, bench) and a Rust test start the same
//! guest in the same way. The guest's root is the host's file tree, so a binary that cargo built runs as it is.
//!
//! A test file keeps the tests that need the kernel in a module of ignored tests and one test that runs them:
//!
//! ```text
//! mod guest {
//!     #[test]
//!     #[ignore = "needs the test kernel: run by in_the_test_kernel"]
//!     fn a_service_appears() { … }
//! }
//!
//! #[test]
//! fn in_the_test_kernel() { lab::uml::run_ignored_tests("guest::").unwrap(); }
//! ```

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// The exit code of a guest that did not live to report one: panic or time limit.
pub const NO_REPORT: i32 = 255;

/// Why a command in the test kernel did not succeed.
#[derive(Debug)]
pub enum UmlError {
    /// The script that starts the guest could not be run.
    Start(std::io::Error),
    /// The test binary that is to run in the guest does not know its own path.
    OwnPath(std::io::Error),
    /// The command ended with another code than 0; the output says why.
    Failed {
        /// The command's exit code, or [`NO_REPORT`].
        code: i32,
        /// What it printed, and what the kernel said if it did not survive.
        output: String,
    },
}

impl fmt::Display for UmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "the test kernel's script does not start: {error}"),
            Self::OwnPath(error) => write!(f, "the path of this test binary is unknown: {error}"),
            Self::Failed { code, output } if *code == NO_REPORT => {
                write!(f, "the test kernel died or ran out of time\n{output}")
            }
            Self::Failed { code, output } => {
                write!(f, "exit code {code} in the test kernel\n{output}")
            }
        }
    }
}

impl std::error::Error for UmlError {}

/// How the guest is to be made. The defaults suit a test of a few seconds.
#[derive(Debug, Clone)]
pub struct Uml {
    memory: u32,
    limit: Duration,
    environment: Vec<(OsString, OsString)>,
    skipped: Vec<&'static str>,
}

impl Default for Uml {
    fn default() -> Self {
        Self { memory: 384, limit: Duration::from_secs(120), environment: Vec::new(), skipped: Vec::new() }
    }
}

impl Uml {
    /// The guest's memory in megabytes.
    #[must_use]
    pub fn memory(mut self, megabytes: u32) -> Self {
        self.memory = megabytes;
        self
    }

    /// After this time the guest is killed, and the run has failed with [`NO_REPORT`].
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// A variable the command finds in its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Tests whose names have this in them are left out, for another guest.
    #[must_use]
    pub fn skip(mut self, name: &'static str) -> Self {
        self.skipped.push(name);
        self
    }

    /// Builds Holdfast first, outside: the guest finds it, and has no compiler to wait for.
    pub fn with_holdfast(self) -> crate::Result<Self> {
        let daemon = crate::program(crate::Program::Holdfastd)?;
        let folder = daemon.parent().ok_or("a program has a folder")?;
        Ok(self.env("HOLDFAST_BIN_DIR", folder))
    }

    /// Boots a guest, runs `argv` in it as root in the caller's directory, and returns what it printed (both
    /// streams together). Any exit code but 0 is an error that carries the output.
    pub fn run<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Result<String, UmlError> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("uml");
        let done = Command::new(script)
            .args(["-m", &self.memory.to_string()])
            .args(["-t", &self.limit.as_secs().to_string()])
            .arg("--")
            .args(argv)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .map_err(UmlError::Start)?;
        let mut output = String::from_utf8_lossy(&done.stdout).into_owned();
        if done.status.success() {
            return Ok(output);
        }
        output.push_str(&String::from_utf8_lossy(&done.stderr));
        Err(UmlError::Failed { code: done.status.code().unwrap_or(NO_REPORT), output })
    }

    /// Runs the ignored tests of the calling test binary whose names start with `prefix` in one guest, one after
    /// the other, and returns their report.
    pub fn run_ignored_tests(&self, prefix: &str) -> Result<String, UmlError> {
        let own = env::current_exe().map_err(UmlError::OwnPath)?;
        let fixed = ["--ignored", "--test-threads=1", "--color=never"].map(OsStr::new);
        let argv = [own.as_os_str(), OsStr::new(prefix)];
        let skipped = self.skipped.iter().flat_map(|name| ["--skip", name]).map(OsStr::new);
        self.run(argv.into_iter().chain(fixed).chain(skipped))
    }
}

/// [`Uml::run`] with the defaults.
pub fn run<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>) -> Result<String, UmlError> {
    Uml::default().run(argv)
}

/// [`Uml::run_ignored_tests`] with the defaults.
pub fn run_ignored_tests(prefix: &str) -> Result<String, UmlError> {
    Uml::default().run_ignored_tests(prefix)
}

/// Whether this process runs in the test kernel.
#[must_use]
pub fn in_guest() -> bool {
    env::var_os("LAB_GUEST").is_some()
}
