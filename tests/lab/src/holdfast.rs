//! Holdfast itself in a host.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{Error, Log, Netns, Output, Process, Result, TempDir, output, wait};

/// One of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The daemon.
    Holdfastd,
    /// The operator's command.
    Holdfast,
}

/// The path of a program, built from this tree; `HOLDFAST_BIN_DIR` names a folder with ready ones instead.
pub fn program(program: Program) -> Result<PathBuf> {
    static FOLDER: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| build().map_err(|error| error.to_string()));
    let folder = folder.as_ref().map_err(|message| Error::new(message.clone()))?;
    Ok(folder.join(match program {
        Program::Holdfastd => "holdfastd",
        Program::Holdfast => "holdfast",
    }))
}

fn build() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("HOLDFAST_BIN_DIR") {
        return Ok(folder.into());
    }
    // target/debug/deps/test-1234 or target/debug/program
    let me = std::env::current_exe()?;
    let folder = me
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"))
        .ok_or_else(|| Error::new("the test program has a folder"))?
        .to_path_buf();
    if let Some(cargo) = std::env::var_os("CARGO") {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml").into();
        let mut argv =
            vec![cargo, "build".into(), "-q".into(), "--bins".into(), "--manifest-path".into(), manifest];
        argv.extend(["-p", "holdfastd", "-p", "holdfast"].map(Into::into));
        if folder.ends_with("release") {
            argv.push("--release".into());
        }
        crate::run(&argv)?;
    }
    Ok(folder)
}

/// A running Holdfast with a run directory and a configuration of its own.
#[derive(Debug)]
pub struct Holdfast {
    process: Process,
    folder: TempDir,
    host: String,
}

impl Holdfast {
    /// Starts the daemon in the foreground; returns when its children are ready.
    #[track_caller]
    pub fn start(host: &Netns, config: &str) -> Result<Self> {
        Self::launch(host, config, &[])?.ready()
    }

    /// As [`Self::start`], with a daemon that lies elsewhere.
    #[track_caller]
    pub fn start_program(host: &Netns, daemon: &Path, config: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let file = folder.write("holdfast.toml", config)?;
        Self::launch_program(host, daemon, folder, &file.to_string_lossy(), &[])?.ready()
    }

    fn ready(self) -> Result<Self> {
        let mut holdfast = self;
        let what = "Holdfast to be ready";
        // The test kernel is slow on a busy machine.
        let limit = Duration::from_secs(if crate::uml::in_guest() { 120 } else { 20 });
        wait::until(what, limit, || {
            if !holdfast.process.running() {
                return Err(Error::new(format!("holdfastd ended:\n{}", holdfast.log().tail(30))));
            }
            Ok(holdfast.children_ready())
        })
        .map_err(|error| Error::new(format!("{error}; its log ends:\n{}", holdfast.log().tail(30))))?;
        Ok(holdfast)
    }

    /// Starts the daemon in the foreground with more options, without waiting for anything.
    #[track_caller]
    pub fn launch(host: &Netns, config: &str, options: &[&str]) -> Result<Self> {
        let folder = TempDir::new()?;
        let file = folder.write("holdfast.toml", config)?;
        Self::launch_in(host, folder, &file.to_string_lossy(), options)
    }

    fn launch_in(host: &Netns, folder: TempDir, file: &str, options: &[&str]) -> Result<Self> {
        Self::launch_program(host, &program(Program::Holdfastd)?, folder, file, options)
    }

    fn launch_program(
        host: &Netns,
        daemon: &Path,
        folder: TempDir,
        file: &str,
        options: &[&str],
    ) -> Result<Self> {
        let run = folder.path().join("run");
        std::fs::create_dir_all(&run)?;
        let (daemon, run) = (daemon.to_string_lossy(), run.to_string_lossy().into_owned());
        let mut argv = vec![&*daemon, "-n", "-c", file, "--run-dir", &run];
        // Measurements want the level of real life.
        let level = std::env::var("LAB_LOG_LEVEL").unwrap_or_else(|_| "debug".to_owned());
        argv.extend(["--log-level", &*level, "--log-target", "stderr"]);
        argv.extend(options);
        let process = Process::start(host, &argv, &folder.path().join("log"))?;
        Ok(Self { process, folder, host: host.name().to_owned() })
    }

