//! What is not run.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use lab::{Holdfast, Result, SECONDS_10};

use crate::stage::{Stage, directors, instance};

#[test]
fn a_script_that_others_can_change_is_not_run_and_the_log_names_what_is_wrong() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    let open = stage.script("open/notify.sh", "echo run >> $NOTES/log")?;
    fs::set_permissions(stage.path("open"), Permissions::from_mode(0o777))?;
    let check = stage.script("check.sh", "exit 0")?;
    fs::set_permissions(&check, Permissions::from_mode(0o775))?;
    let config = format!(
        "[[vrrp.script]]\nname = \"chk\"\ncommand = \"{check}\"\ninterval = \"100ms\"\ntimeout = \"10s\"\nweight = -5\n{}",
        instance(100, &format!("track_scripts = [\"chk\"]\nnotify.master = \"{open}\""))
    );
    let holdfast = Holdfast::start(&a, &config)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let named = format!("unsafe: {} is writable by its group or by everybody", stage.path("open").display());
    holdfast.log().wait(&named, SECONDS_10)?;
    holdfast.log().wait(&format!("unsafe: {check} is writable"), SECONDS_10)?;
    assert_eq!(holdfast.instance("VI_1", "/effective_priority")?, 95, "not run is not good");
    assert_eq!(stage.notes("log"), [] as [&str; 0]);
    Ok(())
}

#[test]
fn output_without_end_is_cut_in_the_log_and_costs_no_advert() -> Result {
    let stage = Stage::new()?;
    let (lan, a, _b) = directors()?;
    let wire = lan.capture()?;
    let flood = stage.script(
        "flood.sh",
        "echo beginning of the flood\nexec yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    )?;
    let config = format!(
        "[[vrrp.script]]\nname = \"flood\"\ncommand = \"{flood}\"\ninterval = \"1s\"\nweight = -5\n{}",
        instance(100, "track_scripts = [\"flood\"]")
    );
    let holdfast = Holdfast::start(&a, &config)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let start = wire.mark();
    for _ in 0..3 {
        let mark = holdfast.log().mark();
        holdfast.log().wait_from(mark, "script ended: not done within", SECONDS_10)?;
    }
    let adverts = wire.adverts_from(start);
    assert!(adverts.len() >= 5, "{}", adverts.len());
    holdfast.log().wait("script says: beginning of the flood", SECONDS_10)?;
    assert!(holdfast.log().text().len() < 1_000_000, "the log was not flooded");
    Ok(())
}
