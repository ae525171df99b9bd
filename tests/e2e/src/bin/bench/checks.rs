//! What a check costs: processor time and system calls, against a real server, at a steady pace. And how evenly ten
//! thousand checks are spread over their interval, as the wire sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::{Error, Netns, Process, Result, TempDir, wait};
use nix::sys::signal::Signal;

use crate::director::{MAKES, Make};
use crate::farm::{Farm, Kind, Running};
use crate::idle::sum;
use crate::table::{Table, median};

const ROUNDS: usize = 3;
/// What is measured of a round, after its warm-up.
const SPAN: Duration = Duration::from_secs(8);
/// Both makes spread their first attempts over one interval, a second.
const WARM_UP: Duration = Duration::from_secs(3);

pub(crate) fn tcp(table: &mut Table) -> Result {
    steady(table, "tcp", Kind::Tcp, &[1000, 10_000])
}

pub(crate) fn http(table: &mut Table) -> Result {
    steady(table, "http", Kind::Http, &[1000, 10_000])
}

/// Ten thousand handshakes a second may be more than the server answers: then so many are made as it does.
pub(crate) fn https(table: &mut Table) -> Result {
    steady(table, "https", Kind::Https, &[1000, 10_000])
}

/// So many checks of an interval of one second, ten servers a service.
fn steady(table: &mut Table, name: &str, kind: Kind, paces: &[usize]) -> Result {
    let host = Netns::new("director")?;
    let target = Target::start(&host)?;
    for pace in paces.iter().copied() {
        let interval = Duration::from_secs(1);
        let farm = Farm { services: pace / 10, kind, interval, ipvs: false, ..Farm::large() };
        let mut cost = MAKES.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (make, cost) in MAKES.iter().zip(&mut cost) {
                cost.push(round(*make, &host, &target, farm)?);
            }
        }
        let [ours, theirs] = cost;
        let middle = |all: &[Cost], of: fn(&Cost) -> f64| median(&all.iter().map(of).collect::<Vec<_>>());
        let mut row = |what: &str, unit: &str, of: fn(&Cost) -> f64| {
            let what = format!("{pace} {name} checks a second: {what}");
            table.add(&what, unit, middle(&ours, of), middle(&theirs, of));
        };
        row("made in a second", "", |cost| cost.rate);
        row("processor time of all processes for one", "us", |cost| cost.cpu_us);
        row("memory of all processes (PSS)", "KiB", |cost| cost.pss_kib);
        if pace == 1000 {
            let mut calls = MAKES.map(|_| 0.0);
            for (make, calls) in MAKES.iter().zip(&mut calls) {
                *calls = counted(*make, &host, &target, farm)?;
            }
            let [ours, theirs] = calls;
            table.add(&format!("{pace} {name} checks a second: system calls for one"), "", ours, theirs);
        }
    }
    Ok(())
}

struct Cost {
    rate: f64,
    cpu_us: f64,
    pss_kib: f64,
}

fn round(make: Make, host: &Netns, target: &Target, farm: Farm) -> Result<Cost> {
    let running = Running::start(make, host, &farm.config(make))?;
    let pids = warm(&running, host, target, farm)?;
    let (made, before, watch) = (target.accepted(host)?, sum(&pids), lab::Stopwatch::start());
    wait::pause(SPAN);
    let (made, after) = (target.accepted(host)? - made, sum(&pids));
    let seconds = watch.seconds();
    Ok(Cost {
        rate: made / seconds,
        cpu_us: (after.cpu_ms - before.cpu_ms) * 1000.0 / made,
        pss_kib: after.pss_kib,
    })
}

/// Waits until the checks are under way; returns the processes. Who does not get to half of the pace in time is
/// measured at the pace it has.
fn warm(running: &Running, host: &Netns, target: &Target, farm: Farm) -> Result<Vec<i32>> {
    let second = Duration::from_secs(1);
    let half = (farm.services * farm.servers) as f64 / farm.interval.as_secs_f64() / 2.0;
    for _ in 0..60 {
        let before = target.accepted(host)?;
        wait::pause(second);
        if target.accepted(host)? - before >= half {
            break;
        }
    }
    wait::pause(WARM_UP);
    Ok(running.process.tree())
}

