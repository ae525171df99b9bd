//! How long a fail-over takes, from the wire: the last advert of the old master to the first announcement of the new.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lab::{Capture, Lan, Netns, Result, wait};

use crate::director::{Director, MAKES, Make, Router};
use crate::table::{Table, median, worst};

const VIP: &str = "192.168.152.200";
const ROUNDS: usize = 10;
const INTERVALS_MS: [u64; 3] = [1000, 100, 10];

/// SIGKILL for every process of the master at once.
pub(crate) fn killed(table: &mut Table) -> Result {
    for interval in INTERVALS_MS {
        let results = both(interval, true)?;
        let down = router(interval, 100).master_down();
        let name =
            format!("killed, advert {interval} ms: announcement later than the timer ({:.1} ms)", ms(down));
        row(table, &name, &results);
    }
    Ok(())
}

/// SIGTERM for the master.
pub(crate) fn stopped(table: &mut Table) -> Result {
    for interval in INTERVALS_MS {
        let results = both(interval, false)?;
        let skew = router(interval, 100).skew();
        let name =
            format!("stopped, advert {interval} ms: announcement later than the skew ({:.1} ms)", ms(skew));
        row(table, &name, &results);
    }
    Ok(())
}

fn row(table: &mut Table, name: &str, [ours, theirs]: &[Vec<f64>; 2]) {
    table.add(&format!("{name}, median of {ROUNDS}"), "ms", median(ours), median(theirs));
    table.add(&format!("{name}, worst"), "ms", worst(ours), worst(theirs));
}

fn router(interval: u64, priority: u8) -> Router {
    Router::new(51, priority, Duration::from_millis(interval), VIP)
}

/// Both makes at the same time, each on a wire of its own, so that a noisy moment of the machine meets both. The
/// results are the lateness in milliseconds.
fn both(interval: u64, kill: bool) -> Result<[Vec<f64>; 2]> {
    let rounds = |make| (0..ROUNDS).map(|_| one(make, interval, kill)).collect::<Result<Vec<f64>>>();
    std::thread::scope(|scope| {
        let [ours, theirs] = MAKES.map(|make| scope.spawn(move || rounds(make)));
        let join = |side: std::thread::ScopedJoinHandle<'_, Result<Vec<f64>>>| {
            side.join().unwrap_or_else(|_| Err("a measurement panicked".into()))
        };
        Ok([join(ours)?, join(theirs)?])
    })
}

fn one(make: Make, interval: u64, kill: bool) -> Result<f64> {
    let lan = Lan::new()?;
    let (a, b) = (lan.host("a", &["192.168.152.11/24"])?, lan.host("b", &["192.168.152.12/24"])?);
    let (upper, lower) = (router(interval, 200), router(interval, 100));
    let wire = lan.capture()?;
    let master = Director::start(make, &a, std::slice::from_ref(&upper))?;
    Director::wait_address(&a, VIP, true)?;
    let _backup = Director::start(make, &b, std::slice::from_ref(&lower))?;
    // The backup has heard its master for a while, and has nothing of its start left to do.
    quiet(&wire, &b)?;

    let mark = wire.mark();
    if kill {
        master.kill()?;
    } else {
        master.stop()?;
    }
    let vip: IpAddr = VIP.parse()?;
    let from_b = lab::packet::Mac::parse(&b.mac("eth0")?)?;
    let announced = wire.wait_from(mark, "the announcement", Duration::from_secs(30), |frame| {
        frame.packet.announced() == Some(vip) && frame.bytes.get(6..12) == Some(&from_b.0)
    })?;
    let adverts = wire.adverts();
    let last: Option<SystemTime> =
        adverts.iter().filter(|(_, advert)| advert.source_mac != from_b).map(|(at, _)| *at).next_back();
    let gap = announced.at.duration_since(last.ok_or("the old master was heard")?).unwrap_or_default();
    let timer = if kill { lower.master_down() } else { lower.skew() };
    Ok(ms(gap) - ms(timer))
}

/// Checks that the backup is one: it says nothing while its master does.
pub(crate) fn quiet(wire: &Capture, backup: &Netns) -> Result {
    let mac = lab::packet::Mac::parse(&backup.mac("eth0")?)?;
    let mark = wire.mark();
    wait::until("some adverts", Duration::from_secs(30), || Ok(wire.adverts_from(mark).len() >= 4))?;
    let loud = wire.adverts_from(mark).iter().any(|(_, advert)| advert.source_mac == mac);
    if loud { Err("the backup advertises beside its master".into()) } else { Ok(()) }
}

pub(crate) fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
