//! SIGKILL for the VRRP process, 200 times in a row, under a keepalived that waits for its chance.

use std::time::{Duration, SystemTime};

use lab::keepalived::{Instance, header};
use lab::packet::{Advert, Mac};
use lab::{Capture, Holdfast, Keepalived, Lan, Monitor, Netns, Result, SECONDS_10, wait};
use nix::sys::signal::Signal;

use crate::victim::{Resources, children, kill_again_and_again, memory};

/// So much may the memory of a process differ from one look to the next, in KiB.
const MEMORY: u64 = 1024;

struct Scene {
    instances: u8,
    interval: Duration,
    ours: Holdfast,
    theirs: Keepalived,
    monitor: Monitor,
    wire: Capture,
    a: Netns,
    _b: Netns,
    _lan: Lan,
}

fn name(number: u8) -> String {
    format!("VI_{number}")
}

fn vip(number: u8) -> String {
    format!("192.168.152.{}", 200 + number)
}

fn config(instances: u8, priority: u8, interval: Duration) -> String {
    let mut text = format!(
        "[vrrp]\ninterface = \"eth0\"\npriority = {priority}\nadvert_interval = \"{}ms\"\n",
        interval.as_millis()
    );
    for number in 1..=instances {
        let (name, vip) = (name(number), vip(number));
        text += &format!(
            "[[vrrp.instance]]\nname = \"{name}\"\nvirtual_router_id = {number}\nvirtual_addresses = [\"{vip}\"]\n"
        );
    }
    if instances > 1 {
        let names: Vec<String> = (1..=instances).map(name).collect();
        text += &format!("[[vrrp.sync_group]]\nname = \"G\"\ninstances = {names:?}\n");
    }
    text
}

impl Scene {
    #[track_caller]
    fn new(instances: u8, interval: Duration, [ours, theirs]: [u8; 2]) -> Result<Self> {
        lab::require_privileges()?;
        let lan = Lan::new()?;
        let (a, b) = (lan.host("ours", &["192.168.152.11/24"])?, lan.host("theirs", &["192.168.152.12/24"])?);
        let wire = lan.capture()?;
        let seconds = interval.as_secs_f64().to_string();
        let block = |number| {
            let instance = Instance::v3(number, theirs, &vip(number)).interval(&seconds);
            Instance { name: name(number), ..instance }.block()
        };
        let blocks: String = (1..=instances).map(block).collect();
        let theirs = Keepalived::start(&b, &format!("{}{blocks}", header()))?;
        theirs.wait_state(&name(1), "BACKUP", SECONDS_10)?;
        let ours = Holdfast::start(&a, &config(instances, ours, interval))?;
        let monitor = Monitor::start(&a, &["address"])?;
        Ok(Self { instances, interval, ours, theirs, monitor, wire, a, _b: b, _lan: lan })
    }

    /// Waits until every instance of ours is `state` and every one of theirs the other thing.
    #[track_caller]
    fn wait(&self, state: &str) -> Result {
        for number in 1..=self.instances {
            let theirs = if state == "master" { "BACKUP" } else { "MASTER" };
            self.ours.wait_state(&name(number), state, SECONDS_10)?;
            self.theirs.wait_state(&name(number), theirs, SECONDS_10)?;
        }
        Ok(())
    }

    fn transitions(&self) -> Vec<Vec<String>> {
        (1..=self.instances).map(|number| self.theirs.transitions(&name(number))).collect()
    }

    /// Some rounds of adverts, as the wire had them.
    #[track_caller]
    fn adverts_go_on(&self) -> Result {
        let mark = self.wire.mark();
        wait::until("more adverts", SECONDS_10, || {
            Ok(self.wire.adverts_from(mark).len() >= 2 * usize::from(self.instances))
        })
    }

