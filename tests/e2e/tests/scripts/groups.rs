//! Sync groups end to end: their notify commands, and their trackers over a reload.

use lab::{Holdfast, Result, SECONDS_10, wait};

use crate::stage::{Stage, directors};

/// Two instances in a group; `extra` are more lines of the group.
fn group(extra: &str) -> String {
    let instance = |number: u32| {
        format!(
            "[[vrrp.instance]]\nname = \"VI_{number}\"\nvirtual_router_id = {number}\n\
             virtual_addresses = [\"192.168.152.20{number}/24\"]\n"
        )
    };
    format!(
        "[vrrp]\ninterface = \"eth0\"\nadvert_interval = \"200ms\"\n{}{}[[vrrp.sync_group]]\nname = \"G\"\n\
         instances = [\"VI_1\", \"VI_2\"]\n{extra}\n",
        instance(1),
        instance(2)
    )
}

#[track_caller]
fn wait_both(holdfast: &Holdfast, state: &str) -> Result {
    holdfast.wait_state("VI_1", state, SECONDS_10)?;
    holdfast.wait_state("VI_2", state, SECONDS_10)
}

#[test]
fn each_change_of_a_group_is_told_to_its_own_commands() -> Result {
    let stage = Stage::new()?;
    let (lan, a, _b) = directors()?;
    let own =
        stage.script("own.sh", "echo \"$1 $HOLDFAST_KIND $HOLDFAST_NAME $HOLDFAST_STATE\" >> $NOTES/own")?;
    let any = stage.script("any.sh", "echo \"$@\" >> $NOTES/any")?;
    let user = stage.script("user.sh", "id -un >> $NOTES/user")?;
    let notify = format!(
        "notify = {{ master = [\"{own}\", \"m\"], backup = [\"{own}\", \"b\"], fault = [\"{own}\", \"f\"], any = \"{any}\" }}"
    );
    let members = format!("notify = {{ stop = \"{user}\", user = \"daemon\" }}\n");
    let config = group(&notify).replacen("[[vrrp.instance]]", &format!("{members}[[vrrp.instance]]"), 1);
    let holdfast = Holdfast::start(&a, &config)?;
    wait_both(&holdfast, "master")?;
    stage.wait_note("own", "m GROUP G MASTER", SECONDS_10)?;
    lan.unplug(&a, "eth0")?;
    wait_both(&holdfast, "fault")?;
    stage.wait_note("own", "f GROUP G FAULT", SECONDS_10)?;
    lan.plug(&a, "eth0")?;
    wait_both(&holdfast, "master")?;
    wait::until("the second time as master", SECONDS_10, || {
        Ok(stage.notes("own").iter().filter(|line| *line == "m GROUP G MASTER").count() == 2)
    })?;
    // Once for both, in order.
    let told =
        ["b GROUP G BACKUP", "m GROUP G MASTER", "f GROUP G FAULT", "b GROUP G BACKUP", "m GROUP G MASTER"];
    assert_eq!(stage.notes("own"), told);
    wait::until("the last line of any", SECONDS_10, || Ok(stage.notes("any").len() == told.len()))?;
    assert!(stage.notes("any").iter().all(|line| line.starts_with("GROUP G ")), "{:?}", stage.notes("any"));
    assert_eq!(stage.notes("any")[1].split(' ').nth(2), Some("MASTER"));
    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(stage.notes("user"), ["daemon", "daemon"], "one for each member, as the user it is given");
    Ok(())
}

#[test]
fn what_a_group_tracks_counts_for_all_from_the_reload_that_says_so() -> Result {
    let stage = Stage::new()?;
    let (lan, a, _b) = directors()?;
    lan.attach(&a, "eth1", &[])?;
    a.ip("link set eth1 down")?;
    stage.say("number", "0")?;
    let check = stage.script("check.sh", "exit 1")?;
    let objects = format!(
        "[[vrrp.script]]\nname = \"s\"\ncommand = \"{check}\"\ninterval = \"100ms\"\ntimeout = \"10s\"\n\
         [[vrrp.file]]\nname = \"f\"\npath = \"{}\"\n\
         [[vrrp.process]]\nname = \"p\"\nprogram = \"/no/such/program\"\n",
        stage.path("number").display()
    );
    let with = |extra: &str| format!("{}{objects}", group(extra));
    let holdfast = Holdfast::start(&a, &with(""))?;
    wait_both(&holdfast, "master")?;
    let reload = |extra: &str| -> Result {
        let done = holdfast.reload(&with(extra))?;
        assert_eq!(done.code, Some(0), "{extra}: {}", done.stderr);
        Ok(())
    };
    for tracker in [
        "track_interfaces = [\"eth1\"]",
        "track_scripts = [\"s\"]",
        "track_files = [{ name = \"f\", weight = 0 }]",
        "track_processes = [\"p\"]",
    ] {
        if tracker.contains("files") {
            stage.say("number", "1")?;
        }
        reload(tracker)?;
        wait_both(&holdfast, "fault").map_err(|error| format!("{tracker}: {error}"))?;
        reload("")?;
        wait_both(&holdfast, "master").map_err(|error| format!("{tracker}: {error}"))?;
    }
    Ok(())
}

#[test]
fn scripts_without_a_user_of_their_own_run_as_script_user_also_after_a_reload() -> Result {
    let stage = Stage::new()?;
    let (lan, a, _b) = directors()?;
    // A file for each: one user cannot write to the other's.
    let told = stage.script("told.sh", "echo told >> $NOTES/$(id -un)")?;
    let config = |user: &str| {
        let own = group(&format!("notify.master = \"{told}\""));
        format!("[global]\nrouter_id = \"lb-7\"\nscript_user = \"{user}\"\n{own}")
    };
    let holdfast = Holdfast::start(&a, &config("daemon"))?;
    wait_both(&holdfast, "master")?;
    stage.wait_note("daemon", "told", SECONDS_10)?;
    assert_eq!(holdfast.status()?.pointer("/router_id").and_then(|id| id.as_str()), Some("lb-7"));
    assert_eq!(holdfast.reload(&config("mail"))?.code, Some(0));
    lan.unplug(&a, "eth0")?;
    wait_both(&holdfast, "fault")?;
    lan.plug(&a, "eth0")?;
    wait_both(&holdfast, "master")?;
    stage.wait_note("mail", "told", SECONDS_10)
}
