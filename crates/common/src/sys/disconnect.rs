//! Dissolving a socket's association, so that it can be connected again.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

/// Takes a socket out of its connection: what `connect(2)` does for an address of no family. A TCP connection that
/// stands is reset, what waits to be sent or read is dropped, and the socket is as good as new; what was set on it
/// stays, and so does its place in an epoll set.
///
/// # Errors
/// The kernel refuses: the socket is of a kind that cannot.
pub fn disconnect(fd: &impl AsFd) -> io::Result<()> {
    let nobody = libc::sockaddr {
        sa_family: libc::sa_family_t::try_from(libc::AF_UNSPEC).unwrap_or_default(),
        sa_data: [0; 14],
    };
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr>()).unwrap_or_default();
    // SAFETY: `nobody` lives over the call and is `length` bytes long; the descriptor is open because it is borrowed.
    let done = unsafe { libc::connect(fd.as_fd().as_raw_fd(), &raw const nobody, length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
