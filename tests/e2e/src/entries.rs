//! The kernel's IPVS table as `/proc/net/ip_vs` shows it, read so often that what is there for a moment is seen.
//!
//! `ipvsadm` is the witness of what the table is; this one tells what it never was. Only IPv4 entries are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use lab::{Error, Netns, Result, wait};

/// Services (`tcp 192.0.2.100:80`, `fwm 7`) and the weights of their destinations (`10.0.0.21:80`).
pub type Entries = BTreeMap<String, BTreeMap<String, u32>>;

/// Where the kernel shows the table of the namespace that a thread is in.
const FILE: &str = "/proc/thread-self/net/ip_vs";

/// How often the table is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// Reads the kernel's text.
#[must_use]
pub fn parse(text: &str) -> Entries {
    let mut entries = Entries::new();
    let mut service = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["->", place, _, weight, ..] => {
                if let (Some(place), Some(service), Ok(weight)) =
                    (endpoint(place), &service, weight.parse::<u32>())
                {
                    entries.entry(String::clone(service)).or_default().insert(place, weight);
                }
            }
            [kind @ ("TCP" | "UDP" | "SCTP"), place, ..] => {
                service = endpoint(place).map(|place| format!("{} {place}", kind.to_lowercase()));
            }
            ["FWM", mark, ..] => {
                service = u32::from_str_radix(mark, 16).ok().map(|mark| format!("fwm {mark}"));
            }
            _ => {}
        }
        if let Some(service) = &service {
            entries.entry(service.clone()).or_default();
        }
    }
    entries
}

/// `C0000264:0050` as people write it.
fn endpoint(hex: &str) -> Option<String> {
    let (address, port) = hex.split_once(':')?;
    let address = Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?);
    Some(format!("{address}:{}", u16::from_str_radix(port, 16).ok()?))
}

/// The table of this thread's host, at one moment: the kernel shows another one to each read.
fn now() -> std::io::Result<Entries> {
    let mut bytes = vec![0; 64 * 1024];
    let length = File::open(FILE)?.read(&mut bytes)?;
    Ok(parse(&String::from_utf8_lossy(bytes.get(..length).unwrap_or_default())))
}

/// The table now. Of a large one the beginning.
#[track_caller]
pub fn read(host: &Netns) -> Result<Entries> {
    Ok(host.enter(now)??)
}

/// The time of day as logs have it.
fn clock() -> String {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let day = since.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}", day / 3600, day / 60 % 60, day % 60, since.subsec_millis())
}

/// What must hold whenever the table is looked at.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Destinations that have a weight above 0.
    pub serving: Vec<(String, String)>,
    /// Destinations that have weight 0, or are not there.
    pub idle: Vec<(String, String)>,
}

impl Rules {
    /// What is wrong with a table.
    #[must_use]
    pub fn broken_by(&self, entries: &Entries) -> Option<String> {
        let weight = |(service, server): &(String, String)| {
            entries.get(service).and_then(|servers| servers.get(server)).copied()
        };
        let absent = self.serving.iter().find(|place| weight(place).unwrap_or_default() == 0);
        if let Some((service, server)) = absent {
            return Some(format!("{server} of {service} does not serve in {entries:?}"));
        }
        let present = self.idle.iter().find(|place| weight(place).unwrap_or_default() != 0);
        present.map(|(service, server)| format!("{server} of {service} serves in {entries:?}"))
    }
}

/// What a watch has seen.
#[derive(Debug, Default)]
pub struct Watch {
    rules: Mutex<Rules>,
    stop: AtomicBool,
    seen: Mutex<(usize, Entries, Vec<String>)>,
}

impl Watch {
    /// Looks at the table of a host until [`Self::stop`]; the thread that calls it does nothing else.
    pub fn run(&self, host: &Netns) -> Result {
        host.enter(|| {
            while !self.stop.load(Ordering::Relaxed) {
                // A table that cannot be read is a table without what must be in it.
                let entries = now().unwrap_or_default();
                let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
                let broken = rules.broken_by(&entries);
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                // The rules are held until the verdict stands: who changes them knows from where they count.
                seen.0 += 1;
                seen.1 = entries;
                seen.2.extend(broken.map(|broken| format!("{} {broken}", clock())));
                drop((seen, rules));
                wait::pause(PAUSE);
            }
        })
    }

    /// From now on something else must hold.
    pub fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends it.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How often it has looked, and everything that was wrong.
    #[must_use]
    pub fn verdict(&self) -> (usize, Vec<String>) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.0, seen.2.clone())
    }

    /// Waits until the table is as wanted.
    #[track_caller]
    pub fn wait(&self, what: &str, limit: Duration, wanted: impl Fn(&Entries) -> bool) -> Result {
        let last = || self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        wait::until(what, limit, || Ok(wanted(&last())))
            .map_err(|error| Error::new(format!("{error}; the table is {:?}", last())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C0000264:0050 wrr 
  -> 0A000015:0050      Masq    3      0          12
  -> 0A000016:0050      Masq    0      0          0
TCP  C6336401:0050 lc persistent 50
FWM  00000007 sh
  -> 0A000015:0000      Route   1      0          0
";

    #[test]
    fn the_kernels_text_is_read_and_rules_are_kept() {
        let entries = parse(TEXT);
        let services: Vec<(&str, usize)> =
            entries.iter().map(|(name, servers)| (name.as_str(), servers.len())).collect();
        assert_eq!(services, [("fwm 7", 1), ("tcp 192.0.2.100:80", 2), ("tcp 198.51.100.1:80", 0)]);
        let place = |server: &str| ("tcp 192.0.2.100:80".to_owned(), server.to_owned());
        let (three, zero, none) = (place("10.0.0.21:80"), place("10.0.0.22:80"), place("10.0.0.23:80"));
        let rules = |serving: &[&(String, String)], idle: &[&(String, String)]| Rules {
            serving: serving.iter().map(|place| (*place).clone()).collect(),
            idle: idle.iter().map(|place| (*place).clone()).collect(),
        };
        assert_eq!(rules(&[&three], &[&zero, &none]).broken_by(&entries), None);
        for broken in [rules(&[&zero], &[]), rules(&[&none], &[]), rules(&[], &[&three])] {
            assert!(broken.broken_by(&entries).is_some(), "{broken:?}");
        }
    }
}
