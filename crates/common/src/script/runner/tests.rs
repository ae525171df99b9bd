use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::config::CommandLine;
use crate::event_loop::clock;
use crate::script::scratch::{Scratch, root, text};

const LONG: Duration = Duration::from_secs(600);
const GRACE: Duration = RunTable::<u64>::GRACE;
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

fn command(argv: &[&str]) -> Command {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    Command::probe(CommandLine::new(argv).unwrap(), None, LONG)
}

/// A runner and its end of the loop.
struct Bench {
    runner: Runner<u32>,
    finished: Vec<Finished<u32>>,
}

impl Bench {
    fn new() -> Self {
        Self { runner: Runner::new(None).unwrap(), finished: vec![] }
    }

    fn start(&mut self, id: u32, command: &Command) -> Result<(), Outcome> {
        self.runner.start(id, command, clock::now())
    }

    /// Turns until `done`, or fails.
    #[track_caller]
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = clock::now() + PATIENCE;
        while !done(self) {
            let now = clock::now();
            assert!(now < end, "{what}: not seen; {:?}", self.finished);
            let due = self.runner.poll_timeout().unwrap_or(end).min(end);
            // Not every condition shows on the descriptor: look again soon.
            let wait = due.saturating_duration_since(now).min(Duration::from_millis(10));
            let wait = u16::try_from(wait.as_millis() + 1).unwrap();
            let mut fds = [PollFd::new(self.runner.as_fd(), PollFlags::POLLIN)];
            // A signal that some other test provoked only makes us look sooner.
            poll(&mut fds, PollTimeout::from(wait))
                .or_else(|error| if error == Errno::EINTR { Ok(0) } else { Err(error) })
                .unwrap();
            self.runner.ready(clock::now(), &mut self.finished);
            self.runner.timeout(clock::now(), &mut self.finished);
        }
    }

    #[track_caller]
    fn end(&mut self) -> Finished<u32> {
        self.until("an end", |bench| !bench.finished.is_empty());
        self.finished.remove(0)
    }

    /// Runs a command to its end.
    #[track_caller]
    fn run(command: &Command) -> Finished<u32> {
        let mut bench = Self::new();
        bench.start(1, command).unwrap();
        let finished = bench.end();
        assert!(bench.runner.is_empty());
        assert_eq!(bench.runner.table.poll_timeout(), None);
        finished
    }

    /// Runs a shell script to its end.
    #[track_caller]
    fn sh(body: &str) -> Finished<u32> {
        Self::run(&command(&["/bin/sh", "-c", body]))
    }
}

fn refused(command: &Command) -> String {
    let mut bench = Bench::new();
    let outcome = match bench.start(1, command) {
        Err(outcome) => outcome,
        Ok(()) => bench.end().outcome,
    };
    let Outcome::NotStarted(why) = outcome else { panic!("{outcome:?}") };
    why
}

/// Whether a process is there and not a zombie.
fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim().starts_with('Z'))
}

#[test]
fn an_exit_code_and_a_signal_are_told_apart() {
    assert_eq!(Bench::sh("exit 0").outcome, Outcome::Exited(0));
    assert_eq!(Bench::sh("exit 7").outcome, Outcome::Exited(7));
    let killed = Bench::sh("kill -9 $$");
    assert_eq!(killed.outcome, Outcome::Signalled(9));
    assert_eq!(killed.outcome.to_string(), "ended by signal 9 (SIGKILL)");
    assert!(!killed.outcome.success());
    assert_eq!(Bench::sh("kill -40 $$").outcome, Outcome::Signalled(40));
}

#[test]
fn arguments_arrive_as_they_are_and_output_comes_back() {
    let script = Scratch::new();
    let file = script.script("args.sh", "printf '%s\\n' \"$@\"; echo oops >&2");
    let finished = Bench::run(&command(&[&text(&file), "a b", "$HOME", ""]));
    assert_eq!(finished.outcome, Outcome::Exited(0));
    assert_eq!(finished.output.bytes(), b"a b\n$HOME\n\noops\n");
}

