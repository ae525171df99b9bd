//! Tracked scripts.

use std::time::Duration;

use lab::{Holdfast, Result, SECONDS_10, alive, wait};
use serde_json::Value;

use crate::stage::{Stage, directors, instance, wait_holder};

/// A script that runs ten times a second; its time limit is long against a busy machine.
fn script(name: &str, command: &str, extra: &str) -> String {
    limited(name, command, "10s", extra)
}

fn limited(name: &str, command: &str, timeout: &str, extra: &str) -> String {
    format!(
        "[[vrrp.script]]\nname = \"{name}\"\ncommand = [\"{command}\"]\ninterval = \"100ms\"\n\
         timeout = \"{timeout}\"\n{extra}\n"
    )
}

/// One field of a script's status.
fn status(holdfast: &Holdfast, name: &str, pointer: &str) -> Result<Value> {
    let status = holdfast.status()?;
    let scripts = status.pointer("/vrrp/scripts").and_then(Value::as_array);
    let found =
        scripts.into_iter().flatten().find(|script| script.pointer("/name") == Some(&Value::from(name)));
    Ok(found.and_then(|script| script.pointer(pointer)).cloned().unwrap_or(Value::Null))
}

/// How many lines with `needle` stand before the first one with `end`, after `start`.
fn count_before(text: &str, start: &str, needle: &str, end: &str) -> usize {
    let from = text.lines().skip_while(|line| !line.contains(start));
    from.take_while(|line| !line.contains(end)).filter(|line| line.contains(needle)).count()
}

#[test]
fn a_failing_script_with_a_weight_moves_the_address_and_a_good_one_brings_it_back() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, b) = directors()?;
    stage.say("service", "up")?;
    let check = stage.script("check.sh", &format!("grep -q up {}", stage.path("service").display()))?;
    let tracked =
        script("chk_service", &check, "weight = -20") + &instance(100, "track_scripts = [\"chk_service\"]");
    let first = Holdfast::start(&a, &tracked)?;
    let second = Holdfast::start(&b, &instance(90, ""))?;
    first.wait_state("VI_1", "master", SECONDS_10)?;
    wait_holder(&a, &b)?;

    stage.say("service", "down")?;
    second.wait_state("VI_1", "master", SECONDS_10)?;
    first.wait_state("VI_1", "backup", SECONDS_10)?;
    wait_holder(&b, &a)?;
    assert_eq!(first.instance("VI_1", "/effective_priority")?, 80);
    assert_eq!(status(&first, "chk_service", "/up")?, false);
    assert_eq!(status(&first, "chk_service", "/last_exit")?, "exit 1");

    stage.say("service", "up")?;
    first.wait_state("VI_1", "master", SECONDS_10)?;
    wait_holder(&a, &b)?;
    assert_eq!(first.instance("VI_1", "/effective_priority")?, 100);
    Ok(())
}

#[test]
fn a_script_that_hangs_is_killed_at_its_limit_and_counts_as_failed() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    let check = stage.script("hang.sh", "echo $$ >> $NOTES/pids; sleep 1000 & wait")?;
    let config =
        limited("chk_hangs", &check, "300ms", "") + &instance(100, "track_scripts = [\"chk_hangs\"]");
    let holdfast = Holdfast::start(&a, &config)?;
    holdfast.wait_state("VI_1", "fault", SECONDS_10)?;
    wait::until("the time limit to be seen", SECONDS_10, || {
        Ok(status(&holdfast, "chk_hangs", "/last_exit")? == "time limit")
    })?;
    assert_eq!(holdfast.instance("VI_1", "/faults")?, serde_json::json!(["script chk_hangs fails"]));
    // A few rounds later only the newest one is there.
    wait::until("some rounds", SECONDS_10, || Ok(stage.notes("pids").len() >= 4))?;
    let pids: Vec<i32> = stage.notes("pids").iter().filter_map(|pid| pid.parse().ok()).collect();
    let older = pids.split_last().map(|(_, older)| older).unwrap_or_default();
    wait::until("the end of the older ones", SECONDS_10, || Ok(!older.iter().any(|pid| alive(*pid))))?;
    // And when the daemon stops, nothing of it is left.
    assert_eq!(holdfast.stop()?, 0);
    wait::until("the end of all", SECONDS_10, || {
        let all: Vec<i32> = stage.notes("pids").iter().filter_map(|pid| pid.parse().ok()).collect();
        Ok(!all.into_iter().any(alive))
    })
}

