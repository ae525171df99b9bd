//! Another version of the program in the place of the one that runs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::keepalived::{Instance, header};
use lab::{Holdfast, Keepalived, Lan, Monitor, Program, Result, SECONDS_10, TempDir, program, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::victim::Chance;

const VIP: &str = "192.168.153.200";
const OURS: &str = r#"
[vrrp]
interface = "eth0"
priority = 200
advert_interval = "1s"
[[vrrp.instance]]
name = "VI_1"
virtual_router_id = 7
virtual_addresses = ["192.168.153.200"]
"#;

/// As a package does it: a new file beside the old one, moved over it.
fn install(daemon: &Path) -> Result {
    let new = daemon.with_extension("new");
    std::fs::copy(program(Program::Holdfastd)?, &new)?;
    std::fs::rename(&new, daemon)?;
    Ok(())
}

fn executed(pid: i32) -> Result<String> {
    Ok(std::fs::read_link(format!("/proc/{pid}/exe"))?.to_string_lossy().into_owned())
}

#[test]
fn ten_upgrades_of_a_master_are_not_noticed() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (a, b) = (lan.host("ours", &["192.168.153.11/24"])?, lan.host("theirs", &["192.168.153.12/24"])?);
    let wire = lan.capture()?;
    let block = Instance::v3(7, 100, VIP).interval("1");
    let block = Instance { name: "VI_1".to_owned(), ..block }.block();
    let theirs = Keepalived::start(&b, &format!("{}{block}", header()))?;
    let folder = TempDir::new()?;
    let daemon = folder.path().join("holdfastd");
    install(&daemon)?;
    let mut ours = Holdfast::start_program(&a, &daemon, OURS)?;
    ours.wait_state("VI_1", "master", SECONDS_10)?;
    theirs.wait_state("VI_1", "BACKUP", SECONDS_10)?;
    let (known, monitor, said) = (theirs.transitions("VI_1"), Monitor::start(&a, &["address"])?, wire.mark());
    let watchdog = ours.process().pid();
    for round in 1..=10 {
        let child = ours.child("vrrp")?;
        install(&daemon)?;
        assert!(executed(watchdog)?.ends_with(" (deleted)"), "the old file is still there");
        let done = ours.command(&["upgrade"])?;
        assert_eq!(done.code, Some(0), "{}{}", done.stderr, ours.log().tail(20));
        assert!(done.stdout.contains("runs in the place of"), "{}", done.stdout);
        assert_eq!(ours.process().pid(), watchdog);
        for pid in [watchdog, ours.child("vrrp")?] {
            assert_eq!(executed(pid)?, daemon.to_string_lossy(), "process {pid}, round {round}");
        }
        assert_ne!(ours.child("vrrp")?, child);
        ours.wait_state("VI_1", "master", SECONDS_10)?;
        let mark = wire.mark();
        wait::until("an advert of the new version", SECONDS_10, || Ok(!wire.adverts_from(mark).is_empty()))?;
    }
    assert_eq!(theirs.transitions("VI_1"), known, "keepalived noticed");
    let lines = monitor.lines_from(0);
    assert!(!lines.iter().any(|line| line.contains("Deleted") && line.contains(VIP)), "{lines:?}");
    let adverts = wire.adverts_from(said);
    let gaps = adverts
        .iter()
        .zip(adverts.iter().skip(1))
        .filter_map(|(one, next)| next.0.duration_since(one.0).ok());
    let gap = gaps.max().unwrap_or_default();
    assert!(gap <= Duration::from_millis(1500), "no advert for {gap:?}");
    // It still ends as it should: the pid file and the address go.
    let run = ours.folder().path().join("run/holdfastd.pid");
    assert!(run.exists());
    let mut process = ours;
    process.process().signal(Signal::SIGTERM)?;
    assert_eq!(process.process().wait_code(SECONDS_10)?, 0);
    assert!(!run.exists() && !a.has_address(VIP)?);
    Ok(())
}

#[test]
fn a_program_that_does_not_take_the_configuration_does_not_take_over() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let a = lan.host("ours", &["192.168.154.11/24"])?;
    let folder = TempDir::new()?;
    let daemon = folder.path().join("holdfastd");
    install(&daemon)?;
    let mut ours = Holdfast::start_program(&a, &daemon, OURS)?;
    let (watchdog, child) = (ours.process().pid(), ours.child("vrrp")?);
    ours.write_config(&OURS.replace("priority = 200", "priority = 300"))?;
    let done = ours.command(&["upgrade"])?;
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(
        done.stderr.contains("priority = 300") && done.stderr.contains("nothing has changed"),
        "{}",
        done.stderr
    );
    // Nor does one that cannot be executed.
    ours.write_config(OURS)?;
    std::fs::remove_file(&daemon)?;
    let done = ours.command(&["upgrade"])?;
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert_eq!((ours.process().pid(), ours.child("vrrp")?), (watchdog, child));
    Ok(())
}

/// The old program hears no more signals and the new one hears none yet: who is told to stop then stops all the same.
#[test]
fn a_stop_in_the_middle_of_an_upgrade_is_heard_and_leaves_nothing_behind() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let a = lan.host("ours", &["192.168.153.11/24"])?;
    let folder = TempDir::new()?;
    let daemon = folder.path().join("holdfastd");
    install(&daemon)?;
    // The kernel does not take the address away by itself.
    let config = OURS.replace("\"1s\"", "\"100ms\"\naddress_lease = false");
    let mut chance = Chance(3);
    let mut ends = [0; 2];
    for round in 0..16 {
        let mut ours = Holdfast::start_program(&a, &daemon, &config)?;
        ours.wait_state("VI_1", "master", SECONDS_10)?;
        let (watchdog, child) = (Pid::from_raw(ours.process().pid()), ours.child("vrrp")?);
        let pause = Duration::from_micros(chance.below(25_000));
        let run = ours.folder().path().join("run");
        let mut upgrade = Command::new(program(Program::Holdfast)?)
            .arg("upgrade")
            .arg("--run-dir")
            .arg(&run)
            .stderr(Stdio::piped())
            .spawn()?;
        let watch = lab::Stopwatch::start();
        // Without a pause: what is looked for is the moment when the old program gives up its place.
        while lab::alive(child) && watch.elapsed() < SECONDS_10 {
            std::thread::yield_now();
        }
        wait::pause(pause);
        kill(watchdog, Signal::SIGTERM)?;
        let code = ours.process().wait_code(SECONDS_10)?;
        let told = std::io::read_to_string(upgrade.stderr.take().ok_or("no stderr")?)?;
        // On a quick machine the new program may have been whole before the stop: then that was an ordinary one.
        let upgraded = upgrade.wait()?.code();
        let in_time = upgraded != Some(0);
        assert!(
            !in_time || upgraded == Some(7) && told.contains("the daemon has ended"),
            "{upgraded:?}: {told}"
        );
        let log = ours.log().tail(25);
        assert_eq!(code, 0, "round {round}, {pause:?} after the child's end:\n{log}");
        assert!(
            !a.has_address(VIP)?,
            "round {round}, {pause:?} after the child's end: the address is left:\n{log}"
        );
        assert!(!run.join("holdfastd.pid").exists(), "round {round}:\n{log}");
        if in_time {
            ends[usize::from(ours.log().text().contains("taking the place of the version before"))] += 1;
        }
    }
    assert!(ends[1] > 0, "no stop was heard by a successor: {ends:?}");
    Ok(())
}
