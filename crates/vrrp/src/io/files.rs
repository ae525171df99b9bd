//! Tracked files: the numbers in them, and the kernel's word (inotify) when they change. Nothing is polled.
//!
//! The directory is watched, not the file, so that a file may be made, replaced and removed. A number counts when its
//! writer closes the file or moves it into place: what stands there while somebody writes does not. A directory that is
//! not there is looked for once a second.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::event_loop::{Drained, Interest, Registration, Registry};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::machine::event::Event;
use crate::machine::id::Name;
use crate::plan::FilePlan;

/// How often a directory is looked for that is not there.
const RETRY: Duration = Duration::from_secs(1);
/// No number is longer.
const LONGEST: u64 = 64;

#[derive(Debug)]
struct Tracked {
    plan: FilePlan,
    /// What was told last.
    told: Option<i32>,
}

/// The tracked files of the process.
#[derive(Debug)]
pub struct Files<K: Copy> {
    _registration: Registration<K>,
    inotify: Inotify,
    files: Vec<Tracked>,
    /// The directories of the files; without a watch while they are not there.
    directories: BTreeMap<PathBuf, Option<WatchDescriptor>>,
    retry_at: Option<Instant>,
}

impl<K: Copy> Files<K> {
    /// Watches nothing yet; its descriptor becomes readable under `key`.
    ///
    /// # Errors
    /// No descriptors.
    pub fn new(key: K, registry: &Registry<K>) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let registration = registry.add(&inotify, key, Interest::Read)?;
        Ok(Self {
            _registration: registration,
            inotify,
            files: Vec::new(),
            directories: BTreeMap::new(),
            retry_at: None,
        })
    }

    /// Watches these files from now on and tells what is in those that were not watched before.
    pub fn watch(&mut self, plans: &[FilePlan], now: Instant, out: &mut Vec<Event<'static>>) {
        let mut known = std::mem::take(&mut self.files);
        let told = |plan: &FilePlan, known: &mut Vec<Tracked>| {
            known.iter().position(|file| file.plan == *plan).and_then(|at| known.swap_remove(at).told)
        };
        self.files =
            plans.iter().map(|plan| Tracked { plan: plan.clone(), told: told(plan, &mut known) }).collect();
        let wanted: Vec<&Path> = self.files.iter().filter_map(|file| file.plan.path.parent()).collect();
        let inotify = &self.inotify;
        self.directories.retain(|directory, watch| {
            let stays = wanted.contains(&directory.as_path());
            if let (false, Some(watch)) = (stays, watch) {
                // Fails where the directory has gone, and the watch with it.
                let _gone = inotify.rm_watch(*watch);
            }
            stays
        });
        for directory in wanted {
            self.directories.entry(directory.to_owned()).or_default();
        }
        // First the watches, then the numbers: what changes between the two is told twice rather than not at all.
        self.attach(now);
        self.read(|_| true, out);
    }

    /// Puts watches on the directories that have none.
    fn attach(&mut self, now: Instant) {
        let events = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let mut missing = false;
        for (directory, watch) in self.directories.iter_mut().filter(|(_, watch)| watch.is_none()) {
            match self.inotify.add_watch(directory, events) {
                Ok(fresh) => *watch = Some(fresh),
                Err(error) => {
                    missing = true;
                    log::debug!("cannot watch for files: {error} directory={}", directory.display());
                }
            }
        }
        self.retry_at = missing.then(|| now + RETRY);
    }

    /// Reads files and tells the numbers that are news.
    fn read(&mut self, which: impl Fn(&Path) -> bool, out: &mut Vec<Event<'static>>) {
        for file in self.files.iter_mut().filter(|file| file.plan.path.parent().is_some_and(&which)) {
            let number = number_in(&file.plan.path, &file.plan.name);
            if file.told.replace(number) != Some(number) {
                log::debug!("tracked file read file=\"{}\" number={number}", file.plan.name);
                out.push(Event::FileRead { file: file.plan.name.clone(), number });
            }
        }
    }

    /// The descriptor is readable.
    pub fn ready(&mut self, now: Instant, out: &mut Vec<Event<'static>>) -> Drained {
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN) => return Drained::Yes,
            Err(Errno::EINTR) => return Drained::More,
            Err(error) => {
                log::warn!("tracked files: changes cannot be read: {error}");
                return Drained::Yes;
            }
        };
        let gone = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_IGNORED;
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                self.read(|_| true, out);
                continue;
            }
            let found = self.directories.iter_mut().find(|(_, watch)| **watch == Some(event.wd));
            let Some((directory, watch)) = found else { continue };
            let directory = directory.clone();
            if event.mask.intersects(gone) {
                if let Some(watch) = watch.take().filter(|_| event.mask.contains(AddWatchFlags::IN_MOVE_SELF))
                {
                    // It goes on under another name; what is under ours now is another directory.
                    let _gone = self.inotify.rm_watch(watch);
                }
                self.attach(now);
            }
            self.read(|parent| parent == directory, out);
        }
        Drained::More
    }

    /// When [`Self::timeout`] has something to do: only while a directory is missing.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Looks for missing directories.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Event<'static>>) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.attach(now);
            self.read(|_| true, out);
        }
    }
}

/// The number in a file: 0 where there is no file, or no number in it.
fn number_in(path: &Path, name: &Name) -> i32 {
    let text = match content(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return 0,
        Err(error) => {
            log::warn!("tracked file cannot be read: {error} file=\"{name}\" path={}", path.display());
            return 0;
        }
    };
    let text = text.trim_ascii();
    if text.is_empty() {
        return 0;
    }
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    if number.is_none() {
        log::warn!("tracked file has no number in it file=\"{name}\" path={}", path.display());
    }
    number.unwrap_or(0)
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    // Without waiting for whoever may write to a pipe of that name; what is no file is not read.
    let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
