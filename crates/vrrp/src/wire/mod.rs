//! VRRP on the wire: bytes to values and back. Nothing here knows a socket, a clock or a state.
//!
//! [`advert`] is the format, [`checksum`] its sum, [`admit`] the rules by which a received packet is let in;
//! [`announce`] makes the frames that say where an address is, [`frame`] those of adverts with a virtual MAC.

pub mod admit;
pub mod advert;
pub mod announce;
pub mod checksum;
pub mod frame;
pub mod hmac;
pub mod reach;