    fn children_ready(&self) -> bool {
        let Ok(status) = self.status() else { return false };
        let children = status.pointer("/watchdog/children").and_then(Value::as_array);
        children.is_some_and(|children| {
            children.iter().all(|child| child.pointer("/state").and_then(Value::as_str) == Some("up"))
        })
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// The watchdog's process, for signals and waits.
    #[must_use]
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The process of a child as the system shows it, without asking the daemon; none while it is between two lives.
    #[must_use]
    pub fn running_child(&self, name: &str) -> Option<i32> {
        let title = format!("holdfastd: {name}");
        let named = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).next() == Some(title.as_bytes())
        };
        self.process.tree().into_iter().find(named)
    }

    /// Its folder: `holdfast.toml`, `run/`, `log`.
    #[must_use]
    pub fn folder(&self) -> &TempDir {
        &self.folder
    }

    /// Runs `holdfast ARGUMENTS --run-dir …` in its host.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> Result<Output> {
        let command = program(Program::Holdfast)?;
        let run = self.folder.path().join("run");
        let (command, run) = (command.to_string_lossy(), run.to_string_lossy());
        let mut argv = vec!["ip", "netns", "exec", &self.host, &*command];
        argv.extend(arguments);
        argv.extend(["--run-dir", &*run]);
        output(&argv)
    }

    /// `holdfast status --json`.
    #[track_caller]
    pub fn status(&self) -> Result<Value> {
        let done = self.command(&["status", "--json"])?;
        if done.code != Some(0) {
            return Err(Error::new(format!(
                "holdfast status failed ({:?}): {}",
                done.code,
                done.stderr.trim()
            )));
        }
        Ok(serde_json::from_str(&done.stdout)?)
    }

    /// One field of an instance's status: `instance("VI_1", "/state")`.
    #[track_caller]
    pub fn instance(&self, name: &str, pointer: &str) -> Result<Value> {
        let status = self.status()?;
        let instances = status.pointer("/vrrp/instances").and_then(Value::as_array);
        let instance = instances
            .into_iter()
            .flatten()
            .find(|instance| instance.get("name").and_then(Value::as_str) == Some(name));
        let instance = instance.ok_or_else(|| Error::new(format!("no instance {name} in {status}")))?;
        Ok(instance.pointer(pointer).cloned().unwrap_or(Value::Null))
    }

    /// Waits until an instance is `master`, `backup` or `fault`.
    #[track_caller]
    pub fn wait_state(&self, name: &str, state: &str, limit: Duration) -> Result {
        let what = format!("Holdfast's {name} to be {state}");
        wait::until(&what, limit, || {
            // The child may be between two lives: no answer is not yet a failure.
            Ok(self.instance(name, "/state").is_ok_and(|have| have.as_str() == Some(state)))
        })
        .map_err(|error| Error::new(format!("{error}; its log ends:\n{}", self.log().tail(30))))
    }

    /// The process id of a child, as the watchdog reports it.
    #[track_caller]
    pub fn child(&self, name: &str) -> Result<i32> {
        let status = self.status()?;
        let children = status.pointer("/watchdog/children").and_then(Value::as_array);
        let child = children
            .into_iter()
            .flatten()
            .find(|child| child.get("name").and_then(Value::as_str) == Some(name));
        let pid = child.and_then(|child| child.get("pid")).and_then(Value::as_i64);
        let pid = pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
        pid.ok_or_else(|| Error::new(format!("no child {name} in {status}")))
    }

    /// Sends a signal to a child.
    #[track_caller]
    pub fn signal_child(&self, name: &str, signal: Signal) -> Result {
        Ok(kill(Pid::from_raw(self.child(name)?), signal)?)
    }

    /// Writes a new configuration without telling anybody.
    pub fn write_config(&self, config: &str) -> Result {
        self.folder.write("holdfast.toml", config).map(drop)
    }

    /// Writes a new configuration and runs `holdfast reload`.
    #[track_caller]
    pub fn reload(&self, config: &str) -> Result<Output> {
        self.write_config(config)?;
        self.command(&["reload"])
    }

    /// An orderly stop: SIGTERM, and the end waited for. Returns the exit code (negated signal).
    #[track_caller]
    pub fn stop(mut self) -> Result<i32> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait_code(Duration::from_secs(15))
    }

    /// SIGKILL for all its processes at once; the folder is kept for a [`Self::restart`].
    pub fn kill(mut self) -> Result<TempDir> {
        self.process.kill_tree()?;
        let Self { folder, .. } = self;
        Ok(folder)
    }

    /// As [`Self::restart`], with a daemon that lies elsewhere.
    #[track_caller]
    pub fn restart_program(host: &Netns, daemon: &Path, folder: TempDir) -> Result<Self> {
        let file = folder.path().join("holdfast.toml").to_string_lossy().into_owned();
        Self::launch_program(host, daemon, folder, &file, &[])
    }

    /// Starts again in the folder of an earlier run, leftovers and all; waits for nothing.
    #[track_caller]
    pub fn restart(host: &Netns, folder: TempDir) -> Result<Self> {
        let file = folder.path().join("holdfast.toml").to_string_lossy().into_owned();
        Self::launch_in(host, folder, &file, &[])
    }
}
