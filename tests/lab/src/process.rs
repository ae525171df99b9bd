//! A program running in a host, killed with its guard.

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Error, Log, Netns, Result, wait};

/// A running program. Its standard output and error go to its log file.
///
/// It is killed when the thread that started it ends (`setpriv --pdeathsig`), so that an aborted test leaves nothing
/// running: start it from the thread of the test.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Log,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts a program in a host.
    #[track_caller]
    pub fn start(host: &Netns, argv: &[&str], log: &Path) -> Result<Self> {
        let file = open(log)?;
        Self::spawn(host, argv, log, |command| command.stdin(Stdio::null()).stdout(file))
    }

    /// Starts a program that is talked with: what it reads and what it says are pipes, its errors go to its log file.
    #[track_caller]
    pub fn start_talking(
        host: &Netns,
        argv: &[&str],
        log: &Path,
    ) -> Result<(Self, (ChildStdin, ChildStdout))> {
        let mut process =
            Self::spawn(host, argv, log, |command| command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let pipes = process.child.stdin.take().zip(process.child.stdout.take());
        Ok((process, pipes.ok_or("a program with pipes has them")?))
    }

    fn spawn(
        host: &Netns,
        argv: &[&str],
        log: &Path,
        with: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<Self> {
        let name = argv.first().copied().unwrap_or_default();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", host.name(), "setpriv", "--pdeathsig", "KILL", "--"]).args(argv);
        let child = with(command.stderr(open(log)?))
            .spawn()
            .map_err(|error| Error::new(format!("cannot start {name}: {error}")))?;
        Ok(Self { name: name.to_owned(), child, log: Log::new(log.to_path_buf()), status: None })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// It and all its descendants, parents first.
    #[must_use]
    pub fn tree(&self) -> Vec<i32> {
        tree(self.pid())
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, signal: Signal) -> Result {
        if self.status.is_some() {
            return Err(Error::new(format!("{} has ended", self.name)));
        }
        Ok(kill(Pid::from_raw(self.pid()), signal)?)
    }

    /// SIGKILL for it and every descendant "at once": all are frozen first, so that none sees another one die.
    pub fn kill_tree(&mut self) -> Result {
        if self.running() {
            let tree = self.tree();
            kill_all(&tree);
            self.wait_exit(Duration::from_secs(10))?;
            wait::until("the end of all processes", Duration::from_secs(10), || {
                Ok(!tree.iter().any(|pid| alive(*pid)))
            })?;
        }
        Ok(())
    }

    /// True until it has ended.
    pub fn running(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status.is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait::until(&what, limit, || Ok(!self.running()))
            .map_err(|error| Error::new(format!("{error}; its log ends:\n{}", self.log.tail(30))))?;
        self.status.ok_or_else(|| Error::new("an ended process has a status"))
    }

    /// Waits for its end and returns the exit code, or the negated signal.
    #[track_caller]
    pub fn wait_code(&mut self, limit: Duration) -> Result<i32> {
        let status = self.wait_exit(limit)?;
        Ok(status.code().unwrap_or_else(|| -status.signal().unwrap_or_default()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.running() {
            // Nobody to report to; the host's guard looks for survivors.
            let _ = self.kill_tree();
        }
    }
}

fn open(log: &Path) -> Result<File> {
    Ok(OpenOptions::new().create(true).append(true).open(log)?)
}

/// Freezes all, children first so that no parent sees its child die, then kills all.
pub(crate) fn kill_all(parents_first: &[i32]) {
    for pid in parents_first.iter().rev() {
        // A process that has just ended needs no signal: nothing to do about an error here.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGSTOP);
    }
    for pid in parents_first {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
}

/// A process and its descendants, parents first.
fn tree(root: i32) -> Vec<i32> {
    let mut parents: Vec<(i32, i32)> =
        pids().into_iter().filter_map(|pid| Some((parent(pid)?, pid))).collect();
    parents.sort_unstable();
    let mut all = vec![root];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        all.extend(parents.iter().filter(|(parent, _)| *parent == pid).map(|(_, child)| *child));
        next += 1;
    }
    all
}

/// Every process id of the machine.
pub(crate) fn pids() -> Vec<i32> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// A field of a process's stat line, counted after the command's closing parenthesis: 0 is the state, 1 the parent.
fn stat(pid: i32, field: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(field).map(str::to_owned)
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid, 1)?.parse().ok()
}

/// The processes that a process has started.
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    pids().into_iter().filter(|child| parent(*child) == Some(pid)).collect()
}

/// True while a process exists and is no zombie.
#[must_use]
pub fn alive(pid: i32) -> bool {
    stat(pid, 0).is_some_and(|state| state != "Z" && state != "X")
}
