//! Installed, started by its init script, reloaded, upgraded under a waiting keepalived, removed, purged.

use std::time::Duration;

use lab::keepalived::{Instance, header};
use lab::{Keepalived, Lan, Monitor, Result, TempDir, arping, wait};

use crate::debian::{Root, package, with_version};

const LIMIT: Duration = Duration::from_secs(30);
const VIP: &str = "192.168.155.200";
/// Another director's, behind which this is a real server as well.
const SERVED: &str = "192.168.155.201";
const CONFIG: &str = r#"
[vrrp]
interface = "eth0"
priority = 200
[[vrrp.instance]]
name = "VI_1"
virtual_router_id = 9
virtual_addresses = ["192.168.155.200"]
"#;

#[test]
fn a_package_is_clean_and_lives_its_life() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (a, b) = (lan.host("ours", &["192.168.155.11/24"])?, lan.host("theirs", &["192.168.155.12/24"])?);
    let block = Instance::v3(9, 100, VIP).interval("1");
    let block = Instance { name: "VI_1".to_owned(), ..block }.block();
    let work = TempDir::new()?;
    let first = package(work.path())?;
    let judged =
        lab::output(&["lintian", "--allow-root", "--fail-on", "error,warning", &first.to_string_lossy()])?;
    assert_eq!(judged.code, Some(0), "{}{}", judged.stdout, judged.stderr);
    let second = with_version(&first, "99.1", work.path())?;

    let root = Root::new(a)?;
    for (package, name) in [(&first, "first.deb"), (&second, "second.deb")] {
        std::fs::copy(package, root.path(name))?;
    }
    let before = root.files()?;
    root.run(&["dpkg", "-i", "/first.deb"])?;
    // It runs, and waits for a configuration.
    root.run(&["/etc/init.d/holdfast", "status"])?;
    root.run(&["id", "holdfast_script"])?;

    std::fs::write(root.path("/etc/holdfast/conf.d/site.toml"), CONFIG)?;
    root.run(&["invoke-rc.d", "holdfast", "reload"])?;
    wait::until("the address", LIMIT, || root.host().has_address(VIP))?;
    let theirs = Keepalived::start(&b, &format!("{}{block}", header()))?;
    theirs.wait_state("VI_1", "BACKUP", LIMIT)?;

    // Behind another director it is a real server, from when on it is told of which address.
    let realserver = |action: &str| -> Result<Option<i32>> {
        Ok(root.output(&["/etc/init.d/holdfast-realserver", action])?.code)
    };
    assert_eq!((realserver("status")?, realserver("start")?), (Some(3), Some(6)));
    root.run(&["sed", "-i", &format!("s/^VIP=.*/VIP={SERVED}/"), "/etc/default/holdfast-realserver"])?;
    root.run(&["invoke-rc.d", "holdfast-realserver", "start"])?;
    assert_eq!(realserver("status")?, Some(0));
    assert!(root.host().has_address(SERVED)?);
    assert_eq!(arping(&b, "eth0", SERVED)?, Vec::<String>::new());

    // The new version takes over, and nobody notices.
    let (known, monitor) = (theirs.transitions("VI_1"), Monitor::start(root.host(), &["address"])?);
    let pid = std::fs::read_to_string(root.path("/run/holdfast/holdfastd.pid"))?;
    let told = root.run(&["dpkg", "-i", "/second.deb"])?;
    assert!(told.contains("runs in the place of"), "{told}");
    assert_eq!(std::fs::read_to_string(root.path("/run/holdfast/holdfastd.pid"))?, pid);
    let executed = std::fs::read_link(format!("/proc/{}/exe", pid.trim()))?;
    assert!(executed.ends_with("usr/sbin/holdfastd"), "{}", executed.display());
    assert!(root.host().has_address(VIP)? && root.host().has_address(SERVED)?);
    assert_eq!(theirs.transitions("VI_1"), known);
    let gone = monitor.lines_from(0);
    let gone: Vec<_> = gone
        .iter()
        .filter(|line| line.contains("Deleted") && [VIP, SERVED].iter().any(|vip| line.contains(vip)))
        .collect();
    assert!(gone.is_empty(), "{gone:?}");

    // A fault in the configuration stops nothing.
    std::fs::write(root.path("/etc/holdfast/conf.d/site.toml"), "[vrrp]\npriorty = 1\n")?;
    let refused = root.output(&["/etc/init.d/holdfast", "restart"])?;
    assert_eq!(refused.code, Some(2), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("site.toml:2:1"), "{}", refused.stderr);
    assert!(root.host().has_address(VIP)?);

    // Removed, it is stopped, and the peer takes over; the configuration stays until it is purged.
    root.run(&["dpkg", "-r", "holdfast"])?;
    theirs.wait_state("VI_1", "MASTER", LIMIT)?;
    assert!(!root.host().has_address(VIP)? && !root.host().has_address(SERVED)?);
    assert!(!root.path("/run/holdfast/holdfastd.pid").exists());
    assert!(root.path("/etc/holdfast/holdfast.toml").exists());
    // Copies of mails that nobody has taken.
    let mails = root.path("/var/lib/holdfast/mail");
    std::fs::create_dir_all(&mails)?;
    std::fs::write(mails.join("1.mail"), "{}")?;
    root.run(&["dpkg", "-P", "holdfast"])?;
    let after = root.files()?;
    let left: Vec<&str> =
        after.lines().filter(|line| !before.lines().any(|before| before == *line)).collect();
    let left: Vec<&str> = left
        .into_iter()
        .filter(|line| !line.starts_with("/var/log/") && !line.starts_with("/var/lib/dpkg"))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    assert_ne!(root.output(&["id", "holdfast_script"])?.code, Some(0));
    Ok(())
}