/// System calls of the process that checks, for each check.
fn counted(make: Make, host: &Netns, target: &Target, farm: Farm) -> Result<f64> {
    let running = Running::start(make, host, &farm.config(make))?;
    warm(&running, host, target, farm)?;
    let calls = trace(running.checker()?, host, || -> Result<f64> {
        let made = target.accepted(host)?;
        wait::pause(SPAN);
        Ok(target.accepted(host)? - made)
    })?;
    let (by_name, made) = calls;
    let all: u64 = by_name.values().sum();
    let each: Vec<String> = by_name
        .iter()
        .filter(|(_, count)| **count as f64 > made / 100.0)
        .map(|(name, count)| format!("{name} {:.2}", *count as f64 / made))
        .collect();
    println!("{make:?}: {}", each.join(", "));
    Ok(all as f64 / made)
}

/// What a process asks of the kernel while something is done.
pub(crate) fn trace<T>(
    pid: i32,
    host: &Netns,
    work: impl FnOnce() -> Result<T>,
) -> Result<(BTreeMap<String, u64>, T)> {
    let folder = TempDir::new()?;
    let report = folder.path().join("calls");
    let argv = ["strace", "-c", "-U", "name,calls", "-o", &report.to_string_lossy(), "-p", &pid.to_string()];
    let mut tracer = Process::start(host, &argv, &folder.path().join("log"))?;
    tracer.log().wait("attached", Duration::from_secs(20))?;
    let done = work();
    tracer.signal(Signal::SIGINT)?;
    tracer.wait_exit(Duration::from_secs(20))?;
    let text = std::fs::read_to_string(&report)?;
    let counts = text.lines().filter_map(|line| {
        let (name, count) = line.trim().split_once(char::is_whitespace)?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    });
    Ok((counts.filter(|(name, _)| name != "total").collect(), done?))
}

/// A real web server on ports 80 and 443 of every loopback address, that counts who connects.
struct Target {
    /// How often it was asked for its count, which is a connection too.
    asked: std::cell::Cell<f64>,
    _nginx: Process,
    _folder: TempDir,
}

impl Target {
    fn start(host: &Netns) -> Result<Self> {
        let folder = TempDir::new()?;
        let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (certificate, key) = lab::self_signed(&folder, "/CN=bench", &[])?;
        let config = format!(
            "daemon off; master_process off; user root; pid {pid}; error_log stderr crit;\n\
             events {{ worker_connections 8192; }}\n\
             http {{\n  access_log off; keepalive_timeout 0;\n  client_body_temp_path {temp};\n  \
             proxy_temp_path {temp};\n  fastcgi_temp_path {temp};\n  uwsgi_temp_path {temp};\n  \
             scgi_temp_path {temp};\n  ssl_certificate {certificate};\n  ssl_certificate_key {key};\n  \
             server {{ listen 80 backlog=4096; listen 443 ssl backlog=4096;\n  \
             location / {{ return 200 \"ok\\n\"; }} }}\n  \
             server {{ listen 8080; location / {{ stub_status; }} }}\n}}\n",
            pid = place("pid"),
            temp = place("temp"),
        );
        let file = folder.write("nginx.conf", &config)?;
        let argv = ["nginx", "-c", &*file.to_string_lossy(), "-p", &place(""), "-e", "stderr"];
        let nginx = Process::start(host, &argv, &folder.path().join("log"))?;
        let target = Self { asked: 0.0.into(), _nginx: nginx, _folder: folder };
        wait::until("nginx to listen", Duration::from_secs(20), || Ok(target.accepted(host).is_ok()))?;
        Ok(target)
    }

