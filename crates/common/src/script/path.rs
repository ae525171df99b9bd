//! Which files may be executed.
//!
//! A path is walked one component at a time, each opened in the directory before it and judged by that
//! descriptor: nobody but root and the script's user may be able to change what the path leads to. The file
//! that comes out is the one that was judged, whatever the names mean by then.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::Uid;

/// Why a file is not executed.
#[derive(Debug)]
pub enum PathError {
    /// The path does not start at the root directory.
    Relative(PathBuf),
    /// A component cannot be opened.
    Open(PathBuf, io::Error),
    /// A component belongs to somebody who is neither root nor the script's user.
    Owner(PathBuf, Uid),
    /// Others than root and the script's user may write to a component.
    Writable(PathBuf, u32),
    /// It is not a file.
    NotAFile(PathBuf),
    /// Symbolic links that never end.
    Links(PathBuf),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(path) => write!(f, "{} is not an absolute path", path.display()),
            Self::Open(path, error) => write!(f, "{}: {}", path.display(), words(error)),
            Self::Owner(path, uid) => write!(
                f,
                "unsafe: {} belongs to user {uid}, who is neither root nor the script's user",
                path.display()
            ),
            Self::Writable(path, mode) => write!(
                f,
                "unsafe: {} is writable by its group or by everybody (mode {mode:04o}): chmod go-w it",
                path.display()
            ),
            Self::NotAFile(path) => write!(f, "{} is not a file", path.display()),
            Self::Links(path) => write!(f, "{} has too many symbolic links", path.display()),
        }
    }
}

impl std::error::Error for PathError {}

/// An error of the system in lower-case words, without its number.
pub(super) fn words(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |number| Errno::from_raw(number).desc().to_lowercase())
}

/// As the kernel: more links than this in one path are a loop.
const MOST_LINKS: usize = 40;

/// A file that may be executed.
#[derive(Debug)]
pub struct Judged {
    /// The file itself (`O_PATH`).
    pub file: OwnedFd,
    /// The directory that it was found in and its name there, to open it for reading.
    directory: OwnedFd,
    name: OsString,
    stat: FileStat,
}

impl Judged {
    /// Opens the file for reading: the same file, or an error.
    ///
    /// # Errors
    /// Where we may not read it, or the name means another file by now.
    pub fn read(&self) -> io::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = openat(&self.directory, self.name.as_os_str(), flags, Mode::empty())?;
        let stat = fstat(&file)?;
        if (stat.st_dev, stat.st_ino) == (self.stat.st_dev, self.stat.st_ino) {
            Ok(file)
        } else {
            Err(io::Error::other("it was replaced while it was being looked at"))
        }
    }
}

/// Walks `path` and judges every component for a script of `user`.
///
/// # Errors
/// The first component that is missing or unsafe.
pub fn judge(path: &Path, user: Uid) -> Result<Judged, PathError> {
    if !path.is_absolute() {
        return Err(PathError::Relative(path.to_owned()));
    }
    let mut links = 0;
    let mut left: VecDeque<OsString> = components(path);
    let mut walked = PathBuf::from("/");
    let mut directory = root()?;
    loop {
        let stat = judged(&directory, &walked, user)?;
        let Some(name) = left.pop_front() else { return Err(PathError::NotAFile(walked)) };
        if kind(&stat) != SFlag::S_IFDIR {
            return Err(PathError::Open(walked, Errno::ENOTDIR.into()));
        }
        if name == ".." {
            walked.pop();
            directory = child(&directory, &name, &walked)?;
            continue;
        }
        let place = walked.join(&name);
        let file = child(&directory, &name, &place)?;
        let stat = fstat(&file).map_err(|error| PathError::Open(place.clone(), error.into()))?;
        match kind(&stat) {
            SFlag::S_IFLNK => {
                links += 1;
                owned(&stat, &place, user)?;
                let target =
                    readlinkat(&file, "").map_err(|error| PathError::Open(place.clone(), error.into()))?;
                let target = Path::new(&target);
                if links > MOST_LINKS {
                    return Err(PathError::Links(path.to_owned()));
                }
                if target.is_absolute() {
                    walked = PathBuf::from("/");
                    directory = root()?;
                }
                for component in components(target).into_iter().rev() {
                    left.push_front(component);
                }
            }
            SFlag::S_IFREG if left.is_empty() => {
                let stat = judged(&file, &place, user)?;
                return Ok(Judged { file, directory, name, stat });
            }
            _ => (walked, directory) = (place, file),
        }
    }
}

/// Finds a program that is named without a path.
pub(super) fn search(name: &OsStr, directories: &str) -> Option<PathBuf> {
    directories.split(':').map(|directory| Path::new(directory).join(name)).find(|path| path.is_file())
}

fn components(path: &Path) -> VecDeque<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

fn root() -> Result<OwnedFd, PathError> {
    open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|error| PathError::Open("/".into(), error.into()))
}

fn child(directory: &OwnedFd, name: &OsStr, place: &Path) -> Result<OwnedFd, PathError> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, name.as_bytes(), flags, Mode::empty())
        .map_err(|error| PathError::Open(place.to_owned(), error.into()))
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn owned(stat: &FileStat, place: &Path, user: Uid) -> Result<(), PathError> {
    let owner = Uid::from_raw(stat.st_uid);
    if owner.is_root() || owner == user { Ok(()) } else { Err(PathError::Owner(place.to_owned(), owner)) }
}

/// Whether nobody but root and the user can change this component.
fn judged(file: &OwnedFd, place: &Path, user: Uid) -> Result<FileStat, PathError> {
    let stat = fstat(file).map_err(|error| PathError::Open(place.to_owned(), error.into()))?;
    owned(&stat, place, user)?;
    let mode = Mode::from_bits_truncate(stat.st_mode);
    // In a directory with the sticky bit others can add entries, but not replace those that are judged next.
    let guarded = kind(&stat) == SFlag::S_IFDIR && mode.contains(Mode::S_ISVTX);
    if mode.intersects(Mode::S_IWGRP | Mode::S_IWOTH) && !guarded {
        return Err(PathError::Writable(place.to_owned(), mode.bits()));
    }
    Ok(stat)
}

#[cfg(test)]
mod tests;