#[test]
fn a_program_without_a_path_is_looked_for() {
    let finished = Bench::run(&command(&["sh", "-c", "echo $0", "name"]));
    assert_eq!(finished.output.to_string(), "name");
    let why = refused(&command(&["no-such-program"]));
    assert!(why.starts_with("there is no no-such-program in /usr/local/sbin:"), "{why}");
}

#[test]
fn a_script_knows_its_own_path_and_its_interpreters_argument() {
    let scratch = Scratch::new();
    let file = scratch.file("self.sh", "#!/bin/sh -e\necho $0 $1 $-\nfalse\necho not reached\n");
    let finished = Bench::run(&command(&[&text(&file), "x"]));
    let said = finished.output.to_string();
    assert!(said.starts_with(&format!("{} x ", file.display())) && said.contains('e'), "{said}");
    assert_eq!(finished.outcome, Outcome::Exited(1));

    let outer = scratch.file("outer", &format!("#!{}\n", scratch.script("inner.sh", "echo $1 $2").display()));
    assert_eq!(
        Bench::run(&command(&[&text(&outer), "y"])).output.to_string(),
        format!("{} y", outer.display())
    );
}

#[test]
fn what_cannot_be_run_is_refused_in_words() {
    let scratch = Scratch::new();
    let missing = text(&scratch.at("missing.sh"));
    assert_eq!(refused(&command(&[&missing])), format!("{missing}: no such file or directory"));
    let text_file = text(&scratch.file("text", "just text\n"));
    assert_eq!(refused(&command(&[&text_file])), "neither a program nor a script with #! in its first line");
    let no_interpreter = text(&scratch.file("lost.sh", "#!/no/such/shell\n"));
    assert_eq!(refused(&command(&[&no_interpreter])), "/no: no such file or directory");
    let own = text(&scratch.file("own", &format!("#!{}\n", scratch.at("own").display())));
    assert!(refused(&command(&[&own])).ends_with("has too many interpreters"));
}

#[test]
fn an_unsafe_path_or_interpreter_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let shell = scratch.script("shell", "exit 0");
    let file = scratch.file("run.sh", &format!("#!{}\n", shell.display()));
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o777)).unwrap();
    let why = refused(&command(&[&text(&file)]));
    assert!(why.starts_with(&format!("unsafe: {} is writable", shell.display())), "{why}");
}

#[test]
fn a_script_that_its_user_may_not_execute_is_not_read_to_a_shell_instead() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let file = scratch.script("plain.sh", "exit 0");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let why = refused(&command(&[&text(&file)]));
    assert!(why.starts_with("looking whether its user may execute it as user "), "{why}");
    assert!(why.ends_with("permission denied"), "{why}");
}

#[test]
fn a_script_gets_nothing_of_ours() {
    let _inheritable =
        nix::fcntl::open("/dev/null", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty());
    let finished = Bench::sh(
        "ls -l /proc/self/fd | grep -c -- '->'; ls -l /proc/self/fd/0 | grep -c /dev/null; pwd; grep -E 'SigBlk|SigIgn' /proc/self/status | cut -f2 | sort -u",
    );
    // Three streams, and the one that ls opens to list them.
    assert_eq!(finished.output.to_string(), "4 | 1 | / | 0000000000000000");
}

#[test]
fn the_environment_is_made_for_it() {
    let mut command = command(&["/usr/bin/env"]).with("HOLDFAST_STATE", "MASTER");
    command.environment.push(("HOLDFAST_INSTANCE".into(), "VI_1".into()));
    let finished = Bench::run(&command);
    let names: Vec<String> =
        finished.output.lines().map(|line| line.split('=').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "HOLDFAST_STATE", "HOLDFAST_INSTANCE"]);
    assert!(finished.output.to_string().contains("HOLDFAST_STATE=MASTER"));
}

