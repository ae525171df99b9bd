use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::unistd::{chown, geteuid};

use super::*;
use crate::script::scratch::Scratch;

const NOBODY: u32 = 65534;

fn judged(path: &Path) -> Result<(), String> {
    judge(path, Uid::from_raw(NOBODY)).map(drop).map_err(|error| error.to_string())
}

/// `etc/notify.sh` below a safe directory.
fn site() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    fs::create_dir(scratch.at("etc")).unwrap();
    let file = scratch.script("etc/notify.sh", "exit 0");
    (scratch, file)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_only_root_and_the_user_can_change_is_safe() {
    let (scratch, file) = site();
    let user = geteuid();
    assert_eq!(judge(&file, user).map(drop).map_err(|e| e.to_string()), Ok(()));
    let around = scratch.at("etc/./../etc/notify.sh");
    assert_eq!(judge(&around, user).map(drop).map_err(|e| e.to_string()), Ok(()));
}

#[test]
fn a_file_or_directory_that_others_may_write_to_is_named() {
    let (scratch, file) = site();
    for (place, bits) in [("etc/notify.sh", 0o775), ("etc/notify.sh", 0o757), ("etc", 0o775), ("etc", 0o757)]
    {
        let place = scratch.at(place);
        mode(&place, bits);
        let error = judge(&file, geteuid()).unwrap_err().to_string();
        let named =
            format!("unsafe: {} is writable by its group or by everybody (mode {bits:04o})", place.display());
        assert!(error.starts_with(&named), "{error}");
        mode(&place, 0o755);
    }
    mode(&scratch.at("etc"), 0o1777);
    assert_eq!(
        judge(&file, geteuid()).map(drop).map_err(|e| e.to_string()),
        Ok(()),
        "the sticky bit guards it"
    );
    mode(&file, 0o1757);
    assert!(judge(&file, geteuid()).is_err(), "it guards directories only");
}

#[test]
fn links_are_followed_and_what_they_lead_to_is_judged() {
    let (scratch, file) = site();
    let user = geteuid();
    symlink(&file, scratch.at("absolute")).unwrap();
    symlink("etc/../etc/notify.sh", scratch.at("relative")).unwrap();
    symlink("etc", scratch.at("directory")).unwrap();
    symlink("relative", scratch.at("twice")).unwrap();
    for name in ["absolute", "relative", "directory/notify.sh", "twice"] {
        assert_eq!(judge(&scratch.at(name), user).map(drop).map_err(|e| e.to_string()), Ok(()), "{name}");
    }
    mode(&scratch.at("etc"), 0o777);
    for name in ["absolute", "relative", "directory/notify.sh", "twice"] {
        let error = judge(&scratch.at(name), user).unwrap_err().to_string();
        assert!(error.contains(&format!("{} is writable", scratch.at("etc").display())), "{name}: {error}");
    }
    symlink("loop", scratch.at("loop")).unwrap();
    let error = judge(&scratch.at("loop"), user).unwrap_err().to_string();
    assert!(error.ends_with("has too many symbolic links"), "{error}");
}

#[test]
fn what_is_missing_or_no_file_is_named() {
    let (scratch, file) = site();
    let said = |path: &Path| judge(path, geteuid()).unwrap_err().to_string();
    let missing = scratch.at("etc/missing/notify.sh");
    assert_eq!(said(&missing), format!("{}: no such file or directory", scratch.at("etc/missing").display()));
    assert_eq!(said(&file.join("below")), format!("{}: not a directory", file.display()));
    assert_eq!(said(&scratch.at("etc")), format!("{} is not a file", scratch.at("etc").display()));
    assert_eq!(said(Path::new("etc/notify.sh")), "etc/notify.sh is not an absolute path");
    let fifo = scratch.at("fifo");
    nix::unistd::mkfifo(&fifo, Mode::from_bits_truncate(0o755)).unwrap();
    assert_eq!(said(&fifo), format!("{} is not a file", fifo.display()));
}

#[test]
fn what_belongs_to_a_third_user_is_refused() {
    if !crate::script::scratch::root() {
        return;
    }
    let (scratch, file) = site();
    assert_eq!(judged(&file), Ok(()), "root's");
    chown(&file, Some(Uid::from_raw(NOBODY)), None).unwrap();
    assert_eq!(judged(&file), Ok(()), "the script's user's own");
    chown(&file, Some(Uid::from_raw(12345)), None).unwrap();
    let said = format!(
        "unsafe: {} belongs to user 12345, who is neither root nor the script's user",
        file.display()
    );
    assert_eq!(judged(&file), Err(said));
    chown(&file, Some(Uid::from_raw(0)), None).unwrap();
    symlink(&file, scratch.at("link")).unwrap();
    std::os::unix::fs::lchown(scratch.at("link"), Some(12345), None).unwrap();
    assert!(judged(&scratch.at("link")).unwrap_err().contains("link belongs to user 12345"));
}

#[test]
fn a_file_that_was_replaced_since_is_not_read() {
    let (scratch, file) = site();
    let judged = judge(&file, geteuid()).unwrap();
    judged.read().unwrap();
    let other = scratch.script("etc/other.sh", "exit 1");
    fs::rename(other, &file).unwrap();
    judged.read().unwrap_err();
}
