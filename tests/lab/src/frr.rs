//! FRRouting's vrrpd in a host: a second independent implementation of VRRP version 3.

use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Group, User, chown};
use serde_json::Value;

use crate::{Error, Log, Netns, Process, Result, TempDir, wait};

const PROGRAMS: &str = "/usr/lib/frr";

/// A running zebra and vrrpd with one virtual router on `eth0`.
#[derive(Debug)]
pub struct Frr {
    vrrpd: Process,
    zebra: Process,
    host: String,
    folder: TempDir,
}

/// A virtual router in FRR's words.
#[derive(Debug, Clone)]
pub struct Router {
    /// 2 or 3.
    pub version: u8,
    /// The virtual router.
    pub vrid: u8,
    /// The priority, 1 to 254.
    pub priority: u8,
    /// The interval in milliseconds, a multiple of ten.
    pub interval_ms: u32,
    /// The virtual addresses, all of one family.
    pub addresses: Vec<String>,
}

impl Frr {
    /// Starts zebra and vrrpd. FRR wants to find the macvlan interface with the virtual MAC and address: it is made here.
    #[track_caller]
    pub fn start(host: &Netns, router: &Router) -> Result<Self> {
        let Router { version, vrid, priority, interval_ms, addresses } = router;
        let ipv6 = addresses.iter().any(|address| address.contains(':'));
        let (family, keyword, suffix) = if ipv6 { (2, "ipv6", "/64 nodad") } else { (1, "ip", "/24") };
        host.ip(&format!("link add vrrp{family} link eth0 type macvlan mode bridge"))?;
        host.ip(&format!(
            "link set vrrp{family} address 00:00:5e:00:{family:02x}:{vrid:02x} addrgenmode random"
        ))?;
        for address in addresses {
            host.ip(&format!("addr add dev vrrp{family} {address}{suffix}"))?;
        }
        host.ip(&format!("link set vrrp{family} up"))?;

        let folder = TempDir::new()?;
        let user = User::from_name("frr")?.ok_or_else(|| Error::new("no user frr: run `make deps`"))?;
        let group = Group::from_name("frr")?.ok_or_else(|| Error::new("no group frr: run `make deps`"))?;
        chown(folder.path(), Some(user.uid), Some(group.gid))?;
        let mut config = format!(
            "interface eth0\n vrrp {vrid} version {version}\n vrrp {vrid} priority {priority}\n \
             vrrp {vrid} advertisement-interval {interval_ms}\n"
        );
        for address in addresses {
            config.push_str(&format!(" vrrp {vrid} {keyword} {address}\n"));
        }
        folder.write("vrrpd.conf", &config)?;
        folder.write("zebra.conf", "")?;
        let start = |program: &str| {
            let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
            let (path, socket, vty) = (format!("{PROGRAMS}/{program}"), place("zserv"), place(""));
            let (pid, file) = (place(&format!("{program}.pid")), place(&format!("{program}.conf")));
            let argv = [
                &path,
                "-z",
                &socket,
                "--vty_socket",
                &vty,
                "-i",
                &pid,
                "-f",
                &file,
                "-A",
                "127.0.0.1",
                "-P",
                "0",
            ];
            let argv: Vec<&str> =
                argv.into_iter().chain(["--log", "stdout", "--log-level", "debug"]).collect();
            Process::start(host, &argv, &folder.path().join(format!("{program}.log")))
        };
        let zebra = start("zebra")?;
        wait::until("zebra's socket", Duration::from_secs(10), || Ok(folder.path().join("zserv").exists()))?;
        let vrrpd = start("vrrpd")?;
        Ok(Self { vrrpd, zebra, host: host.name().to_owned(), folder })
    }

    /// What vrrpd wrote.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.vrrpd.log()
    }

    /// The state of the only router for a family: `Initialize`, `Master` or `Backup`.
    #[track_caller]
    pub fn state(&self, ipv6: bool) -> Result<Option<String>> {
        let vty = self.folder.path().to_string_lossy();
        let argv = ["ip", "netns", "exec", &self.host, "vtysh", "--vty_socket", &vty, "-c", "show vrrp json"];
        let done = crate::output(&argv)?;
        let Ok(routers) = serde_json::from_str::<Value>(&done.stdout) else { return Ok(None) };
        let state = routers.pointer(if ipv6 { "/0/v6/status" } else { "/0/v4/status" });
        Ok(state.and_then(Value::as_str).map(str::to_owned))
    }

    /// Waits until the router of a family is in a state.
    #[track_caller]
    pub fn wait_state(&self, ipv6: bool, state: &str, limit: Duration) -> Result {
        wait::until(&format!("FRR to be {state}"), limit, || Ok(self.state(ipv6)?.as_deref() == Some(state)))
            .map_err(|error| Error::new(format!("{error}; its log ends:\n{}", self.log().tail(30))))
    }

    /// An orderly stop: SIGTERM for vrrpd, its end waited for.
    #[track_caller]
    pub fn stop(mut self) -> Result {
        self.vrrpd.signal(Signal::SIGTERM)?;
        self.vrrpd.wait_exit(Duration::from_secs(10))?;
        self.zebra.kill_tree()
    }

    /// SIGKILL for vrrpd and zebra.
    pub fn kill(mut self) -> Result {
        self.vrrpd.kill_tree()?;
        self.zebra.kill_tree()
    }
}
