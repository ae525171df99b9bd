//! A director of either make, set to the same.

use std::time::Duration;

use lab::keepalived::Instance;
use lab::{Holdfast, Keepalived, Netns, Result, wait};

/// The two makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    Holdfast,
    Keepalived,
}

/// The order of every row.
pub(crate) const MAKES: [Make; 2] = [Make::Holdfast, Make::Keepalived];

/// A virtual router that both makes are told in their own words.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    pub(crate) name: String,
    pub(crate) interface: String,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) interval: Duration,
    pub(crate) address: String,
}

impl Router {
    pub(crate) fn new(vrid: u8, priority: u8, interval: Duration, address: &str) -> Self {
        let (name, interface) = (format!("VI_{vrid}"), "eth0".to_owned());
        Self { name, interface, vrid, priority, interval, address: address.to_owned() }
    }

    /// On another interface, under a name that says so.
    pub(crate) fn on(self, interface: &str) -> Self {
        Self { name: format!("{}_{interface}", self.name), interface: interface.to_owned(), ..self }
    }

    /// How long a backup waits for a silent master.
    pub(crate) fn master_down(&self) -> Duration {
        self.interval * 3 + self.skew()
    }

    pub(crate) fn skew(&self) -> Duration {
        self.interval * (256 - u32::from(self.priority)) / 256
    }

    /// Its part of a make's file.
    pub(crate) fn config(&self, make: Make) -> String {
        match make {
            Make::Holdfast => self.ours(),
            Make::Keepalived => self.theirs(),
        }
    }

    fn ours(&self) -> String {
        let Self { name, interface, vrid, priority, interval, address } = self;
        let interval = interval.as_millis();
        format!(
            "[[vrrp.instance]]\nname = \"{name}\"\ninterface = \"{interface}\"\nvirtual_router_id = {vrid}\nversion = 3\n\
             priority = {priority}\nadvert_interval = \"{interval}ms\"\nvirtual_addresses = [\"{address}\"]\n\n"
        )
    }

    fn theirs(&self) -> String {
        let seconds = format!("{}", self.interval.as_secs_f64());
        let instance = Instance::v3(self.vrid, self.priority, &self.address).interval(&seconds);
        Instance { name: self.name.clone(), interface: self.interface.clone(), ..instance }.block()
    }
}

impl Make {
    /// A whole file.
    fn file(self, routers: &[Router]) -> String {
        match self {
            Self::Holdfast => routers.iter().map(Router::ours).collect(),
            Self::Keepalived => {
                let blocks: String = routers.iter().map(Router::theirs).collect();
                format!("{}{blocks}", lab::keepalived::header())
            }
        }
    }
}

/// A running director.
pub(crate) enum Director {
    Holdfast(Holdfast),
    Keepalived(Keepalived),
}

impl Director {
    pub(crate) fn start(make: Make, host: &Netns, routers: &[Router]) -> Result<Self> {
        let file = make.file(routers);
        Ok(match make {
            Make::Holdfast => Self::Holdfast(Holdfast::start(host, &file)?),
            Make::Keepalived => Self::Keepalived(Keepalived::start_terse(host, &file)?),
        })
    }

    /// Another configuration while it runs.
    pub(crate) fn reload(&self, routers: &[Router]) -> Result {
        match self {
            Self::Holdfast(holdfast) => holdfast.reload(&Make::Holdfast.file(routers)).map(drop),
            Self::Keepalived(keepalived) => keepalived.reload(&Make::Keepalived.file(routers)),
        }
    }

    /// The process that speaks VRRP.
    pub(crate) fn speaker(&mut self) -> Result<i32> {
        match self {
            Self::Holdfast(holdfast) => holdfast.child("vrrp"),
            Self::Keepalived(keepalived) => {
                keepalived.process().tree().last().copied().ok_or_else(|| "keepalived has a child".into())
            }
        }
    }

    pub(crate) fn kill(self) -> Result {
        match self {
            Self::Holdfast(holdfast) => holdfast.kill().map(drop),
            Self::Keepalived(keepalived) => keepalived.kill(),
        }
    }

    pub(crate) fn stop(self) -> Result {
        match self {
            Self::Holdfast(holdfast) => holdfast.stop().map(drop),
            Self::Keepalived(keepalived) => keepalived.stop(),
        }
    }

    /// All its processes.
    pub(crate) fn pids(&mut self) -> Vec<i32> {
        match self {
            Self::Holdfast(holdfast) => holdfast.process().tree(),
            Self::Keepalived(keepalived) => keepalived.process().tree(),
        }
    }

    /// Waits until the kernel of its host has, or has not, an address.
    pub(crate) fn wait_address(host: &Netns, address: &str, present: bool) -> Result {
        let what = format!("{address} to {}", if present { "come" } else { "go" });
        wait::until(&what, Duration::from_secs(30), || Ok(host.has_address(address)? == present))
    }
}
