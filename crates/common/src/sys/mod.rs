//! The only place with `unsafe` code: what the operating system offers and no safe crate wraps.
//!
//! Every function here is safe to call. Each block names its precondition and who guarantees it.
#![expect(unsafe_code, reason = "this is the one module that may: see its documentation")]

pub(crate) mod netlink;
