//! A stop that meets a dead or hanging child: whatever it held is taken down all the same.

use std::time::Duration;

use lab::{Holdfast, Lan, Netns, Result, SECONDS_10, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::victim::Chance;

const VIP: &str = "192.168.155.200";
/// The kernel does not take this address away by itself: it is Holdfast or nobody.
const FOR_EVER: &str = r#"
[watchdog]
stop_timeout = "3s"
[vrrp]
address_lease = false
[[vrrp.instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 7
priority = 200
advert_interval = "100ms"
virtual_addresses = ["192.168.155.200"]
"#;

struct Scene {
    host: Netns,
    _lan: Lan,
}

impl Scene {
    fn new() -> Result<Self> {
        lab::require_privileges()?;
        let lan = Lan::new()?;
        let host = lan.host("ours", &["192.168.155.11/24"])?;
        Ok(Self { host, _lan: lan })
    }

    /// Starts, lets `end` end it (watchdog, child), and looks for what is left.
    #[track_caller]
    fn round(&self, what: &str, end: impl FnOnce(Pid, Pid) -> Result) -> Result {
        let mut ours = Holdfast::start(&self.host, FOR_EVER)?;
        ours.wait_state("VI_1", "master", SECONDS_10)?;
        self.host.wait_address(VIP, SECONDS_10)?;
        let pids = [ours.process().pid(), ours.child("vrrp")?].map(Pid::from_raw);
        end(pids[0], pids[1])?;
        let code = ours.process().wait_code(SECONDS_10)?;
        let log = ours.log().tail(25);
        assert_eq!(code, 0, "{what}:\n{log}");
        assert!(!self.host.has_address(VIP)?, "{what}: the address is left:\n{log}");
        Ok(())
    }
}

#[test]
fn a_stop_that_finds_the_child_killed_leaves_nothing_behind() -> Result {
    let scene = Scene::new()?;
    let mut chance = Chance(1);
    for round in 0..6 {
        // From before the watchdog knows of it to when its successor is being started.
        let pause = Duration::from_micros(round * chance.below(3000));
        scene.round(&format!("killed {pause:?} before the stop"), |watchdog, child| {
            kill(child, Signal::SIGKILL)?;
            wait::pause(pause);
            Ok(kill(watchdog, Signal::SIGTERM)?)
        })?;
    }
    Ok(())
}

#[test]
fn a_stop_that_finds_the_child_hanging_leaves_nothing_behind() -> Result {
    Scene::new()?.round("stopped before the stop", |watchdog, child| {
        kill(child, Signal::SIGSTOP)?;
        Ok(kill(watchdog, Signal::SIGTERM)?)
    })
}

#[test]
fn a_child_that_is_killed_in_the_middle_of_its_stop_leaves_nothing_behind() -> Result {
    let scene = Scene::new()?;
    let mut chance = Chance(2);
    for round in 0..6 {
        let pause = Duration::from_micros(round * chance.below(20_000));
        scene.round(&format!("killed {pause:?} after the stop began"), |watchdog, child| {
            kill(watchdog, Signal::SIGTERM)?;
            wait::pause(pause);
            // It may be done by then.
            let _gone = kill(child, Signal::SIGKILL);
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_child_that_a_reload_no_longer_wants_and_that_is_dead_leaves_nothing_behind() -> Result {
    let scene = Scene::new()?;
    let ours = Holdfast::start(&scene.host, FOR_EVER)?;
    scene.host.wait_address(VIP, SECONDS_10)?;
    // A child that dies of itself time and again: its successor is waited for when the reload comes.
    for _ in 0..4 {
        ours.wait_state("VI_1", "master", SECONDS_10)?;
        let dying = ours.child("vrrp")?;
        kill(Pid::from_raw(dying), Signal::SIGABRT)?;
        wait::until("its end", SECONDS_10, || Ok(!lab::alive(dying)))?;
    }
    assert!(scene.host.has_address(VIP)?);
    let done = ours.reload("[watchdog]\nstop_timeout = \"3s\"\n")?;
    assert_eq!(done.code, Some(0), "{}\n{}", done.stderr, ours.log().tail(25));
    scene.host.wait_no_address(VIP, SECONDS_10)?;
    ours.log().wait("starting it once more for that child=vrrp", SECONDS_10).map(drop)
}
