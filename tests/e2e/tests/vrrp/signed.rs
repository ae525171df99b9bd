//! Signed adverts between two Holdfasts: keys in files, a rotation and a roll-out without a change of masters, replays.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lab::{Holdfast, Result, SECONDS_10, TempDir, wait};
use nix::sys::signal::Signal;

use super::{NAME, QUIET, Two, config, transitions};

pub(super) fn key_file(folder: &TempDir, name: &str, byte: u8) -> Result<String> {
    let path = folder.write(name, &format!("hex:{}\n", format!("{byte:02x}").repeat(32)))?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(path.to_string_lossy().into_owned())
}

fn auth(active: u8, files: &[(u8, &str)], more: &str) -> String {
    let keys: Vec<String> =
        files.iter().map(|(id, file)| format!("{{ id = {id}, file = \"{file}\" }}")).collect();
    format!("auth = {{ type = \"hmac\", active_key = {active}, keys = [{}], {more} }}", keys.join(", "))
}

/// Reloads, and waits until the reload is done.
fn reload(holdfast: &mut Holdfast, text: &str) -> Result {
    let generation = |holdfast: &Holdfast| -> Result<Option<u64>> {
        Ok(holdfast.status()?.pointer("/watchdog/config/generation").and_then(serde_json::Value::as_u64))
    };
    let before = generation(holdfast)?;
    holdfast.write_config(text)?;
    holdfast.process().signal(Signal::SIGHUP)?;
    wait::until("the reload", SECONDS_10, || Ok(generation(holdfast)? > before))
}

/// The length of the master's adverts: with a signature, or without.
fn wait_length(two: &Two, length: usize) -> Result {
    let mark = two.wire.mark();
    two.wire
        .wait_from(mark, "an advert of the right length", SECONDS_10, |frame| {
            frame.packet.advert().is_some() && frame.bytes.len() == 14 + 20 + length
        })
        .map(drop)
}

#[test]
fn a_roll_out_and_a_rotation_change_no_master() -> Result {
    let two = Two::new()?;
    let folder = TempDir::new()?;
    let (one, next) = (key_file(&folder, "one", 0x11)?, key_file(&folder, "two", 0x22)?);
    let (mut a, mut b) = two.start("")?;
    let before = (transitions(&a)?, transitions(&b)?);
    let old: &[(u8, &str)] = &[(1, &one)];
    let both: &[(u8, &str)] = &[(1, &one), (2, &next)];
    for (step, length) in [
        (auth(1, old, "mode = \"receive_only\""), 12),
        (auth(1, old, "mode = \"permissive\""), 40),
        (auth(1, old, ""), 40),
        (auth(1, both, ""), 40),
        (auth(2, both, ""), 40),
        (auth(2, &[(2, &next)], ""), 40),
    ] {
        reload(&mut b, &config(100, &step))?;
        wait::stays("the same masters", QUIET, || Ok((transitions(&a)?, transitions(&b)?) == before))?;
        reload(&mut a, &config(200, &step))?;
        wait_length(&two, length)?;
        wait::stays("the same masters", QUIET, || Ok((transitions(&a)?, transitions(&b)?) == before))?;
    }
    let rejected = b.instance(NAME, "/advertisements/rejected")?;
    assert_eq!(rejected, serde_json::json!({}), "{}", b.log().tail(20));
    Ok(())
}

#[test]
fn one_without_the_key_neither_takes_over_nor_goes_unnoticed() -> Result {
    let two = Two::new()?;
    let folder = TempDir::new()?;
    let (one, other) = (key_file(&folder, "one", 0x11)?, key_file(&folder, "other", 0x22)?);
    let a = Holdfast::start(&two.a, &config(100, &auth(1, &[(1, &one)], "")))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let b = Holdfast::start(&two.b, &config(200, &auth(1, &[(1, &other)], "")))?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    let count = || a.instance(NAME, "/advertisements/rejected/signature").map(|n| n.as_u64().unwrap_or(0));
    wait::until("adverts of the other key to be dropped", SECONDS_10, || Ok(count()? > 3))?;
    assert_eq!(a.instance(NAME, "/state")?, "master");
    assert!(a.log().text().contains("incompatible peer"), "{}", a.log().tail(20));
    Ok(())
}

