//! Mails that wait outlive a reboot: a daemon that finds other directories than the machine's in place of `/run` and
//! `/var/lib`, of which the first is empty after a reboot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lab::{Holdfast, Program, Result, TempDir, program, wait};
use nix::sys::signal::Signal;

use super::post::{Encryption, Post};
use super::{LONG, Site, alerts, mail_status, router, wait_idle};

/// A machine's directories.
struct Machine {
    folder: TempDir,
    daemon: PathBuf,
}

impl Machine {
    fn new() -> Result<Self> {
        let folder = TempDir::new()?;
        let path = |name: &str| folder.path().join(name);
        for name in ["run", "lib"] {
            fs::create_dir(path(name))?;
        }
        let daemon = path("holdfastd");
        // Its fifth argument is the run directory; of options that are given twice the last counts.
        let text = format!(
            "#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {run} /run && mkdir -p /run/holdfast && \
             mount --bind \"$5\" /run/holdfast && mount --bind {lib} /var/lib && \
             exec {holdfastd} \"$@\" --run-dir /run/holdfast' sh \"$@\"\n",
            run = path("run").display(),
            lib = path("lib").display(),
            holdfastd = program(Program::Holdfastd)?.display(),
        );
        fs::write(&daemon, text)?;
        fs::set_permissions(&daemon, fs::Permissions::from_mode(0o755))?;
        Ok(Self { folder, daemon })
    }

    fn lib(&self) -> PathBuf {
        self.folder.path().join("lib")
    }

    fn copies(&self) -> PathBuf {
        self.lib().join("holdfast/mail")
    }

    fn start(&self, site: &Site, config: &str) -> Result<Holdfast> {
        Holdfast::start_program(&site.a, &self.daemon, config)
    }

    /// What lay in memory is gone.
    fn reboot(&self, site: &Site, folder: TempDir) -> Result<Holdfast> {
        let run = folder.path().join("run");
        fs::remove_dir_all(&run)?;
        fs::create_dir(&run)?;
        Holdfast::restart_program(&site.a, &self.daemon, folder)
    }
}

/// The texts of the mails that lie in a directory.
fn kept(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mails = files.filter(|path| path.extension().is_some_and(|extension| extension == "mail"));
    mails.filter_map(|path| fs::read_to_string(path).ok()).collect()
}

fn told(dir: &Path, subject: &str) -> bool {
    kept(dir).iter().any(|text| text.contains(subject))
}

fn delivered(post: &Post, subject: &str) -> Result<usize> {
    Ok(post.subjects()?.iter().filter(|have| have.contains(subject)).count())
}

const MASTER: &str = "VRRP Instance VI_1 - Entering MASTER state";
const LEAVING: &str = "VRRP Instance VI_1 - Leaving MASTER state";

#[test]
fn a_mail_that_waits_outlives_a_loss_of_power_and_goes_once() -> Result {
    let site = Site::new()?;
    let machine = Machine::new()?;
    let mut post = Post::new(&site.lan)?;
    let config = format!("{}{}", alerts("retry_delay = \"1s\"\nburst = 100"), router("VI_1", 51, ""));
    let a = machine.start(&site, &config)?;
    a.log().wait("mail is not delivered", LONG)?;
    wait::until("a copy of the mail", LONG, || Ok(told(&machine.copies(), MASTER)))?;
    let mode = |path: &Path| fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
    assert_eq!(mode(&machine.copies())?, 0o700);
    for file in fs::read_dir(machine.copies())? {
        assert_eq!(mode(&file?.path())?, 0o600);
    }
    assert_eq!(mail_status(&a, "/copies")?, "/var/lib/holdfast/mail");
    let folder = a.kill()?;
    post.listen(Encryption::None, &[])?;
    let a = machine.reboot(&site, folder)?;
    a.log().wait("mails of an earlier run are waiting", LONG)?;
    // One of the life before, one of this life.
    wait::until("both mails", LONG, || Ok(delivered(&post, MASTER)? == 2))?;
    wait_idle(&a)?;
    assert_eq!(kept(&machine.copies()), Vec::<String>::new(), "what was taken has no copy");
    assert_eq!(delivered(&post, MASTER)?, 2, "{:?}", post.subjects());
    Ok(())
}

#[test]
fn what_happens_at_the_end_is_told_after_the_reboot() -> Result {
    let site = Site::new()?;
    let machine = Machine::new()?;
    let mut post = Post::new(&site.lan)?;
    let keys = "retry_delay = \"1s\"\nburst = 100";
    let mut a = machine.start(&site, &format!("{}{}", alerts(keys), router("VI_1", 51, "")))?;
    a.wait_state("VI_1", "master", LONG)?;
    a.process().signal(Signal::SIGTERM)?;
    assert_eq!(a.process().wait_code(LONG)?, 0);
    assert!(told(&machine.copies(), LEAVING), "{:?}", kept(&machine.copies()));
    post.listen(Encryption::None, &[])?;
    let folder = a.kill()?;
    let a = machine.reboot(&site, folder)?;
    post.wait(LEAVING)?;
    a.wait_state("VI_1", "master", LONG)?;
    wait_idle(&a)?;
    assert_eq!(delivered(&post, LEAVING)?, 1);
    Ok(())
}

#[test]
fn where_nothing_can_be_kept_for_long_that_is_said_and_mail_is_sent_all_the_same() -> Result {
    let site = Site::new()?;
    let machine = Machine::new()?;
    fs::write(machine.lib().join("holdfast"), "a file in the place of the directory")?;
    let post = Post::open(&site.lan)?;
    let a = machine.start(&site, &format!("{}{}", alerts(""), router("VI_1", 51, "")))?;
    post.wait(MASTER)?;
    let said = a.log().wait("mails do not outlive a reboot: ", LONG)?;
    assert!(said.contains(" directory=/var/lib/holdfast/mail"), "{said}");
    wait_idle(&a)
}

#[test]
fn a_directory_of_the_operators_choice_has_no_copies() -> Result {
    let site = Site::new()?;
    let machine = Machine::new()?;
    let post = Post::open(&site.lan)?;
    post.behave("put-off")?;
    let spool = post.path("spool");
    let chosen = alerts(&format!("spool = \"{}\"\nretry_delay = \"1s\"", spool.display()));
    let usual = alerts("retry_delay = \"1s\"");
    let of = |alerts: &str| format!("{alerts}{}", router("VI_1", 51, ""));
    let a = machine.start(&site, &of(&usual))?;
    wait::until("a copy", LONG, || Ok(told(&machine.copies(), MASTER)))?;
    // A reload moves what waits, and the copies go.
    assert_eq!(a.reload(&of(&chosen))?.code, Some(0));
    wait::until("the mail in its place", LONG, || Ok(told(&spool, MASTER)))?;
    assert_eq!(mail_status(&a, "/copies")?, serde_json::Value::Null);
    assert!(!told(&machine.copies(), MASTER), "{:?}", kept(&machine.copies()));
    // And the other way round, also over a restart.
    let folder = a.kill()?;
    fs::write(folder.path().join("holdfast.toml"), of(&usual))?;
    post.behave("accept")?;
    let a = machine.reboot(&site, folder)?;
    a.wait_state("VI_1", "master", LONG)?;
    wait_idle(&a)?;
    assert!(told(&spool, MASTER), "a directory that the configuration does not name any more is left alone");
    Ok(())
}
