//! Reloads under the eyes of a keepalived backup.

use std::time::Duration;

use e2e::pair::{Flavour, NAME, Pair};
use lab::{Result, wait};
use nix::sys::signal::Signal;

/// Fifty reloads, five a second.
const RELOADS: u32 = 50;
const PERIOD: Duration = Duration::from_millis(200);

#[test]
fn d6_3_fifty_reloads_of_the_same_file_in_ten_seconds_are_not_noticed() -> Result {
    storm(|_, file| file.to_owned())
}

#[test]
fn d6_3_fifty_reloads_that_change_another_instance_are_not_noticed() -> Result {
    storm(|round, file| {
        let other = Flavour::V3Ipv4
            .ours(100, "")
            .replace(NAME, "OTHER")
            .replace("= 51", &format!("= {}", 60 + round % 2));
        format!("{file}\n{}", other.replace("192.168.152.200", "192.168.152.222"))
    })
}

fn storm(change: impl Fn(u32, &str) -> String) -> Result {
    let flavour = Flavour::V2Pass;
    let pair = Pair::new(flavour)?;
    let theirs = pair.start_theirs(90)?;
    let mut ours = pair.start_ours(100, "")?;
    pair.wait_ours(&ours, &theirs)?;
    let transitions = |ours: &lab::Holdfast| ours.instance(NAME, "/transitions");
    let (before_ours, before_theirs) = (transitions(&ours)?, theirs.transitions(NAME));
    let generation =
        ours.status()?.pointer("/watchdog/config/generation").and_then(serde_json::Value::as_u64);

    let mark = pair.wire.mark();
    let file = flavour.ours(100, "");
    for round in 0..RELOADS {
        ours.write_config(&change(round, &file))?;
        ours.process().signal(Signal::SIGHUP)?;
        wait::pause(PERIOD);
    }
    wait::until("the last reload", lab::SECONDS_10, || {
        let ok = ours.status()?.pointer("/watchdog/config/last_reload/ok").cloned();
        let now = ours.status()?.pointer("/watchdog/config/generation").and_then(serde_json::Value::as_u64);
        Ok(ok == Some(true.into()) && now > generation)
    })?;

    assert_eq!(transitions(&ours)?, before_ours);
    assert_eq!(theirs.transitions(NAME), before_theirs);
    assert_eq!(ours.instance(NAME, "/state")?, "master");
    let adverts: Vec<_> = pair
        .wire
        .adverts_from(mark)
        .into_iter()
        .filter(|(_, advert)| advert.vrid == e2e::pair::VRID)
        .collect();
    assert!(adverts.len() >= 9, "{} adverts in ten seconds", adverts.len());
    for pair in adverts.windows(2) {
        let [(before, _), (after, _)] = pair else { continue };
        let gap = after.duration_since(*before).unwrap_or_default();
        assert!(gap <= flavour.interval() * 3 / 2, "a gap of {gap:?} between adverts");
    }
    pair.assert_understood(&ours, &theirs)
}

/// Whatever moment of becoming master two reloads hit: it gets there, once.
#[test]
fn d6_4_two_reloads_while_it_becomes_master_do_not_disturb_it() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let theirs = pair.start_theirs(90)?;
    theirs.wait_state(NAME, "MASTER", lab::SECONDS_10)?;
    for round in 0..5_u32 {
        let mut ours = pair.start_ours(100, "")?;
        let before = theirs.transitions(NAME);
        // Its master-down time is three intervals and a skew: into each of them, and around its end.
        wait::pause(pair.flavour.master_down(100) * (round + 1) / 6);
        ours.process().signal(Signal::SIGHUP)?;
        wait::pause(pair.flavour.interval() / 8);
        ours.process().signal(Signal::SIGHUP)?;
        pair.wait_ours(&ours, &theirs)?;
        let entered: Vec<String> = theirs.transitions(NAME).split_off(before.len());
        assert_eq!(entered, ["BACKUP"], "round {round}");
        assert_eq!(ours.instance(NAME, "/transitions")?, 2, "init, backup, master: round {round}");
        assert_eq!(ours.stop()?, 0);
        theirs.wait_state(NAME, "MASTER", lab::SECONDS_10)?;
    }
    Ok(())
}
