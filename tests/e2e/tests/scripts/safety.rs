//! What is not run.

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lab::{Holdfast, Result, SECONDS_10};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

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

/// A file system whose server never answers: whoever walks into it waits. As an NFS server that is gone.
struct Hanging {
    folder: PathBuf,
    _unanswered: File,
}

impl Hanging {
    fn mount(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let questions = File::options().read(true).write(true).open("/dev/fuse")?;
        let options = format!("fd={},rootmode=40755,user_id=0,group_id=0,allow_other", questions.as_raw_fd());
        mount(Some("lab"), folder, Some("fuse"), MsFlags::empty(), Some(options.as_str()))?;
        Ok(Self { folder: folder.to_owned(), _unanswered: questions })
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _gone = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}

#[test]
fn scripts_on_a_file_system_that_hangs_cost_no_advert_and_end_with_their_time() -> Result {
    let stage = Stage::new()?;
    let hanging = Hanging::mount(&stage.path("mnt"))?;
    let path = hanging.folder.join("check.sh").to_string_lossy().into_owned();
    let (lan, a, _b) = directors()?;
    let wire = lan.capture()?;
    let config = format!(
        "[[vrrp.script]]\nname = \"far\"\ncommand = \"{path}\"\ninterval = \"1s\"\nweight = -5\n{}",
        instance(100, &format!("track_scripts = [\"far\"]\nnotify.master = \"{path}\""))
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
    assert_eq!(holdfast.instance("VI_1", "/effective_priority")?, 95, "not done is not good");
    Ok(())
}
