//! A process that was stopped for a while: the status tells, and a backup does not take what others hold.

use std::fmt::Write;
use std::time::Duration;

use lab::{Holdfast, Lan, Monitor, Result, SECONDS_10, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// More than a backup reads from its socket before others have their turn, twice over.
const ROUTERS: u8 = 150;

fn routers(priority: u8) -> String {
    let mut text = format!(
        "[watchdog]\nhello_timeout = \"1m\"\n[vrrp]\ninterface = \"eth0\"\npriority = {priority}\n\
         announce = {{ repeat = 0, delay = 0 }}\n"
    );
    for number in 1..=ROUTERS {
        let _written = write!(
            text,
            "[[vrrp.instance]]\nname = \"VI_{number}\"\nvirtual_router_id = {number}\n\
             virtual_addresses = [\"192.168.153.{number}\"]\n"
        );
    }
    text
}

/// How many instances are in a state.
fn count(holdfast: &Holdfast, state: &str) -> Result<usize> {
    let status = holdfast.status()?;
    let instances = status.pointer("/vrrp/instances").and_then(serde_json::Value::as_array);
    Ok(instances.into_iter().flatten().filter(|instance| instance["state"] == state).count())
}

#[test]
fn a_stalled_backup_of_many_routers_takes_none_from_a_living_master() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (a, b) = (lan.host("a", &["192.168.152.11/24"])?, lan.host("b", &["192.168.152.12/24"])?);
    let master = Holdfast::start(&a, &routers(200))?;
    wait::until("the master of all", SECONDS_10, || Ok(count(&master, "master")? == usize::from(ROUTERS)))?;
    let backup = Holdfast::start(&b, &routers(100))?;
    let heard = || Ok(backup.status()?["vrrp"]["instances"][0]["master"].is_string());
    wait::until("the master to be heard", SECONDS_10, heard)?;
    // While it is stopped nobody can be asked for the number.
    let pid = Pid::from_raw(backup.child("vrrp")?);
    let monitor = Monitor::start(&b, &["address"])?;
    for tenths in [37, 41, 44, 60] {
        let before = backup.status()?["vrrp"]["lateness"]["stalls"].as_u64();
        kill(pid, Signal::SIGSTOP)?;
        // The timers of the backup run out at 3.6 s of silence: it wakes up shortly after, and long after.
        wait::pause(Duration::from_millis(tenths * 100));
        kill(pid, Signal::SIGCONT)?;
        wait::until("the stall in the status", SECONDS_10, || {
            Ok(backup.status()?["vrrp"]["lateness"]["stalls"].as_u64() > before)
        })?;
        assert_eq!(count(&backup, "backup")?, usize::from(ROUTERS), "{}", backup.log().tail(5));
    }
    let seen = monitor.lines_from(0);
    assert!(!seen.iter().any(|line| line.contains("192.168.153.")), "{seen:?}");
    let text = backup.command(&["status"])?.stdout;
    assert!(text.contains("! the vrrp process was late ") && text.contains("  late "), "{text}");
    assert_eq!(backup.log().count("this process was late"), 1, "once a minute at most");
    Ok(())
}
