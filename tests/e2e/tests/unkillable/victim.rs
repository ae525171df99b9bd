//! A Holdfast whose VRRP process is killed again and again, and what it has by way of resources.

use std::time::Duration;

use lab::{Holdfast, Netns, Result, SECONDS_10, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A small seeded source of chance (splitmix64), so that a run can be had again.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// The living children of a process, read from the kernel: nobody needs to answer.
pub(crate) fn children(parent: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(|pid| lab::alive(*pid)).collect()
}

/// Kills the only child of a watchdog `count` times, at moments that the seed says: a quarter right after the fork, a
/// quarter while it starts, the others at any time up to `pace` later.
#[track_caller]
pub(crate) fn kill_again_and_again(watchdog: i32, count: usize, seed: u64, pace: Duration) -> Result {
    let (mut chance, mut last) = (Chance(seed), None);
    let pace = u64::try_from(pace.as_micros()).unwrap();
    for round in 0..count {
        let watch = lab::Stopwatch::start();
        let victim = loop {
            // Without a pause: the moment right after the fork is what is looked for.
            match children(watchdog).into_iter().find(|pid| Some(*pid) != last) {
                Some(pid) => break pid,
                None if watch.elapsed() > SECONDS_10 => {
                    return Err(format!("no successor, round {round}").into());
                }
                None => std::thread::yield_now(),
            }
        };
        match chance.below(4) {
            0 => {}
            1 => wait::pause(Duration::from_micros(chance.below(30_000))),
            _ => wait::pause(Duration::from_micros(chance.below(pace))),
        }
        kill(Pid::from_raw(victim), Signal::SIGKILL)?;
        last = Some(victim);
    }
    Ok(())
}

/// What may leak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resources {
    /// Open descriptors of the watchdog and of its child, by what they are.
    descriptors: [Vec<String>; 2],
    /// Children of the watchdog, dead ones included.
    processes: usize,
    /// Sockets of the host, by kind.
    sockets: Vec<(&'static str, usize)>,
    /// Interfaces of the host.
    links: Vec<String>,
    /// Files of the run directory.
    files: Vec<String>,
}

/// Kinds of descriptors: `socket`, `anon_inode:[eventfd]`, `/memfd:…`.
fn descriptors(pid: i32) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd"));
    let mut kinds: Vec<String> = folder
        .into_iter()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|path| {
            let text = path.to_string_lossy();
            text.split_once(":[")
                .filter(|(kind, _)| *kind == "socket" || *kind == "pipe")
                .map_or_else(|| text.clone().into_owned(), |(kind, _)| kind.to_owned())
        })
        .collect();
    kinds.sort();
    kinds
}

impl Resources {
    #[track_caller]
    pub(crate) fn of(holdfast: &mut Holdfast, host: &Netns) -> Result<Self> {
        let watchdog = holdfast.process().pid();
        let child = holdfast.child("vrrp")?;
        let table = |name: &str| -> usize {
            let text = std::fs::read_to_string(format!("/proc/{child}/net/{name}")).unwrap_or_default();
            text.lines().count()
        };
        let kinds = ["raw", "raw6", "packet", "netlink", "udp", "udp6", "unix"];
        let links = host.ip("-o link")?;
        let link = |line: &str| line.split(':').nth(1).map(|name| name.trim().to_owned());
        let mut links: Vec<String> = links.lines().filter_map(link).collect();
        links.sort();
        let entries = std::fs::read_dir(holdfast.folder().path().join("run"))?;
        let mut files: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        files.sort();
        let all = std::fs::read_to_string(format!("/proc/{watchdog}/task/{watchdog}/children"))?;
        Ok(Self {
            descriptors: [descriptors(watchdog), descriptors(child)],
            processes: all.split_whitespace().count(),
            sockets: kinds.iter().map(|kind| (*kind, table(kind))).collect(),
            links,
            files,
        })
    }
}

/// The resident memory of a process, in KiB.
pub(crate) fn memory(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
