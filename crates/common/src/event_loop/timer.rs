//! The one timer of the loop: nanoseconds, where epoll's own timeout has milliseconds.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::clock;

#[derive(Debug)]
pub(super) struct Timer {
    fd: TimerFd,
    armed: Option<Instant>,
}

impl Timer {
    pub(super) fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let fd = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let raw = fd.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&raw), token, mio::Interest::READABLE)?;
        Ok(Self { fd, armed: None })
    }

    /// Arms to `due`. Returns the wait to pass to epoll: zero where it is due already, else without end.
    /// The descriptor is never read: arming anew clears an expiry, and the edge has been seen.
    pub(super) fn arm(&mut self, due: Option<Instant>) -> io::Result<Option<Duration>> {
        let Some(due) = due else {
            // A stale expiry wakes one turn for nothing: cheaper than a system call now.
            return Ok(None);
        };
        let distance = due.saturating_duration_since(clock::now());
        if distance.is_zero() {
            self.armed = None;
            return Ok(Some(Duration::ZERO));
        }
        if self.armed != Some(due) {
            let expiration = Expiration::OneShot(TimeSpec::from_duration(distance));
            self.fd.set(expiration, TimerSetTimeFlags::empty())?;
            self.armed = Some(due);
        }
        Ok(None)
    }
}
