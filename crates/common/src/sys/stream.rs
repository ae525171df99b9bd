//! What makes a short TCP connection cheap.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

use super::raw::set;

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

/// Lets the acknowledgement that ends the handshake wait for the first bytes we send, and go with them: a packet less,
/// and the server wakes once in place of twice. Only for who talks first: without bytes the acknowledgement leaves
/// after 200 ms (`TCP_DELACK_MAX` of the kernel's tcp.h). It stays set over [`disconnect`].
///
/// `TCP_DEFER_ACCEPT` (tcp(7)) is known for listeners; on a connecting socket Linux takes it so
/// (`tcp_rcv_synsent_state_process` of tcp_input.c).
///
/// # Errors
/// The kernel refuses: it is no TCP socket.
pub fn ack_with_data(fd: &impl AsFd) -> io::Result<()> {
    let seconds: libc::c_int = 1;
    set(fd.as_fd(), libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, &seconds)
}
