use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use common::event_loop::{Cx, EventLoop, Process, Readiness, Signal, clock};
use common::exit::Exit;

use super::*;
use crate::plan::{Arguments, Exactness};

/// Starts a program that was written a moment ago.
fn spawn(command: &mut Command) -> Running {
    loop {
        match command.spawn() {
            Ok(child) => return Running(child),
            // Another test forked while it was being written, and has not come to its exec yet.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Turns until a process is counted as often as wanted.
struct Bench {
    processes: Processes<()>,
    count: u32,
    wanted: u32,
}

impl Bench {
    fn take(&mut self, heard: Vec<Event<'static>>) {
        for event in heard {
            let Event::ProcessesCounted { count, .. } = event else { panic!("{event:?}") };
            self.count = count;
        }
    }
}

impl Process for Bench {
    type Key = ();

    fn ready(&mut self, (): (), _: Readiness, cx: &mut Cx<'_, ()>) -> Drained {
        let mut heard = Vec::new();
        let drained = self.processes.ready(cx.now(), &mut heard);
        self.take(heard);
        drained
    }
    fn timeout(&mut self, cx: &mut Cx<'_, ()>) {
        let mut heard = Vec::new();
        self.processes.timeout(cx.now(), &mut heard);
        self.take(heard);
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.processes.poll_timeout()
    }
    fn signal(&mut self, _: Signal, _: &mut Cx<'_, ()>) {}
    fn finished(&self) -> Option<Exit> {
        (self.count == self.wanted).then_some(Exit::Done)
    }
}

/// A folder with a copy of `sleep` under a name that nobody else has.
struct Lab {
    folder: PathBuf,
    program: PathBuf,
    name: String,
    event_loop: EventLoop<()>,
    bench: Bench,
}

impl Lab {
    fn new(label: &str) -> Self {
        let name = format!("hf{label}{}", std::process::id());
        let folder = std::env::temp_dir().join(format!("holdfast-processes-{name}"));
        fs::create_dir(&folder).unwrap();
        let program = folder.join(&name);
        fs::copy("/bin/sleep", &program).unwrap();
        let event_loop = EventLoop::new().unwrap();
        let processes = Processes::new((), event_loop.cx().registry());
        Self { folder, program, name, event_loop, bench: Bench { processes, count: 0, wanted: 0 } }
    }

    fn plan(&self) -> ProcessPlan {
        ProcessPlan {
            name: "p".into(),
            program: self.name.clone(),
            arguments: None,
            quorum: 1,
            quorum_max: None,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
        }
    }

    fn watch(&mut self, plan: ProcessPlan) -> u32 {
        let mut heard = Vec::new();
        self.bench.processes.watch(&[plan], clock::now(), &mut heard);
        self.bench.take(heard);
        self.bench.count
    }

    fn start(&self) -> Running {
        spawn(Command::new(&self.program).arg("1000"))
    }

    fn wait(&mut self, wanted: u32) {
        self.bench.wanted = wanted;
        self.event_loop.run(&mut self.bench).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn those_that_run_are_found_and_those_that_come_and_go_are_told() {
    let mut lab = Lab::new("a");
    let before = lab.start();
    assert_eq!(lab.watch(lab.plan()), 1, "the first look");
    let after = lab.start();
    lab.wait(2);
    drop(before);
    lab.wait(1);
    drop(after);
    lab.wait(0);
}

#[test]
fn a_process_that_becomes_another_program_or_takes_another_name_is_another() {
    let mut lab = Lab::new("b");
    assert_eq!(lab.watch(lab.plan()), 0);
    // The shell becomes the program.
    let text = format!("read line; exec -a other {} 1000", lab.program.display());
    let shell =
        Command::new("/bin/bash").args(["-c", &text]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut shell = Running(shell);
    drop(shell.0.stdin.take());
    lab.wait(1);
    // It is asked for by the name of the kernel: what it calls itself in its arguments does not matter.
    fs::write(format!("/proc/{}/comm", shell.0.id()), "renamed").unwrap_or_default();
    drop(shell);
    lab.wait(0);
}

#[test]
fn a_program_can_be_named_by_its_path_and_a_script_by_its_own() {
    let mut lab = Lab::new("c");
    let by_path = ProcessPlan { program: lab.program.to_string_lossy().into_owned(), ..lab.plan() };
    assert_eq!(lab.watch(by_path), 0);
    let one = lab.start();
    lab.wait(1);
    drop(one);
    lab.wait(0);
    let script = lab.folder.join(format!("{}.sh", lab.name));
    fs::write(&script, "#!/bin/sh\nread line\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let by_path = ProcessPlan {
        program: script.to_string_lossy().into_owned(),
        arguments: Some(Arguments { list: vec!["a".into()], exactness: Exactness::All }),
        ..lab.plan()
    };
    assert_eq!(lab.watch(by_path), 0);
    let run = |argument: &str| spawn(Command::new(&script).arg(argument).stdin(std::process::Stdio::piped()));
    let (one, _other) = (run("a"), run("b"));
    lab.wait(1);
    drop(one);
    lab.wait(0);
}

#[test]
fn arguments_tell_processes_of_one_program_apart() {
    let mut lab = Lab::new("d");
    let (_one, _other) = (lab.start(), {
        let mut command = Command::new(&lab.program);
        spawn(command.arg0("another name").arg("2000"))
    });
    let with = |list: &[&str], exactness| ProcessPlan {
        arguments: Some(Arguments { list: list.iter().map(|a| (*a).to_owned()).collect(), exactness }),
        ..lab.plan()
    };
    let plans = [
        (with(&["1000"], Exactness::All), 1),
        (with(&["2000"], Exactness::First), 1),
        (with(&["3000"], Exactness::All), 0),
        (with(&["1"], Exactness::Beginning), 1),
        (with(&[], Exactness::First), 2),
    ];
    for (plan, count) in plans {
        assert_eq!(lab.watch(plan.clone()), count, "{plan:?}");
    }
}

#[test]
fn a_process_that_waits_to_be_reaped_does_not_run() {
    let mut lab = Lab::new("e");
    let mut zombie = lab.start();
    assert_eq!(lab.watch(lab.plan()), 1);
    zombie.0.kill().unwrap();
    lab.wait(0);
    assert_eq!(
        look::all(Path::new("/proc")).iter().filter(|pid| **pid == zombie.0.id().cast_signed()).count(),
        1
    );
    lab.watch(ProcessPlan { quorum: 2, ..lab.plan() });
    assert_eq!(lab.bench.count, 0, "it is still in /proc");
}

#[test]
fn where_the_kernel_does_not_report_all_are_looked_at_and_the_status_says_so() {
    let mut lab = Lab::new("f");
    lab.watch(lab.plan());
    lab.bench.processes.source = lab.bench.processes.instead("no reports".into(), clock::now());
    assert_eq!(lab.bench.processes.trouble(), Some("no reports"));
    let one = lab.start();
    lab.wait(1);
    drop(one);
    lab.wait(0);
    lab.bench.processes.watch(&[], clock::now(), &mut Vec::new());
    assert_eq!(lab.bench.processes.poll_timeout(), None, "nothing is looked for any more");
}

#[test]
fn lost_reports_are_made_up_for_by_a_look_at_all() {
    let mut lab = Lab::new("g");
    lab.watch(lab.plan());
    // Nobody reads while far more happens than the socket holds.
    if let Source::Reports { monitor, .. } = &lab.bench.processes.source {
        nix::sys::socket::setsockopt(monitor, nix::sys::socket::sockopt::RcvBuf, &2048).unwrap();
    }
    let _one = lab.start();
    for _ in 0..100 {
        Command::new("/bin/true").status().unwrap();
    }
    let _two = lab.start();
    lab.wait(2);
}
