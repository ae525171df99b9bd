//! The log lines of the checker: one for each change of a server or a quorum, and a bounded number about
//! attempts that failed without changing anything.

use std::time::{Duration, Instant};

use common::ipvs::{DestinationKey, ServiceKey};
use common::log::{Limiter, Verdict};

use crate::machine::{Stage, Turn};
use crate::plan;

/// How many lines about attempts there may be in a period.
const BURST: u32 = 20;
const PERIOD: Duration = Duration::from_secs(10);

/// What was said, and how often.
#[derive(Debug)]
pub struct Journal {
    failures: Limiter,
    local: Limiter,
}

impl Default for Journal {
    fn default() -> Self {
        Self { failures: Limiter::new(BURST, PERIOD), local: Limiter::new(BURST, PERIOD) }
    }
}

impl Journal {
    /// A server turned.
    pub fn server(service: ServiceKey, server: DestinationKey, turn: Turn, reason: &str) {
        match turn {
            Turn::Up => log::info!(
                "real server up, it serves again service=\"{service}\" server={server} was=down now=up reason=\"{reason}\""
            ),
            Turn::Down => log::warn!(
                "real server down, it serves no more service=\"{service}\" server={server} was=up now=down reason=\"{reason}\""
            ),
        }
    }

    /// A quorum turned.
    pub fn quorum(service: ServiceKey, turn: Turn, sorry: Option<DestinationKey>, reason: &str) {
        let sorry = sorry.map(|sorry| format!(" sorry_server={sorry}")).unwrap_or_default();
        match turn {
            Turn::Up => log::info!("quorum gained service=\"{service}\"{sorry} reason=\"{reason}\""),
            Turn::Down => log::warn!("quorum lost service=\"{service}\"{sorry} reason=\"{reason}\""),
        }
    }

    /// A server that is alive is taken out.
    pub fn leaving(service: ServiceKey, server: DestinationKey, stage: Stage) {
        let about = format!("service=\"{service}\" server={server}");
        match stage {
            Stage::Begun => {
                log::info!("real server taken out: it keeps its connections, and gets no new ones {about}");
            }
            Stage::Empty => log::info!("real server has no connections left: removed {about}"),
            Stage::Late => log::warn!("real server still has connections, but no more time: removed {about}"),
            Stage::Over => log::debug!("real server leaves no more {about}"),
        }
    }

    /// Checks rest, or do so no more.
    pub fn suspended(service: ServiceKey, suspended: bool) {
        if suspended {
            log::info!("checks rest: this machine does not hold the address service=\"{service}\"");
        } else {
            log::info!("checks run: this machine holds the address service=\"{service}\"");
        }
    }

    /// Whatever becomes of the attempt, the operator should look.
    pub fn warned(check: &plan::Check, words: &str) {
        let (kind, target) = (check.settings.kind.name(), check.target);
        log::warn!(
            "a check has found what somebody should look at type={kind} target={target} warning=\"{words}\""
        );
    }

    /// An attempt failed; nothing changed by it alone.
    pub fn failed(&mut self, check: &plan::Check, reason: &str, now: Instant) {
        if let Verdict::Log { suppressed } = self.failures.ask(now) {
            let (kind, target) = (check.settings.kind.name(), check.target);
            let held = suppressed_words(suppressed);
            log::info!("check failed type={kind} target={target} reason=\"{reason}\"{held}");
        }
    }

    /// This machine was in the way of an attempt: the verdict stays as it was.
    pub fn local(&mut self, check: &plan::Check, reason: &str, now: Instant) {
        if let Verdict::Log { suppressed } = self.local.ask(now) {
            let (kind, target) = (check.settings.kind.name(), check.target);
            let held = suppressed_words(suppressed);
            log::warn!(
                "check not possible, the server keeps its state type={kind} target={target} reason=\"{reason}\"{held}"
            );
        }
    }
}

fn suppressed_words(count: u64) -> String {
    if count == 0 { String::new() } else { format!(" not_logged={count}") }
}
