//! What a change of masters on purpose costs a client that asks every millisecond: for how long its questions were lost,
//! or the longest that one waited for its answer, by the clock of its kernel. A client that gets no turn asks nothing, so
//! that a busy machine does not count as an outage.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use lab::{Capture, Frame, Lan, Process, Result, TempDir, wait};

use crate::director::{Director, Make, Router};
use crate::failover::{ms, quiet};
use crate::table::{Table, median, worst};

const VIP: &str = "192.168.152.200";
const ROUNDS: usize = 3;
const INTERVALS_MS: [u64; 3] = [1000, 100, 10];
const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
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
            let name = format!("master {words}, advert {interval} ms: client's outage");
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
    let answers = Capture::start_with(&client, "eth0", "icmp")?;
    let folder = TempDir::new()?;
    let _asker = Process::start(&client, &["ping", "-q", "-i", "0.001", VIP], &folder.path().join("ping"))?;
    // Questions and answers.
    let asked = |more: usize| {
        let from = answers.mark();
        wait::until("answers", LIMIT, || Ok(answers.mark() >= from + more))
    };
    asked(600)?;
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
    asked(600)?;
    drop(left);
    Ok(ms(outage(&answers.frames_from(mark))))
}

/// The longest run of lost questions, each of which stands for a millisecond, or the longest way of an answer.
fn outage(frames: &[Frame]) -> Duration {
    let mut asked: BTreeMap<u16, (SystemTime, Option<SystemTime>)> = BTreeMap::new();
    for frame in frames {
        // Ethernet and IPv4 without options before it: the type of the message, and its number.
        let (Some(kind), Some(&[high, low])) = (frame.bytes.get(34), frame.bytes.get(40..42)) else {
            continue;
        };
        let number = u16::from_be_bytes([high, low]);
        if *kind == ECHO_REQUEST {
            asked.insert(number, (frame.at, None));
        } else if let Some((_, answered @ None)) = asked.get_mut(&number).filter(|_| *kind == ECHO_REPLY) {
            *answered = Some(frame.at);
        }
    }
    // The last ones may still be on their way.
    while asked.last_entry().is_some_and(|entry| entry.get().1.is_none()) {
        asked.pop_last();
    }
    let (mut longest, mut since) = (Duration::ZERO, None);
    for (at, answered) in asked.into_values() {
        let span = if let Some(answered) = answered {
            since = None;
            answered.duration_since(at).unwrap_or_default()
        } else {
            at.duration_since(*since.get_or_insert(at)).unwrap_or_default() + Duration::from_millis(1)
        };
        longest = longest.max(span);
    }
    longest
}
