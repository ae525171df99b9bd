//! A director in front of three web servers, wired so that every forwarding method works side by side.
//!
//! ```text
//!            outside 192.0.2.0/24, 2001:db8:1::/64; the service addresses are the director's
//!   client .30 ──┬──────────── director .1 ──┬── (the servers' way back to the client, for
//!                │                           │    direct routing and tunnels)
//!   ─────────────┴───────────────────────────┴──────────────────────
//!                     director .1        web1 .21   web2 .22   web3 .23
//!   ──────────────────────┴─────────────────┴──────────┴──────────┴─
//!            inside 10.0.0.0/24, 2001:db8:2::/64; the way back of translated packets
//! ```
//!
//! The farm is made once per guest and shared by its tests, which run one after the other: making five hosts in
//! the test kernel takes longer than most tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use lab::{Holdfast, HttpServer, Lan, Netns, Result, wait};

/// Service addresses: reached by translation.
pub const NAT: &str = "192.0.2.100";
/// Reached by direct routing: the servers hold it quietly.
pub const DR: &str = "192.0.2.101";
/// Reached through a tunnel: the servers hold it at the tunnel's end.
pub const TUN: &str = "192.0.2.102";
/// Reached by direct routing over IPv6.
pub const DR6: &str = "2001:db8:1::101";

/// How long the table may take to become what a test waits for: the test kernel is slow on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// How many web servers there are.
const SERVERS: u8 = 3;

/// The hosts, and the web servers that run.
#[derive(Debug)]
pub struct Farm {
    /// Where Holdfast runs.
    pub director: Netns,
    /// Where requests come from.
    pub client: Netns,
    hosts: Vec<Netns>,
    running: BTreeMap<usize, HttpServer>,
    /// How many tests have used it.
    used: u8,
    _wires: [Lan; 2],
}

/// The farm of this guest, with all web servers running, no IPVS entry, and nobody else using it.
#[track_caller]
pub fn farm() -> MutexGuard<'static, Farm> {
    static FARM: OnceLock<Mutex<Farm>> = OnceLock::new();
    let shared = FARM.get_or_init(|| {
        assert!(lab::uml::in_guest(), "this would flush the machine's own table");
        Mutex::new(Farm::new().unwrap_or_else(|error| panic!("no farm: {error}")))
    });
    let mut farm = shared.lock().unwrap_or_else(PoisonError::into_inner);
    farm.ready().unwrap_or_else(|error| panic!("the farm is not ready: {error}"));
    farm
}

impl Farm {
    fn new() -> Result<Self> {
        let (outside, inside) = (Lan::new()?, Lan::new()?);
        let client = outside.host("client", &["192.0.2.30/24", "2001:db8:1::30/64"])?;
        let director = outside.host("director", &["192.0.2.1/24", "2001:db8:1::1/64"])?;
        inside.attach(&director, "eth1", &["10.0.0.1/24", "2001:db8:2::1/64"])?;
        director.sysctl("net/ipv4/ip_forward", "1")?;
        director.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        director.sysctl("net/ipv4/conf/all/rp_filter", "0")?;
        // A client's port that is used again while the kernel still remembers its connection to a server that has
        // gone: the default is to drop every packet of it.
        director.sysctl("net/ipv4/vs/expire_nodest_conn", "1")?;
        for address in [NAT, DR, TUN] {
            director.ip(&format!("addr add {address}/32 dev eth0"))?;
        }
        director.ip(&format!("addr add {DR6}/128 dev eth0 nodad"))?;
        let mut hosts = Vec::new();
        for number in 1..=SERVERS {
            let name = format!("web{number}");
            let (v4, v6) = (format!("10.0.0.2{number}"), format!("2001:db8:2::2{number}"));
            let host = inside.host(&name, &[&format!("{v4}/24"), &format!("{v6}/64")])?;
            outside.attach(
                &host,
                "eth1",
                &[&format!("192.0.2.2{number}/24"), &format!("2001:db8:1::2{number}/64")],
            )?;
            for (path, value) in [
                ("all/rp_filter", "0"),
                ("default/rp_filter", "0"),
                ("all/arp_ignore", "1"),
                ("all/arp_announce", "2"),
            ] {
                host.sysctl(&format!("net/ipv4/conf/{path}"), value)?;
            }
            // What is answered from its own address was translated and goes back through the director.
            host.ip("route add default via 10.0.0.1 table 100")?;
            host.ip(&format!("rule add from {v4} table 100"))?;
            host.ip(&format!("addr add {DR}/32 dev lo"))?;
            host.ip(&format!("addr add {DR6}/128 dev lo nodad"))?;
            host.ip(&format!("link add tun0 type ipip local {v4}"))?;
            host.ip(&format!("addr add {TUN}/32 dev tun0"))?;
            host.ip("link set tun0 up")?;
            hosts.push(host);
        }
        Ok(Self { director, client, hosts, running: BTreeMap::new(), used: 0, _wires: [outside, inside] })
    }

    fn ready(&mut self) -> Result {
        self.director.run(&["ipvsadm", "-C"])?;
        // The kernel remembers the connections of the test before: this one's come from another address.
        let before = 30 + self.used;
        self.used += 1;
        self.client.ip(&format!("addr del 192.0.2.{before}/24 dev eth0"))?;
        self.client.ip(&format!("addr add 192.0.2.{}/24 dev eth0", before + 1))?;
        for number in 1..=usize::from(SERVERS) {
            self.start_web(number)?;
        }
        Ok(())
    }