#[test]
fn it_leads_its_own_session_and_group() {
    let finished = Bench::sh("cut -d' ' -f5,6 /proc/$$/stat; echo $$");
    let lines: Vec<String> = finished.output.lines().collect();
    assert_eq!(lines[0], format!("{0} {0}", lines[1]));
}

#[test]
fn a_script_runs_as_its_user_with_all_groups_and_as_root_only_where_named() {
    if !root() {
        return;
    }
    let id = "id -u; id -g; id -G; echo $USER $HOME; cat /proc/self/status | grep -E '^(Uid|Gid)'";
    let default = Identity::find(None).unwrap();
    let finished = Bench::sh(id);
    let lines: Vec<String> = finished.output.lines().collect();
    let (uid, gid) = (default.uid, default.gid);
    assert_ne!(uid.as_raw(), 0);
    assert_eq!(lines[0], uid.to_string());
    assert_eq!(lines[3], format!("{} {}", default.name, default.home));
    assert_eq!(lines[4], format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}").replace('\t', "\u{fffd}"));
    assert_eq!(lines[5], format!("Gid:\t{gid}\t{gid}\t{gid}\t{gid}").replace('\t', "\u{fffd}"));

    let groups: Vec<String> = Identity::find(Some(&"daemon".parse().unwrap()))
        .unwrap()
        .groups
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut daemon = command(&["/bin/sh", "-c", "id -G"]);
    daemon.user = Some("daemon".parse().unwrap());
    assert_eq!(Bench::run(&daemon).output.to_string(), groups.join(" "));

    let mut as_root = command(&["/bin/sh", "-c", "id -u"]);
    as_root.user = Some("root".parse().unwrap());
    assert_eq!(Bench::run(&as_root).output.to_string(), "0");
    as_root.user = Some("no_such_user".parse().unwrap());
    assert_eq!(refused(&as_root), "there is no user no_such_user on this machine");
}

#[test]
fn a_script_that_hangs_is_terminated_at_its_limit() {
    let mut command = command(&["/bin/sh", "-c", "sleep 1000 & echo $!; wait"]);
    command.time_limit = Duration::from_millis(300);
    let mut bench = Bench::new();
    bench.start(1, &command).unwrap();
    let finished = bench.end();
    assert_eq!(finished.outcome, Outcome::TimedOut(command.time_limit));
    assert_eq!(finished.outcome.to_string(), "not done within 300ms: killed");
    let child = finished.output.to_string();
    bench.until("the end of the script's child", |_| !lives(&child));
    assert!(!bench.runner.is_running(1), "its name is free, while its number is kept for the group's KILL");
    bench.runner.timeout(clock::now() + GRACE, &mut bench.finished);
    assert!(bench.runner.is_empty());
}

#[test]
fn what_ignores_term_is_killed_with_all_it_started() {
    let mut bench = Bench::new();
    let body = "trap '' TERM; (trap '' TERM; sleep 1000) & echo $! $$; while :; do sleep 1000; done";
    bench.start(1, &command(&["/bin/sh", "-c", body])).unwrap();
    bench.until("its output", |bench| bench.runner.runs.values().all(|run| !run.output.bytes().is_empty()));
    bench.runner.timeout(clock::now() + LONG, &mut bench.finished);
    assert_eq!(bench.finished, []);
    bench.runner.timeout(clock::now() + LONG + GRACE, &mut bench.finished);
    let finished = bench.end();
    assert_eq!(finished.outcome, Outcome::TimedOut(LONG));
    for pid in finished.output.to_string().split(' ') {
        bench.until("the end of all", |_| !lives(pid));
    }
    assert!(bench.runner.is_empty());
}

