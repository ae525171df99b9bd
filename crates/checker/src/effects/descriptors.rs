//! Enough descriptors for all attempts at once: when a whole network hangs, every check waits with one open.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// What the process has open besides attempts: the loop, sockets, clients, scripts.
const OTHERS: rlim_t = 256;

/// Raises the limit of open descriptors to what this many checks need. What is left to its own limit is not an error:
/// attempts beyond it are put off, which is visible, and no server is taken for dead by it.
pub fn provide(checks: usize) {
    let wanted = rlim_t::try_from(checks).unwrap_or(rlim_t::MAX).saturating_add(OTHERS);
    if let Err((most, error)) = raise(wanted) {
        log::warn!(
            "fewer descriptors than checks: where many hang at once, some are put off wanted={wanted} limit={most} error=\"{}\"",
            error.desc()
        );
    }
}

fn raise(wanted: rlim_t) -> Result<(), (rlim_t, Errno)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| (0, error))?;
    if soft >= wanted {
        return Ok(());
    }
    // Beyond the hard limit where we may.
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok() {
        return Ok(());
    }
    let most = hard.min(wanted);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, most, hard);
    raised.map_err(|error| (soft, error))?;
    if most < wanted { Err((most, Errno::EPERM)) } else { Ok(()) }
}
