//! Signs adverts as they leave: the number in the trailer is the time of day, and grows.

use std::collections::BTreeMap;

use common::event_loop::clock;

use crate::machine::action::AdvertCopy;
use crate::machine::id::InstanceId;
use crate::wire::hmac::{Keyring, Stamp};

/// The numbers sent last, and a buffer that is used again and again.
#[derive(Debug, Default)]
pub(super) struct Signer {
    last: BTreeMap<InstanceId, u64>,
    message: Vec<u8>,
}

impl Signer {
    /// The signed bytes of a copy. Those that go the same way as the one before are numbered alike: no receiver hears
    /// two of them.
    pub(super) fn sign(
        &mut self,
        instance: InstanceId,
        keyring: &Keyring,
        copy: &AdvertCopy,
        before: Option<&AdvertCopy>,
    ) -> &[u8] {
        let last = self.last.entry(instance).or_default();
        let alike = |other: &AdvertCopy| {
            let group = [copy.destination.is_multicast(), other.destination.is_multicast()];
            (other.link, other.source) == (copy.link, copy.source) && group == [false, false]
        };
        if !before.is_some_and(alike) {
            *last = keyring.next_sequence(*last, time_of_day());
        }
        self.message.clear();
        self.message.extend_from_slice(&copy.payload);
        // A keyring without its key is a fault of the instance: it sends nothing.
        let _ = keyring.sign(*last, copy.source, copy.destination, &mut self.message);
        &self.message
    }
}

/// The time of day as signatures have it.
pub(crate) fn time_of_day() -> Stamp {
    Stamp::new(clock::wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default())
}
