//! Tracked processes.

use std::fs;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use lab::{Holdfast, Netns, Result, SECONDS_10};

use crate::stage::{Stage, directors, instance, wait_holder};

/// A copy of a program under a name that nobody else has, the other test of this process included.
fn program(stage: &Stage) -> Result<(String, String)> {
    static COPIES: AtomicU32 = AtomicU32::new(0);
    let name = format!("hfp{}.{}", std::process::id(), COPIES.fetch_add(1, Ordering::Relaxed));
    let path = stage.path(&name);
    fs::copy("/bin/sleep", &path)?;
    Ok((name, path.to_string_lossy().into_owned()))
}

/// A process that ends with its guard.
struct Running(Child);

impl Running {
    fn start(path: &str) -> Result<Self> {
        Ok(Self(Command::new(path).arg("1000").spawn()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tracking(priority: u8, process: &str, tracker: &str) -> String {
    format!(
        "[[vrrp.process]]\nname = \"web\"\n{process}\n{}",
        instance(priority, &format!("track_processes = [{tracker}]"))
    )
}

fn count(holdfast: &Holdfast) -> Result<serde_json::Value> {
    Ok(holdfast.status()?.pointer("/vrrp/processes/0/count").cloned().unwrap_or_default())
}

fn pair(a: &Netns, b: &Netns, config: &str) -> Result<(Holdfast, Holdfast)> {
    let ours = Holdfast::start(a, config)?;
    let theirs = Holdfast::start(b, &instance(90, ""))?;
    Ok((ours, theirs))
}

#[test]
fn the_address_goes_where_the_process_runs() -> Result {
    let stage = Stage::new()?;
    let (name, path) = program(&stage)?;
    let (_lan, a, b) = directors()?;
    let first = Running::start(&path)?;
    let config = tracking(100, &format!("program = \"{name}\""), "{ name = \"web\", weight = -20 }");
    let (ours, _theirs) = pair(&a, &b, &config)?;
    wait_holder(&a, &b)?;
    assert_eq!(count(&ours)?, 1, "what ran before was found");
    assert!(
        ours.status()?["vrrp"]["process_reports_refused"].is_null(),
        "the kernel reports, in a namespace too"
    );
    drop(first);
    wait_holder(&b, &a)?;
    assert_eq!(count(&ours)?, 0);
    ours.log().wait("process does not run as wanted process=web count=0 wanted=\"1 or more\"", SECONDS_10)?;
    let second = Running::start(&path)?;
    wait_holder(&a, &b)?;
    // Of the predecessor's knowledge nothing is needed: all are looked at again.
    ours.signal_child("vrrp", nix::sys::signal::Signal::SIGKILL)?;
    ours.log().wait("child restarted child=vrrp", SECONDS_10)?;
    ours.wait_state("VI_1", "master", SECONDS_10)?;
    drop(second);
    wait_holder(&b, &a)
}

#[test]
fn without_weight_it_is_a_fault_and_a_reload_can_begin_and_end_the_tracking() -> Result {
    let stage = Stage::new()?;
    let (name, path) = program(&stage)?;
    let (_lan, a, _b) = directors()?;
    let holdfast = Holdfast::start(&a, &instance(100, ""))?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    // By path, and none of it runs.
    let config = tracking(100, &format!("program = \"{path}\""), "\"web\"");
    assert_eq!(holdfast.reload(&config)?.code, Some(0));
    holdfast.wait_state("VI_1", "fault", SECONDS_10)?;
    let shown = holdfast.command(&["status"])?;
    assert!(shown.stdout.contains("process web does not run in the number wanted"), "{shown:?}");
    let one = Running::start(&path)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let crowd = tracking(100, &format!("program = \"{name}\"\nquorum_max = 1"), "\"web\"");
    assert_eq!(holdfast.reload(&crowd)?.code, Some(0));
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let two = Running::start(&path)?;
    holdfast.wait_state("VI_1", "fault", SECONDS_10)?;
    drop((one, two));
    assert_eq!(holdfast.reload(&instance(100, ""))?.code, Some(0));
    holdfast.wait_state("VI_1", "master", SECONDS_10)
}
