//! A file that is read like a stream: its first bytes, then its end.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use super::socket::{Fault, local};

/// More is not looked at.
const MOST: u64 = 4096;

/// The beginning of a regular file. Nothing else is read: a pipe could hold the loop up.
pub(super) fn load(path: &str) -> Result<Vec<u8>, Fault> {
    let failed = |error: io::Error| local(&format!("cannot read {path}"), &error);
    let file =
        OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY).open(path);
    let file = file.map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Fault::Local(format!("{path} is not a regular file").into()));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
