//! How long two machines hold the address when a master is gone without having said goodbye: from the peer's
//! announcement until the kernel of the dead one has it no more.

use std::net::IpAddr;
use std::time::Duration;

use lab::{Lan, Result, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::director::{Director, MAKES, Make, Router};
use crate::failover::quiet;
use crate::table::{Table, median, number, worst};

const VIP: &str = "192.168.152.200";
const ROUNDS: usize = 5;
/// So long is looked for an end.
const WATCHED: Duration = Duration::from_secs(10);

pub(crate) fn measure(table: &mut Table) -> Result {
    for (what, stop) in [("SIGKILL for every process", false), ("SIGSTOP for the VRRP process", true)] {
        let [ours, theirs] = MAKES.map(|make| rounds(make, stop));
        table.say(
            &format!("{what} of a master, advert 100 ms: address on both machines, of {ROUNDS}"),
            words(&ours?),
            words(&theirs?),
        );
    }
    Ok(())
}

/// Seconds of two holders; none where there was no end to see.
fn words(rounds: &[Option<f64>]) -> String {
    let ended: Vec<f64> = rounds.iter().copied().flatten().collect();
    if ended.len() < rounds.len() {
        return format!(
            "{} of {} without end ({WATCHED:?} watched)",
            rounds.len() - ended.len(),
            rounds.len()
        );
    }
    format!("median {} s, worst {} s", number(median(&ended)), number(worst(&ended)))
}

fn rounds(make: Make, stop: bool) -> Result<Vec<Option<f64>>> {
    (0..ROUNDS).map(|_| one(make, stop)).collect()
}

fn one(make: Make, stop: bool) -> Result<Option<f64>> {
    let lan = Lan::new()?;
    let (a, b) = (lan.host("a", &["192.168.152.11/24"])?, lan.host("b", &["192.168.152.12/24"])?);
    let with = |priority| [Router::new(51, priority, Duration::from_millis(100), VIP)];
    let wire = lan.capture()?;
    let mut master = Director::start(make, &a, &with(200))?;
    Director::wait_address(&a, VIP, true)?;
    let _backup = Director::start(make, &b, &with(100))?;
    quiet(&wire, &b)?;
    let mark = wire.mark();
    let mut stopped = None;
    if stop {
        let speaker = Pid::from_raw(master.speaker()?);
        kill(speaker, Signal::SIGSTOP)?;
        stopped = Some((speaker, master));
    } else {
        master.kill()?;
    }
    let (vip, own): (IpAddr, _) = (VIP.parse()?, lab::packet::Mac::parse(&b.mac("eth0")?)?);
    let taken = wire.wait_from(mark, "the announcement", Duration::from_secs(30), |frame| {
        frame.packet.announced() == Some(vip) && frame.bytes.get(6..12) == Some(&own.0)
    })?;
    let gone = wait::until("the address to go", WATCHED, || Ok(!a.has_address(VIP)?));
    let both = common::event_loop::clock::wall().duration_since(taken.at).unwrap_or_default();
    if let Some((speaker, master)) = stopped {
        // It may have been replaced by now.
        let _replaced = kill(speaker, Signal::SIGCONT);
        master.kill()?;
    }
    Ok(gone.is_ok().then_some(both.as_secs_f64()))
}