#[test]
fn what_a_terminated_script_leaves_in_its_group_is_killed_after_the_grace() {
    let mut bench = Bench::new();
    let body = "(trap '' TERM; echo ready; sleep 1000; sleep 1000) & echo $!; wait";
    bench.start(1, &command(&["/bin/sh", "-c", body])).unwrap();
    bench.until("both lines", |b| b.runner.runs.values().all(|run| run.output.lines().count() == 2));
    let start = clock::now() + LONG;
    bench.runner.timeout(start, &mut bench.finished);
    let finished = bench.end();
    let child = finished.output.lines().find(|line| line != "ready").unwrap();
    assert!(lives(&child));
    bench.runner.timeout(start + GRACE, &mut bench.finished);
    bench.until("the child's end", |_| !lives(&child));
    assert!(bench.runner.is_empty());
}

#[test]
fn a_fork_storm_in_the_group_ends_with_it() {
    let scratch = Scratch::new();
    let pids = scratch.open_to_all("pids");
    let mut bench = Bench::new();
    let body = format!(
        "for i in $(seq 40); do (trap '' TERM; : > {}/$(sh -c 'echo $PPID'); sleep 1000) & done; wait",
        pids.display()
    );
    bench.start(1, &command(&["/bin/sh", "-c", &body])).unwrap();
    let count = |pids: &Path| fs::read_dir(pids).unwrap().count();
    let end = clock::now() + PATIENCE;
    while count(&pids) < 40 {
        assert!(clock::now() < end);
        std::thread::yield_now();
    }
    bench.runner.timeout(clock::now() + LONG, &mut bench.finished);
    bench.runner.timeout(clock::now() + LONG + GRACE, &mut bench.finished);
    for entry in fs::read_dir(&pids).unwrap() {
        let pid = entry.unwrap().file_name().into_string().unwrap();
        bench.until("the storm's end", |_| !lives(&pid));
    }
}

