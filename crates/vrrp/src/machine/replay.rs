//! The last sequence number taken from each sender, so that a signed advert is heard once.

use std::net::IpAddr;

use crate::wire::hmac::{Keyring, Stamp};

/// Only who has a key gets a place, so nobody can push the others out; more routers than this share no identifier.
const MOST: usize = 32;

/// The marks of an instance, the one used longest ago first.
#[derive(Debug, Default)]
pub(super) struct Replay {
    marks: Vec<(IpAddr, u64)>,
}

impl Replay {
    /// Whether a number from a sender is a new one; it is the last one then.
    pub(super) fn is_new(
        &mut self,
        keyring: &Keyring,
        sender: IpAddr,
        sequence: u64,
        now: Option<Stamp>,
    ) -> bool {
        if let Some(at) = self.marks.iter().position(|(known, _)| *known == sender) {
            let (_, last) = self.marks.remove(at);
            let new = keyring.follows(sequence, last, now);
            self.marks.push((sender, if new { sequence } else { last }));
            return new;
        }
        self.remember(sender, sequence);
        true
    }

    /// Takes a mark of an earlier run.
    pub(super) fn remember(&mut self, sender: IpAddr, sequence: u64) {
        self.marks.retain(|(known, _)| *known != sender);
        if self.marks.len() >= MOST {
            self.marks.remove(0);
        }
        self.marks.push((sender, sequence));
    }

    /// The marks, for a successor.
    pub(super) fn marks(&self) -> &[(IpAddr, u64)] {
        &self.marks
    }
}
