//! A wire: a bridge in a namespace of its own, with one port per attached host.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::{Capture, Error, Netns, Result};

/// A network segment.
#[derive(Debug)]
pub struct Lan {
    switch: Netns,
    /// Which port serves which host's interface.
    ports: RefCell<BTreeMap<(String, String), String>>,
}

impl Lan {
    /// Makes an empty segment.
    #[track_caller]
    pub fn new() -> Result<Self> {
        let switch = Netns::new("lan")?;
        // A switch that floods: no learning of multicast groups, no spanning tree delay, no addresses of its own.
        switch.sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        switch.ip("link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0")?;
        switch.ip("link set br0 up")?;
        Ok(Self { switch, ports: RefCell::default() })
    }

    /// Makes a host that is attached by `eth0` with these addresses.
    #[track_caller]
    pub fn host(&self, label: &str, addresses: &[&str]) -> Result<Netns> {
        let host = Netns::new(label)?;
        self.attach(&host, "eth0", addresses)?;
        Ok(host)
    }

    /// Attaches a host by a new interface.
    #[track_caller]
    pub fn attach(&self, host: &Netns, interface: &str, addresses: &[&str]) -> Result {
        let mut ports = self.ports.borrow_mut();
        let key = (host.name().to_owned(), interface.to_owned());
        // A port whose host's end was deleted is gone too, and its name free again.
        let port = ports.get(&key).cloned().unwrap_or_else(|| format!("port{}", ports.len()));
        self.switch.ip(&format!("link add {port} type veth peer name {interface} netns {}", host.name()))?;
        self.switch.ip(&format!("link set {port} master br0 up"))?;
        if addresses.iter().any(|address| address.starts_with("fe80:")) {
            // Given one, the host is to have no second link-local address that the kernel makes up.
            host.ip(&format!("link set {interface} addrgenmode none"))?;
        }
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            host.ip(&format!("addr add {address} dev {interface}{nodad}"))?;
        }
        host.ip(&format!("link set {interface} up"))?;
        ports.insert(key, port);
        Ok(())
    }

    fn port(&self, host: &Netns, interface: &str) -> Result<String> {
        let key = (host.name().to_owned(), interface.to_owned());
        self.ports
            .borrow()
            .get(&key)
            .cloned()
            .ok_or_else(|| Error::new(format!("{interface} of {} is not attached here", host.name())))
    }

    /// Pulls the plug of a host's interface: it loses its carrier.
    #[track_caller]
    pub fn unplug(&self, host: &Netns, interface: &str) -> Result {
        self.switch.ip(&format!("link set {} down", self.port(host, interface)?)).map(drop)
    }

    /// Plugs it in again.
    #[track_caller]
    pub fn plug(&self, host: &Netns, interface: &str) -> Result {
        self.switch.ip(&format!("link set {} up", self.port(host, interface)?)).map(drop)
    }

    /// Cuts a host off without its noticing: the carrier stays, nothing passes.
    #[track_caller]
    pub fn isolate(&self, host: &Netns, interface: &str) -> Result {
        self.switch.ip(&format!("link set {} nomaster", self.port(host, interface)?)).map(drop)
    }

    /// Ends [`Self::isolate`].
    #[track_caller]
    pub fn join(&self, host: &Netns, interface: &str) -> Result {
        self.switch.ip(&format!("link set {} master br0", self.port(host, interface)?)).map(drop)
    }

    /// Starts to record every VRRP, ARP and IPv6 neighbour packet of the segment.
    #[track_caller]
    pub fn capture(&self) -> Result<Capture> {
        Capture::start(&self.switch, "br0")
    }

    /// Starts to record what passes one host's port, from its side of the wire.
    #[track_caller]
    pub fn capture_port(&self, host: &Netns, interface: &str) -> Result<Capture> {
        Capture::start(&self.switch, &self.port(host, interface)?)
    }
}
