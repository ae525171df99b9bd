//! From a command line to what the kernel is to execute.
//!
//! A program is executed by descriptor: the very file that was judged. For a script (`#!`) that file is its
//! interpreter, judged alike; the interpreter gets the script's path, as it would from the kernel, so that `$0`
//! means what the author expects and no descriptor of ours is needed in the script. Nobody but root and the
//! script's user can change what that path leads to: that is what judging it says.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use super::path::{self, Judged, PathError, words};
use super::{Command, shebang};
use crate::sys::script::Found;

/// As the kernel: a script's interpreter may be a script, but not for ever.
const MOST_INTERPRETERS: usize = 5;

/// Why a command line cannot be executed.
#[derive(Debug)]
pub(super) enum ProgramError {
    NotFound(String),
    Path(PathError),
    Read(PathBuf, io::Error),
    Interpreters(PathBuf),
    Zero,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(name) => write!(f, "there is no {name} in {}", Command::SEARCH_PATH),
            Self::Path(error) => error.fmt(f),
            Self::Read(path, error) => write!(f, "cannot read {}: {}", path.display(), words(error)),
            Self::Interpreters(path) => write!(f, "{} has too many interpreters", path.display()),
            Self::Zero => f.write_str("an argument has a zero byte"),
        }
    }
}

impl From<PathError> for ProgramError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

/// Finds and judges the program of a command line, for a script of `user`.
pub(super) fn find(argv: &[String], user: Uid) -> Result<Found, ProgramError> {
    let name = argv.first().map_or("", String::as_str);
    let mut path = if name.contains('/') {
        PathBuf::from(name)
    } else {
        let found = path::search(OsStr::new(name), Command::SEARCH_PATH);
        found.ok_or_else(|| ProgramError::NotFound(name.to_owned()))?
    };
    let mut arguments: Vec<OsString> = argv.iter().map(OsString::from).collect();
    let mut scripts = Vec::new();
    for _ in 0..MOST_INTERPRETERS {
        let judged = path::judge(&path, user)?;
        let Some(line) = shebang::parse(&head(&judged, &path)?) else {
            let argv = arguments.into_iter().map(zero_ended).collect::<Result<_, _>>()?;
            return Ok(Found { file: judged.file, argv, executable: scripts });
        };
        let interpreter = OsString::from_vec(line.interpreter);
        let head =
            [Some(interpreter.clone()), line.argument.map(OsString::from_vec), Some(path.clone().into())];
        arguments.splice(..1, head.into_iter().flatten());
        scripts.push(zero_ended(path.into())?);
        path = interpreter.into();
    }
    Err(ProgramError::Interpreters(path))
}

/// The beginning of a file; nothing where it may be executed but not read, which scripts cannot do without.
fn head(judged: &Judged, path: &Path) -> Result<Vec<u8>, ProgramError> {
    let failed = |error| ProgramError::Read(path.to_owned(), error);
    let file = match judged.read() {
        Ok(file) => std::fs::File::from(file),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut head = Vec::with_capacity(shebang::LOOKED_AT);
    let limit = u64::try_from(shebang::LOOKED_AT).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut head).map_err(failed)?;
    Ok(head)
}

fn zero_ended(text: OsString) -> Result<CString, ProgramError> {
    CString::new(text.into_vec()).map_err(|_| ProgramError::Zero)
}
