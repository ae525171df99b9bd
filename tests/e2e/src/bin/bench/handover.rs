//! What a change of masters on purpose costs a client that asks every millisecond: the longest time from one answer to
//! the next, as the kernel of the client's machine saw them.

use std::time::{Duration, SystemTime};

use lab::{Capture, Lan, Process, Result, TempDir, wait};

use crate::director::{Director, Make, Router};
use crate::failover::{ms, quiet};
use crate::table::{Table, median, worst};

const VIP: &str = "192.168.152.200";
const ROUNDS: usize = 5;
const INTERVALS_MS: [u64; 3] = [1000, 100, 10];
const LIMIT: Duration = Duration::from_secs(30);

/// Why the master goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Stopped,
    Lowered,
}

pub(crate) fn measure(table: &mut Table) -> Result {
    use Make::{Holdfast, Keepalived};
    for (why, words) in [(Why::Stopped, "stopped"), (Why::Lowered, "priority lowered")] {
        for interval in INTERVALS_MS {
            let of = |pair| (0..ROUNDS).map(|_| one(pair, interval, why)).collect::<Result<Vec<f64>>>();
            let theirs = of([Keepalived, Keepalived])?;
            let name = format!("master {words}, advert {interval} ms: client's longest wait");
            for (peer, ours) in
                [("own make", of([Holdfast, Holdfast])?), ("keepalived", of([Holdfast, Keepalived])?)]
            {
                let name = format!("{name}, backup of {peer}");
                table.add(&format!("{name}, median of {ROUNDS}"), "ms", median(&ours), median(&theirs));
                table.add(&format!("{name}, worst"), "ms", worst(&ours), worst(&theirs));
            }
        }
    }
    Ok(())
}

fn one([upper, lower]: [Make; 2], interval: u64, why: Why) -> Result<f64> {
    let lan = Lan::new()?;
    let host = |label, number| lan.host(label, &[&format!("192.168.152.{number}/24")]);
    let (a, b, client) = (host("a", 11)?, host("b", 12)?, host("client", 10)?);
    let router = |priority| [Router::new(51, priority, Duration::from_millis(interval), VIP)];
    let wire = lan.capture()?;
    let master = Director::start(upper, &a, &router(200))?;
    Director::wait_address(&a, VIP, true)?;
    let _backup = Director::start(lower, &b, &router(100))?;
    quiet(&wire, &b)?;
    let answers = Capture::start_with(&client, "eth0", "icmp[icmptype] == icmp-echoreply")?;
    let folder = TempDir::new()?;
    let _asker = Process::start(&client, &["ping", "-q", "-i", "0.001", VIP], &folder.path().join("ping"))?;
    let asked = |more: usize| {
        let from = answers.mark();
        wait::until("answers", LIMIT, || Ok(answers.mark() >= from + more))
    };
    asked(300)?;
    let (mark, begun) = (answers.mark(), wire.mark());
    let mut left = None;
    match why {
        Why::Stopped => master.stop()?,
        Why::Lowered => {
            master.reload(&router(50))?;
            left = Some(master);
        }
    }
    let own = lab::packet::Mac::parse(&b.mac("eth0")?)?;
    wire.wait_advert_from(begun, LIMIT, |advert| advert.source_mac == own && advert.priority == 100)?;
    Director::wait_address(&a, VIP, false)?;
    asked(300)?;
    drop(left);
    let times: Vec<SystemTime> =
        answers.frames_from(mark.saturating_sub(1)).into_iter().map(|frame| frame.at).collect();
    let gaps = times.iter().zip(times.iter().skip(1));
    let longest = gaps.filter_map(|(one, next)| next.duration_since(*one).ok()).max().unwrap_or_default();
    Ok(ms(longest))
}
