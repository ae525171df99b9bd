//! Memory that is not needed any more, back to the system.

/// Gives free memory of the heap back to the system. After a large configuration was read, what reading it took would
/// otherwise stay with the process for good.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes a number and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
