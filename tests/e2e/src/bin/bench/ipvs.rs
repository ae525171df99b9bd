//! The kernel's table with 1000 services of ten servers each: from the start of the daemon until every entry is
//! there, what it costs to do nothing (Holdfast compares the table with what it should be meanwhile), a reload that
//! changes one weight, memory, an orderly stop and what it leaves behind; and the start with a tenth of the services. In
//! the test kernel, whose system calls are dear: only the ratios mean anything.

use std::collections::BTreeMap;
use std::time::Duration;

use common::ipvs::{Client, DestinationKey, ServiceKey, Transport};
use lab::{HttpServer, Netns, Process, Result, Stopwatch, TempDir, wait};
use nix::sys::signal::Signal;

use crate::director::{MAKES, Make};
use crate::farm::{Farm, command};
use crate::guest;
use crate::idle::sum;
use crate::table::{Table, median};

const SERVICES: usize = 1000;
const SERVERS: usize = 10;
const ROUNDS: usize = 3;
const LIMIT: Duration = Duration::from_secs(120);
/// Three looks of Holdfast at the table.
const IDLE: Duration = Duration::from_secs(15);

/// Measures in the test kernel, wherever this runs.
pub(crate) fn measure(table: &mut Table) -> Result {
    guest::measure("ipvs", table, measure_here)
}

fn measure_here() -> Result {
    let mut all = MAKES.map(|_| BTreeMap::<usize, Vec<f64>>::new());
    for _ in 0..ROUNDS {
        for (make, all) in MAKES.iter().zip(&mut all) {
            for (number, value) in round(*make)?.into_iter().enumerate() {
                all.entry(number).or_default().push(value);
            }
        }
    }
    let rows = [
        ("start to every entry", "s"),
        ("start to every entry: processor time", "s"),
        ("nothing to do: processor time of a second", "ms"),
        ("reload with one weight changed: until the kernel has it", "s"),
        ("the same: processor time of all processes", "s"),
        ("memory of all processes after it (PSS)", "KiB"),
        ("orderly stop", "s"),
        ("entries that an orderly stop leaves behind", ""),
        ("a tenth of the services: start to every entry", "s"),
    ];
    let [ours, theirs] = all;
    for (number, (what, unit)) in rows.into_iter().enumerate() {
        let middle = |all: &BTreeMap<usize, Vec<f64>>| all.get(&number).map_or(f64::NAN, |all| median(all));
        guest::row(&format!("1000 services of 10 servers: {what}"), unit, middle(&ours), middle(&theirs));
    }
    Ok(())
}

fn round(make: Make) -> Result<[f64; 9]> {
    let few = start_of(make, SERVICES / 10)?;
    let host = Netns::new("director")?;
    // One listener is every real server: all of 127.0.0.0/8 is this machine.
    let _servers = HttpServer::start(&host, "0.0.0.0:80", "web")?;
    let folder = TempDir::new()?;
    let (mut daemon, start) = start(make, &host, &folder, SERVICES)?;
    let pids = daemon.tree();
    let start_cpu = sum(&pids).cpu_ms / 1000.0;

    let (before, watch) = (sum(&pids).cpu_ms, Stopwatch::start());
    wait::pause(IDLE);
    let idle = (sum(&pids).cpu_ms - before) / watch.seconds();

    folder.write("config", &config(make, SERVICES, 2))?;
    let before = sum(&pids).cpu_ms;
    let watch = Stopwatch::start();
    daemon.signal(Signal::SIGHUP)?;
    wait_table(&host, make, "the changed weight", |client| last_weight(client, SERVICES, 2))?;
    let reload = watch.seconds();
    // Until both are idle again: what comes after the change is part of its price.
    wait::pause(Duration::from_secs(2));
    let cost = sum(&pids);
    let reload_cpu = (cost.cpu_ms - before) / 1000.0;
    wait_table(&host, make, "every entry after a reload", |client| complete(client, SERVICES, 2))?;

    let watch = Stopwatch::start();
    daemon.signal(Signal::SIGTERM)?;
    daemon.wait_exit(LIMIT)?;
    let stop = watch.seconds();
    let mut left = 0;
    wait_table(&host, make, "the end", |client| {
        left = client.table(|_| true)?.entries();
        Ok(true)
    })?;
    let left = f64::from(u32::try_from(left).unwrap_or(u32::MAX));
    Ok([start, start_cpu, idle, reload, reload_cpu, cost.pss_kib, stop, left, few])
}

/// Starts a make; returns how long it took to have every entry in the table.
fn start(make: Make, host: &Netns, folder: &TempDir, services: usize) -> Result<(Process, f64)> {
    let file = folder.write("config", &config(make, services, 1))?.to_string_lossy().into_owned();
    let watch = Stopwatch::start();
    let command = command(make, &file, folder)?;
    let argv: Vec<&str> = command.iter().map(String::as_str).collect();
    let daemon = Process::start(host, &argv, &folder.path().join("log"))?;
    // The look that finds everything is not part of it: to list eleven thousand entries takes its own time.
    let mut took = 0.0;
    wait_table(host, make, "every entry", |client| {
        took = watch.seconds();
        complete(client, services, 1)
    })?;
    Ok((daemon, took))
}

/// How long a start with so many services takes.
fn start_of(make: Make, services: usize) -> Result<f64> {
    let host = Netns::new("director")?;
    let _servers = HttpServer::start(&host, "0.0.0.0:80", "web")?;
    let folder = TempDir::new()?;
    let (mut daemon, took) = start(make, &host, &folder, services)?;
    daemon.signal(Signal::SIGTERM)?;
    daemon.wait_exit(LIMIT)?;
    Ok(took)
}

/// The last server of the last service has this weight.
fn config(make: Make, services: usize, last_weight: u32) -> String {
    Farm { services, last_weight, ..Farm::large() }.config(make)
}

/// What a look at the table said.
type Looked = std::result::Result<bool, common::netlink::NetlinkError>;

/// Polls the host's table. The questions are small, so that the watching does not slow down what is watched.
fn wait_table(
    host: &Netns,
    make: Make,
    what: &str,
    mut probe: impl FnMut(&mut Client) -> Looked + Send,
) -> Result {
    host.enter(|| -> Result {
        let client = Client::open().map_err(|error| lab::Error::new(error.to_string()))?;
        let mut client = client.ok_or("the kernel has no IPVS")?;
        wait::until(&format!("{make:?}'s table to have {what}"), LIMIT, || {
            probe(&mut client).map_err(|error| lab::Error::new(error.to_string()))
        })
    })?
}

fn last(services: usize) -> (ServiceKey, DestinationKey) {
    let (address, port) = Farm::service(services - 1);
    let of = |text: &str| text.parse().unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    let key = ServiceKey::Address { transport: Transport::Tcp, address: of(&address), port };
    (key, DestinationKey { address: of(&Farm::server(services - 1, SERVERS - 1)), port: 80 })
}

fn last_weight(client: &mut Client, services: usize, weight: u32) -> Looked {
    let (key, at) = last(services);
    let listed = client.destinations(key)?;
    Ok(listed.iter().any(|listed| listed.key == at && listed.destination.weight == weight))
}

/// The last entry first, because it is cheap to ask for; then all of them.
fn complete(client: &mut Client, services: usize, weight: u32) -> Looked {
    if !last_weight(client, services, weight)? {
        return Ok(false);
    }
    Ok(client.table(|_| true)?.entries() == services * (SERVERS + 1))
}
