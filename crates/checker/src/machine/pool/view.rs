//! What `status` shows of the pool, copied out.

use std::rc::Rc;
use std::time::{Duration, Instant};

use common::ipvs::DestinationKey;

use super::{Check, Last, Link, Pool, RealServer, VirtualServer};
use crate::checks::Words;
use crate::machine::Standing;
use crate::machine::schedule::Moment;
use crate::plan;

/// A virtual server.
#[derive(Clone, Debug)]
pub struct VirtualServerView {
    /// What it is configured as.
    pub plan: Rc<plan::VirtualServer>,
    /// Whether enough weight is alive.
    pub quorum_met: bool,
    /// Whether the sorry server serves.
    pub sorry_active: bool,
    /// The weight alive and called.
    pub alive_weight: u64,
    /// Whether its checks rest because this machine does not hold its address.
    pub suspended: bool,
    /// The sorry server's state.
    pub sorry: Option<RealServerView>,
    /// Who keeps its connections for a while.
    pub leaving: Vec<LeavingView>,
    /// How long the quorum has been so.
    pub since: Duration,
    /// Its servers, in the order of the plan.
    pub servers: Vec<RealServerView>,
}

/// A real server.
#[derive(Clone, Debug)]
pub struct RealServerView {
    /// Its place in the plan of its virtual server.
    pub place: usize,
    /// Whether its checks pass.
    pub alive: bool,
    /// The weight that counts now.
    pub effective_weight: u32,
    /// Whether it is a backup that is not called.
    pub standby: bool,
    /// Whether its weight still grows back after a recovery.
    pub slow_start: bool,
    /// What operators have ordered, and for how long yet.
    pub orders: Vec<(Standing, Option<Duration>)>,
    /// How long it has been so.
    pub since: Duration,
    /// Its checks, in the order of the plan.
    pub checks: Vec<CheckView>,
}

/// A server that is taken out and keeps its connections for a while.
#[derive(Clone, Copy, Debug)]
pub struct LeavingView {
    /// Its place under the first service.
    pub key: DestinationKey,
    /// How much time it has left.
    pub left: Duration,
}

/// A check of a server.
#[derive(Clone, Debug)]
pub struct CheckView {
    /// The word of the configuration.
    pub kind: &'static str,
    /// What is believed of the target.
    pub up: bool,
    /// What the last attempt found.
    pub last_words: Option<Words>,
    /// How long the last attempt took.
    pub last_took: Option<Duration>,
    /// How long it has been so.
    pub since: Duration,
    /// Attempts that ended.
    pub attempts: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that this machine was in the way of.
    pub local_errors: u64,
    /// For how many seconds more the certificate of the server is good.
    pub certificate_left: Option<i64>,
    /// What somebody should look at though it passes.
    pub warning: Option<Words>,
}

impl Pool {
    /// The whole state.
    pub fn status(&self, now: Instant) -> Vec<VirtualServerView> {
        self.status_from(0, usize::MAX, now).0
    }

    /// The state of the virtual servers from this one on, in the order of the plan, until so many servers are told of;
    /// and the place of the next.
    pub fn status_from(
        &self,
        from: usize,
        servers: usize,
        now: Instant,
    ) -> (Vec<VirtualServerView>, Option<usize>) {
        let (mut views, mut told, mut next) = (Vec::new(), 0, from);
        for id in self.order.iter().skip(from) {
            if told >= servers {
                return (views, Some(next));
            }
            next += 1;
            let Some(service) = self.virtual_servers.get(id) else { continue };
            // A virtual server without servers costs a line, too.
            told += service.servers.len().max(1);
            views.push(self.view(service, now));
        }
        (views, None)
    }

    fn since(&self, moment: Moment, now: Instant) -> Duration {
        now.saturating_duration_since(self.beat.instant(moment))
    }

    fn view(&self, service: &VirtualServer, now: Instant) -> VirtualServerView {
        let servers = service.servers.iter().filter_map(|id| self.servers.get(id));
        let mut servers: Vec<_> = servers.map(|server| self.server_view(server, now)).collect();
        let sorry = servers.pop_if(|server| server.place >= service.plan.real_servers.len());
        let leaving = service.leaving.iter().map(|(key, leaving)| LeavingView {
            key: *key,
            left: leaving.until.saturating_duration_since(now),
        });
        VirtualServerView {
            plan: Rc::clone(&service.plan),
            quorum_met: service.quorum_met,
            sorry_active: service.sorry_active(),
            alive_weight: service.counted(),
            suspended: service.suspended,
            sorry,
            leaving: leaving.collect(),
            since: now.saturating_duration_since(service.since),
            servers,
        }
    }

    fn server_view(&self, server: &RealServer, now: Instant) -> RealServerView {
        let view = |link: &Link| {
            let check = self.checks.get(&link.check)?;
            let since = self.since(check.since, now);
            Some(CheckView {
                up: link.held.unwrap_or(check.schedule.belief().up()),
                ..check.view(since, now)
            })
        };
        RealServerView {
            place: server.place,
            alive: server.alive,
            effective_weight: server.share().served(),
            standby: server.standby,
            slow_start: server.ramp().is_some(),
            orders: server.standing().into_iter().map(|order| (order.clone(), order.left(now))).collect(),
            since: self.since(server.since, now),
            checks: server.links.iter().filter_map(view).collect(),
        }
    }
}

impl Check {
    fn view(&self, since: Duration, now: Instant) -> CheckView {
        CheckView {
            kind: self.plan.settings.kind.name(),
            up: self.schedule.belief().up(),
            last_words: self.last.as_ref().map(|last| last.words().clone()),
            last_took: self.last.as_ref().map(Last::took),
            since,
            attempts: self.attempts,
            failures: self.failures.into(),
            local_errors: self.local_errors.into(),
            certificate_left: self.certificate().map(|certificate| certificate.left(now)),
            warning: self.certificate().and_then(|certificate| certificate.warning(now)),
        }
    }
}
