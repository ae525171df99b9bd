//! The command line that others see of this process.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Shows these arguments in `/proc/PID/cmdline`, where `ps` and `pgrep -f` look: the kernel is told of a copy of ours
/// (`PR_SET_MM` of prctl(2)). What the program itself reads as its arguments stays.
///
/// # Errors
/// The kernel refuses: without `CAP_SYS_RESOURCE`, or built without it. What it showed may then be cut off.
pub fn show_arguments<'a>(arguments: impl IntoIterator<Item = &'a OsString>) -> io::Result<()> {
    let mut line = Vec::new();
    for argument in arguments {
        line.extend_from_slice(OsStr::as_bytes(argument));
        line.push(0);
    }
    // For as long as the process lives.
    let line = Vec::leak(line).as_ptr_range();
    // Each step leaves a beginning before the end: the heap is below the stack, where both were.
    tell(libc::PR_SET_MM_ARG_START, line.start)?;
    tell(libc::PR_SET_MM_ARG_END, line.end)
}

fn tell(what: libc::c_int, at: *const u8) -> io::Result<()> {
    // Every argument of prctl(2) is as wide as a pointer.
    let (what, unused) = (libc::c_ulong::from(what.unsigned_abs()), 0 as libc::c_ulong);
    // SAFETY: prctl takes numbers here; the kernel reads the memory there on behalf of whoever looks, and copes with any.
    let done = unsafe { libc::prctl(libc::PR_SET_MM, what, at, unused, unused) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_see_the_arguments_that_are_shown() {
        let shown = ["holdfastd: test", "-n", ""].map(OsString::from);
        // Another test reads nothing of it; without the capability there is nothing to be seen.
        if show_arguments(&shown).is_ok() {
            assert_eq!(std::fs::read("/proc/self/cmdline").unwrap(), b"holdfastd: test\0-n\0\0");
        }
    }
}
