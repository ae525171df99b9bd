//! Taking over `neli`'s socket as an owned descriptor.

use neli::socket::NlSocket;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

/// The socket's descriptor, with ownership: `neli` offers it as a bare number only.
pub(crate) fn owned(socket: NlSocket) -> OwnedFd {
    let fd = socket.into_raw_fd();
    // SAFETY: `into_raw_fd` gave up ownership of an open descriptor; nobody else holds or closes it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
