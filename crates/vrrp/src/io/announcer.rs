//! Whole frames out: gratuitous ARP, unsolicited neighbour advertisements, and adverts with a virtual MAC.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use common::sys::raw::{self, IntOption};

use super::sender::QUEUE_PRIORITY;
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
        let socket = raw::frame_socket()?;
        raw::set_int(socket.as_fd(), IntOption::Priority, QUEUE_PRIORITY)?;
        Ok(Self { socket })
    }

    /// Sends one frame, made by `wire::announce` or `wire::frame`.
    ///
    /// # Errors
    /// The interface is gone or down, or its queue is full.
    pub fn send(&self, index: LinkIndex, frame: &[u8]) -> io::Result<()> {
        raw::send_frame(self.socket.as_fd(), index.0, frame)
    }
}
