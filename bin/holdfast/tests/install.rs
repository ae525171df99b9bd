//! `make install-files` puts everything where it belongs, and leaves a configuration that is there alone.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory that is removed with its contents.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = Self(std::env::temp_dir().join(format!("holdfast-install-{name}-{}", std::process::id())));
        fs::create_dir_all(dir.0.join("build")).unwrap();
        for program in ["holdfast", "holdfastd"] {
            fs::write(dir.0.join("build").join(program), program).unwrap();
        }
        dir
    }

    fn install(&self, more: &[&str]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = Command::new("make")
            .args(["-s", "install-files"])
            .arg(format!("DESTDIR={}/to", self.0.display()))
            .arg(format!("BUILD={}/build", self.0.display()))
            .args(more)
            .current_dir(root)
            // Not what an outer make wants.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The text and the mode of an installed file.
    fn file(&self, path: &str) -> (String, u32) {
        let path = self.0.join("to").join(path);
        let mode = fs::metadata(&path).unwrap_or_else(|e| missing(&path, &e)).permissions().mode() & 0o777;
        (fs::read_to_string(&path).unwrap(), mode)
    }
}

#[expect(clippy::panic, reason = "helpers of tests fail by panicking")]
fn missing(path: &Path, error: &std::io::Error) -> fs::Metadata {
    panic!("{}: {error}", path.display())
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn everything_is_installed() {
    let dir = Dir::new("all");
    dir.install(&[]);
    for (path, mode) in [
        ("usr/sbin/holdfastd", 0o755),
        ("usr/bin/holdfast", 0o755),
        ("usr/share/man/man1/holdfast.1", 0o644),
        ("usr/share/man/man5/holdfast.toml.5", 0o644),
        ("usr/share/man/man8/holdfastd.8", 0o644),
        ("usr/share/doc/holdfast/samples/dr.toml", 0o644),
        ("usr/share/holdfast/holdfast.schema.json", 0o644),
        ("usr/share/bash-completion/completions/holdfast", 0o644),
        ("usr/share/bash-completion/completions/holdfastd", 0o644),
        ("usr/share/zsh/vendor-completions/_holdfast", 0o644),
        ("usr/share/fish/vendor_completions.d/holdfast.fish", 0o644),
        ("lib/systemd/system/holdfast.service", 0o644),
        ("lib/systemd/system/holdfast-realserver.service", 0o644),
        ("etc/init.d/holdfast", 0o755),
        ("etc/init.d/holdfast-realserver", 0o755),
        ("etc/default/holdfast-realserver", 0o644),
        ("etc/default/holdfast", 0o644),
        ("etc/logrotate.d/holdfast", 0o644),
        // It may hold a password.
        ("etc/holdfast/holdfast.toml", 0o640),
    ] {
        let (text, found) = dir.file(path);
        assert_eq!(found, mode, "{path}: {found:o}");
        assert!(!text.is_empty(), "{path}");
    }
    assert!(dir.0.join("to/etc/holdfast/conf.d").is_dir());
}

#[test]
fn what_an_operator_has_written_stays() {
    let dir = Dir::new("keep");
    dir.install(&[]);
    for path in ["etc/holdfast/holdfast.toml", "etc/default/holdfast", "etc/default/holdfast-realserver"] {
        fs::write(dir.0.join("to").join(path), "mine").unwrap();
    }
    dir.install(&[]);
    assert_eq!(dir.file("etc/holdfast/holdfast.toml").0, "mine");
    assert_eq!(dir.file("etc/default/holdfast").0, "mine");
    assert_eq!(dir.file("etc/default/holdfast-realserver").0, "mine");
}

#[test]
fn another_prefix_is_in_the_unit_and_the_init_script() {
    let dir = Dir::new("prefix");
    dir.install(&["PREFIX=/opt/holdfast", "SYSCONFDIR=/opt/etc"]);
    let (unit, _) = dir.file("lib/systemd/system/holdfast.service");
    assert!(unit.contains("\nExecStart=/opt/holdfast/sbin/holdfastd "), "{unit}");
    assert!(unit.contains("\nExecReload=/opt/holdfast/bin/holdfast reload"), "{unit}");
    assert!(unit.contains("\nEnvironmentFile=-/opt/etc/default/holdfast"), "{unit}");
    let (script, _) = dir.file("opt/etc/init.d/holdfast");
    assert!(script.contains("\nDAEMON=/opt/holdfast/sbin/holdfastd\n"), "{script}");
    assert!(script.contains("/opt/etc/default/holdfast"), "{script}");
}
