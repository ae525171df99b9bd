//! What is wrong, out of what should be and what is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::wish::{RP_FILTER, Setting, Tunnel, Wish, bits};

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The settings that are asked for, by path; those that cannot be read are missing.
    pub(super) settings: BTreeMap<String, u8>,
    /// The virtual addresses that are there, on which interface, and whether they are ours.
    pub(super) addresses: Vec<Held>,
    /// Devices that are there, and whether they are up.
    pub(super) links: BTreeMap<String, bool>,
    /// UDP ports out of which packets are taken.
    pub(super) ports: BTreeSet<u16>,
}

/// One address on one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
    pub(super) device: String,
    pub(super) ours: bool,
}

impl Found {
    /// Whether a setting is as it should be; none where it is not there.
    pub(super) fn is_good(&self, setting: &Setting) -> Option<bool> {
        let value = *self.settings.get(&setting.path)?;
        // None at all is as good as the loose one, but only where that of all interfaces is none as well.
        let off =
            setting.path.ends_with("/rp_filter") && value == 0 && self.settings.get(RP_FILTER) == Some(&0);
        Some(off || setting.good(value))
    }

    pub(super) fn holds(&self, vip: &IpAddr, device: &str) -> bool {
        self.addresses.iter().any(|held| held.address == *vip && held.device == device)
    }
}

/// Something that is wrong, and the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) what: String,
    pub(super) mend: String,
}

