//! Where mails wait that are not delivered yet.
//!
//! The run directory lies in memory: what the watchdog writes there is written at once, whatever the disk does, and is
//! gone after a reboot. So there are copies in a directory that outlives it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What the directory of mails is called.
const NAME: &str = "mail";
/// Where run directories of services lie.
const RUN: [&str; 2] = ["/run", "/var/run"];
/// Where what they keep for longer lies.
const STATE: &str = "/var/lib";

/// Where mails wait unless the configuration says otherwise.
#[must_use]
pub fn spool(run_dir: &Path) -> PathBuf {
    run_dir.join(NAME)
}

/// Where copies of them outlive a reboot: `/var/lib/NAME/mail` for the run directory `/run/NAME`. A run directory
/// somewhere else was chosen for something that is to leave nothing on this machine, or lies on a disk already.
#[must_use]
pub fn copies(run_dir: &Path) -> Option<PathBuf> {
    let (above, name) = (run_dir.parent()?, run_dir.file_name()?);
    RUN.iter().any(|run| above == Path::new(run)).then(|| Path::new(STATE).join(name).join(NAME))
}

/// Makes the directory for copies, if it is not there, and makes sure that it is ours alone: mails are read from it as
/// if we had written them.
///
/// # Errors
/// It cannot be made, or somebody else can write to it.
pub fn prepare(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let found = std::fs::symlink_metadata(dir)?;
    let ours = found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw();
    if !ours || found.mode() & 0o022 != 0 {
        let why =
            "it is not a directory that belongs to this process's user and that nobody else can write to";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_runs_in_run_is_copied_to_var_lib_and_nothing_else_leaves_its_directory() {
        let of = |run_dir: &str| copies(Path::new(run_dir)).map(|dir| dir.display().to_string());
        assert_eq!(of("/run/holdfast").as_deref(), Some("/var/lib/holdfast/mail"));
        assert_eq!(of("/run/holdfast-b/").as_deref(), Some("/var/lib/holdfast-b/mail"));
        assert_eq!(of("/var/run/holdfast").as_deref(), Some("/var/lib/holdfast/mail"));
        for elsewhere in
            ["/", "/run", "/run/..", "/run/user/1000/holdfast", "/tmp/run/holdfast", "/srv/holdfast"]
        {
            assert_eq!(of(elsewhere), None, "{elsewhere}");
        }
        assert_eq!(spool(Path::new("/run/holdfast")), Path::new("/run/holdfast/mail"));
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_not_used() {
        let top = std::env::temp_dir().join(format!("holdfast-copies-{}", std::process::id()));
        let dir = top.join("deep/mail");
        prepare(&dir).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&top)), (0o700, 0o700));
        prepare(&dir).unwrap();
        std::fs::set_permissions(&dir, Permissions::from_mode(0o770)).unwrap();
        prepare(&dir).unwrap_err();
        symlink(&top, top.join("link")).unwrap();
        prepare(&top.join("link")).unwrap_err();
        std::fs::write(top.join("file"), "").unwrap();
        prepare(&top.join("file")).unwrap_err();
        prepare(Path::new("/dev/null/mail")).unwrap_err();
        std::fs::remove_dir_all(top).unwrap();
    }
}