    /// Kills; everything that does not depend on who is master is judged here.
    #[track_caller]
    fn kill(
        &mut self,
        state: &str,
        count: usize,
        seed: u64,
        pace: Duration,
    ) -> Result<Vec<(SystemTime, Advert)>> {
        self.wait(state)?;
        // The first restart has costs of its own, such as the buffers of the log.
        let watchdog = self.ours.process().pid();
        kill_again_and_again(watchdog, 1, seed, pace)?;
        self.wait(state)?;
        // Some sockets are opened when there is something to send.
        self.adverts_go_on()?;
        let (before, used) = (Resources::of(&mut self.ours, &self.a)?, memory(watchdog));
        let used_by_child = memory(self.ours.child("vrrp")?);
        let (seen, said, known) = (self.monitor.log().mark(), self.wire.mark(), self.transitions());

        kill_again_and_again(watchdog, count, seed, pace)?;
        self.wait(state)?;
        self.adverts_go_on()?;

        assert_eq!(self.transitions(), known, "keepalived noticed:\n{}", self.theirs.log().tail(20));
        let restarts = self.ours.status()?.pointer("/watchdog/children/0/restarts").and_then(|n| n.as_u64());
        assert_eq!(restarts, u64::try_from(count + 1).ok());
        let lines = self.monitor.lines_from(seen);
        let gone = lines.iter().filter(|line| line.contains("Deleted")).count();
        assert_eq!(gone, 0, "addresses moved: {lines:?}");
        let mut left = before.clone();
        wait::until("all that was opened to be closed", SECONDS_10, || {
            left = Resources::of(&mut self.ours, &self.a)?;
            Ok(left == before)
        })
        .map_err(|error| format!("{error}: {left:?} instead of {before:?}"))?;
        let (now, now_child) = (memory(watchdog), memory(self.ours.child("vrrp")?));
        assert!(now <= used + MEMORY, "the watchdog has grown from {used} to {now} KiB");
        assert!(
            now_child <= used_by_child + MEMORY,
            "the child has grown from {used_by_child} to {now_child} KiB"
        );
        let deaths = self.ours.log().text().lines().filter(|line| line.contains("child died")).count();
        assert!(deaths < count, "every single death is in the log");
        Ok(self.wire.adverts_from(said))
    }

    #[track_caller]
    fn master_is_not_missed(&mut self, count: usize, seed: u64, pace: Duration) -> Result {
        let adverts = self.kill("master", count, seed, pace)?;
        let mac = Mac::parse(&self.a.mac("eth0")?)?;
        for number in 1..=self.instances {
            let own: Vec<_> = adverts.iter().filter(|(_, advert)| advert.vrid == number).collect();
            assert!(own.iter().all(|(_, a)| a.source_mac == mac && a.priority == 200), "{own:?}");
            let gaps = own.iter().zip(own.iter().skip(1));
            let gap =
                gaps.filter_map(|(one, next)| next.0.duration_since(one.0).ok()).max().unwrap_or_default();
            let bar = (self.interval * 3 / 2).max(Duration::from_millis(150));
            println!(
                "{count} kills, instance {number}: longest gap {gap:?} of {bar:?}, {} adverts",
                own.len()
            );
            assert!(gap <= bar, "no advert for {gap:?}");
            assert!(self.a.has_address(&vip(number))?);
        }
        Ok(())
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// Two kills in a row are at most this far apart.
const PACE: Duration = Duration::from_millis(200);

#[test]
fn a_master_killed_two_hundred_times_is_not_missed() -> Result {
    Scene::new(1, SECOND, [200, 100])?.master_is_not_missed(200, 1, PACE)
}

#[test]
fn a_group_killed_a_hundred_times_is_not_missed() -> Result {
    Scene::new(3, SECOND, [200, 100])?.master_is_not_missed(100, 2, PACE)
}

#[test]
fn a_backup_killed_a_hundred_times_stays_backup() -> Result {
    let mut scene = Scene::new(1, SECOND, [100, 200])?;
    let adverts = scene.kill("backup", 100, 3, PACE)?;
    let mac = Mac::parse(&scene.a.mac("eth0")?)?;
    let ours = adverts.iter().filter(|(_, advert)| advert.source_mac == mac).count();
    assert_eq!(ours, 0, "a backup that advertises");
    assert!(!scene.a.has_address(&vip(1))?);
    Ok(())
}

/// A successor that is told to stop while it still starts has addresses of its predecessor to take down.
#[test]
fn a_stop_right_after_a_kill_leaves_nothing_behind() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("ours", &["192.168.152.11/24"])?;
    for round in 0..5 {
        let mut ours = Holdfast::start(&host, &config(1, 200, SECOND))?;
        ours.wait_state(&name(1), "master", SECONDS_10)?;
        let watchdog = ours.process().pid();
        let victim = ours.child("vrrp")?;
        ours.signal_child("vrrp", Signal::SIGKILL)?;
        let successor = wait::value("a successor", SECONDS_10, || {
            Ok(children(watchdog).into_iter().find(|pid| *pid != victim))
        })?;
        ours.process().signal(Signal::SIGTERM)?;
        assert_eq!(ours.process().wait_code(SECONDS_10)?, 0, "round {round}, successor {successor}");
        assert!(!host.has_address(&vip(1))?, "round {round}:\n{}", ours.log().tail(15));
    }
    Ok(())
}

#[test]
#[ignore = "minutes: a thousand kills, and adverts so fast that a busy machine is late by itself"]
fn a_master_of_fast_adverts_killed_a_thousand_times_is_not_missed() -> Result {
    Scene::new(1, Duration::from_millis(100), [200, 100])?
        // No faster than the watchdog's patience with strangers lasts.
        .master_is_not_missed(1000, 4, Duration::from_millis(500))
}