/// Everything that is wrong, in the order in which it is mended.
pub(super) fn findings(wish: &Wish, found: &Found) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut add = |what: String, mend: String| all.push(Finding { what, mend });
    for end in wish.ends() {
        match found.links.get(end.device) {
            None => add(
                format!("there is no {}: nothing takes packets out of the tunnel", end.device),
                format!("modprobe {}", end.module),
            ),
            Some(false) => add(
                format!("{} is down: nothing takes packets out of the tunnel", end.device),
                format!("ip link set {} up", end.device),
            ),
            Some(true) => {}
        }
    }
    if let Some(Tunnel::Gue(port)) = wish.tunnel
        && !found.ports.contains(&port)
    {
        add(
            format!("nothing takes packets out of UDP port {port}"),
            format!("modprobe fou && ip fou add port {port} gue"),
        );
    }
    for setting in wish.settings() {
        let mend = || format!("sysctl -w {}={}", setting.name(), setting.value);
        // If it is not there, its device is missing, which is told above.
        if let Some(value) = found.settings.get(&setting.path)
            && found.is_good(&setting) == Some(false)
        {
            add(format!("{} is {value}: {}", setting.name(), setting.otherwise), mend());
        }
    }
    for vip in &wish.vips {
        let device = wish.device(vip);
        if !found.links.contains_key(device) {
            // That of a tunnel is told above.
            if wish.tunnel.is_none() {
                add(format!("there is no interface {device}"), format!("ip link add {device} type dummy"));
            }
        } else if !found.holds(vip, device) {
            add(
                format!("{vip} is not on {device}: packets for it are not taken"),
                format!("ip address add {vip}/{} dev {device}", bits(vip)),
            );
        }
        for held in found.addresses.iter().filter(|held| held.address == *vip && held.device != device) {
            if held.device == "lo" || wish.ends().iter().any(|end| end.device == held.device) {
                continue;
            }
            add(
                format!("{vip} is on {} as well, and is answered for there", held.device),
                format!("ip address del {vip}/{} dev {}", held.prefix, held.device),
            );
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::wish::{MARK, Over};
    use super::*;

    fn wish(vips: &[&str], tunnel: Option<Tunnel>) -> Wish {
        let vips: Vec<IpAddr> = vips.iter().map(|vip| vip.parse().unwrap()).collect();
        Wish::new(&vips, tunnel, None, None).unwrap()
    }

    /// A machine on which nothing is wrong.
    fn healthy(wish: &Wish) -> Found {
        let held = |address: &IpAddr| Held {
            address: *address,
            prefix: bits(address),
            device: wish.device(address).into(),
            ours: true,
        };
        let links = wish.ends().into_iter().map(|end| (end.device.to_owned(), true));
        Found {
            settings: wish.settings().into_iter().map(|setting| (setting.path, setting.value)).collect(),
            addresses: wish.vips.iter().map(held).collect(),
            links: links.chain([("lo".to_owned(), true), ("eth0".to_owned(), true)]).collect(),
            ports: wish.port().into_iter().collect(),
        }
    }

    /// The commands that mend what was spoiled.
    fn mend(wish: &Wish, spoil: impl Fn(&mut Found)) -> Vec<String> {
        let mut found = healthy(wish);
        spoil(&mut found);
        findings(wish, &found).into_iter().map(|finding| finding.mend).collect()
    }

    #[test]
    fn what_is_as_it_should_be_is_not_told() {
        for tunnel in [None, Some(Tunnel::Ipip)] {
            let wish = wish(&["192.0.2.1", "2001:db8::1"], tunnel);
            assert_eq!(findings(&wish, &healthy(&wish)), []);
        }
        let gue = wish(&["192.0.2.1"], Some(Tunnel::Gue(6080)));
        assert_eq!(findings(&gue, &healthy(&gue)), []);
    }

    #[test]
    fn every_fault_has_its_command() {
        let dr = wish(&["192.0.2.1"], None);
        let set = |path: &'static str, value| {
            move |found: &mut Found| {
                found.settings.insert(path.to_owned(), value);
            }
        };
        assert_eq!(
            mend(&dr, set("net/ipv4/conf/all/arp_ignore", 0)),
            ["sysctl -w net.ipv4.conf.all.arp_ignore=1"]
        );
        assert_eq!(mend(&dr, set("net/ipv4/conf/all/arp_ignore", 8)), Vec::<String>::new());
        assert_eq!(
            mend(&dr, set("net/ipv4/conf/all/arp_announce", 1)),
            ["sysctl -w net.ipv4.conf.all.arp_announce=2"]
        );
        assert_eq!(mend(&dr, |found| found.addresses.clear()), ["ip address add 192.0.2.1/32 dev lo"]);
        let elsewhere = |found: &mut Found| {
            let device = "eth0".to_owned();
            found.addresses.push(Held { device, prefix: 24, ..found.addresses[0].clone() });
        };
        assert_eq!(mend(&dr, elsewhere), ["ip address del 192.0.2.1/24 dev eth0"]);
        let tun = wish(&["192.0.2.1", "2001:db8::1"], Some(Tunnel::Ipip));
        let down = |found: &mut Found| {
            found.links.insert("tunl0".into(), false);
            found.links.remove("ip6tnl0");
        };
        assert_eq!(mend(&tun, down), ["ip link set tunl0 up", "modprobe ip6_tunnel"]);
        assert_eq!(
            mend(&tun, set("net/ipv4/conf/tunl0/rp_filter", 1)),
            ["sysctl -w net.ipv4.conf.tunl0.rp_filter=2"]
        );
        let off = |all| {
            move |found: &mut Found| {
                found.settings.insert("net/ipv4/conf/tunl0/rp_filter".into(), 0);
                found.settings.insert(RP_FILTER.into(), all);
            }
        };
        assert_eq!(mend(&tun, off(0)), Vec::<String>::new());
        assert_eq!(
            mend(&tun, off(1)),
            ["sysctl -w net.ipv4.conf.tunl0.rp_filter=2"],
            "that of all counts too"
        );
        let gue = wish(&["192.0.2.1"], Some(Tunnel::Gue(6081)));
        assert_eq!(mend(&gue, |found| found.ports.clear()), ["modprobe fou && ip fou add port 6081 gue"]);
        let gre = wish(&["192.0.2.1"], Some(Tunnel::Gre));
        assert_eq!(mend(&gre, |found| found.links.retain(|name, _| name != "gre0")), ["modprobe ip_gre"]);
        let odd = Wish::new(&dr.vips, None, None, Some("dummy7")).unwrap();
        assert_eq!(findings(&odd, &healthy(&dr))[0].mend, "ip link add dummy7 type dummy");
    }

    #[test]
    fn ipv6_alone_needs_no_arp_and_its_own_tunnel() {
        let vips = ["2001:db8::1".parse().unwrap()];
        for (over, device) in [(None, "ip6tnl0"), (Some(Over::Ipv6), "ip6tnl0"), (Some(Over::Ipv4), "sit0")] {
            let wish = Wish::new(&vips, Some(Tunnel::Ipip), over, None).unwrap();
            assert_eq!(wish.settings(), []);
            let ends: Vec<_> = wish.ends().into_iter().map(|end| end.device).collect();
            assert_eq!((ends.as_slice(), wish.device(&vips[0])), (&[device][..], device));
        }
        // Both families beside each other.
        let both = ["192.0.2.1".parse().unwrap(), vips[0]];
        let both = Wish::new(&both, Some(Tunnel::Ipip), Some(Over::Ipv4), None).unwrap();
        let ends: Vec<_> = both.ends().into_iter().map(|end| end.device).collect();
        assert_eq!(ends, ["tunl0", "sit0"]);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let new = |vip: &str, tunnel, device| Wish::new(&[vip.parse().unwrap()], tunnel, None, device);
        assert!(new("127.0.0.1", None, None).unwrap_err().contains("virtual address"));
        assert!(new("2001:db8::1", Some(Tunnel::Gre), None).unwrap_err().contains("ipip only"));
        assert!(new("192.0.2.1", None, Some("a/b")).unwrap_err().contains("interface"));
        assert!(new("192.0.2.1", Some(Tunnel::Gre), Some("lo")).unwrap_err().contains("tunnel"));
        let over = |vip: &str, tunnel, over| Wish::new(&[vip.parse().unwrap()], tunnel, Some(over), None);
        let ipip = Some(Tunnel::Ipip);
        assert!(over("192.0.2.1", ipip, Over::Ipv6).unwrap_err().contains("over IPv4 only"));
        assert!(over("192.0.2.1", None, Over::Ipv4).unwrap_err().contains("--mode tun"));
        assert_ne!(MARK, common::netlink::address::MARK, "the daemon removes what has its mark");
    }
}
