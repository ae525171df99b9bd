//! Another version of the program in the place of this one, with nothing let go in between.
//!
//! The children are killed, not stopped: as after any kill their addresses and their entries of the kernel's tables
//! stay, and their successors go on from the checkpoints. Then this very process executes the program that lies on
//! the disk by now. It keeps its number, the lock of the pid file, and the checkpoints: its [`Estate`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{CString, NulError, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use common::sys::inherit;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::run::TITLE;

const LOCK: &str = "lock";
const MARK: &str = "mark";

/// What a watchdog leaves to the program that takes its place.
#[derive(Debug)]
pub struct Estate {
    pub(crate) lock: OwnedFd,
    pub(crate) mark: OwnedFd,
    /// How many programs there were before.
    pub(crate) before: u64,
    /// The checkpoints by role.
    pub(crate) checkpoints: BTreeMap<String, OwnedFd>,
}

impl Estate {
    /// Takes what the command line says is left, as `replace` wrote it.
    ///
    /// # Errors
    /// It says something else, or a descriptor is not open.
    pub fn take(text: &str) -> io::Result<Self> {
        let mut all = BTreeMap::new();
        let (before, text) = text.split_once(':').ok_or(io::ErrorKind::InvalidInput)?;
        let before = before.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
        for part in text.split(',') {
            let (name, fd) = part.split_once('=').ok_or(io::ErrorKind::InvalidInput)?;
            let fd = fd.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
            all.insert(name.to_owned(), inherit::take(fd)?);
        }
        let mut needed = |name| all.remove(name).ok_or(io::ErrorKind::NotFound);
        Ok(Self { lock: needed(LOCK)?, mark: needed(MARK)?, before, checkpoints: all })
    }
}

/// The program that a successor would be: what lies by now where ours was started from.
pub(crate) fn executable() -> io::Result<PathBuf> {
    let ours = std::env::current_exe()?.into_os_string().into_vec();
    // The kernel says so of a file that was replaced.
    let path = ours.strip_suffix(b" (deleted)").unwrap_or(&ours);
    Ok(PathBuf::from(OsString::from_vec(path.to_vec())))
}

/// Executes `program` in the place of this process. Returns only if that failed. Signals that are blocked stay so, and
/// those that come meanwhile wait for whoever unblocks them.
pub(crate) fn replace(
    program: &Path,
    args: Vec<OsString>,
    incarnation: u64,
    lock: BorrowedFd<'_>,
    mark: BorrowedFd<'_>,
    checkpoints: &[(&str, BorrowedFd<'_>)],
) -> io::Error {
    let mut all = vec![(LOCK, lock), (MARK, mark)];
    all.extend(checkpoints);
    let words: Vec<String> = all.iter().map(|(name, fd)| format!("{name}={}", fd.as_raw_fd())).collect();
    if let Err(error) = keep(&all, FdFlag::empty()) {
        return error;
    }
    let failed = execute(program, args, &format!("{incarnation}:{}", words.join(",")));
    // The children that are started again get only what is theirs.
    let _open_for_them = keep(&all, FdFlag::FD_CLOEXEC);
    failed
}

/// Not by the library's `exec`, which unblocks every signal before.
fn execute(program: &Path, args: Vec<OsString>, estate: &str) -> io::Error {
    let own = ["--foreground", "--succeed", estate].map(OsString::from);
    let argv = [OsString::from(TITLE)].into_iter().chain(args).chain(own);
    let environment = std::env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    });
    let zero_ended = |words: &mut dyn Iterator<Item = OsString>| -> Result<Vec<CString>, NulError> {
        words.map(|word| CString::new(word.into_vec())).collect()
    };
    let execute = || -> io::Result<Infallible> {
        let path = CString::new(program.as_os_str().as_bytes())?;
        let argv = zero_ended(&mut argv.into_iter())?;
        let environment = zero_ended(&mut environment.into_iter())?;
        Ok(nix::unistd::execve(&path, &argv, &environment)?)
    };
    match execute() {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn keep(all: &[(&str, BorrowedFd<'_>)], flag: FdFlag) -> io::Result<()> {
    all.iter().try_for_each(|(_, fd)| fcntl(fd, FcntlArg::F_SETFD(flag)).map(drop).map_err(Into::into))
}

/// Whether a file could be executed at all: asked before anything is given up for it.
pub(crate) fn is_program(path: &Path) -> io::Result<()> {
    let bytes = path.as_os_str().as_bytes();
    nix::unistd::access(bytes, nix::unistd::AccessFlags::X_OK)?;
    if std::fs::metadata(path)?.is_file() { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_estate_is_refused() {
        for text in ["", "1:lock", "1:lock=x,mark=y", "1:lock=99991,mark=99992", "lock=1,mark=2"] {
            assert!(Estate::take(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_program_is_a_file_that_can_be_executed() {
        is_program(&executable().unwrap()).unwrap();
        is_program(Path::new("/etc/passwd")).unwrap_err();
        is_program(Path::new("/usr")).unwrap_err();
        is_program(Path::new("/there/is/none")).unwrap_err();
    }

    #[test]
    fn a_program_that_cannot_be_executed_leaves_everything_as_it_was() {
        let (one, two) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        use std::os::fd::AsFd;
        let error = replace(Path::new("/etc/passwd"), Vec::new(), 1, one.as_fd(), two.as_fd(), &[]);
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        for fd in [&one, &two] {
            let flags = fcntl(fd, FcntlArg::F_GETFD).unwrap();
            assert!(FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC));
        }
    }
}
