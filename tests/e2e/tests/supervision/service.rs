//! The init script as `make install` puts it, in a host of its own.

use std::fs;
use std::path::PathBuf;

use lab::{Lan, Netns, Output, Program, Result, SECONDS_10, TempDir, program, wait};

use super::{VIP, processes, router};

/// An installed Holdfast.
struct Installed {
    host: Netns,
    dir: TempDir,
    _lan: Lan,
}

impl Installed {
    fn new() -> Result<Self> {
        lab::require_privileges()?;
        let lan = Lan::new()?;
        let host = lan.host("a", &["192.168.152.11/24"])?;
        let dir = TempDir::new()?;
        let path = dir.path().display().to_string();
        let built = program(Program::Holdfastd)?;
        let built = built.parent().unwrap().display();
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let words = [
            format!("PREFIX={path}/usr"),
            format!("SYSCONFDIR={path}/etc"),
            format!("UNITDIR={path}/unit"),
            format!("BUILD={built}"),
        ];
        let mut make =
            vec!["env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", "-s", "-C", root, "install-files"];
        make.extend(words.iter().map(String::as_str));
        lab::run(&make)?;
        let installed = Self { host, dir, _lan: lan };
        // Two daemons on one machine need two run directories: what /etc/default/holdfast is for.
        let options =
            format!("RUN_DIR={path}/run\nHOLDFASTD_OPTIONS=\"--log-target {path}/log --log-level debug\"\n");
        fs::write(installed.path("etc/default/holdfast"), options)?;
        installed.configure(&router(200))?;
        Ok(installed)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, text: &str) -> Result {
        Ok(fs::write(self.path("etc/holdfast/holdfast.toml"), text)?)
    }

    fn script(&self, action: &str) -> Result<Output> {
        let script = self.path("etc/init.d/holdfast");
        self.host.output(&[&*script.to_string_lossy(), action])
    }

    #[track_caller]
    fn expect(&self, action: &str, code: i32) -> Result {
        let output = self.script(action)?;
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        assert_eq!(output.code, Some(code), "{action}: {}{}\n{log}", output.stdout, output.stderr);
        Ok(())
    }

    fn pid(&self) -> Result<String> {
        Ok(fs::read_to_string(self.path("run/holdfastd.pid"))?.trim().to_owned())
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        for pid in self.host.pids() {
            let _gone =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

#[test]
fn every_action_of_the_init_script_has_the_exit_code_of_the_lsb() -> Result {
    let installed = Installed::new()?;
    installed.expect("status", 3)?;
    installed.expect("stop", 0)?;
    installed.expect("reload", 7)?;
    installed.expect("try-restart", 0)?;
    assert!(processes(&installed.host).is_empty());
    installed.expect("start", 0)?;
    // Ready when it returns.
    assert_eq!(processes(&installed.host).len(), 2);
    let pid = installed.pid()?;
    installed.expect("status", 0)?;
    installed.expect("start", 0)?;
    installed.expect("reload", 0)?;
    installed.expect("force-reload", 0)?;
    assert_eq!(installed.pid()?, pid);
    installed.expect("restart", 0)?;
    assert_ne!(installed.pid()?, pid);
    installed.host.wait_address(VIP, SECONDS_10)?;
    installed.expect("stop", 0)?;
    assert!(processes(&installed.host).is_empty());
    assert!(!installed.host.has_address(VIP)?);
    installed.expect("status", 3)?;
    installed.expect("dance", 2)
}

#[test]
fn a_faulty_configuration_starts_nothing_and_stops_nothing() -> Result {
    let installed = Installed::new()?;
    installed.configure("[vrrpp]\n")?;
    installed.expect("start", 2)?;
    assert!(processes(&installed.host).is_empty());
    installed.configure(&router(200))?;
    installed.expect("start", 0)?;
    let pid = installed.pid()?;
    installed.configure("[vrrpp]\n")?;
    for action in ["reload", "restart", "try-restart"] {
        let output = installed.script(action)?;
        assert_eq!(output.code, Some(2), "{action}: {}", output.stderr);
        assert!(output.stderr.contains("holdfast.toml:1:2: error: "), "{action}: {}", output.stderr);
        assert_eq!(installed.pid()?, pid);
    }
    installed.expect("status", 0)?;
    installed.expect("stop", 0)
}

#[test]
fn a_killed_daemon_is_told_from_a_stopped_one_and_started_over() -> Result {
    let installed = Installed::new()?;
    installed.expect("start", 0)?;
    let pid = nix::unistd::Pid::from_raw(installed.pid()?.parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL)?;
    wait::until("its end", SECONDS_10, || Ok(processes(&installed.host).is_empty()))?;
    // Its new parent may take a moment to notice.
    wait::until("status 1", SECONDS_10, || Ok(installed.script("status")?.code == Some(1)))?;
    installed.expect("start", 0)?;
    installed.host.wait_address(VIP, SECONDS_10)?;
    installed.expect("stop", 0)
}

#[test]
fn without_its_program_it_is_not_installed() -> Result {
    let installed = Installed::new()?;
    fs::remove_file(installed.path("usr/sbin/holdfastd"))?;
    installed.expect("start", 5)
}
