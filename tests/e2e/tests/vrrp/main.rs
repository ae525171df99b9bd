//! Two directors of our own make on one wire: what the VRRP process does to the kernel and to the network, with `ip`,
//! `ip monitor` and tcpdump as witnesses.

mod accept;
mod address_options;
mod addresses;
mod adverts;
mod crowd;
mod forwarding;
mod hostile;
mod links;
mod objects;
mod orders;
mod paths;
mod promote;
mod reload;
mod restart;
mod signed;
mod virtual_mac;

use std::time::Duration;

use lab::{Capture, Holdfast, Lan, Netns, Result, SECONDS_10, wait};

/// The virtual router's name in every configuration.
const NAME: &str = "VI_1";
const VIP: &str = "192.168.152.200";
const VIP6: &str = "2001:db8::200";
/// Long against the interval of the tests: what has not happened by then does not happen.
const QUIET: Duration = Duration::from_millis(600);

/// The hosts.
struct Two {
    wire: Capture,
    a: Netns,
    b: Netns,
    lan: Lan,
}

impl Two {
    #[track_caller]
    fn new() -> Result<Self> {
        lab::require_privileges()?;
        let lan = Lan::new()?;
        let host = |label: &str, number: u32| {
            let (v4, v6) = (format!("192.168.152.{number}/24"), format!("2001:db8::{number}/64"));
            lan.host(label, &[&v4, &format!("fe80::{number}/64"), &v6])
        };
        let (a, b) = (host("a", 11)?, host("b", 12)?);
        let wire = lan.capture()?;
        Ok(Self { wire, a, b, lan })
    }

    /// Starts both, `a` with the higher priority, and waits until it is master and `b` has heard it.
    #[track_caller]
    fn start(&self, extra: &str) -> Result<(Holdfast, Holdfast)> {
        let a = Holdfast::start(&self.a, &config(200, extra))?;
        a.wait_state(NAME, "master", SECONDS_10)?;
        let b = Holdfast::start(&self.b, &config(100, extra))?;
        let heard = || Ok(b.instance(NAME, "/master")?.as_str() == Some("192.168.152.11"));
        wait::until("b to hear a", SECONDS_10, heard)?;
        Ok((a, b))
    }
}

/// A configuration at a tenth of a second, which keeps the tests short.
fn config(priority: u8, extra: &str) -> String {
    with_addresses(priority, &format!("\"{VIP}\""), extra)
}

fn with_addresses(priority: u8, addresses: &str, extra: &str) -> String {
    format!(
        "[[vrrp.instance]]\nname = \"{NAME}\"\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = {priority}\n\
         advert_interval = \"100ms\"\nvirtual_addresses = [{addresses}]\n{extra}\n"
    )
}

/// How often an instance changed its state.
#[track_caller]
fn transitions(holdfast: &Holdfast) -> Result<u64> {
    Ok(holdfast.instance(NAME, "/transitions")?.as_u64().unwrap_or_default())
}
