//! The log lines of the checker about attempts that changed nothing: a bounded number. What changed is the
//! [herald](super::herald)'s.

use std::time::{Duration, Instant};

use common::log::{Limiter, Verdict};

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
    /// Whatever becomes of the attempt, the operator should look.
    pub fn warned(check: &plan::Check, words: &str) {
        let (kind, target) = (check.settings.kind.name(), check.target());
        log::warn!(
            "a check has found what somebody should look at type={kind} target={target} warning=\"{words}\""
        );
    }

    /// An attempt failed; nothing changed by it alone.
    pub fn failed(&mut self, check: &plan::Check, reason: &str, now: Instant) {
        if let Verdict::Log { suppressed } = self.failures.ask(now) {
            let (kind, target) = (check.settings.kind.name(), check.target());
            let held = suppressed_words(suppressed);
            log::info!("check failed type={kind} target={target} reason=\"{reason}\"{held}");
        }
    }

    /// This machine was in the way of an attempt: the verdict stays as it was.
    pub fn local(&mut self, check: &plan::Check, reason: &str, now: Instant) {
        if let Verdict::Log { suppressed } = self.local.ask(now) {
            let (kind, target) = (check.settings.kind.name(), check.target());
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
