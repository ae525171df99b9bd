//! A reload that changes one weight of ten thousand servers, on this machine's kernel without IPVS: what it costs all
//! processes together, what they hold, and how late it makes a master's adverts of every 10 ms.

use std::time::Duration;

use lab::packet::Mac;
use lab::{Lan, Result, Sleeper, wait};
use nix::sys::signal::Signal;

use crate::director::{Director, MAKES, Make, Router};
use crate::farm::{Farm, Running};
use crate::idle::{cpu_ms, sum};
use crate::table::{Table, median, worst};

const ROUNDS: u32 = 7;
const INTERVAL: Duration = Duration::from_millis(10);
/// How long adverts are watched around a reload: nothing of it is left then.
const SPAN: Duration = Duration::from_secs(2);
/// What a start or a reload leaves behind is gone by then.
const REST: Duration = Duration::from_secs(15);
const VIP: &str = "192.168.152.200";

#[derive(Debug, Default)]
struct Cost {
    cpu_ms: Vec<f64>,
    pss_kib: f64,
    pss_after_kib: f64,
    /// How much later than 10 ms the latest advert came, in the time before each reload and around it.
    quiet_ms: Vec<f64>,
    late_ms: Vec<f64>,
    /// How much later a thread woke up around each reload that only sleeps.
    sleeper_ms: Vec<f64>,
}

pub(crate) fn measure(table: &mut Table) -> Result {
    let [ours, theirs] = MAKES.map(round);
    let (ours, theirs) = (ours?, theirs?);
    let mut row = |what: &str, unit: &str, of: fn(&Cost) -> f64| {
        let what = format!("1000 services of 10 servers and a master, without IPVS: {what}");
        table.add(&what, unit, of(&ours), of(&theirs));
    };
    row("memory of all processes (PSS)", "KiB", |cost| cost.pss_kib);
    row("reload with one weight changed: processor time of all processes, median", "ms", |cost| {
        median(&cost.cpu_ms)
    });
    row("the same, worst of 7", "ms", |cost| worst(&cost.cpu_ms));
    row("memory of all processes after it (PSS)", "KiB", |cost| cost.pss_after_kib);
    row("adverts every 10 ms, 2 s without a reload: latest, median", "ms", |cost| median(&cost.quiet_ms));
    row("the same, worst of 7", "ms", |cost| worst(&cost.quiet_ms));
    row("adverts every 10 ms, 2 s around a reload: latest, median", "ms", |cost| median(&cost.late_ms));
    row("the same, worst of 7", "ms", |cost| worst(&cost.late_ms));
    row("a thread that sleeps 10 ms, at the same time: latest, median", "ms", |cost| {
        median(&cost.sleeper_ms)
    });
    row("the same, worst of 7", "ms", |cost| worst(&cost.sleeper_ms));
    Ok(())
}

fn round(make: Make) -> Result<Cost> {
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let wire = lan.capture()?;
    let router = Router::new(51, 200, INTERVAL, VIP).config(make);
    let config = |last_weight| {
        let farm = Farm { last_weight, ipvs: false, ..Farm::large() }.config(make);
        match make {
            Make::Holdfast => format!("{router}{farm}"),
            // The head of the file comes first.
            Make::Keepalived => format!("{farm}{router}"),
        }
    };
    let running = Running::start(make, &host, &config(1))?;
    Director::wait_address(&host, VIP, true)?;
    wait::pause(REST);
    let pids = running.process.tree();
    let mut cost = Cost { pss_kib: sum(&pids).pss_kib, ..Cost::default() };
    let source = Mac::parse(&host.mac("eth0")?)?;
    let latest = |mark| {
        let adverts = wire.adverts_from(mark);
        let times: Vec<_> =
            adverts.iter().filter(|(_, advert)| advert.source_mac == source).map(|(at, _)| *at).collect();
        let gap = |pair: &[std::time::SystemTime]| pair[1].duration_since(pair[0]).unwrap_or_default();
        let longest = times.windows(2).map(gap).max().unwrap_or_default();
        later(longest)
    };
    let sleeper = Sleeper::start(INTERVAL);
    for round in 0..ROUNDS {
        let mark = wire.mark();
        wait::pause(SPAN);
        cost.quiet_ms.push(latest(mark));
        running.write(&config(2 + round))?;
        let (mark, before, idle) = (wire.mark(), cpu_ms(&pids), lab::Stopwatch::start());
        let _before = sleeper.longest();
        running.process.signal(Signal::SIGHUP)?;
        wait::pause(SPAN);
        rest(&pids)?;
        let (seconds, used) = (idle.seconds(), cpu_ms(&pids) - before);
        cost.sleeper_ms.push(later(sleeper.longest()));
        cost.late_ms.push(latest(mark));
        // Without what the adverts and hellos of so long cost anyway.
        let before = cpu_ms(&pids);
        let idle = lab::Stopwatch::start();
        wait::pause(SPAN);
        let rate = (cpu_ms(&pids) - before) / idle.seconds();
        cost.cpu_ms.push(used - rate * seconds);
    }
    wait::pause(REST);
    cost.pss_after_kib = sum(&pids).pss_kib;
    if !host.has_address(VIP)? || running.process.tree() != pids {
        return Err(format!("{make:?} did not survive its reloads").into());
    }
    Ok(cost)
}

fn later(gap: Duration) -> f64 {
    (gap.as_secs_f64() - INTERVAL.as_secs_f64()) * 1000.0
}

/// Waits until less than a tenth of a processor is used.
fn rest(pids: &[i32]) -> Result {
    wait::until("the end of a reload", Duration::from_secs(120), || {
        let before = cpu_ms(pids);
        wait::pause(SPAN / 4);
        Ok(cpu_ms(pids) - before < SPAN.as_secs_f64() * 250.0 / 10.0)
    })
}
