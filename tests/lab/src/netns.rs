//! A host: a network namespace with a unique name, deleted with everything in it when its guard goes.

use std::fs::File;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use crate::process::{kill_all, pids};
use crate::{Error, Output, Result, output, run, temp, wait};

const FOLDER: &str = "/run/netns";

/// A network namespace.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

/// An address as `ip -j addr` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface that has it.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix.
    pub prefix: u8,
    /// `global`, `link` or `host`.
    pub scope: String,
    /// The label of an IPv4 address.
    pub label: Option<String>,
    /// Seconds it is still valid; `None` is for ever.
    pub valid_seconds: Option<u32>,
}

impl Netns {
    /// Makes a host. `label` is for people who look at `ip netns` while a test runs.
    #[track_caller]
    pub fn new(label: &str) -> Result<Self> {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(sweep);
        let name = format!("hf-{}-{}-{label}", std::process::id(), temp::unique());
        run(&["ip", "netns", "add", &name])?;
        let host = Self { name };
        // Tests look at addresses at once: no duplicate address detection, no autoconfiguration.
        host.sysctl("net/ipv6/conf/all/accept_dad", "0")?;
        host.sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        host.sysctl("net/ipv6/conf/default/accept_ra", "0")?;
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// Its name, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    /// Runs `ip` in the host: `host.ip("addr add 192.0.2.1/24 dev eth0")`.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> Result<String> {
        let mut argv = vec!["ip", "-n", &self.name];
        argv.extend(arguments.split_whitespace());
        run(&argv)
    }

    /// Runs a program in the host to its end.
    #[track_caller]
    pub fn output(&self, argv: &[&str]) -> Result<Output> {
        let mut all = vec!["ip", "netns", "exec", &self.name];
        all.extend(argv);
        output(&all)
    }

    /// Runs a program in the host that must succeed.
    #[track_caller]
    pub fn run(&self, argv: &[&str]) -> Result<String> {
        let mut all = vec!["ip", "netns", "exec", &self.name];
        all.extend(argv);
        run(&all)
    }

    /// Sets a sysctl of the host, by its path under `/proc/sys`.
    #[track_caller]
    pub fn sysctl(&self, path: &str, value: &str) -> Result {
        // The files under /proc/sys/net are those of the namespace of the thread that opens them.
        let file = Path::new("/proc/sys").join(path);
        self.enter(|| std::fs::write(&file, value))?
            .map_err(|error| Error::new(format!("cannot set {}: {error}", file.display())))
    }

    /// Runs a closure in a thread that is in the host: sockets made in it belong to the host.
    #[track_caller]
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let inside = self.thread()?;
        let worker = move || -> Result<T> {
            inside.enter()?;
            Ok(work())
        };
        std::thread::scope(|scope| scope.spawn(worker).join())
            .unwrap_or_else(|_| Err(Error::new("a closure panicked inside a namespace")))
    }

    /// A ticket by which one thread can move into the host for good.
    pub(crate) fn thread(&self) -> Result<Inside> {
        Ok(Inside(File::open(self.path())?))
    }

    /// The addresses of one interface, or of all.
    #[track_caller]
    pub fn addresses(&self, interface: Option<&str>) -> Result<Vec<Address>> {
        let mut argv = vec!["ip", "-n", &self.name, "-j", "addr", "show"];
        if let Some(interface) = interface {
            argv.extend(["dev", interface]);
        }
        let links: Value = serde_json::from_str(&run(&argv)?)?;
        let mut all = Vec::new();
        for link in links.as_array().into_iter().flatten() {
            let name = link.get("ifname").and_then(Value::as_str).unwrap_or_default();
            for entry in link.get("addr_info").and_then(Value::as_array).into_iter().flatten() {
                all.extend(address(name, entry));
            }
        }
        Ok(all)
    }

    /// True if any interface of the host has this address.
    #[track_caller]
    pub fn has_address(&self, wanted: &str) -> Result<bool> {
        let wanted: IpAddr = wanted.parse()?;
        Ok(self.addresses(None)?.iter().any(|address| address.address == wanted))
    }

    /// Waits until the host has this address.
    #[track_caller]
    pub fn wait_address(&self, wanted: &str, limit: Duration) -> Result {
        wait::until(&format!("{wanted} on {}", self.name), limit, || self.has_address(wanted))
    }

    /// Waits until the host does not have this address.
    #[track_caller]
    pub fn wait_no_address(&self, unwanted: &str, limit: Duration) -> Result {
        wait::until(&format!("{unwanted} to leave {}", self.name), limit, || Ok(!self.has_address(unwanted)?))
    }

    /// The MAC address of an interface.
    #[track_caller]
    pub fn mac(&self, interface: &str) -> Result<String> {
        let links: Value =
            serde_json::from_str(&run(&["ip", "-n", &self.name, "-j", "link", "show", "dev", interface])?)?;
        let mac = links.get(0).and_then(|link| link.get("address")).and_then(Value::as_str);
        Ok(mac.ok_or_else(|| Error::new(format!("{interface} has no MAC address")))?.to_owned())
    }

    /// The processes in the host.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        pids_in(&self.path())
    }
}

/// Lets the thread that uses it into a host.
pub(crate) struct Inside(File);

impl Inside {
    /// From here on the thread's sockets belong to the host.
    pub(crate) fn enter(self) -> Result {
        Ok(setns(self.0, CloneFlags::CLONE_NEWNET)?)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        delete(&self.name);
    }
}

fn address(interface: &str, entry: &Value) -> Option<Address> {
    let number =
        |key: &str| entry.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    Some(Address {
        interface: interface.to_owned(),
        address: text("local")?.parse().ok()?,
        prefix: u8::try_from(number("prefixlen")?).ok()?,
        scope: text("scope").unwrap_or_default().to_owned(),
        label: text("label").map(str::to_owned),
        valid_seconds: number("valid_life_time").filter(|seconds| *seconds != u32::MAX),
    })
}

fn pids_in(namespace: &Path) -> Vec<i32> {
    let Ok(wanted) = std::fs::metadata(namespace) else { return Vec::new() };
    let me = std::process::id().cast_signed();
    let inside = |pid: &i32| {
        *pid != me
            && std::fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|have| have.ino() == wanted.ino() && have.dev() == wanted.dev())
    };
    pids().into_iter().filter(inside).collect()
}

/// Kills what runs in a namespace and deletes it. Called by drop, so it has nobody to report to.
fn delete(name: &str) {
    let path = Path::new(FOLDER).join(name);
    let empty = || {
        let inside = pids_in(&path);
        kill_all(&inside);
        Ok(inside.is_empty())
    };
    let _ = wait::until("an empty namespace", Duration::from_secs(5), empty);
    let _ = run(&["ip", "netns", "del", name]);
}

/// Deletes what test runs left behind that were killed: namespaces named after a process that is gone.
fn sweep() {
    let Ok(folder) = std::fs::read_dir(FOLDER) else { return };
    for name in folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        let owner = name.strip_prefix("hf-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            delete(&name);
        }
    }
}
