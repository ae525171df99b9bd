//! The pid file: its lock is what makes the daemon the only one, and what shows a later one who is left.
//!
//! Two ranges of it are locked, each through an open description of its own. The first is the watchdog's and goes
//! with it. The second, the *mark*, is shared with every child, so that it is held until the last of them is gone:
//! a watchdog that comes after one that was killed waits for the children it left before it starts its own, for they
//! are about to take down the very addresses that the new ones put up. A file without locks is just a stale file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::event_loop::clock;
use common::exit::Exit;
use common::sys::pidfd;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::failure::Failure;

/// What a killed process may still need to be gone.
const DYING: Duration = Duration::from_secs(5);

/// A locked pid file with our number in it.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    lock: File,
    mark: File,
}

impl PidFile {
    /// Locks it, waiting up to `patience` for the children of a watchdog that is gone, and writes our number.
    pub(crate) fn lock(path: &Path, patience: Duration) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::io("lock the pid file", path, &error);
        let file = loop {
            let file = open(path).map_err(failed)?;
            if !try_lock(&file, 0).map_err(failed)? {
                let pid = read(&file).map_err(failed)?;
                let text = format!("holdfastd is already running pid={pid} pid_file={}", path.display());
                return Err(Failure::new(Exit::Failed, text));
            }
            // The one before us may have removed it between our opening and our locking.
            if std::fs::metadata(path).is_ok_and(|there| is_same(&there, &file)) {
                break file;
            }
        };
        let mark = open(path).map_err(failed)?;
        if !try_lock(&mark, 1).map_err(failed)? {
            wait_for_leftovers(&file, patience).map_err(failed)?;
            if !try_lock(&mark, 1).map_err(failed)? {
                let text =
                    format!("processes of an earlier holdfastd do not end pid_file={}", path.display());
                return Err(Failure::new(Exit::Failed, text));
            }
        }
        file.set_len(0).map_err(failed)?;
        file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0).map_err(failed)?;
        Ok(Self { path: path.to_owned(), lock: file, mark })
    }

    /// The one of a watchdog whose place this process has taken, if that is still the file that lies there.
    pub(crate) fn inherited(path: &Path, lock: OwnedFd, mark: OwnedFd) -> Option<Self> {
        let (lock, mark) = (File::from(lock), File::from(mark));
        let there = std::fs::metadata(path).ok()?;
        let whole = is_same(&there, &lock) && is_same(&there, &mark);
        // Both are ours already: the locks belong to the open descriptions, which have outlived the program.
        let held = whole && try_lock(&lock, 0).unwrap_or(false) && try_lock(&mark, 1).unwrap_or(false);
        held.then(|| Self { path: path.to_owned(), lock, mark })
    }

    /// What keeps a second watchdog out.
    pub(crate) fn lock_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// What children keep open.
    pub(crate) fn mark(&self) -> BorrowedFd<'_> {
        self.mark.as_fd()
    }

    /// Removes it: the daemon is at its end.
    pub(crate) fn remove(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::warn!("cannot remove the pid file {}: {error}", self.path.display());
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path)
}

fn read(file: &File) -> io::Result<String> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

fn is_same(there: &std::fs::Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

/// Locks one byte for this open description. False if another one holds it.
fn try_lock(file: &File, byte: i64) -> io::Result<bool> {
    let short = |number: i32| i16::try_from(number).map_err(io::Error::other);
    let range = libc::flock {
        l_type: short(libc::F_WRLCK)?,
        l_whence: short(libc::SEEK_SET)?,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits for the children of an earlier watchdog, and kills them when patience ends.
fn wait_for_leftovers(file: &File, patience: Duration) -> io::Result<()> {
    let mut left = Vec::new();
    for pid in holders(file)? {
        log::warn!("a process of an earlier holdfastd is still there: waiting for its end pid={pid}");
        // One that is gone by now has no pidfd any more, and that is all we want of it.
        left.extend(pidfd::open(pid).ok().map(|fd| (pid, fd)));
    }
    wait_for_all(&mut left, clock::now() + patience)?;
    for (pid, fd) in &left {
        log::warn!("a process of an earlier holdfastd does not end: killing it pid={pid}");
        if let Err(error) = pidfd::send(fd.as_fd(), Signal::SIGKILL) {
            log::warn!("cannot kill it: {error} pid={pid}");
        }
    }
    wait_for_all(&mut left, clock::now() + DYING)
}

/// Takes out of `left` who has ended, until nobody is left or time is up.
fn wait_for_all(left: &mut Vec<(Pid, OwnedFd)>, until: Instant) -> io::Result<()> {
    loop {
        let wait = until.saturating_duration_since(clock::now());
        if left.is_empty() || wait.is_zero() {
            return Ok(());
        }
        let mut fds: Vec<_> = left.iter().map(|(_, fd)| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut fds, PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ended = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect::<Vec<_>>().into_iter();
        left.retain(|_| !ended.next().unwrap_or(false));
    }
}

/// Every process of ours, besides this one, that has the pid file open.
fn holders(file: &File) -> io::Result<Vec<Pid>> {
    let ours = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // Processes come and go while we look: what cannot be read is not there.
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        if pid == ours || !command.starts_with(b"holdfastd: ") {
            continue;
        }
        let open = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        if open.flat_map(|fd| std::fs::metadata(fd.path())).any(|there| is_same(&there, file)) {
            found.push(Pid::from_raw(pid));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("holdfast-pidfile-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_second_one_is_refused_by_name_and_a_stale_file_is_harmless() {
        let dir = Dir::new("second");
        let path = dir.0.join("holdfastd.pid");
        std::fs::write(&path, "1234567 and a lot more from long ago\n").unwrap();
        let first = PidFile::lock(&path, Duration::ZERO).unwrap();
        let ours = format!("{}\n", std::process::id());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), ours);
        let refused = PidFile::lock(&path, Duration::ZERO).unwrap_err();
        assert_eq!(refused.exit, Exit::Failed);
        assert!(refused.text.contains(&format!("already running pid={}", ours.trim())), "{refused}");
        first.remove();
        assert!(!path.exists());
        PidFile::lock(&path, Duration::ZERO).unwrap().remove();
    }

    #[test]
    fn a_mark_outlives_the_watchdog() {
        let dir = Dir::new("mark");
        let path = dir.0.join("holdfastd.pid");
        let first = PidFile::lock(&path, Duration::ZERO).unwrap();
        let child = first.mark().try_clone_to_owned().unwrap();
        drop(first);
        // The child is this very process, which is not looked for: nobody to wait for, and the mark stays.
        let refused = PidFile::lock(&path, Duration::ZERO).unwrap_err();
        assert!(refused.text.contains("processes of an earlier holdfastd"), "{refused}");
        drop(child);
        PidFile::lock(&path, Duration::ZERO).unwrap().remove();
    }
}
