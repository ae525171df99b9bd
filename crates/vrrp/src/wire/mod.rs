//! VRRP on the wire: bytes to values and back. Nothing here knows a socket, a clock or a state.
//!
//! [`advert`] is the format, [`checksum`] its sum, [`admit`] the rules by which a received packet is let in.

pub mod admit;
pub mod advert;
pub mod checksum;