#[test]
fn a_key_file_that_others_can_read_is_a_fault_and_refuses_a_reload() -> Result {
    let two = Two::new()?;
    let folder = TempDir::new()?;
    let one = key_file(&folder, "one", 0x11)?;
    let (text, path) = (config(100, &auth(1, &[(1, &one)], "")), Path::new(&one));
    fs::set_permissions(path, Permissions::from_mode(0o644))?;
    let mut a = Holdfast::start(&two.a, &text)?;
    a.wait_state(NAME, "fault", SECONDS_10)?;
    let faults = a.instance(NAME, "/faults")?.to_string();
    assert!(faults.contains("no key to sign adverts with") && faults.contains("chmod 600"), "{faults}");
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    reload(&mut a, &text)?;
    a.wait_state(NAME, "master", SECONDS_10)?;

    fs::remove_file(path)?;
    a.process().signal(Signal::SIGHUP)?;
    wait::until("the reload to be refused", SECONDS_10, || {
        Ok(a.status()?.pointer("/watchdog/config/last_reload/ok") == Some(&false.into()))
    })?;
    assert_eq!(a.instance(NAME, "/state")?, "master");
    Ok(())
}

/// The configuration is as it was, so only the content of the file tells.
#[test]
fn a_key_file_with_another_key_counts_from_the_next_reload() -> Result {
    const CHANGED: &str = "reload: changed object=\"vrrp instance VI_1\" detail=\"auth\"";
    let two = Two::new()?;
    let folder = TempDir::new()?;
    let (ours, theirs) = (key_file(&folder, "ours", 0x11)?, key_file(&folder, "theirs", 0x11)?);
    // Patient, for the time between the two reloads.
    let with = |file: &str| auth(1, &[(1, file)], "") + "\ndown_timer_adverts = 100";
    let mut a = Holdfast::start(&two.a, &config(200, &with(&ours)))?;
    a.wait_state(NAME, "master", 6 * SECONDS_10)?;
    let mut b = Holdfast::start(&two.b, &config(100, &with(&theirs)))?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    let before = (transitions(&a)?, transitions(&b)?);

    key_file(&folder, "theirs", 0x22)?;
    b.process().signal(Signal::SIGHUP)?;
    let refused = || b.instance(NAME, "/advertisements/rejected/signature").map(|n| n.as_u64().unwrap_or(0));
    wait::until("adverts of the old key to be dropped", SECONDS_10, || Ok(refused()? > 0))?;
    b.log().wait(CHANGED, SECONDS_10)?;

    key_file(&folder, "ours", 0x22)?;
    a.process().signal(Signal::SIGHUP)?;
    a.log().wait(CHANGED, SECONDS_10)?;
    let heard = || b.instance(NAME, "/advertisements/received").map(|n| n.as_u64().unwrap_or(0));
    let mark = heard()?;
    wait::until("adverts of the new key to be taken", SECONDS_10, || Ok(heard()? > mark))?;
    assert_eq!((transitions(&a)?, transitions(&b)?), before, "{}", b.log().tail(20));
    Ok(())
}

#[test]
fn a_killed_process_goes_on_with_higher_numbers() -> Result {
    let two = Two::new()?;
    let folder = TempDir::new()?;
    let one = key_file(&folder, "one", 0x11)?;
    let (a, b) = two.start(&auth(1, &[(1, &one)], "anti_replay = \"monotonic\""))?;
    let before = transitions(&b)?;
    for _ in 0..3 {
        let old = a.child("vrrp")?;
        a.signal_child("vrrp", Signal::SIGKILL)?;
        wait::until("a successor", SECONDS_10, || Ok(a.child("vrrp").is_ok_and(|pid| pid != old)))?;
        a.wait_state(NAME, "master", SECONDS_10)?;
    }
    wait::stays("the same masters", QUIET, || Ok(transitions(&b)? == before))?;
    assert_eq!(b.instance(NAME, "/advertisements/rejected")?, serde_json::json!({}));
    Ok(())
}
