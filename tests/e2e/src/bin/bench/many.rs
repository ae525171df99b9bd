//! Many virtual routers: 255 on one interface and 1000 over several. From the start to the last announcement, the
//! processor time of a minute, and a mass fail-over: from the kill to the last announcement, and how late each was.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lab::packet::Mac;
use lab::{Capture, Lan, Netns, Result, wait};

use crate::director::{Director, MAKES, Make, Router};
use crate::failover::ms;
use crate::idle::sum;
use crate::table::{Table, median, worst};

const LIMIT: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
/// Of processor time.
const WATCHED: u32 = 20;
const ROUNDS: usize = 3;

/// What one run of one make says, in milliseconds.
#[derive(Debug, Clone, Default)]
struct Outcome {
    start: f64,
    master: f64,
    backup: f64,
    failover: f64,
    median: f64,
    worst: f64,
    advert_median: f64,
    advert_worst: f64,
}

/// One number of an outcome.
type Column = fn(&Outcome) -> f64;

pub(crate) fn measure(table: &mut Table) -> Result {
    many(table, "255 instances on one interface", 1, 255)?;
    many(table, "1000 instances on four interfaces", 4, 250)
}

fn many(table: &mut Table, name: &str, wires: usize, each: u8) -> Result {
    let mut outcomes = MAKES.map(|_| Vec::new());
    // In turn, so that a noisy minute meets both.
    for _ in 0..ROUNDS {
        for (make, outcomes) in MAKES.into_iter().zip(&mut outcomes) {
            outcomes.push(one(make, wires, each)?);
        }
    }
    let columns: [(&str, Column); 8] = [
        ("start to the last announcement", |outcome| outcome.start),
        ("master's processor time in 60 s", |outcome| outcome.master),
        ("backup's processor time in 60 s", |outcome| outcome.backup),
        ("kill to the last announcement", |outcome| outcome.failover),
        ("announcement later than the timer, median", |outcome| outcome.median),
        ("announcement later than the timer, worst", |outcome| outcome.worst),
        ("first advert later than the timer, median", |outcome| outcome.advert_median),
        ("first advert later than the timer, worst", |outcome| outcome.advert_worst),
    ];
    for (column, value) in columns {
        let [ours, theirs] = outcomes.each_ref().map(|of| median(&of.iter().map(value).collect::<Vec<_>>()));
        table.add(&format!("{name}: {column}, median of {ROUNDS}"), "ms", ours, theirs);
    }
    Ok(())
}

/// Wires, each with an interface of both hosts.
struct Scene {
    wires: Vec<Capture>,
    a: Netns,
    b: Netns,
    _lans: Vec<Lan>,
}

impl Scene {
    fn new(count: usize) -> Result<Self> {
        let (a, b) = (Netns::new("a")?, Netns::new("b")?);
        let (mut wires, mut lans) = (Vec::new(), Vec::new());
        for number in 0..count {
            let (lan, interface) = (Lan::new()?, format!("eth{number}"));
            lan.attach(&a, &interface, &[&format!("10.{number}.255.11/16")])?;
            lan.attach(&b, &interface, &[&format!("10.{number}.255.12/16")])?;
            wires.push(lan.capture()?);
            lans.push(lan);
        }
        Ok(Self { wires, a, b, _lans: lans })
    }

    fn marks(&self) -> Vec<usize> {
        self.wires.iter().map(Capture::mark).collect()
    }

    /// When a host first announced each address after the marks; waits until it was all of them.
    fn announced(&self, host: &Netns, marks: &[usize], all: usize) -> Result<BTreeMap<IpAddr, SystemTime>> {
        let macs = (0..self.wires.len()).map(|number| Mac::parse(&host.mac(&format!("eth{number}"))?));
        let macs: Vec<Mac> = macs.collect::<Result<_>>()?;
        wait::value("every announcement", LIMIT, || {
            let mut first = BTreeMap::new();
            for ((wire, mark), mac) in self.wires.iter().zip(marks).zip(&macs) {
                for frame in wire.frames_from(*mark) {
                    if let Some(address) = frame.packet.announced()
                        && frame.bytes.get(6..12) == Some(&mac.0)
                    {
                        first.entry(address).or_insert(frame.at);
                    }
                }
            }
            Ok((first.len() >= all).then_some(first))
        })
    }

    /// When each address was last advertised by the old master, and when first by the new one.
    fn adverts(&self, marks: &[usize]) -> [BTreeMap<IpAddr, SystemTime>; 2] {
        let [mut last, mut first] = [BTreeMap::new(), BTreeMap::new()];
        for (wire, mark) in self.wires.iter().zip(marks) {
            for (at, advert) in wire.adverts_from(*mark) {
                for address in &advert.addresses {
                    match advert.priority {
                        200 => drop(last.insert(*address, at)),
                        _ => drop(first.entry(*address).or_insert(at)),
                    }
                }
            }
        }
        [last, first]
    }
}

fn one(make: Make, wires: usize, each: u8) -> Result<Outcome> {
    let scene = Scene::new(wires)?;
    let all = wires * usize::from(each);
    let routers = |priority| -> Vec<Router> {
        let of = |number: usize| {
            (1..=each).map(move |vrid| {
                Router::new(vrid, priority, SECOND, &format!("10.{number}.200.{vrid}"))
                    .on(&format!("eth{number}"))
            })
        };
        (0..wires).flat_map(of).collect()
    };
    let (marks, begun) = (scene.marks(), common::event_loop::clock::wall());
    let mut master = Director::start(make, &scene.a, &routers(200))?;
    let first = scene.announced(&scene.a, &marks, all)?;
    let since = |at: &SystemTime| ms(at.duration_since(begun).unwrap_or_default());
    let start = first.values().map(since).fold(0.0, f64::max);
    let mut backup = Director::start(make, &scene.b, &routers(100))?;
    // What follows a start (delayed announcements, first hellos) is over by then.
    wait::pause(Duration::from_secs(8));

    let pids = [master.pids(), backup.pids()];
    let before = pids.each_ref().map(|pids| sum(pids).cpu_ms);
    wait::pause(Duration::from_secs(WATCHED.into()));
    let after = pids.each_ref().map(|pids| sum(pids).cpu_ms);
    let [of_master, of_backup] =
        [0, 1].map(|side: usize| (after[side] - before[side]) * 60.0 / f64::from(WATCHED));

    // The last adverts are among those of the last seconds.
    let marks = scene.marks();
    wait::pause(SECOND * 3 / 2);
    let killed = common::event_loop::clock::wall();
    master.kill()?;
    let taken = scene.announced(&scene.b, &marks, all)?;
    let [last, adverts] = scene.adverts(&marks);
    let down = Router::new(1, 100, SECOND, "").master_down();
    let later = |first: &BTreeMap<IpAddr, SystemTime>| -> Vec<f64> {
        let late = first.iter().filter_map(|(address, at)| {
            let silence = at.duration_since(*last.get(address)?).unwrap_or_default();
            Some(ms(silence) - ms(down))
        });
        late.collect()
    };
    let (late, advert_late) = (later(&taken), later(&adverts));
    if late.len() < all || advert_late.len() < all {
        return Err("an address was taken that nobody had advertised".into());
    }
    let after_kill = |at: &SystemTime| ms(at.duration_since(killed).unwrap_or_default());
    Ok(Outcome {
        start,
        master: of_master,
        backup: of_backup,
        failover: taken.values().map(after_kill).fold(0.0, f64::max),
        median: median(&late),
        worst: worst(&late),
        advert_median: median(&advert_late),
        advert_worst: worst(&advert_late),
    })
}
