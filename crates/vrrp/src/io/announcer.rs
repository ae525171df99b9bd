//! Announcements out: gratuitous ARP and unsolicited neighbour advertisements as whole frames.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use common::sys::raw;

use crate::machine::id::LinkIndex;

/// A packet socket that sends on every interface and receives nothing.
#[derive(Debug)]
pub struct Announcer {
    socket: OwnedFd,
}

impl Announcer {
    /// Opens it.
    ///
    /// # Errors
    /// No permission, or no descriptors.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: raw::frame_socket()? })
    }

    /// Sends one frame, made by `wire::announce`.
    ///
    /// # Errors
    /// The interface is gone or down, or its queue is full.
    pub fn send(&self, index: LinkIndex, frame: &[u8]) -> io::Result<()> {
        raw::send_frame(self.socket.as_fd(), index.0, frame)
    }
}
