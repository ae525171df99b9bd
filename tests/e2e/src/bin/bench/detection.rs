//! How long a server that was killed goes on getting connections: from the end of its listening socket until its entry
//! is gone from the kernel's table. A hundred servers of one service, checked every second by connecting, die one after
//! the other at moments that have nothing to do with their checks. In the test kernel.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use common::ipvs::{Client, ServiceKey, Transport};
use lab::{Error, Netns, Process, Result, Stopwatch, TempDir, wait};

use crate::director::{MAKES, Make};
use crate::farm::{Farm, command};
use crate::guest;
use crate::table::Table;

const SERVERS: usize = 100;
/// Between two deaths: no divisor of the interval.
const APART: Duration = Duration::from_millis(73);
/// How often the table is looked at: the error of what is measured.
const LOOK: Duration = Duration::from_millis(5);
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn measure(table: &mut Table) -> Result {
    guest::measure("detection", table, measure_here)
}

fn measure_here() -> Result {
    for retries in [0, 1, 3] {
        let [ours, theirs] = MAKES.map(|make| round(make, retries));
        let (ours, theirs) = (ours?, theirs?);
        for percent in [50, 99] {
            let what = format!(
                "server killed, checked every second, {retries} retries: out of the table, p{percent}"
            );
            guest::row(&what, "s", percentile(&ours, percent), percentile(&theirs, percent));
        }
    }
    Ok(())
}

/// How long each server was still in the table.
fn round(make: Make, retries: u32) -> Result<Vec<f64>> {
    let host = Netns::new("director")?;
    let farm =
        Farm { services: 1, servers: SERVERS, interval: Duration::from_secs(1), retries, ..Farm::large() };
    let folder = TempDir::new()?;
    let file = folder.write("config", &farm.config(make))?.to_string_lossy().into_owned();
    let addresses = (0..SERVERS).map(|number| {
        let text = Farm::server(0, number);
        text.parse::<IpAddr>().map_err(|error| Error::new(error.to_string()))
    });
    let addresses = addresses.collect::<Result<Vec<_>>>()?;
    // Nobody accepts: the kernel answers for them, and keeps more connections than there are checks in a round.
    let listen = |address: &IpAddr| Ok((*address, TcpListener::bind((*address, 80))?));
    let servers = host.enter(|| addresses.iter().map(listen).collect::<Result<Vec<_>>>())??;
    let command = command(make, &file, &folder)?;
    let argv: Vec<&str> = command.iter().map(String::as_str).collect();
    let _daemon = Process::start(&host, &argv, &folder.path().join("log"))?;
    host.enter(|| kill_all(make, servers))?
}

fn kill_all(make: Make, servers: Vec<(IpAddr, TcpListener)>) -> Result<Vec<f64>> {
    let failed = |error: common::netlink::NetlinkError| Error::new(error.to_string());
    let mut client = Client::open().map_err(failed)?.ok_or("the kernel has no IPVS")?;
    let (address, port) = Farm::service(0);
    let address = address.parse().map_err(|_| "no address")?;
    let service = ServiceKey::Address { transport: Transport::Tcp, address, port };
    let mut present = || -> Result<Vec<IpAddr>> {
        let listed = client.destinations(service).map_err(failed)?;
        Ok(listed.into_iter().map(|found| found.key.address).collect())
    };
    wait::until(&format!("{make:?} to have every server"), LIMIT, || Ok(present()?.len() == SERVERS))?;
    // Every check has been made more than once.
    wait::pause(Duration::from_secs(3));
    if present()?.len() != SERVERS {
        return Err(format!("{make:?} has lost servers that live").into());
    }
    let mut living = servers.into_iter();
    let mut dying: BTreeMap<IpAddr, Stopwatch> = BTreeMap::new();
    let mut lasted = Vec::new();
    let begun = Stopwatch::start();
    while lasted.len() < SERVERS {
        let deaths = lasted.len() + dying.len();
        if begun.elapsed() > APART * u32::try_from(deaths).unwrap_or(u32::MAX)
            && let Some((address, listener)) = living.next()
        {
            drop(listener);
            dying.insert(address, Stopwatch::start());
        }
        let there = present()?;
        dying.retain(|address, died| {
            let stays = there.contains(address);
            if !stays {
                lasted.push(died.seconds());
            }
            stays
        });
        if begun.elapsed() > LIMIT + APART * u32::try_from(SERVERS).unwrap_or(u32::MAX) {
            return Err(format!("{make:?} keeps {} dead servers", dying.len()).into());
        }
        wait::pause(LOOK);
    }
    Ok(lasted)
}

/// The value that so many of a hundred are at or below.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