#[test]
fn rise_and_fall_are_results_in_a_row() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    stage.say("result", "0")?;
    let check = stage.script("check.sh", &format!("exit $(cat {})", stage.path("result").display()))?;
    let config =
        script("chk_rows", &check, "rise = 4\nfall = 3") + &instance(100, "track_scripts = [\"chk_rows\"]");
    let holdfast = Holdfast::start(&a, &config)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;

    let mark = holdfast.log().mark();
    stage.say("result", "7")?;
    holdfast.wait_state("VI_1", "fault", SECONDS_10)?;
    let text = holdfast.log().text_from(mark);
    assert_eq!(count_before(&text, "exit 7", "script ended: exit 7", "to=fault"), 3, "{text}");

    let mark = holdfast.log().mark();
    stage.say("result", "0")?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let text = holdfast.log().text_from(mark);
    assert_eq!(count_before(&text, "exit 0", "script ended: exit 0", "from=fault"), 4, "{text}");
    Ok(())
}

#[test]
fn a_probe_does_not_outlive_the_process_that_asked() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    let check = stage.script("slow.sh", "echo $$ >> $NOTES/pids\nexec sleep 1000")?;
    let config = limited("chk_slow", &check, "600s", "")
        + &instance(100, "track_scripts = [{ name = \"chk_slow\", weight = -1 }]");
    let holdfast = Holdfast::start(&a, &config)?;
    wait::until("the first run", SECONDS_10, || Ok(!stage.notes("pids").is_empty()))?;
    let first: Vec<i32> = stage.notes("pids").iter().filter_map(|pid| pid.parse().ok()).collect();
    holdfast.signal_child("vrrp", nix::sys::signal::Signal::SIGKILL)?;
    wait::until("the orphan's end", SECONDS_10, || Ok(!first.iter().any(|pid| alive(*pid))))?;
    wait::until("the successor to ask again", Duration::from_secs(20), || Ok(stage.notes("pids").len() > 1))
}

#[test]
fn a_number_in_a_file_moves_the_address_and_a_directory_that_comes_later_is_found() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, b) = directors()?;
    let path = stage.path("later/drain");
    let file = format!("[[vrrp.file]]\nname = \"drain\"\npath = \"{}\"\n", path.display());
    let first = Holdfast::start(&a, &(file.clone() + &instance(100, "track_files = [\"drain\"]")))?;
    let second = Holdfast::start(&b, &instance(90, ""))?;
    first.wait_state("VI_1", "master", SECONDS_10)?;
    second.wait_state("VI_1", "backup", SECONDS_10)?;

    stage.say("later/other", "")?;
    stage.say("later/drain", "-30\n")?;
    second.wait_state("VI_1", "master", SECONDS_10)?;
    wait_holder(&b, &a)?;
    assert_eq!(first.instance("VI_1", "/effective_priority")?, 70);

    std::fs::remove_file(&path)?;
    first.wait_state("VI_1", "master", SECONDS_10)?;
    wait_holder(&a, &b)?;

    // With a weight of 0 any number is a fault; a reload reads what is there.
    let mark = first.log().mark();
    stage.say("later/drain", "2")?;
    wait::until("the number to be seen", SECONDS_10, || {
        Ok(first.status()?.pointer("/vrrp/files/0/number") == Some(&Value::from(2)))
    })?;
    let reloaded = file + &instance(100, "track_files = [{ name = \"drain\", weight = 0 }]");
    assert_eq!(first.reload(&reloaded)?.code, Some(0), "{}", first.log().text_from(mark));
    first.wait_state("VI_1", "fault", SECONDS_10)?;
    assert_eq!(first.instance("VI_1", "/faults")?, serde_json::json!(["file drain says other than 0"]));
    Ok(())
}
