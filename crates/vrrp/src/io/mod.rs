//! The sockets of the VRRP process: adverts in ([`listener`]) and out ([`sender`]), announcements out
//! ([`announcer`]), and the kernel's filter for what comes in ([`filter`]).

pub mod announcer;
pub mod files;
pub mod filter;
pub mod keys;
pub mod listener;
pub mod processes;
pub mod sender;
