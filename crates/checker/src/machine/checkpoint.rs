//! The state a successor needs: every verdict. Written whole whenever one changes, a few bytes per check,
//! so that a checker that is killed at any moment leaves behind what it knew.
//!
//! Checks, servers and services are named by a 64-bit fingerprint of what identifies them, so a checkpoint
//! fits a configuration that has changed since: what is still there finds its verdict.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use crate::checks::Weight;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// Checks that have judged.
    pub(super) checks: BTreeMap<u64, Saved>,
    /// Whether servers are alive.
    pub(super) servers: BTreeMap<u64, Saved>,
    /// Whether virtual servers have their quorum.
    pub(super) services: BTreeMap<u64, Saved>,
}

/// One verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) up: bool,
    /// What a check made of the weight.
    pub(super) weight: Option<Weight>,
}

const VERSION: u8 = 2;
const UP: u8 = 1;
const SET: u8 = 2;
const ADD: u8 = 4;

impl Checkpoint {
    pub(super) fn encode(&self) -> Vec<u8> {
        let entries = self.checks.len() + self.servers.len() + self.services.len();
        let mut out = Vec::with_capacity(13 + entries * 9);
        out.push(VERSION);
        for part in [&self.checks, &self.servers, &self.services] {
            out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            for (name, saved) in part {
                out.extend_from_slice(&name.to_le_bytes());
                let up = if saved.up { UP } else { 0 };
                match saved.weight {
                    None => out.push(up),
                    Some(Weight::Set(weight)) => {
                        out.push(up | SET);
                        out.extend_from_slice(&weight.to_le_bytes());
                    }
                    Some(Weight::Add(weight)) => {
                        out.push(up | ADD);
                        out.extend_from_slice(&weight.to_le_bytes());
                    }
                }
            }
        }
        out
    }

    /// None where the bytes are of another version or cut short: then nothing is known.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        if take::<1>(&mut bytes)? != [VERSION] {
            return None;
        }
        let mut part = || {
            let mut part = BTreeMap::new();
            for _ in 0..u32::from_le_bytes(take(&mut bytes)?) {
                let name = u64::from_le_bytes(take(&mut bytes)?);
                let [flags] = take(&mut bytes)?;
                let weight = if flags & SET != 0 {
                    Some(Weight::Set(u32::from_le_bytes(take(&mut bytes)?)))
                } else if flags & ADD != 0 {
                    Some(Weight::Add(i64::from_le_bytes(take(&mut bytes)?)))
                } else {
                    None
                };
                part.insert(name, Saved { up: flags & UP != 0, weight });
            }
            Some(part)
        };
        Some(Self { checks: part()?, servers: part()?, services: part()? })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(*head)
}

/// FNV-1a: the same in every process, unlike the standard hasher.
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The fingerprint of what identifies something.
pub(super) fn identity(of: &impl Hash) -> u64 {
    let mut hasher = Fingerprint(0xcbf2_9ce4_8422_2325);
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part() -> impl Strategy<Value = BTreeMap<u64, Saved>> {
        let weight = prop_oneof![
            Just(None),
            any::<u32>().prop_map(|weight| Some(Weight::Set(weight))),
            any::<i64>().prop_map(|weight| Some(Weight::Add(weight))),
        ];
        let saved = (any::<bool>(), weight).prop_map(|(up, weight)| Saved { up, weight });
        prop::collection::btree_map(any::<u64>(), saved, 0..20)
    }

    proptest! {
        #[test]
        fn what_was_saved_is_read_back(checks in part(), servers in part(), services in part()) {
            let checkpoint = Checkpoint { checks, servers, services };
            prop_assert_eq!(Checkpoint::decode(&checkpoint.encode()), Some(checkpoint));
        }

        #[test]
        fn anything_else_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _any = Checkpoint::decode(&bytes);
        }

        #[test]
        fn what_is_cut_short_is_refused(checks in part(), cut in 1_usize..50) {
            let checkpoint = Checkpoint { checks, ..Checkpoint::default() };
            let bytes = checkpoint.encode();
            let end = bytes.len().saturating_sub(cut);
            prop_assert_eq!(Checkpoint::decode(&bytes[..end]), None);
        }
    }
}
