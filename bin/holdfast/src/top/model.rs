//! What is known: the last status, and what has become of the counters between it and the one before. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use serde::Deserialize as _;
use serde_json::Value;

use crate::status::model::{Checker, Traffic, VirtualServer, Vrrp, Watchdog, Whole};
use crate::status::text::without_nulls;

/// So many samples make a curve.
const CURVE: usize = 60;

/// How much a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rate {
    pub(super) connections: f64,
    pub(super) packets: f64,
    pub(super) bytes_in: f64,
    pub(super) bytes_out: f64,
}

/// Counters since the kernel's entry was made.
#[derive(Debug, Clone, Copy)]
struct Counters {
    connections: u64,
    packets: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl From<&Traffic> for Counters {
    fn from(traffic: &Traffic) -> Self {
        Self {
            connections: traffic.connections,
            packets: traffic.packets_in.saturating_add(traffic.packets_out),
            bytes_in: traffic.bytes_in,
            bytes_out: traffic.bytes_out,
        }
    }
}

impl Counters {
    /// What came on top in so many seconds. Counters that have begun anew say nothing yet.
    fn since(self, before: Self, seconds: f64) -> Rate {
        #[expect(clippy::cast_precision_loss, reason = "nobody reads sixteen digits of a rate")]
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        Rate {
            connections: rate(self.connections, before.connections),
            packets: rate(self.packets, before.packets),
            bytes_in: rate(self.bytes_in, before.bytes_in),
            bytes_out: rate(self.bytes_out, before.bytes_out),
        }
    }
}

/// A service, or one of its servers.
type Key = (String, String);

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) version: String,
    pub(super) router_id: String,
    pub(super) watchdog: Watchdog,
    pub(super) vrrp: Vrrp,
    pub(super) checker: Checker,
    /// Why there is nothing to be known, or not everything.
    pub(super) faults: Vec<String>,
    at: Option<Instant>,
    counters: BTreeMap<Key, Counters>,
    rates: BTreeMap<Key, Rate>,
    curves: BTreeMap<String, VecDeque<f64>>,
}

impl Model {
    /// One more answer of the daemon, or the reason why there is none.
    pub(super) fn take(&mut self, answer: Result<(Value, Vec<String>), String>, now: Instant) {
        let (status, faults) = match answer {
            Ok(answer) => answer,
            Err(fault) => {
                // What it was is over: counters may begin anew.
                *self =
                    Self { faults: vec![fault], curves: std::mem::take(&mut self.curves), ..Self::default() };
                return;
            }
        };
        let whole = Whole::deserialize(without_nulls(&status)).unwrap_or_default();
        self.watchdog = whole.watchdog().unwrap_or_default();
        self.vrrp = whole.vrrp();
        self.checker = whole.checker();
        (self.version, self.router_id) = (whole.version, whole.router_id.unwrap_or_default());
        self.faults = faults;
        self.count(now);
    }

    fn count(&mut self, now: Instant) {
        let mut counters = BTreeMap::new();
        for service in &self.checker.virtual_servers {
            let mut put = |server: &str, traffic: Option<&Traffic>| {
                if let Some(traffic) = traffic {
                    counters.insert((service.key(), server.to_owned()), Counters::from(traffic));
                }
            };
            put("", service.traffic.as_ref());
            for real in &service.real_servers {
                put(&real.address, real.traffic.as_ref());
            }
        }
        let seconds = self.at.map(|at| now.saturating_duration_since(at).as_secs_f64());
        self.rates.clear();
        if let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) {
            let known = counters.iter().filter_map(|(key, counters)| {
                Some((key.clone(), counters.since(*self.counters.get(key)?, seconds)))
            });
            self.rates = known.collect();
        }
        self.curves.retain(|key, _| counters.contains_key(&(key.clone(), String::new())));
        for ((service, _), rate) in self.rates.iter().filter(|((_, server), _)| server.is_empty()) {
            let curve = self.curves.entry(service.clone()).or_default();
            if curve.len() >= CURVE {
                curve.pop_front();
            }
            curve.push_back(rate.connections);
        }
        (self.at, self.counters) = (Some(now), counters);
    }

    /// The rate of a service; none until it has been seen twice.
    pub(super) fn rate(&self, service: &VirtualServer) -> Option<Rate> {
        self.rates.get(&(service.key(), String::new())).copied()
    }

    /// The rate of a server under a service.
    pub(super) fn server_rate(&self, service: &VirtualServer, server: &str) -> Option<Rate> {
        self.rates.get(&(service.key(), server.to_owned())).copied()
    }

    /// The connections a second of a service, the last one last.
    pub(super) fn curve(&self, service: &VirtualServer) -> Vec<f64> {
        self.curves.get(&service.key()).into_iter().flatten().copied().collect()
    }

    /// All services together; none until they have been seen twice.
    pub(super) fn total(&self) -> Option<Rate> {
        let services = self.rates.iter().filter(|((_, server), _)| server.is_empty());
        services.map(|(_, rate)| *rate).reduce(|sum, rate| Rate {
            connections: sum.connections + rate.connections,
            packets: sum.packets + rate.packets,
            bytes_in: sum.bytes_in + rate.bytes_in,
            bytes_out: sum.bytes_out + rate.bytes_out,
        })
    }
}
