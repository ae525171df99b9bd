//! The machine: addresses and links by netlink, settings under `/proc/sys`, the rest by `ip` and `modprobe`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::netlink::address::{self, Address, NODAD};
use common::netlink::link::{self, Link};
use common::netlink::{Protocol, Socket};

use super::judge::{Found, Held};
use super::state::State;
use super::wish::{MARK, RP_FILTER, Wish, bits};

/// The machine that this runs on.
#[derive(Debug)]
pub(super) struct Machine {
    socket: Socket,
}

impl Machine {
    pub(super) fn open() -> Result<Self, String> {
        let socket = Socket::open(Protocol::Route).map_err(|error| format!("netlink: {error}"))?;
        Ok(Self { socket })
    }

    /// What there is of what is wished for.
    pub(super) fn look(&mut self, wish: &Wish) -> Result<Found, String> {
        let links = link::list(&mut self.socket).map_err(|error| error.to_string())?;
        let addresses = address::list(&mut self.socket).map_err(|error| error.to_string())?;
        let name = |address: &Address| {
            let link = links.iter().find(|link| link.index == address.interface);
            link.map_or_else(String::new, |link| link.name.clone())
        };
        let held =
            addresses.iter().filter(|address| wish.vips.contains(&address.address)).map(|address| Held {
                address: address.address,
                prefix: address.prefix,
                device: name(address),
                ours: address.protocol == MARK,
            });
        let paths = wish.settings().into_iter().map(|setting| setting.path).chain([RP_FILTER.to_owned()]);
        let settings = paths.filter_map(|path| self.setting(&path).map(|value| (path, value)));
        Ok(Found {
            settings: settings.collect(),
            addresses: held.collect(),
            links: links.iter().map(|link| (link.name.clone(), link.up)).collect(),
            ports: if wish.port().is_some() { ports() } else { BTreeSet::new() },
        })
    }

    /// Loads what tunnels need; what cannot be loaded may be there all the same, and is found missing if it is not.
    pub(super) fn load(&self, wish: &Wish) {
        let ends = wish.ends().into_iter().map(|end| end.module);
        for module in ends.chain(wish.port().map(|_| "fou")) {
            let _judged_later = command(&["modprobe", "-q", module]);
        }
    }

    /// Makes it as it is wished: ARP falls silent first.
    pub(super) fn raise(&mut self, wish: &Wish, before: &Found) -> Result<(), String> {
        for setting in wish.settings() {
            if before.is_good(&setting) == Some(false) {
                self.set(&setting.path, setting.value)?;
            }
        }
        if let Some(port) = wish.port().filter(|port| !before.ports.contains(port)) {
            command(&["ip", "fou", "add", "port", &port.to_string(), "gue"])?;
        }
        for end in wish.ends() {
            if before.links.get(end.device) != Some(&true) {
                self.set_up(end.device, true)?;
            }
        }
        for vip in wish.vips.iter().filter(|vip| !before.holds(vip, wish.device(vip))) {
            let name = wish.device(vip);
            let device = self.link(name)?.ok_or_else(|| format!("there is no interface {name}"))?;
            let flags = if vip.is_ipv6() { NODAD } else { 0 };
            let ours = Address { protocol: MARK, flags, ..Address::new(device.index, *vip, bits(vip)) };
            address::install(&mut self.socket, &ours).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Removes the addresses that `up` added. (An old kernel does not keep the mark; then the file knows.)
    pub(super) fn lower(&mut self, wish: &Wish, there: &Found, state: &State) -> Result<(), String> {
        for held in there.addresses.iter().filter(|held| held.device == wish.device(&held.address)) {
            let Some(device) = self.link(&held.device)? else { continue };
            if held.ours || state.added(&held.address) {
                let address = Address::new(device.index, held.address, held.prefix);
                address::remove(&mut self.socket, &address).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    fn link(&mut self, name: &str) -> Result<Option<Link>, String> {
        link::by_name(&mut self.socket, name).map_err(|error| error.to_string())
    }

    /// Sets a device up or down, if it is there.
    pub(super) fn set_up(&mut self, name: &str, up: bool) -> Result<(), String> {
        let Some(link) = self.link(name)? else { return Ok(()) };
        link::set_up(&mut self.socket, link.index, up).map_err(|error| error.to_string())
    }

    /// Closes a port of a tunnel; one that is closed is.
    pub(super) fn close(&self, port: u16) -> Result<(), String> {
        if !ports().contains(&port) {
            return Ok(());
        }
        command(&["ip", "fou", "del", "port", &port.to_string()]).map(|_| ())
    }

    /// A setting, if it is there.
    pub(super) fn setting(&self, path: &str) -> Option<u8> {
        fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?.trim().parse().ok()
    }

    pub(super) fn set(&self, path: &str, value: u8) -> Result<(), String> {
        let path = Path::new("/proc/sys").join(path);
        fs::write(&path, format!("{value}\n")).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// UDP ports out of which packets are taken.
fn ports() -> BTreeSet<u16> {
    let text = command(&["ip", "fou", "show"]).unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .windows(2)
        .filter_map(|pair| pair.last()?.parse().ok().filter(|_| pair.first() == Some(&"port")))
        .collect()
}

/// Runs a program that must succeed, and returns what it said.
fn command(argv: &[&str]) -> Result<String, String> {
    let line = argv.join(" ");
    let (program, arguments) = argv.split_first().ok_or("no command")?;
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let done = done.map_err(|error| format!("{line}: {error}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(format!("{line}: {}", String::from_utf8_lossy(&done.stderr).trim()))
}
