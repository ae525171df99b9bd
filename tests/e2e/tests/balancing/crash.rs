//! Processes die, the table stays: no dead server comes back, no entry is made anew, no request is lost.

use std::time::Duration;

use e2e::farm::{DR, NAT, TUN, farm};
use lab::{Holdfast, Result, SECONDS_10, Traffic, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::HTTP;

const SERVICE: &str = "192.0.2.101:80";
const TABLE: [&str; 3] = [
    "-A -t 192.0.2.101:80 -s rr",
    "-a -t 192.0.2.101:80 -r 10.0.0.21:80 -g -w 1",
    "-a -t 192.0.2.101:80 -r 10.0.0.23:80 -g -w 1",
];

fn service(address: &str, forward: &str, servers: &[&str]) -> String {
    format!(
        "[[virtual_server]]\naddress = \"{address}:80\"\nscheduler = \"rr\"\nforward = \"{forward}\"\n\
         check = {HTTP}\nreal_servers = {servers:?}\n"
    )
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_killed_checker_leaves_every_entry_and_forgets_no_dead_server() -> Result {
    let mut farm = farm();
    let servers = ["10.0.0.21:80", "10.0.0.22:80", "10.0.0.23:80"];
    let holdfast = farm.start(&service(DR, "dr", &servers))?;
    farm.stop_web(2);
    farm.wait_saved(&TABLE)?;
    let traffic = Traffic::start(&farm.client, SERVICE, Duration::from_millis(20), Duration::from_secs(5))?;
    wait::until("counted requests", SECONDS_10, || Ok(farm.counted(SERVICE)?[0] >= 10))?;

    for signal in [Signal::SIGKILL, Signal::SIGABRT] {
        let (before, mark) = (holdfast.child("checker")?, traffic.mark());
        let counted = farm.counted(SERVICE)?;
        holdfast.signal_child("checker", signal)?;
        wait::until("another checker", SECONDS_10, || {
            assert_eq!(farm.saved()?, TABLE);
            Ok(holdfast.child("checker").is_ok_and(|pid| pid != before))
        })?;
        // Long enough for several checks of its own.
        wait::stays("the table", Duration::from_secs(2), || Ok(farm.saved()? == TABLE))?;
        assert_eq!(traffic.failed(mark), 0, "{:?}", traffic.samples_from(mark));
        assert_eq!(traffic.answered_by(mark, "web2"), 0);
        // An entry that had been made anew would count from zero.
        wait::until("the counters to go on", SECONDS_10, || {
            let after = farm.counted(SERVICE)?;
            assert!(
                after.iter().zip(&counted).all(|(after, before)| after >= before),
                "{counted:?} {after:?}"
            );
            Ok(after[0] > counted[0])
        })?;
    }
    farm.start_web(2)?;
    let all = [TABLE[0], TABLE[1], "-a -t 192.0.2.101:80 -r 10.0.0.22:80 -g -w 1", TABLE[2]];
    farm.wait_saved(&all)
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn what_a_dead_daemon_left_is_adopted_or_removed() -> Result {
    let farm = farm();
    farm.ipvsadm("-A -t 198.51.100.1:80 -s lc")?;
    let two = [service(NAT, "nat", &["10.0.0.21:80"]), service(TUN, "tun", &["10.0.0.22:80"])].concat();
    let holdfast = farm.start(&two)?;
    let kept = ["-A -t 192.0.2.100:80 -s rr", "-a -t 192.0.2.100:80 -r 10.0.0.21:80 -m -w 1"];
    let gone = ["-A -t 192.0.2.102:80 -s rr", "-a -t 192.0.2.102:80 -r 10.0.0.22:80 -i -w 1 --tun-type ipip"];
    let foreign = ["-A -t 198.51.100.1:80 -s lc"];
    farm.wait_saved(&[&kept[..], &gone[..], &foreign[..]].concat())?;
    farm.ask_often(&format!("{NAT}:80"), 3)?;
    farm.wait_counted(&format!("{NAT}:80"), 3)?;
    let folder = holdfast.kill()?;
    assert_eq!(farm.saved()?, [&kept[..], &gone[..], &foreign[..]].concat());
    assert_eq!(farm.ask(&format!("{TUN}:80"))?, "web2", "the kernel goes on by itself");

    folder.write("holdfast.toml", &service(NAT, "nat", &["10.0.0.21:80"]))?;
    let holdfast = Holdfast::restart(&farm.director, folder)?;
    farm.wait_saved(&[&kept[..], &foreign[..]].concat())?;
    assert_eq!(farm.counted(&format!("{NAT}:80"))?[0], 3, "adopted, not made anew");
    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(farm.saved()?, foreign);
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_stop_that_meets_a_dead_or_hanging_checker_leaves_no_entry() -> Result {
    let farm = farm();
    farm.ipvsadm("-A -t 198.51.100.1:80 -s lc")?;
    let config = format!("[watchdog]\nstop_timeout = \"5s\"\n{}", service(DR, "dr", &["10.0.0.21:80"]));
    let foreign = ["-A -t 198.51.100.1:80 -s lc"];
    for (before, after) in [
        (Some(Signal::SIGKILL), None),
        (Some(Signal::SIGSTOP), None),
        (None, Some(Signal::SIGKILL)),
        (Some(Signal::SIGKILL), Some(Signal::SIGKILL)),
    ] {
        let mut holdfast = farm.start(&config)?;
        farm.wait_saved(&[&TABLE[..2], &foreign[..]].concat())?;
        let checker = Pid::from_raw(holdfast.child("checker")?);
        if let Some(signal) = before {
            kill(checker, signal)?;
        }
        holdfast.process().signal(Signal::SIGTERM)?;
        if let Some(signal) = after {
            // It may be done by then, or there may be a successor.
            let checker = holdfast.running_child("checker").map_or(checker, Pid::from_raw);
            let _gone = kill(checker, signal);
        }
        let code = holdfast.process().wait_code(Duration::from_secs(30))?;
        let log = holdfast.log().tail(25);
        assert_eq!(code, 0, "{before:?}, {after:?}:\n{log}");
        assert_eq!(farm.saved()?, foreign, "{before:?}, {after:?}:\n{log}");
    }
    Ok(())
}
