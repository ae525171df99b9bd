//! Peers that share an instance's identifier but not its settings: told at once, then once a minute, few at a time.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::limiter::Limiter;
use crate::wire::admit::{Difference, Field};

const EVERY: Duration = Duration::from_secs(60);
/// Forged senders cannot make us remember, or say, more than this.
const MOST: usize = 8;

/// The incompatible peers of one instance.
#[derive(Debug, Default)]
pub(super) struct Peers {
    known: Vec<Known>,
    overflow: Limiter,
}

#[derive(Debug)]
struct Known {
    peer: IpAddr,
    difference: Difference,
    limiter: Limiter,
}

impl Peers {
    /// A field differs; returns what to report, if it is time.
    pub(super) fn differs(
        &mut self,
        peer: IpAddr,
        field: Field,
        now: Instant,
        describe: impl FnOnce() -> Option<Difference>,
    ) -> Option<Difference> {
        if let Some(known) =
            self.known.iter_mut().find(|k| k.peer == peer && k.difference.field.key() == field.key())
        {
            known.limiter.allow(EVERY, now)?;
            known.difference = describe()?;
            return Some(known.difference.clone());
        }
        if self.known.len() >= MOST {
            self.known.retain(|k| k.limiter.last().is_some_and(|last| now < last + 2 * EVERY));
        }
        if self.known.len() >= MOST {
            self.overflow.allow(EVERY, now)?;
            return describe();
        }
        let difference = describe()?;
        let mut limiter = Limiter::default();
        limiter.allow(EVERY, now);
        self.known.push(Known { peer, difference: difference.clone(), limiter });
        Some(difference)
    }

    /// A peer's advert had nothing to complain about.
    pub(super) fn agrees(&mut self, peer: IpAddr) {
        self.known.retain(|k| k.peer != peer);
    }

    /// Those known now.
    pub(super) fn list(&self) -> impl Iterator<Item = (IpAddr, &Difference)> {
        self.known.iter().map(|k| (k.peer, &k.difference))
    }
}
