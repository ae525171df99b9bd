//! Where the log goes: the journal with fields, a file that is rotated, and how much of it there is.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use lab::{Holdfast, Lan, Program, Result, SECONDS_10, TempDir, program, wait};
use nix::sys::signal::Signal;

const CONFIG: &str = "[[vrrp.instance]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = 100\n\
    advert_interval = \"100ms\"\nvirtual_addresses = [\"192.168.152.200\"]\n\
    [checker]\nipvs = false\n[[virtual_server]]\naddress = \"192.168.152.100:80\"\n\
    real_servers = [\"192.168.152.11:8080\"]\n\
    check = { type = \"tcp\", interval = \"200ms\", timeout = \"200ms\", retries = 0 }\n";

#[test]
fn a_rotated_log_loses_no_line_and_every_process_goes_on_in_the_new_file() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let folder = TempDir::new()?;
    let log = folder.path().join("holdfast.log");
    let target = log.to_string_lossy().into_owned();
    let options = ["--log-target", &*target, "--log-level", "debug"];
    let mut holdfast = Holdfast::launch(&host, CONFIG, &options)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let mut files = Vec::new();
    for round in 0..5 {
        let aside = folder.path().join(format!("holdfast.log.{round}"));
        host.ip("link set eth0 down")?;
        // As logrotate does it, while lines are written.
        std::fs::rename(&log, &aside)?;
        holdfast.process().signal(Signal::SIGUSR2)?;
        host.ip("link set eth0 up")?;
        wait::until("every process to write to the new file", SECONDS_10, || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            Ok(["watchdog", "vrrp", "checker"]
                .iter()
                .all(|process| text.contains(&format!(" {process}: the log goes on here"))))
        })?;
        assert_eq!(std::fs::metadata(&log)?.permissions().mode() & 0o777, 0o640);
        holdfast.wait_state("VI_1", "master", SECONDS_10)?;
        files.push(aside);
    }
    holdfast.process().signal(Signal::SIGTERM)?;
    assert_eq!(holdfast.process().wait_code(SECONDS_10)?, 0);
    files.push(log);
    // Every change of state is one line, and the history says how many there were.
    let told = holdfast.command(&["events", "--json", "state_changed", "VI_1"])?.stdout;
    let told: Vec<serde_json::Value> =
        told.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    let mut changes = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)?;
        let lines = text.lines().filter(|line| line.contains("state changed instance=VI_1"));
        changes.extend(lines.map(ToOwned::to_owned));
    }
    assert!(told.len() >= 10, "{told:?}");
    assert_eq!(changes.len(), told.len(), "{changes:#?}");
    for (line, event) in changes.iter().zip(told) {
        let (from, to) = (event["from"].as_str(), event["to"].as_str());
        let wanted = format!("from={} to={} ", from.unwrap_or_default(), to.unwrap_or_default());
        assert!(line.contains(&wanted), "{line} has {wanted}");
    }
    Ok(())
}

#[test]
fn every_process_may_have_a_level_of_its_own() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let holdfast = Holdfast::launch(&host, CONFIG, &["--log-level", "error,vrrp=info,checker=warn"])?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    wait::until("the verdict", SECONDS_10, || {
        Ok(holdfast.log().text().contains("checker: real server down"))
    })?;
    let log = holdfast.log().text();
    assert!(log.contains("vrrp: state changed"), "{log}");
    for line in log.lines() {
        assert!(!line.contains(" watchdog: "), "{line}");
        assert!(!line.contains(" debug "), "{line}");
        assert!(!line.contains(" info  checker: "), "{line}");
    }
    Ok(())
}

#[test]
fn every_part_of_a_process_may_have_a_level_of_its_own() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let levels = "error,vrrp.adverts=trace,checker=trace,checker.checks=error,checker.servers=warn";
    let holdfast = Holdfast::launch(&host, CONFIG, &["--log-level", levels])?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    wait::until("adverts and the verdict", SECONDS_10, || {
        let log = holdfast.log().text();
        Ok(log.contains(" trace vrrp: advert VI_1 priority=100")
            && log.contains(" warn  checker: real server down"))
    })?;
    // An order that the checker takes in the meantime is told, one attempt or a change of state is not.
    let log = holdfast.log().text();
    for line in log.lines() {
        let (vrrp, checker) = (line.contains(" vrrp: "), line.contains(" checker: "));
        assert!(vrrp || checker, "{line}");
        assert!(!vrrp || line.contains(" vrrp: advert ") || line.contains("listen"), "{line}");
        assert!(!line.contains(" checker: start ") && !line.contains(" checker: check failed"), "{line}");
    }
    Ok(())
}

