//! What holds for every input from outside, whatever it is: one function a target.
//!
//! The fuzzer (`tests/fuzz`) calls these with inputs of its own; the tests of this package call them with the
//! inputs that it has found interesting (`tests/fuzz/corpus`). A fault shows as a panic.

mod advert;
mod config;
mod control;
mod http;
mod netlink;
mod probe;
mod script;
mod signed;

pub use advert::advert;
pub use config::{config, share};
pub use control::control;
pub use http::http;
pub use netlink::netlink;
pub use probe::probe;
pub use script::script;
pub use signed::signed;

/// A target: its name is that of its corpus, too.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 9] = [
    ("advert", advert),
    ("config", config),
    ("control", control),
    ("http", http),
    ("netlink", netlink),
    ("probe", probe),
    ("script", script),
    ("share", share),
    ("signed", signed),
];

/// Cuts bytes into pieces whose lengths follow from `seed`: a stream arrives in any portions.
fn pieces(mut bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed) | 1;
    std::iter::from_fn(move || {
        // A small linear congruential generator: the cuts only have to differ.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = usize::try_from(state >> 26).unwrap_or(0) + 1;
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
