//! A daemon under test: its own directory, its log as the witness, and no process left behind.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::control::Client;
use common::event_loop::clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Nothing here takes longer, unless it never happens.
const LIMIT: Duration = Duration::from_secs(20);

/// Impatient, so that the tests are quick; but a busy machine must not look like a hung child.
pub(crate) const QUICK: &str = "[watchdog]\nhello_interval = \"200ms\"\nhello_timeout = \"1s\"\nstart_timeout = \"3s\"\nstop_timeout = \"1s\"\n";

pub(crate) struct Lab {
    pub(crate) dir: PathBuf,
    daemon: Option<Child>,
}

impl Lab {
    /// A directory with this configuration.
    pub(crate) fn new(config: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("holdfast-process-{}-{next}", std::process::id()));
        fs::create_dir_all(dir.join("run")).unwrap();
        let lab = Self { dir, daemon: None };
        lab.write(config);
        lab
    }

    /// A daemon in the foreground that is ready.
    pub(crate) fn up(config: &str) -> Self {
        let mut lab = Self::new(config);
        lab.start(&[]);
        lab.wait_for_line("watchdog: started generation=1");
        lab
    }

    pub(crate) fn write(&self, config: &str) {
        fs::write(self.dir.join("c.toml"), format!("{QUICK}{config}")).unwrap();
    }

    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-holdfastd"));
        command.arg("--config").arg(self.dir.join("c.toml")).arg("--run-dir").arg(self.run_dir());
        command.arg("--log-target").arg(self.dir.join("log")).args(more).stdin(Stdio::null());
        command
    }

    pub(crate) fn start(&mut self, more: &[&str]) {
        self.start_command(self.command(more));
    }

    pub(crate) fn start_command(&mut self, mut command: Command) {
        assert!(self.daemon.is_none());
        self.daemon = Some(command.stderr(Stdio::null()).spawn().unwrap());
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.join("run")
    }

    pub(crate) fn daemon_pid(&self) -> i32 {
        i32::try_from(self.daemon.as_ref().unwrap().id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.daemon_pid()), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let daemon = self.daemon.as_mut().unwrap();
        let status = until(|| daemon.try_wait().unwrap(), || "the daemon does not end".to_owned());
        self.daemon = None;
        status
    }

    pub(crate) fn exit_code(&mut self) -> i32 {
        self.ended().code().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    pub(crate) fn wait_for_line(&self, part: &str) -> String {
        let find = || self.log().lines().find(|line| line.contains(part)).map(str::to_owned);
        until(find, || format!("no line with {part:?} in the log:\n{}", self.log()))
    }

    pub(crate) fn call(&self, process: &str, method: &str, params: Value) -> Result<Value, String> {
        let path = self.run_dir().join(format!("{process}.sock"));
        let client = Client::connect(&path, LIMIT);
        client.and_then(|mut client| client.call(method, params)).map_err(|error| error.to_string())
    }

    pub(crate) fn status(&self) -> Value {
        self.call("watchdog", "status", json!({})).unwrap()["watchdog"].clone()
    }

    /// The status of one child in the watchdog's eyes.
    pub(crate) fn child(&self, name: &str) -> Option<Value> {
        let children = self.status()["children"].as_array().unwrap().clone();
        children.into_iter().find(|child| child["name"] == name)
    }

    pub(crate) fn child_pid(&self, name: &str) -> i32 {
        let status = || self.child(name).and_then(|child| child["pid"].as_i64());
        let pid = until(status, || format!("{name} has no process"));
        i32::try_from(pid).unwrap()
    }

    /// What the child says of itself.
    pub(crate) fn says(&self, name: &str) -> Value {
        self.call(name, "status", json!({})).unwrap()
    }

    pub(crate) fn kill_child(&self, name: &str, signal: Signal) {
        kill(Pid::from_raw(self.child_pid(name)), signal).unwrap();
    }

    /// Makes a child do something that it will not answer.
    pub(crate) fn provoke(&self, name: &str, method: &str) {
        use std::io::Write;
        let path = self.run_dir().join(format!("{name}.sock"));
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        writeln!(stream, "{}", json!({ "id": 1, "method": method })).unwrap();
        // Until it has been read: the end of the stream would overtake nothing, but the test may end first.
        let _held_until_the_child_is_gone = std::io::Read::read(&mut stream, &mut [0]);
    }

    /// Waits until the child has been restarted so often and is up.
    pub(crate) fn restarted(&self, name: &str, times: u64) {
        let is = || {
            let child = self.child(name)?;
            (child["restarts"] == times && child["state"] == "up").then_some(())
        };
        until(is, || format!("{name} was not restarted:\n{}", self.log()));
    }

    pub(crate) fn reload(&self) -> Result<Value, String> {
        self.call("watchdog", "reload", json!({}))
    }

    pub(crate) fn generation(&self) -> u64 {
        self.status()["config"]["generation"].as_u64().unwrap()
    }

    /// What lies in the run directory.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.run_dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            // What happened outlives the daemon.
            .filter(|name| name != "events.jsonl")
            .collect();
        names.sort();
        names
    }

    /// Every process with this run directory on its command line.
    fn processes(&self) -> Vec<Pid> {
        let dir = self.run_dir();
        let ours = |pid: &Pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            command.split('\0').any(|argument| Path::new(argument) == dir)
        };
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
        pids.filter(ours).collect()
    }

    pub(crate) fn wait_until_nobody_is_left(&self) {
        until(|| self.processes().is_empty().then_some(()), || format!("left: {:?}", self.processes()));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _gone = kill(pid, Signal::SIGKILL);
        }
        if let Some(mut daemon) = self.daemon.take() {
            let _reaped = daemon.wait();
        }
        let _left = fs::remove_dir_all(&self.dir);
    }
}

/// Looks every few milliseconds until it is so, or fails with the words.
pub(crate) fn until<T>(mut is: impl FnMut() -> Option<T>, words: impl FnOnce() -> String) -> T {
    let deadline: Instant = clock::now() + LIMIT;
    loop {
        if let Some(value) = is() {
            return value;
        }
        assert!(clock::now() < deadline, "{}", words());
        nix::poll::poll(&mut [], 10_u8).unwrap();
    }
}