    /// How many have connected so far.
    fn accepted(&self, host: &Netns) -> Result<f64> {
        let reply = lab::get(host, "127.0.0.1:8080", "/", Duration::from_secs(10))?;
        let text = reply.body;
        let count = text.lines().nth(2).and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        self.asked.set(self.asked.get() + 1.0);
        count
            .map(|count| count - self.asked.get())
            .ok_or_else(|| Error::new(format!("no count in nginx's status: {text:?}")))
    }
}

const SPREAD_CHECKS: usize = 10_000;
const SPREAD_SECONDS: usize = 10;
/// Columns of the histogram.
const COLUMNS: usize = 50;

/// Ten thousand checks of ten seconds: how many begin in each ten milliseconds of one interval.
pub(crate) fn spread(table: &mut Table) -> Result {
    let host = Netns::new("director")?;
    let target = Target::start(&host)?;
    let interval = Duration::from_secs(SPREAD_SECONDS as u64);
    let farm = Farm { services: SPREAD_CHECKS / 10, interval, ipvs: false, ..Farm::large() };
    let [ours, theirs] = MAKES.map(|make| starts(make, &host, &target, farm));
    let (ours, theirs) = (ours?, theirs?);
    for (make, starts) in MAKES.iter().zip([&ours, &theirs]) {
        println!("{make:?}: starts of {SPREAD_CHECKS} checks in each {} ms of an interval", 10_000 / COLUMNS);
        println!("  {}", bars(&buckets(starts, COLUMNS)));
    }
    let name = format!("{SPREAD_CHECKS} checks, one in {SPREAD_SECONDS} s each: most that begin within");
    for (span, cells) in [("10 ms", 1000), ("100 ms", 100), ("1 s", 10)] {
        let most = |starts: &[f64]| f64::from(buckets(starts, cells).into_iter().max().unwrap_or_default());
        let mean = SPREAD_CHECKS / cells;
        table.add(&format!("{name} {span} (even: {mean})"), "", most(&ours), most(&theirs));
    }
    Ok(())
}

/// The moments within one interval, in shares of it, at which connections began, from the wire.
fn starts(make: Make, host: &Netns, target: &Target, farm: Farm) -> Result<Vec<f64>> {
    let running = Running::start(make, host, &farm.config(make))?;
    warm(&running, host, target, farm)?;
    // The first attempts of both are spread over one interval; the third interval is steady.
    wait::pause(farm.interval * 2);
    let folder = TempDir::new()?;
    let file = folder.path().join("syns").to_string_lossy().into_owned();
    let filter = "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn and dst port 80 and dst net 127.0.0.0/8";
    let argv = ["tcpdump", "-i", "lo", "-n", "-B", "8192", "-s", "64", "-w", &file, filter];
    let mut dump = Process::start(host, &argv, &folder.path().join("log"))?;
    dump.log().wait("listening", Duration::from_secs(20))?;
    wait::pause(farm.interval + Duration::from_secs(1));
    dump.signal(Signal::SIGINT)?;
    dump.wait_exit(Duration::from_secs(20))?;
    drop(running);
    let text = lab::run(&["tcpdump", "-n", "-tt", "-r", &file])?;
    let times = text.lines().filter_map(|line| line.split_once(' ')?.0.parse::<f64>().ok());
    let times: Vec<f64> = times.collect();
    let first = times.first().copied().ok_or("no check began")?;
    let seconds = farm.interval.as_secs_f64();
    Ok(times.into_iter().map(|at| (at - first) / seconds).filter(|share| *share < 1.0).collect())
}

fn buckets(starts: &[f64], cells: usize) -> Vec<u32> {
    let mut counts = vec![0; cells];
    for start in starts {
        if let Some(count) = counts.get_mut((start * cells as f64) as usize) {
            *count += 1;
        }
    }
    counts
}

/// One character a cell: a full block is twice the mean and more.
fn bars(counts: &[u32]) -> String {
    const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mean = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    let level = |count: &u32| LEVELS[(f64::from(*count) / mean * 4.0).min(8.0) as usize];
    counts.iter().map(level).collect()
}
