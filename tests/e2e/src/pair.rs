//! Two directors and a client on one wire: ours beside a peer of another make.

use std::time::Duration;

use lab::keepalived::Instance;
use lab::packet::Mac;
use lab::{Capture, Holdfast, Keepalived, Lan, Netns, Result, SECONDS_10, wait};

/// The virtual router of every scenario.
pub const VRID: u8 = 51;
/// Its name on both sides.
pub const NAME: &str = "VI_1";

/// A way of speaking VRRP that both sides are set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Version 2 with a password, as most of the world's configurations.
    V2Pass,
    /// Version 2 without authentication.
    V2,
    /// Version 3 for IPv4, at a fifth of a second.
    V3Ipv4,
    /// Version 3 for IPv6, at a fifth of a second.
    V3Ipv6,
}

impl Flavour {
    /// The advertisement interval.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_millis(match self {
            Self::V2Pass | Self::V2 => 1000,
            Self::V3Ipv4 | Self::V3Ipv6 => 200,
        })
    }

    /// The skew time of RFC 3768 and 9568.
    #[must_use]
    pub fn skew(self, priority: u8) -> Duration {
        self.interval() * (256 - u32::from(priority)) / 256
    }

    /// How long a backup of this priority waits for a silent master.
    #[must_use]
    pub fn master_down(self, priority: u8) -> Duration {
        self.interval() * 3 + self.skew(priority)
    }

    /// The virtual addresses; the first is the one that is looked at.
    #[must_use]
    pub fn addresses(self) -> &'static [&'static str] {
        match self {
            Self::V2Pass | Self::V2 | Self::V3Ipv4 => &["192.168.152.200"],
            Self::V3Ipv6 => &["fe80::200", "2001:db8::200"],
        }
    }

    /// The virtual address that is looked at.
    #[must_use]
    pub fn address(self) -> &'static str {
        self.addresses().last().copied().unwrap_or_default()
    }

    /// Holdfast's file. `extra` are more lines of the instance.
    #[must_use]
    pub fn ours(self, priority: u8, extra: &str) -> String {
        let interval = self.interval().as_millis();
        let version = if matches!(self, Self::V2Pass | Self::V2) { 2 } else { 3 };
        let auth =
            if self == Self::V2Pass { "auth = { type = \"pass\", password = \"1111\" }\n" } else { "" };
        let addresses = self.addresses();
        format!(
            "[[vrrp.instance]]\nname = \"{NAME}\"\ninterface = \"eth0\"\nvirtual_router_id = {VRID}\n\
             version = {version}\npriority = {priority}\nadvert_interval = \"{interval}ms\"\n{auth}\
             virtual_addresses = {addresses:?}\n{extra}\n"
        )
    }

    /// The peer's instance.
    #[must_use]
    pub fn theirs(self, priority: u8) -> Instance {
        let interval = format!("{}", self.interval().as_secs_f64());
        let base = match self {
            Self::V2Pass => Instance::v2(VRID, priority, "").password("1111"),
            Self::V2 => Instance::v2(VRID, priority, ""),
            Self::V3Ipv4 | Self::V3Ipv6 => Instance::v3(VRID, priority, ""),
        };
        let addresses = self.addresses().iter().map(|address| (*address).to_owned()).collect();
        Instance { addresses, ..base.interval(&interval) }
    }
}

/// The hosts of a scenario.
#[derive(Debug)]
pub struct Pair {
    /// What both sides speak.
    pub flavour: Flavour,
    /// Everything that was said.
    pub wire: Capture,
    /// Holdfast's host, 192.168.152.11.
    pub our_host: Netns,
    /// The peer's host, 192.168.152.12.
    pub their_host: Netns,
    /// A host that asks, 192.168.152.10.
    pub client: Netns,
    /// The wire.
    pub lan: Lan,
}