/// What a journal would read: a datagram in systemd's native protocol.
fn fields(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 1..];
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let (length, rest) = bytes.split_at(8);
                let length = length.iter().rev().fold(0, |sum, byte| sum * 256 + usize::from(*byte));
                let value = String::from_utf8_lossy(&rest[..length]).into_owned();
                bytes = &rest[length + 1..];
                (line, value)
            }
        };
        let name_is_one = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(name_is_one) && !name.starts_with('_'), "{name:?} is no field");
        fields.insert(name, value);
    }
    assert!(bytes.is_empty(), "every field has an end: {bytes:?}");
    fields
}

/// A daemon that finds another `/run` than the machine's.
fn elsewhere(folder: &Path) -> Result<std::path::PathBuf> {
    let script = folder.join("holdfastd");
    let daemon = program(Program::Holdfastd)?;
    let (run, daemon) = (folder.join("run"), daemon.display().to_string());
    let text = format!(
        "#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {} /run && exec {daemon} \"$@\" --log-target journal' sh \"$@\"\n",
        run.display()
    );
    std::fs::write(&script, text)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

#[test]
fn the_journal_gets_fields_and_an_identifier_for_every_kind() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let folder = TempDir::new()?;
    let place = folder.path().join("run/systemd/journal");
    std::fs::create_dir_all(&place)?;
    let journal = UnixDatagram::bind(place.join("socket"))?;
    journal.set_nonblocking(true)?;
    let daemon = elsewhere(folder.path())?;
    let mut entries: Vec<BTreeMap<String, String>> = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let mut read = |entries: &mut Vec<BTreeMap<String, String>>| {
        while let Ok(count) = journal.recv(&mut buffer) {
            entries.push(fields(&buffer[..count]));
        }
    };
    let mut holdfast = Holdfast::start_program(&host, &daemon, CONFIG)?;
    let has = |entry: &BTreeMap<String, String>, wanted: &[(&str, &str)]| {
        wanted.iter().all(|(name, value)| entry.get(*name).map(String::as_str) == Some(*value))
    };
    let mut wait_for = |wanted: &[(&str, &str)]| {
        wait::until(&format!("an entry with {wanted:?}"), SECONDS_10, || {
            read(&mut entries);
            Ok(entries.iter().any(|entry| has(entry, wanted)))
        })?;
        Ok::<_, lab::Error>(entries.iter().find(|entry| has(entry, wanted)).cloned().unwrap_or_default())
    };
    let master = wait_for(&[("NEW", "master"), ("INSTANCE", "VI_1")])?;
    for (name, value) in [
        ("OLD", "backup"),
        ("VRID", "51"),
        ("REASON", "no advert heard"),
        ("CHILD", "vrrp"),
        ("PRIORITY", "6"),
        ("VRRP_PRIORITY", "100"),
        ("SYSLOG_IDENTIFIER", "holdfastd"),
    ] {
        assert_eq!(master.get(name).map(String::as_str), Some(value), "{name} of {master:?}");
    }
    let down = wait_for(&[("EVENT", "server_changed"), ("NEW", "down")])?;
    assert_eq!(down.get("SERVER").map(String::as_str), Some("192.168.152.11:8080"), "{down:?}");
    assert_eq!(down.get("PRIORITY").map(String::as_str), Some("4"));
    holdfast.signal_child("checker", Signal::SIGKILL)?;
    let died = wait_for(&[("EVENT", "child_died")])?;
    assert!(has(&died, &[("CHILD", "checker"), ("PRIORITY", "3"), ("REASON", "signal 9")]), "{died:?}");
    let identifiers = [&master, &down, &died].map(|entry| entry.get("MESSAGE_ID").map(String::len));
    assert_eq!(identifiers, [Some(32); 3]);
    assert_ne!(master["MESSAGE_ID"], down["MESSAGE_ID"]);
    holdfast.process().signal(Signal::SIGTERM)?;
    wait_for(&[("NEW", "init"), ("INSTANCE", "VI_1")])?;
    assert_eq!(holdfast.process().wait_code(SECONDS_10)?, 0);
    Ok(())
}
