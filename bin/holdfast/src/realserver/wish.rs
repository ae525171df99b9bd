//! What a real server needs.

use std::net::IpAddr;

/// The protocol of the addresses that `up` adds; the daemon's own have another, so that neither takes the other's away.
pub(super) const MARK: u8 = 73;

/// What should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) vips: Vec<IpAddr>,
    pub(super) tunnel: Option<Tunnel>,
    /// IPv6 addresses come in packets of IPv4, because the director knows this machine by an IPv4 address.
    over_ipv4: bool,
    /// Who holds the addresses, if not the usual one.
    device: Option<String>,
}

/// The director's way here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tunnel {
    Ipip,
    Gue(u16),
    Gre,
}

/// The family of the packets that a tunnel is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Ipv4,
    Ipv6,
}

/// A setting under `/proc/sys`, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) path: String,
    /// What `up` writes.
    pub(super) value: u8,
    /// What else will do.
    pub(super) also: &'static [u8],
    /// What happens otherwise.
    pub(super) otherwise: &'static str,
}

impl Setting {
    pub(super) fn good(&self, value: u8) -> bool {
        value == self.value || self.also.contains(&value)
    }

    /// As `sysctl` calls it.
    pub(super) fn name(&self) -> String {
        self.path.replace('/', ".")
    }
}

/// That of all interfaces; the larger one of it and an interface's own counts.
pub(super) const RP_FILTER: &str = "net/ipv4/conf/all/rp_filter";

/// A device that takes packets out of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) device: &'static str,
    pub(super) module: &'static str,
}

impl Wish {
    /// Without a word on what the tunnel is made of, each address comes in packets of its own family.
    pub(super) fn new(
        vips: &[IpAddr],
        tunnel: Option<Tunnel>,
        over: Option<Over>,
        device: Option<&str>,
    ) -> Result<Self, String> {
        for vip in vips {
            if vip.is_loopback() || vip.is_unspecified() || vip.is_multicast() {
                return Err(format!("{vip} cannot be a virtual address"));
            }
            if vip.is_ipv6() && matches!(tunnel, Some(Tunnel::Gue(_) | Tunnel::Gre)) {
                return Err(format!("{vip}: an IPv6 address comes through a tunnel of type ipip only"));
            }
            if vip.is_ipv4() && over == Some(Over::Ipv6) {
                return Err(format!("{vip}: an IPv4 address comes through a tunnel over IPv4 only"));
            }
        }
        if over.is_some() && tunnel.is_none() {
            return Err("--over is for tunnels: --mode tun".to_owned());
        }
        if device.is_some() && tunnel.is_some() {
            return Err("with a tunnel, its end holds the addresses".to_owned());
        }
        if let Some(name) = device.filter(|name| name.is_empty() || name.len() > 15 || name.contains('/')) {
            return Err(format!("{name:?} is no name of an interface"));
        }
        let mut vips = vips.to_vec();
        vips.sort_unstable();
        vips.dedup();
        Ok(Self { vips, tunnel, over_ipv4: over == Some(Over::Ipv4), device: device.map(ToOwned::to_owned) })
    }

    /// Who holds an address. The end of a tunnel does, because the kernel drops what comes in where there is no address
    /// at all, unless `rp_filter` is off altogether.
    pub(super) fn device(&self, vip: &IpAddr) -> &str {
        let end = self.end(vip).map_or("lo", |end| end.device);
        self.device.as_deref().unwrap_or(end)
    }

    /// Where the tunnel ends that an address comes through.
    fn end(&self, vip: &IpAddr) -> Option<End> {
        Some(match (self.tunnel?, vip) {
            (Tunnel::Gre, IpAddr::V4(_)) => End { device: "gre0", module: "ip_gre" },
            // What comes out of UDP is IP in IP.
            (Tunnel::Ipip | Tunnel::Gue(_), IpAddr::V4(_)) => End { device: "tunl0", module: "ipip" },
            (_, IpAddr::V6(_)) if self.over_ipv4 => End { device: "sit0", module: "sit" },
            (_, IpAddr::V6(_)) => End { device: "ip6tnl0", module: "ip6_tunnel" },
        })
    }

    fn has_v4(&self) -> bool {
        self.vips.iter().any(IpAddr::is_ipv4)
    }

    /// In the order in which they are made. Neighbour discovery needs no settings: an address on another interface is
    /// not answered for.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let setting = |path: String, value, also, otherwise| Setting { path, value, also, otherwise };
        let mut settings = Vec::new();
        if self.has_v4() {
            settings.push(setting(
                "net/ipv4/conf/all/arp_ignore".to_owned(),
                1,
                &[2, 8],
                "this machine answers ARP for the virtual address and takes the director's traffic",
            ));
            settings.push(setting(
                "net/ipv4/conf/all/arp_announce".to_owned(),
                2,
                &[],
                "ARP requests from the virtual address turn the neighbours to this machine",
            ));
        }
        // The larger one of this and that of all interfaces counts, and 2 is the loose one: no other interface is
        // made less strict.
        if let Some(end) = self.end_of(IpAddr::is_ipv4) {
            settings.push(setting(
                format!("net/ipv4/conf/{}/rp_filter", end.device),
                2,
                &[],
                "packets out of the tunnel are dropped: their answers go another way",
            ));
        }
        settings
    }

    /// Where tunnels end.
    pub(super) fn ends(&self) -> Vec<End> {
        self.end_of(IpAddr::is_ipv4).into_iter().chain(self.end_of(IpAddr::is_ipv6)).collect()
    }

    /// That of one family, if there are addresses of it.
    fn end_of(&self, family: fn(&IpAddr) -> bool) -> Option<End> {
        self.vips.iter().find(|vip| family(vip)).and_then(|vip| self.end(vip))
    }

    /// The UDP port that is opened.
    pub(super) fn port(&self) -> Option<u16> {
        match self.tunnel {
            Some(Tunnel::Gue(port)) => Some(port),
            Some(Tunnel::Ipip | Tunnel::Gre) | None => None,
        }
    }
}

/// The length of a host's prefix.
pub(super) fn bits(vip: &IpAddr) -> u8 {
    if vip.is_ipv4() { 32 } else { 128 }
}
