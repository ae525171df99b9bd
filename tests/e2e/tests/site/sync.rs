//! Connections are told from the master to the backup by the kernel's daemons, which follow the state.

use std::collections::BTreeSet;

use e2e::site::{Forward, NAME, Site, VIP};
use lab::{Holdfast, Netns, Result, SECONDS_10, wait};
use nix::sys::signal::Signal;

const FOLLOWING: &str = "[vrrp.ipvs_sync]\ninterface = \"eth0\"\ninstance = \"VI_1\"\n";

fn daemons(director: &Netns) -> Result<String> {
    let text = director.run(&["ipvsadm", "-L", "--daemon"])?;
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Waits until exactly these daemons run, by the beginning of their lines.
fn wait_daemons(director: &Netns, wanted: &[&str]) -> Result {
    wait::until(&format!("the daemons {wanted:?}"), 3 * SECONDS_10, || {
        let text = daemons(director)?;
        let running = text.matches("sync daemon").count();
        Ok(running == wanted.len() && wanted.iter().all(|line| text.contains(line)))
    })
}

/// The kernel's threads for all directors.
fn threads() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if name.starts_with("ipvs-") {
            found.insert(format!("{} {}", path.display(), name.trim()));
        }
    }
    Ok(found)
}

fn start(site: &Site, host: &Netns, priority: u8, sync: &str) -> Result<Holdfast> {
    Holdfast::start(host, &format!("{sync}{}", site.config(priority, "wrr", "", "")))
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel_sync"]
fn the_daemons_follow_the_state_and_the_backup_knows_the_connections() -> Result {
    let site = Site::new(Forward::Nat)?;
    let _web = [site.start_web(0)?, site.start_web(1)?];
    let a = start(&site, &site.a, 100, FOLLOWING)?;
    let b = start(&site, &site.b, 90, FOLLOWING)?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    // The identifier of the instance, and the kernel's defaults.
    let word = |role: &str| format!("{role} sync daemon (mcast=eth0, syncid=51, ");
    wait_daemons(&site.a, &[&word("master")])?;
    wait_daemons(&site.b, &[&word("backup")])?;
    let text = daemons(&site.a)?;
    assert!(text.contains("group=224.0.0.81, port=8848, ttl=1"), "{text}");
    wait::until("both web servers in service", SECONDS_10, || {
        Ok(site.a.run(&["ipvsadm", "-Ln"])?.lines().filter(|l| l.trim_start().starts_with("-> 1")).count()
            == 2)
    })?;
    wait::until("a connection that the backup knows", 3 * SECONDS_10, || {
        let _answer = site.ask();
        Ok(site.b.run(&["ipvsadm", "-Lnc"])?.contains(VIP))
    })?;

    // Killed, the process leaves them alone, and so does its successor.
    let before = threads()?;
    assert_eq!(before.len(), 2, "{before:?}");
    for holdfast in [&a, &b] {
        let log = holdfast.log().mark();
        holdfast.signal_child("vrrp", Signal::SIGKILL)?;
        holdfast.log().wait_from(log, "child restarted child=vrrp", SECONDS_10)?;
    }
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    let status = a.status()?;
    assert_eq!(status.pointer("/vrrp/ipvs_sync/running"), Some(&serde_json::json!(["master"])), "{status}");
    assert_eq!(threads()?, before);

    // Somebody stops one.
    site.a.run(&["ipvsadm", "--stop-daemon", "master"])?;
    a.log().wait("IPVS synchronisation daemon was stopped by somebody", 3 * SECONDS_10)?;
    wait_daemons(&site.a, &[&word("master")])?;

    // The other way round, by a lower priority; then the stop.
    a.reload(&format!(
        "{FOLLOWING}id = 52\nmax_length = 1100\nport = 8849\nttl = 2\ngroup = \"239.1.1.1\"\n{}",
        site.config(80, "wrr", "", "")
    ))?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    wait_daemons(
        &site.a,
        &["backup sync daemon (mcast=eth0, syncid=52, maxlen=1100, group=239.1.1.1, port=8849, ttl=2)"],
    )?;
    wait_daemons(&site.b, &[&word("master")])?;
    assert_eq!(a.stop()?, 0);
    wait_daemons(&site.a, &[])?;
    // Killed altogether: the next configuration has none.
    let folder = b.kill()?;
    wait_daemons(&site.b, &[&word("master")])?;
    std::fs::write(folder.path().join("holdfast.toml"), site.config(90, "wrr", "", ""))?;
    let b = Holdfast::restart(&site.b, folder)?;
    wait_daemons(&site.b, &[])?;
    assert_eq!(b.stop()?, 0);
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel_sync"]
fn without_an_instance_both_daemons_run() -> Result {
    let site = Site::new(Forward::Nat)?;
    let both = "[vrrp.ipvs_sync]\ninterface = \"eth0\"\n";
    let a = Holdfast::start(&site.a, both)?;
    wait_daemons(
        &site.a,
        &["master sync daemon (mcast=eth0, syncid=0, ", "backup sync daemon (mcast=eth0, syncid=0, "],
    )?;
    // The interface is made anew, under its old name.
    let before = threads()?;
    site.a.ip("link set eth0 down")?;
    site.a.ip("link set eth0 name gone0")?;
    wait_daemons(&site.a, &[])?;
    site.a.ip("link set gone0 name eth0")?;
    site.a.ip("link set eth0 up")?;
    wait_daemons(&site.a, &["master sync daemon", "backup sync daemon"])?;
    assert!(before.is_disjoint(&threads()?));
    assert_eq!(a.stop()?, 0);
    wait_daemons(&site.a, &[])
}
