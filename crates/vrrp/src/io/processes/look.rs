//! What `/proc` says of a process, and whether it is a tracked one.
//!
//! The name and the file of a process can be had without touching its memory. Its arguments cannot, and a process that
//! is stuck in the kernel may hold up whoever asks for them; so they are read only where the name is right already.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::netlink::process::Pid;

use crate::plan::{Arguments, ProcessPlan};

/// What the kernel keeps of a name.
const NAME: usize = 15;
/// More of a command line is not looked at.
const LONGEST: u64 = 64 * 1024;

/// A living process.
#[derive(Debug)]
pub(super) struct Look {
    folder: PathBuf,
    name: Vec<u8>,
    arguments: OnceCell<Vec<Vec<u8>>>,
}

/// The numbers of all processes.
pub(super) fn all(proc: &Path) -> Vec<Pid> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    match fs::read_dir(proc) {
        Ok(entries) => entries.flatten().filter_map(number).collect(),
        Err(error) => {
            log::warn!("cannot look for processes: {error} path={}", proc.display());
            Vec::new()
        }
    }
}

impl Look {
    /// None where it is gone, or has ended and only waits for its parent.
    pub(super) fn at(proc: &Path, pid: Pid) -> Option<Self> {
        let folder = proc.join(pid.to_string());
        let mut stat = [0; 512];
        let length = File::open(folder.join("stat")).ok()?.read(&mut stat).ok()?;
        let (name, state) = name_and_state(stat.get(..length)?)?;
        let ended = matches!(state, b'Z' | b'X' | b'x');
        (!ended).then(|| Self { name: name.to_owned(), folder, arguments: OnceCell::new() })
    }

    /// Whether it is what a plan tracks.
    pub(super) fn is(&self, plan: &ProcessPlan) -> bool {
        let program = Path::new(&plan.program);
        let Some(name) = program.file_name() else { return false };
        let named = self.name == name.as_bytes().get(..NAME).unwrap_or(name.as_bytes());
        let right = if program.is_absolute() {
            // The file that runs; or, of a script, the interpreter's argument.
            self.file().is_some_and(|file| file == program)
                || named && self.arguments().iter().take(2).any(|a| a == plan.program.as_bytes())
        } else {
            named
        };
        right && self.has_arguments(plan, name)
    }

    fn has_arguments(&self, plan: &ProcessPlan, name: &OsStr) -> bool {
        let Some(Arguments { list, exactness }) = &plan.arguments else { return true };
        let words = self.arguments();
        let is_program = |word: &Vec<u8>| Path::new(OsStr::from_bytes(word)).file_name() == Some(name);
        // Of a script, its interpreter comes first.
        let first = words.iter().take(3).position(is_program).map_or(1, |at| at + 1);
        let have = words.get(first..).unwrap_or_default();
        exactness.holds(list, have)
    }

    fn file(&self) -> Option<PathBuf> {
        fs::read_link(self.folder.join("exe")).ok()
    }

    /// The command line as the process shows it.
    fn arguments(&self) -> &[Vec<u8>] {
        self.arguments.get_or_init(|| {
            let mut bytes = Vec::new();
            // Gone meanwhile: no arguments.
            let _gone = File::open(self.folder.join("cmdline"))
                .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
            let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
            bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
        })
    }
}

/// `1234 (a name) S 1 …`; the name may have anything in it.
fn name_and_state(stat: &[u8]) -> Option<(&[u8], u8)> {
    let begin = stat.iter().position(|byte| *byte == b'(')? + 1;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let state = stat.get(end..)?.get(2)?;
    Some((stat.get(begin..end)?, *state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_brackets_and_blanks() {
        assert_eq!(name_and_state(b"7 (nginx) S 1 7"), Some((&b"nginx"[..], b'S')));
        assert_eq!(name_and_state(b"7 (a) (b c) R 1"), Some((&b"a) (b c"[..], b'R')));
        for broken in [&b""[..], b"7", b"7 (nginx", b"7 (nginx)", b"7 nginx) S", b")("] {
            assert_eq!(name_and_state(broken), None);
        }
    }
}