impl Pair {
    /// Makes the hosts; nothing runs in them yet.
    #[track_caller]
    pub fn new(flavour: Flavour) -> Result<Self> {
        lab::require_privileges()?;
        let lan = Lan::new()?;
        let host = |label: &str, number: u32| {
            let (v4, v6) = (format!("192.168.152.{number}/24"), format!("2001:db8::{number}/64"));
            lan.host(label, &[&v4, &format!("fe80::{number}/64"), &v6])
        };
        let (our_host, their_host, client) = (host("ours", 11)?, host("theirs", 12)?, host("client", 10)?);
        let wire = lan.capture()?;
        Ok(Self { flavour, wire, our_host, their_host, client, lan })
    }

    /// Starts Holdfast with this priority; `extra` are more lines of the instance.
    #[track_caller]
    pub fn start_ours(&self, priority: u8, extra: &str) -> Result<Holdfast> {
        Holdfast::start(&self.our_host, &self.flavour.ours(priority, extra))
    }

    /// Starts the peer with this priority.
    #[track_caller]
    pub fn start_theirs(&self, priority: u8) -> Result<Keepalived> {
        Keepalived::start(&self.their_host, &self.flavour.theirs(priority).config())
    }

    /// Waits until the virtual address is here and not there, and one side alone advertises.
    #[track_caller]
    pub fn wait_holder(&self, holder: &Netns, other: &Netns) -> Result {
        holder.wait_address(self.flavour.address(), SECONDS_10)?;
        other.wait_no_address(self.flavour.address(), SECONDS_10)?;
        let mac = Mac::parse(&holder.mac("eth0")?)?;
        // Two adverts in a row without another's between them: the other one is quiet.
        let mark = self.wire.mark();
        wait::until("the holder alone to advertise", SECONDS_10, || {
            let adverts = self.wire.adverts_from(mark);
            let last: Vec<_> = adverts.iter().rev().take(3).collect();
            Ok(last.len() == 3
                && last.iter().all(|(_, advert)| advert.source_mac == mac && advert.priority > 0))
        })
    }

    /// Waits until ours is master and the peer is not.
    #[track_caller]
    pub fn wait_ours(&self, ours: &Holdfast, theirs: &Keepalived) -> Result {
        ours.wait_state(NAME, "master", SECONDS_10)?;
        theirs.wait_state(NAME, "BACKUP", SECONDS_10)?;
        self.wait_holder(&self.our_host, &self.their_host)
    }

    /// Waits until the peer is master and ours is not.
    #[track_caller]
    pub fn wait_theirs(&self, ours: &Holdfast, theirs: &Keepalived) -> Result {
        theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
        ours.wait_state(NAME, "backup", SECONDS_10)?;
        self.wait_holder(&self.their_host, &self.our_host)
    }

    /// Neither side found fault with the other's adverts.
    #[track_caller]
    pub fn assert_understood(&self, ours: &Holdfast, theirs: &Keepalived) -> Result {
        let rejected = ours.instance(NAME, "/advertisements/rejected")?;
        let counts: Vec<_> = rejected.as_object().into_iter().flatten().collect();
        let none = counts.iter().all(|(_, count)| count.as_u64() == Some(0));
        assert!(none, "Holdfast rejected adverts: {rejected}");
        let text = theirs.log().text();
        for word in
            ["invalid", "mismatch", "bogus", "expecting", "checksum", "too short", "not present", "Dropping"]
        {
            let line = text.lines().find(|line| line.contains(word));
            assert_eq!(line, None, "keepalived found fault");
        }
        Ok(())
    }
}

/// Repeats the tests of a module for every flavour: each becomes `module::flavour::test`.
#[macro_export]
macro_rules! for_every_flavour {
    ($($test:ident),+ $(,)?) => {
        $crate::for_every_flavour! { @one v2_pass V2Pass $($test)+ }
        $crate::for_every_flavour! { @one v2 V2 $($test)+ }
        $crate::for_every_flavour! { @one v3_ipv4 V3Ipv4 $($test)+ }
        $crate::for_every_flavour! { @one v3_ipv6 V3Ipv6 $($test)+ }
    };
    (@one $module:ident $flavour:ident $($test:ident)+) => {
        mod $module {
            $(#[test]
            fn $test() -> lab::Result {
                super::$test($crate::pair::Flavour::$flavour)
            })+
        }
    };
}
