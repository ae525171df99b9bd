//! The systemd units: well-formed, tight, and wide enough for what the daemon does.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use lab::{Holdfast, Lan, Program, Result, SECONDS_10, TempDir, program};

use crate::debian::top;

/// The units with the programs where they are now.
fn units() -> Result<(TempDir, Vec<PathBuf>)> {
    let folder = TempDir::new()?;
    let mut all = Vec::new();
    for name in ["holdfast.service", "holdfast-serve.service", "holdfast-realserver.service"] {
        let text = std::fs::read_to_string(top().join("etc/systemd").join(name))?
            .replace("/usr/sbin/holdfastd", &program(Program::Holdfastd)?.to_string_lossy())
            .replace("/usr/bin/holdfast", &program(Program::Holdfast)?.to_string_lossy());
        all.push(folder.write(name, &text)?);
    }
    Ok((folder, all))
}

#[test]
fn systemd_finds_no_fault_in_the_units() -> Result {
    let (_folder, units) = units()?;
    for unit in units {
        let done = lab::output(&["systemd-analyze", "verify", "--man=no", &unit.to_string_lossy()])?;
        let ours = done.stderr.lines().filter(|line| line.contains("holdfast")).collect::<Vec<_>>();
        assert!(done.code == Some(0) && ours.is_empty(), "{}", done.stderr);
    }
    Ok(())
}

#[test]
fn systemd_calls_their_exposure_at_most_three() -> Result {
    let (_folder, units) = units()?;
    for unit in units {
        let unit = unit.to_string_lossy().into_owned();
        let done = lab::output(&["systemd-analyze", "security", "--offline=true", "--threshold=30", &unit])?;
        assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    }
    Ok(())
}

/// The system calls that the filter of the unit lets through, as systemd itself lists them.
fn allowed() -> Result<BTreeSet<String>> {
    fn expand(group: &str, all: &mut BTreeSet<String>) -> Result {
        let text = lab::run(&["systemd-analyze", "syscall-filter", "--no-pager", group])?;
        for word in
            text.lines().skip(1).map(str::trim).filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            match word.strip_prefix('@') {
                Some(_) => expand(word, all)?,
                None => drop(all.insert(word.to_owned())),
            }
        }
        Ok(())
    }
    let mut all = BTreeSet::new();
    let unit = std::fs::read_to_string(top().join("etc/systemd/holdfast.service"))?;
    for group in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        // One line after the other, as systemd goes through them.
        for item in group.trim_start_matches('~').split_whitespace() {
            let mut named = BTreeSet::new();
            match item.strip_prefix('@') {
                Some(_) => expand(item, &mut named)?,
                None => drop(named.insert(item.to_owned())),
            }
            match group.strip_prefix('~') {
                Some(_) => all.retain(|call| !named.contains(call)),
                None => all.extend(named),
            }
        }
    }
    // systemd always lets these through.
    expand("@default", &mut all)?;
    Ok(all)
}

#[test]
fn what_the_daemon_asks_of_the_kernel_is_within_the_filter() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.156.11/24"])?;
    let mut holdfast = Holdfast::start(&host, CONFIG)?;
    let folder = TempDir::new()?;
    let trace = folder.path().join("calls");
    let pid = holdfast.process().pid().to_string();
    // From its first moment the same again, traced: everything it does in a life.
    let text = trace.to_string_lossy().into_owned();
    let mut strace = lab::Process::start(
        &host,
        &["strace", "-f", "-qq", "-o", &text, "-p", &pid],
        &folder.path().join("log"),
    )?;
    lab::wait::until("strace to have taken hold", SECONDS_10, || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0")))
    })?;
    // New children are born under the eyes of strace, and a reload and a request happen.
    holdfast.signal_child("vrrp", nix::sys::signal::Signal::SIGKILL)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let done = holdfast.reload(&CONFIG.replace("priority = 200", "priority = 201"))?;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(holdfast.stop()?, 0);
    strace.wait_code(Duration::from_secs(20))?;
    let allowed = allowed()?;
    assert!(allowed.contains("sendmsg") && !allowed.contains("reboot"), "{allowed:?}");
    let text = std::fs::read_to_string(&trace)?;
    let calls: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1)?.split_once('('))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_'))
        .collect();
    assert!(calls.contains("sendmsg") || calls.contains("sendto"), "{calls:?}");
    let refused: Vec<_> = calls.iter().filter(|call| !allowed.contains(**call)).collect();
    assert!(refused.is_empty(), "the unit would refuse {refused:?}");
    Ok(())
}

const CONFIG: &str = r#"
[vrrp]
interface = "eth0"
priority = 200
advert_interval = "100ms"
[[vrrp.script]]
name = "yes"
command = ["/bin/true"]
interval = "1s"
user = "nobody"
[[vrrp.instance]]
name = "VI_1"
virtual_router_id = 10
virtual_addresses = ["192.168.156.200"]
virtual_mac = true
track_scripts = ["yes"]
"#;