#[test]
fn what_leaves_the_group_is_not_waited_for() {
    let scratch = Scratch::new();
    let fifo = scratch.at("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    fs::set_permissions(&fifo, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let mut bench = Bench::new();
    // The fugitive stays until somebody writes to the fifo.
    let body = format!("setsid sh -c 'read word < {}' & exit 3", fifo.display());
    bench.start(1, &command(&["/bin/sh", "-c", &body])).unwrap();
    let finished = bench.end();
    assert_eq!(finished.outcome, Outcome::Exited(3));
    assert!(bench.runner.is_empty());
    assert_eq!(bench.runner.outputs.len(), 1, "its output is still read, and thrown away");
    fs::write(&fifo, "go\n").unwrap();
    bench.until("the end of the output", |bench| bench.runner.outputs.len() == 0);
}

#[test]
fn only_so_many_outputs_are_left_behind() {
    let mut bench = Bench::new();
    for id in 0..40 {
        bench.start(id, &command(&["/bin/sh", "-c", "setsid sleep 5 & exit 0"])).unwrap();
    }
    bench.until("all ends", |bench| bench.finished.len() == 40);
    assert!(bench.runner.outputs.len() <= 32);
}

#[test]
fn a_flood_is_cut_and_slowed_down_and_the_script_goes_on() {
    let finished = Bench::sh("head -c 200000 /dev/zero | tr '\\0' x; exit 5");
    assert_eq!(finished.outcome, Outcome::Exited(5));
    assert_eq!(finished.output.bytes().len(), Output::LIMIT);

    let mut bench = Bench::new();
    bench.start(1, &command(&["/usr/bin/yes"])).unwrap();
    bench.until("the flood", |bench| bench.runner.outputs.poll_timeout().is_some());
    assert_eq!(
        bench.runner.ready(clock::now(), &mut bench.finished),
        Drained::Yes,
        "while it pauses nothing is read"
    );
    bench.runner.stop(1, clock::now());
    let finished = bench.end();
    assert_eq!(finished.outcome, Outcome::Stopped);
    assert!(finished.output.overflowed());
}

#[test]
fn one_run_at_a_time_has_a_name() {
    let mut bench = Bench::new();
    let command = command(&["/bin/sleep", "1000"]);
    bench.start(1, &command).unwrap();
    assert!(bench.start(1, &command).unwrap_err().to_string().contains("of the run before is still there"));
    bench.start(2, &command).unwrap();
    assert_eq!(bench.runner.len(), 2);
    bench.runner.stop(1, clock::now());
    assert_eq!(bench.end().id, 1);
    bench.start(1, &command).unwrap();
    assert!(bench.runner.is_running(1) && bench.runner.is_running(2));
}

#[test]
fn probes_and_what_was_stopped_end_with_the_runner_and_notifications_go_on() {
    let mut bench = Bench::new();
    let stubborn = "trap '' TERM; echo $$; while :; do sleep 1000; done";
    let probe = command(&["/bin/sh", "-c", "echo $$; exec sleep 1000"]);
    let notify = Command { purpose: Purpose::Notify, ..command(&["/bin/sh", "-c", stubborn]) };
    bench.start(1, &probe).unwrap();
    bench.start(2, &notify).unwrap();
    bench.start(3, &notify).unwrap();
    bench.until("their numbers", |b| b.runner.runs.values().all(|run| !run.output.bytes().is_empty()));
    let pids: Vec<String> = bench.runner.runs.values().map(|run| run.output.to_string()).collect();
    bench.runner.stop(2, clock::now());
    bench.runner = Runner::new(None).unwrap();
    bench.until("the end of the probe and the stopped", |_| !lives(&pids[0]) && !lives(&pids[1]));
    assert!(lives(&pids[2]));
    killpg(Pid::from_raw(pids[2].parse().unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn no_descriptor_and_no_zombie_stays_behind() {
    let mut bench = Bench::new();
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for id in 0..50 {
        bench.start(id, &command(&["/bin/true"])).unwrap();
        bench.start(1000 + id, &command(&["/no/such/file"])).unwrap();
    }
    bench.until("all ends", |bench| bench.finished.len() == 100);
    bench.until("closed outputs", |bench| bench.runner.outputs.len() == 0);
    // Other tests of this process run beside this one: what they hold is little, 150 would be ours.
    assert!(open() < before + 100, "{} then, {before} before", open());
    assert!(bench.finished.iter().all(|finished| finished.outcome.success() == (finished.id < 1000)));
}

#[test]
fn a_path_that_does_not_answer_is_waited_for_by_nobody_and_ends_with_its_time() {
    let mut bench = Bench::new();
    // A file system that hangs, for this purpose.
    bench.runner.find = |_, _| loop {
        nix::unistd::pause();
    };
    bench.start(1, &Command { time_limit: Duration::from_millis(300), ..command(&["/mnt/x"]) }).unwrap();
    assert!(bench.runner.is_running(1), "it began without anybody waiting for the path");
    let finished = bench.end();
    assert_eq!(finished.outcome, Outcome::TimedOut(Duration::from_millis(300)));
    bench.until("its end", |bench| bench.runner.is_empty());
}

#[test]
fn a_child_that_waits_for_a_path_has_nothing_of_ours() {
    let mut bench = Bench::new();
    let scratch = Scratch::new();
    let _ours = fs::File::create(scratch.at("ours")).unwrap();
    bench.runner.find = |_, _| {
        let open = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
        let links: Vec<String> =
            open.filter_map(|path| fs::read_link(path).ok()).map(|link| link.display().to_string()).collect();
        Err(links.join(" "))
    };
    bench.start(1, &command(&["/mnt/x"])).unwrap();
    let outcome = bench.end().outcome;
    let Outcome::NotStarted(open) = outcome else { panic!("{outcome:?}") };
    let pipes = open.split(' ').filter(|link| link.starts_with("pipe:")).count();
    assert_eq!(pipes, 3, "output, twice, and the report: {open}");
    assert!(!open.contains("ours") && !open.contains("epoll"), "{open}");
}
