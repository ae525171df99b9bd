//! Descriptors that an exec'ing parent left open for us.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// Takes over an inherited descriptor and closes it for programs that we exec in turn.
///
/// # Errors
/// Where `fd` is a standard stream, not open, or taken already.
pub fn take(fd: RawFd) -> io::Result<OwnedFd> {
    if fd <= 2 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a standard stream is not inherited"));
    }
    let mut taken = TAKEN.lock().map_err(|_| io::ErrorKind::Other)?;
    // SAFETY: borrowed for one fcntl only; a number that is not open makes it fail with EBADF.
    let probe = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    fcntl(probe, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    if !taken.insert(fd) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the descriptor was taken before"));
    }
    // SAFETY: the descriptor is open, came over exec and so has no owner in this process, and the set
    // above hands each number out once.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Owns a descriptor that `recvmsg(2)` has just put into this process.
pub(crate) fn received(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: the kernel made this descriptor for us with the message that the caller has just read (nix hands
    // it out as a bare number), so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
