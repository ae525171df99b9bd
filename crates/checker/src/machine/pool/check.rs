//! A check of the pool. There can be ten thousand: what most of them never have takes no room in it.

use std::time::Duration;

use super::certificate::Certificate;
use crate::checks::{Weight, Words};
use crate::machine::few::Few;
use crate::machine::schedule::{Moment, Schedule};
use crate::machine::{RealServerId, checkpoint};
use crate::plan;

/// A check and who asked for it.
#[derive(Clone, Debug)]
pub(in crate::machine) struct Check {
    pub(super) plan: plan::Check,
    pub(super) schedule: Schedule,
    pub(super) subscribers: Few<RealServerId>,
    pub(super) identity: u64,
    pub(super) last: Option<Last>,
    pub(super) since: Moment,
    pub(super) attempts: u64,
    pub(super) failures: u32,
    pub(super) local_errors: u32,
    rare: Option<Box<Rare>>,
}

/// The last outcome.
#[derive(Clone, Debug)]
pub(super) struct Last {
    words: Words,
    took_us: u64,
}

/// What few checks have.
#[derive(Clone, Copy, Debug, Default)]
struct Rare {
    weight: Option<Weight>,
    certificate: Option<Certificate>,
}

/// What identifies a check, in this process and in its successors.
pub(super) fn identity(plan: &plan::Check) -> u64 {
    checkpoint::identity(&(plan.target(), &plan.settings))
}

/// A part of that, to look for checks by.
pub(super) fn part(identity: u64) -> u32 {
    let [.., a, b, c, d] = identity.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

impl Check {
    pub(super) fn new(plan: plan::Check, schedule: Schedule, server: RealServerId, now: Moment) -> Self {
        Self {
            identity: identity(&plan),
            plan,
            schedule,
            subscribers: Few::One(server),
            last: None,
            since: now,
            attempts: 0,
            failures: 0,
            local_errors: 0,
            rare: None,
        }
    }

    /// What its last pass made of the weight.
    pub(super) fn weight(&self) -> Option<Weight> {
        self.rare.as_ref()?.weight
    }

    pub(super) fn set_weight(&mut self, weight: Option<Weight>) {
        if weight != self.weight() {
            self.rare.get_or_insert_default().weight = weight;
        }
    }

    /// The certificate that its server showed last.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        self.rare.as_ref()?.certificate
    }

    pub(super) fn set_certificate(&mut self, certificate: Certificate) {
        self.rare.get_or_insert_default().certificate = Some(certificate);
    }
}

impl Last {
    pub(super) fn new(words: Words, took: Duration) -> Self {
        Self { words, took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX) }
    }

    /// What was found.
    pub(super) fn words(&self) -> &Words {
        &self.words
    }

    /// How long it took.
    pub(super) fn took(&self) -> Duration {
        Duration::from_micros(self.took_us)
    }
}