    /// Starts a web server (1 to 3) on every address of its host; its answer is its name.
    pub fn start_web(&mut self, number: usize) -> Result {
        if !self.running.contains_key(&number) {
            let host = self.hosts.get(number - 1).ok_or("there are three web servers")?;
            let server = HttpServer::start(host, "[::]:80", &format!("web{number}"))?;
            self.running.insert(number, server);
        }
        Ok(())
    }

    /// Stops a web server: connections to it are refused.
    pub fn stop_web(&mut self, number: usize) {
        self.running.remove(&number);
    }

    /// The host of a web server (1 to 3).
    pub fn host(&self, number: usize) -> Result<&Netns> {
        Ok(self.hosts.get(number - 1).ok_or("there are three web servers")?)
    }

    /// A running web server.
    pub fn web(&self, number: usize) -> Result<&HttpServer> {
        Ok(self.running.get(&number).ok_or("this web server does not run")?)
    }

    /// Starts Holdfast on the director and waits until it is ready.
    #[track_caller]
    pub fn start(&self, config: &str) -> Result<Holdfast> {
        Holdfast::start(&self.director, config)
    }

    /// What `ipvsadm` would have to be told to make the director's table, line by line.
    #[track_caller]
    pub fn saved(&self) -> Result<Vec<String>> {
        let saved = self.director.run(&["ipvsadm", "-S", "-n"])?;
        Ok(saved.lines().map(|line| line.trim_end().to_owned()).collect())
    }

    /// Waits until the director's table is exactly this.
    #[track_caller]
    pub fn wait_saved(&self, expected: &[&str]) -> Result {
        let mut last = Vec::new();
        let found = wait::until("the table", LIMIT, || {
            last = self.saved()?;
            Ok(last == expected)
        });
        found.map_err(|error| format!("{error}; it is\n{}", last.join("\n")).into())
    }

    /// Waits until the director's table is this, in whatever order the kernel lists it.
    #[track_caller]
    pub fn wait_lines(&self, expected: &[impl AsRef<str>]) -> Result {
        let mut expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
        expected.sort_unstable();
        let mut last = Vec::new();
        let found = wait::until("the table", LIMIT, || {
            last = self.saved()?;
            last.sort_unstable();
            Ok(last == expected)
        });
        found.map_err(|error| format!("{error}; it is\n{}", last.join("\n")).into())
    }

    /// Lets the servers take packets out of GUE (port 6080) and GRE, too; web2 wants GRE with checksums, which a
    /// tunnel's end either expects or refuses.
    pub fn open_tunnels(&self) -> Result {
        // The kernel does not load it by itself; in the guest modprobe stands here.
        lab::run(&["/run/lab/bin/modprobe", "fou"])?;
        for (host, last) in self.hosts.iter().zip(1_u8..) {
            if host.ip("link show gre1").is_ok() {
                continue;
            }
            host.ip("fou add port 6080 gue")?;
            let checksum = if last == 2 { "icsum" } else { "" };
            host.ip(&format!("link add gre1 type gre local 10.0.0.2{last} {checksum}"))?;
            host.sysctl("net/ipv4/conf/gre1/rp_filter", "0")?;
            host.ip("link set gre1 up")?;
        }
        Ok(())
    }

    /// Runs `ipvsadm` on the director.
    #[track_caller]
    pub fn ipvsadm(&self, arguments: &str) -> Result<String> {
        let words: Vec<_> = arguments.split_whitespace().collect();
        self.director.run(&[&["ipvsadm"], words.as_slice()].concat())
    }

    /// Connections that `ipvsadm -L --stats` counts for a service and for each of its destinations, in order. The
    /// kernel adds its counters up every two seconds.
    #[track_caller]
    pub fn counted(&self, service: &str) -> Result<Vec<u64>> {
        let text = self.director.run(&["ipvsadm", "-L", "-n", "--stats", "--exact", "-t", service])?;
        let lines =
            text.lines().filter(|line| line.starts_with("TCP ") || line.trim_start().starts_with("-> "));
        let numbers = lines.filter_map(|line| line.split_whitespace().nth(2)?.parse().ok());
        Ok(numbers.collect())
    }

    /// Waits until the kernel counts this many connections of a service. (Its destinations may count more: one that
    /// was there before and still has connections is taken up again with what it had counted.)
    #[track_caller]
    pub fn wait_counted(&self, service: &str, expected: u64) -> Result {
        let mut last = Vec::new();
        let found = wait::until("the counters", LIMIT, || {
            last = self.counted(service)?;
            Ok(last.first() == Some(&expected))
        });
        found.map_err(|error| format!("{error}; they are {last:?}").into())
    }

    /// One request of the client: who answered.
    #[track_caller]
    pub fn ask(&self, address: &str) -> Result<String> {
        let reply = lab::get(&self.client, address, "/", Duration::from_secs(5))?;
        if reply.status == 200 { Ok(reply.body) } else { Err(format!("status {}", reply.status).into()) }
    }

    /// Many requests of the client, all of which are answered: how many by whom.
    #[track_caller]
    pub fn ask_often(&self, address: &str, times: u32) -> Result<BTreeMap<String, u32>> {
        let mut count = BTreeMap::new();
        for _ in 0..times {
            *count.entry(self.ask(address)?).or_insert(0) += 1;
        }
        Ok(count)
    }
}
