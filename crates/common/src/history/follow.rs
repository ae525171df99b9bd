//! Events as they are written, over the change from one file to the next. The kernel says when (inotify): nothing is
//! polled.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::{Line, read};

/// A reader that goes on.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    inotify: Inotify,
    file: File,
    /// Where its last whole line ends.
    whole: u64,
    /// The number of the last line.
    seq: u64,
    /// Numbers that were left out since the last call.
    missing: u64,
}

impl Follower {
    /// What a run directory has, oldest first, and a follower of what comes.
    ///
    /// # Errors
    /// There are no events, they cannot be read, or the kernel has no more watches.
    pub fn new(dir: &Path) -> io::Result<(Vec<Line>, Self)> {
        // Watched before it is read: whatever comes meanwhile is noticed.
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let what = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        inotify.add_watch(dir, what | AddWatchFlags::IN_ONLYDIR)?;
        let (older, newer) = read::open(dir)?;
        let mut lines: Vec<Line> = older.into_iter().flat_map(read::lines).collect();
        let seq = lines.last().map_or(0, Line::seq);
        let mut follower = Self { dir: dir.to_path_buf(), inotify, file: newer, whole: 0, seq, missing: 0 };
        follower.rest(&mut lines)?;
        Ok((lines, follower))
    }

    /// To be waited for: readable when [`Follower::read`] may find something.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Appends what has come, and says how many events are missing in it: they were written and moved away while nobody
    /// read.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&mut self, lines: &mut Vec<Line>) -> io::Result<u64> {
        loop {
            match self.inotify.read_events() {
                Ok(events) if events.iter().any(|event| event.mask.contains(AddWatchFlags::IN_IGNORED)) => {
                    return Err(io::Error::new(io::ErrorKind::NotFound, "the run directory was removed"));
                }
                Ok(_) => {}
                Err(Errno::EAGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.missing = 0;
        self.rest(lines)?;
        for next in self.next()? {
            // Nothing is written to a file after it was moved aside: this is its end.
            self.rest(lines)?;
            self.file = next;
            self.whole = 0;
            self.rest(lines)?;
        }
        Ok(self.missing)
    }

    /// The files after ours. Where there is none at its place yet, that is asked for again next time.
    fn next(&mut self) -> io::Result<Vec<File>> {
        let place = |file: &File| file.metadata().map(|found| (found.dev(), found.ino()));
        let ours = place(&self.file)?;
        let Ok((older, newer)) = read::open(&self.dir) else { return Ok(Vec::new()) };
        if place(&newer)? == ours {
            return Ok(Vec::new());
        }
        let older = older.filter(|older| place(older).is_ok_and(|place| place != ours));
        Ok(older.into_iter().chain([newer]).collect())
    }

    /// What stands behind the last whole line. A line that is still being written, or was torn, is looked at again.
    fn rest(&mut self, lines: &mut Vec<Line>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.whole))?;
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            self.whole += u64::try_from(line.len()).map_err(io::Error::other)?;
            if let Some(line) = str::from_utf8(line).ok().and_then(|text| Line::parse(text.trim_end())) {
                if self.seq > 0 {
                    self.missing += line.seq().saturating_sub(self.seq + 1);
                }
                self.seq = line.seq();
                lines.push(line);
            }
        }
        Ok(())
    }
}
