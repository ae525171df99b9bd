//! The kernel's table with 1000 services of ten servers each: from the start of the daemon until every entry is
//! there, a reload that changes one weight, memory, an orderly stop and what it leaves behind. In the test kernel, whose system calls
//! are dear: only the ratios mean anything.

use std::collections::BTreeMap;
use std::time::Duration;

use common::ipvs::{Client, DestinationKey, ServiceKey, Transport};
use lab::uml::{Uml, in_guest};
use lab::{HttpServer, Netns, Process, Result, Stopwatch, TempDir, wait};
use nix::sys::signal::Signal;

use crate::director::{MAKES, Make};
use crate::farm::{Farm, command};
use crate::idle::sum;
use crate::table::{Table, median};

const SERVICES: usize = 1000;
const SERVERS: usize = 10;
const ROUNDS: usize = 3;
const LIMIT: Duration = Duration::from_secs(120);

/// Rows that the guest prints for the host to read.
const ROW: &str = "row\t";

/// Measures in the test kernel, wherever this runs.
pub(crate) fn measure(table: &mut Table) -> Result {
    if in_guest() {
        return measure_here();
    }
    let own = std::env::current_exe()?;
    let guest = Uml::default().memory(768).limit(Duration::from_secs(580)).with_holdfast()?;
    let report =
        guest.run([own.as_os_str(), "ipvs".as_ref()]).map_err(|error| lab::Error::new(error.to_string()))?;
    for line in report.lines().filter_map(|line| line.strip_prefix(ROW)) {
        let fields: Vec<_> = line.split('\t').collect();
        let [what, unit, ours, theirs] = fields[..] else { return Err(format!("no row: {line}").into()) };
        let number = |text: &str| text.parse::<f64>().map_err(|error| lab::Error::new(error.to_string()));
        table.add(what, unit, number(ours)?, number(theirs)?);
    }
    Ok(())
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
        ("reload with one weight changed: until the kernel has it", "s"),
        ("the same: processor time of all processes", "s"),
        ("memory of all processes after it (PSS)", "KiB"),
        ("orderly stop", "s"),
        ("entries that an orderly stop leaves behind", ""),
    ];
    let [ours, theirs] = all;
    for (number, (what, unit)) in rows.into_iter().enumerate() {
        let middle = |all: &BTreeMap<usize, Vec<f64>>| all.get(&number).map_or(f64::NAN, |all| median(all));
        println!("{ROW}1000 services of 10 servers: {what}\t{unit}\t{}\t{}", middle(&ours), middle(&theirs));
    }
    Ok(())
}

fn round(make: Make) -> Result<[f64; 7]> {
    let host = Netns::new("director")?;
    // One listener is every real server: all of 127.0.0.0/8 is this machine.
    let _servers = HttpServer::start(&host, "0.0.0.0:80", "web")?;
    let folder = TempDir::new()?;
    let file = folder.write("config", &config(make, 1))?.to_string_lossy().into_owned();

    let watch = Stopwatch::start();
    let command = command(make, &file, &folder)?;
    let argv: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut daemon = Process::start(&host, &argv, &folder.path().join("log"))?;
    wait_table(&host, make, "every entry", |client| complete(client, 1))?;
    let start = watch.seconds();
    let pids = daemon.tree();
    let start_cpu = sum(&pids).cpu_ms / 1000.0;

    folder.write("config", &config(make, 2))?;
    let before = sum(&pids).cpu_ms;
    let watch = Stopwatch::start();
    daemon.signal(Signal::SIGHUP)?;
    wait_table(&host, make, "the changed weight", |client| last_weight(client, 2))?;
    let reload = watch.seconds();
    // Until both are idle again: what comes after the change is part of its price.
    wait::pause(Duration::from_secs(2));
    let cost = sum(&pids);
    let reload_cpu = (cost.cpu_ms - before) / 1000.0;
    wait_table(&host, make, "every entry after a reload", |client| complete(client, 2))?;

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
    Ok([start, start_cpu, reload, reload_cpu, cost.pss_kib, stop, left])
}

/// The last server of the last service has this weight.
fn config(make: Make, last_weight: u32) -> String {
    Farm { last_weight, ..Farm::large() }.config(make)
}

/// Polls the host's table. The questions are small, so that the watching does not slow down what is watched.
fn wait_table(
    host: &Netns,
    make: Make,
    what: &str,
    mut probe: impl FnMut(&mut Client) -> std::result::Result<bool, common::netlink::NetlinkError> + Send,
) -> Result {
    host.enter(|| -> Result {
        let client = Client::open().map_err(|error| lab::Error::new(error.to_string()))?;
        let mut client = client.ok_or("the kernel has no IPVS")?;
        wait::until(&format!("{make:?}'s table to have {what}"), LIMIT, || {
            probe(&mut client).map_err(|error| lab::Error::new(error.to_string()))
        })
    })?
}

fn last() -> (ServiceKey, DestinationKey) {
    let (address, port) = Farm::service(SERVICES - 1);
    let of = |text: &str| text.parse().unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    let key = ServiceKey::Address { transport: Transport::Tcp, address: of(&address), port };
    (key, DestinationKey { address: of(&Farm::server(SERVICES - 1, SERVERS - 1)), port: 80 })
}

fn last_weight(client: &mut Client, weight: u32) -> std::result::Result<bool, common::netlink::NetlinkError> {
    let (key, at) = last();
    let listed = client.destinations(key)?;
    Ok(listed.iter().any(|listed| listed.key == at && listed.destination.weight == weight))
}

/// The last entry first, because it is cheap to ask for; then all of them.
fn complete(client: &mut Client, weight: u32) -> std::result::Result<bool, common::netlink::NetlinkError> {
    if !last_weight(client, weight)? {
        return Ok(false);
    }
    Ok(client.table(|_| true)?.entries() == SERVICES * (SERVERS + 1))
}
