//! The site that thousands run: two directors share an address, two web servers stand behind it, one client asks.
//!
//! ```text
//!   client .10        192.168.152.0/24: VRRP version 2, password, VRID 51
//!      │                        VIP 192.168.152.200, port 80
//!   ───┴────┬─────────────┬────────────────┬──────────────┬───   (NAT: the web servers
//!       director a     director b        web1           web2      are on 10.0.0.0/24,
//!          .11            .12         .21 weight 3   .22 weight 1  behind the directors)
//! ```

use lab::{Holdfast, Lan, Netns, Nginx, Result};

/// The shared address.
pub const VIP: &str = "192.168.152.200";
/// What the client asks.
pub const SERVICE: &str = "192.168.152.200:80";
/// The name of the virtual router.
pub const NAME: &str = "VI_1";

/// How IPVS hands a packet to a web server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// Addresses are translated; the web servers are in a network of their own and route through the directors.
    Nat,
    /// The frame is sent on; the web servers hold the address too, and do not answer ARP for it.
    Dr,
    /// The packet is put into another (IPIP).
    Tun,
}

impl Forward {
    /// The word of the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Dr => "dr",
            Self::Tun => "tun",
        }
    }

    /// `ipvsadm`'s option.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Nat => "-m",
            Self::Dr => "-g",
            Self::Tun => "-i",
        }
    }
}

/// The hosts and wires of the site.
#[derive(Debug)]
pub struct Site {
    /// How packets reach the web servers.
    pub forward: Forward,
    /// Director a, 192.168.152.11.
    pub a: Netns,
    /// Director b, 192.168.152.12.
    pub b: Netns,
    /// The web servers' hosts.
    pub web: [Netns; 2],
    /// The client, 192.168.152.10.
    pub client: Netns,
    /// The wire of the client and the directors.
    pub lan: Lan,
    /// The wire behind the directors, for NAT.
    pub inside: Option<Lan>,
}

impl Site {
    /// Makes the hosts; nothing runs in them yet.
    #[track_caller]
    pub fn new(forward: Forward) -> Result<Self> {
        let lan = Lan::new()?;
        let client = lan.host("client", &["192.168.152.10/24"])?;
        let (a, b) = (lan.host("a", &["192.168.152.11/24"])?, lan.host("b", &["192.168.152.12/24"])?);
        let mut inside = None;
        let web = if forward == Forward::Nat {
            let wire = Lan::new()?;
            wire.attach(&a, "eth1", &["10.0.0.11/24"])?;
            wire.attach(&b, "eth1", &["10.0.0.12/24"])?;
            let web = [wire.host("web1", &["10.0.0.21/24"])?, wire.host("web2", &["10.0.0.22/24"])?];
            for host in &web {
                // The way back leads through whichever director is master.
                host.ip("route add default via 10.0.0.1")?;
            }
            inside = Some(wire);
            web
        } else {
            [lan.host("web1", &["192.168.152.21/24"])?, lan.host("web2", &["192.168.152.22/24"])?]
        };
        for director in [&a, &b] {
            director.sysctl("net/ipv4/ip_forward", "1")?;
            director.sysctl("net/ipv4/conf/all/rp_filter", "0")?;
        }
        let site = Self { forward, a, b, web, client, lan, inside };
        for number in 0..site.web.len() {
            site.hold_address_quietly(number)?;
        }
        Ok(site)
    }

    /// What a web server needs for direct routing and tunnelling: the address, without a word about it.
    fn hold_address_quietly(&self, number: usize) -> Result {
        let Some(host) = self.web.get(number) else { return Ok(()) };
        let device = match self.forward {
            Forward::Nat => return Ok(()),
            Forward::Dr => "lo",
            Forward::Tun => {
                host.ip(&format!("link add tun0 type ipip local {}", self.web_address(number)))?;
                host.ip("link set tun0 up")?;
                host.sysctl("net/ipv4/conf/tun0/rp_filter", "0")?;
                "tun0"
            }
        };
        host.sysctl("net/ipv4/conf/all/rp_filter", "0")?;
        host.sysctl("net/ipv4/conf/all/arp_ignore", "1")?;
        host.sysctl("net/ipv4/conf/all/arp_announce", "2")?;
        host.ip(&format!("addr add {VIP}/32 dev {device}")).map(drop)
    }

    /// The address of a web server.
    #[must_use]
    pub fn web_address(&self, number: usize) -> String {
        let network = if self.forward == Forward::Nat { "10.0.0" } else { "192.168.152" };
        format!("{network}.{}", 21 + number)
    }

    /// Starts a web server: it answers with `web1` or `web2`.
    #[track_caller]
    pub fn start_web(&self, number: usize) -> Result<Nginx> {
        let name = format!("web{}", number + 1);
        let host = self.web.get(number).ok_or("there are two web servers")?;
        Nginx::start(host, &name, &format!("nginx-{name}"))
    }

    /// A director's file. `instance` are more lines of the VRRP instance, `rest` is put at the start of the file.
    #[must_use]
    pub fn config(&self, priority: u8, scheduler: &str, instance: &str, rest: &str) -> String {
        let forward = self.forward.word();
        let addresses = if self.forward == Forward::Nat {
            format!("[\"{VIP}\", {{ address = \"10.0.0.1/24\", interface = \"eth1\" }}]")
        } else {
            format!("[\"{VIP}\"]")
        };
        let (web1, web2) = (self.web_address(0), self.web_address(1));
        format!(
            r#"{rest}
[[vrrp.instance]]
name = "{NAME}"
interface = "eth0"
virtual_router_id = 51
version = 2
priority = {priority}
advert_interval = "1s"
auth = {{ type = "pass", password = "1111" }}
virtual_addresses = {addresses}
{instance}

[[virtual_server]]
address = "{SERVICE}"
protocol = "tcp"
scheduler = "{scheduler}"
forward = "{forward}"
check = {{ type = "http", path = "/", status = [200], interval = "1s", timeout = "1s", retries = 1, retry_delay = "500ms" }}

[[virtual_server.real_server]]
address = "{web1}:80"
weight = 3

[[virtual_server.real_server]]
address = "{web2}:80"
weight = 1
"#
        )
    }

    /// Starts Holdfast on a director.
    #[track_caller]
    pub fn start_director(&self, host: &Netns, priority: u8) -> Result<Holdfast> {
        Holdfast::start(host, &self.config(priority, "wrr", "", ""))
    }

    /// One request of the client: who answered.
    #[track_caller]
    pub fn ask(&self) -> Result<String> {
        let reply = lab::get(&self.client, SERVICE, "/", std::time::Duration::from_secs(2))?;
        if reply.status == 200 {
            Ok(reply.body.trim().to_owned())
        } else {
            Err(format!("status {}", reply.status).into())
        }
    }

    /// Many requests of the client: how many each web server answered.
    #[track_caller]
    pub fn ask_often(&self, times: u32) -> Result<[u32; 2]> {
        let mut count = [0; 2];
        for _ in 0..times {
            match self.ask()?.as_str() {
                "web1" => count[0] += 1,
                "web2" => count[1] += 1,
                other => return Err(format!("an answer of {other:?}").into()),
            }
        }
        Ok(count)
    }
}
