//! What servers' certificates have left: told once a day when it is little.

use std::time::Instant;

use super::Pool;
use crate::checks::Words;
use crate::machine::{Action, Actions, CheckId};

const DAY: i64 = 24 * 3600;

/// The certificate that a check's server showed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    seen: Instant,
    /// In seconds, when it was seen.
    left: i64,
    short: bool,
}

impl Certificate {
    /// In seconds, now.
    pub(super) fn left(self, now: Instant) -> i64 {
        self.left.saturating_sub_unsigned(now.saturating_duration_since(self.seen).as_secs())
    }

    /// What somebody should look at.
    pub(super) fn warning(self, now: Instant) -> Option<Words> {
        self.short.then(|| words(self.left(now)).into())
    }
}

fn words(left: i64) -> String {
    let amount = match left.unsigned_abs() {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    };
    if left < 0 {
        format!("certificate expired {amount} ago")
    } else {
        format!("certificate expires in {amount}")
    }
}

impl Pool {
    pub(super) fn certificate(
        &mut self,
        id: CheckId,
        left: i64,
        short: bool,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(check) = self.checks.get_mut(&id) else { return };
        let day = |certificate: Certificate| certificate.short.then(|| certificate.left.div_euclid(DAY));
        let fresh = Certificate { seen: now, left, short };
        let told = check.certificate().and_then(day);
        check.set_certificate(fresh);
        // Another day of what is left, or another certificate.
        if short && told != day(fresh) {
            out.push(Action::Warned(id, words(left).into()));
        }
    }
}
