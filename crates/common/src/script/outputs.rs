//! The reading ends of what scripts write.
//!
//! A flood costs its writer time, not us: once more was read than is kept, the next chunk is taken after a
//! pause only. What outlives its script (a daemon that a notify script has started) goes on being read and
//! thrown away, since it would die of a closed pipe; beyond a number the oldest are closed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::unistd::read;

/// Bytes taken at a time.
const CHUNK: usize = 16 * 1024;
/// Between two chunks of a flood.
const PAUSE: Duration = Duration::from_millis(20);
/// Pipes that may outlive their script.
const MOST_LEFT_BEHIND: usize = 32;

#[derive(Debug)]
struct Pipe {
    fd: OwnedFd,
    paused: Option<Instant>,
}

/// Pipes by the number of their run. A pipe is in the epoll instance unless it is paused.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pipes: BTreeMap<u64, Pipe>,
    pauses: BTreeSet<(Instant, u64)>,
    left_behind: VecDeque<u64>,
}

impl Outputs {
    /// Watches a pipe; `data` comes back with its events.
    pub(super) fn add(&mut self, fd: OwnedFd, number: u64, data: u64, epoll: &Epoll) -> io::Result<()> {
        epoll.add(&fd, EpollEvent::new(EpollFlags::EPOLLIN, data))?;
        self.pipes.insert(number, Pipe { fd, paused: None });
        Ok(())
    }

    /// Reads a chunk and gives it to `sink`, which says whether the run has written too much by now.
    pub(super) fn read(
        &mut self,
        number: u64,
        now: Instant,
        epoll: &Epoll,
        sink: impl FnOnce(&[u8]) -> bool,
    ) {
        let Some(pipe) = self.pipes.get_mut(&number) else { return };
        let mut chunk = [0; CHUNK];
        match read(&pipe.fd, &mut chunk) {
            Ok(length) if length > 0 => {
                let flood = sink(chunk.get(..length).unwrap_or_default());
                if flood && pipe.paused.is_none() && epoll.delete(&pipe.fd).is_ok() {
                    let until = now + PAUSE;
                    pipe.paused = Some(until);
                    self.pauses.insert((until, number));
                }
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Ok(_) | Err(_) => self.close(number),
        }
    }

    /// The script of a pipe has ended.
    pub(super) fn leave_behind(&mut self, number: u64) {
        if !self.pipes.contains_key(&number) {
            return;
        }
        self.left_behind.push_back(number);
        if self.left_behind.len() > MOST_LEFT_BEHIND
            && let Some(oldest) = self.left_behind.pop_front()
        {
            self.close(oldest);
        }
    }

    /// When [`Self::resume`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.pauses.first().map(|(until, _)| *until)
    }

    /// Watches the pipes again whose pause is over; `data` makes what comes back with their events.
    pub(super) fn resume(&mut self, now: Instant, epoll: &Epoll, data: impl Fn(u64) -> u64) {
        while let Some((until, number)) = self.pauses.first().copied().filter(|(until, _)| *until <= now) {
            self.pauses.remove(&(until, number));
            let Some(pipe) = self.pipes.get_mut(&number) else { continue };
            pipe.paused = None;
            if epoll.add(&pipe.fd, EpollEvent::new(EpollFlags::EPOLLIN, data(number))).is_err() {
                self.close(number);
            }
        }
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pipes.len()
    }

    /// Closing takes a pipe out of the epoll instance: its descriptor has no copy.
    fn close(&mut self, number: u64) {
        if let Some(until) = self.pipes.remove(&number).and_then(|pipe| pipe.paused) {
            self.pauses.remove(&(until, number));
        }
        self.left_behind.retain(|left| *left != number);
    }
}
