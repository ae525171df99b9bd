//! What a child gets from the watchdog, and how it finds it: six open descriptors, named by a variable.
//!
//! Whoever starts a child writes [`FDS_VARIABLE`]; the child takes the descriptors over with [`Inherited::take`].

use std::fs::File;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::checkpoint::Store;
use crate::config::Document;
use crate::history::Outbox;
use crate::sys::inherit;

/// The variable that tells a child its descriptors: `listener,config,life_line,checkpoint,mark,history`.
pub const FDS_VARIABLE: &str = "HOLDFAST_FDS";

/// What a child gets from the watchdog.
#[derive(Debug)]
pub struct Inherited {
    /// The run directory, for what the child itself puts there.
    pub run_dir: PathBuf,
    /// Its listening control socket.
    pub listener: OwnedFd,
    /// The last good configuration.
    pub config: Share,
    /// Ends when the watchdog does.
    pub life_line: OwnedFd,
    /// The predecessor's state; empty for the first incarnation.
    pub checkpoint: Store,
    /// Kept open for as long as the process lives: its lock tells a later watchdog that we are still there.
    pub mark: OwnedFd,
    /// Where it tells what happened.
    pub history: Outbox,
}

impl Inherited {
    /// Takes over what the watchdog left open for the child called `name`.
    ///
    /// # Errors
    /// The variable [`FDS_VARIABLE`] is missing or does not name six open descriptors.
    pub fn take(run_dir: PathBuf, name: &'static str) -> io::Result<Self> {
        let fault = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
        let variable = std::env::var(FDS_VARIABLE).map_err(|_| fault("not started by the watchdog"))?;
        let numbers: Result<Vec<RawFd>, _> = variable.split(',').map(str::parse).collect();
        let Ok(&[listener, config, life_line, checkpoint, mark, history]) = numbers.as_deref() else {
            return Err(fault("not six descriptors"));
        };
        Ok(Self {
            run_dir,
            listener: inherit::take(listener)?,
            config: Share::new(inherit::take(config)?),
            life_line: inherit::take(life_line)?,
            checkpoint: Store::from_fd(inherit::take(checkpoint)?),
            mark: inherit::take(mark)?,
            history: Outbox::new(inherit::take(history)?, name),
        })
    }
}

/// A child's share of the configuration, in memory that nobody can change.
#[derive(Debug)]
pub struct Share(File);

impl Share {
    /// What another process wrote with [`Document::write_share`].
    pub fn new(fd: OwnedFd) -> Self {
        Self(File::from(fd))
    }

    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        // By position: several incarnations share the file's offset.
        let mut bytes = vec![0; usize::try_from(self.0.metadata()?.len()).map_err(io::Error::other)?];
        self.0.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// What it says.
    ///
    /// # Errors
    /// It cannot be read, or is no configuration.
    pub fn document(&self) -> io::Result<Document> {
        document(self.bytes()?)
    }
}

pub(super) fn document(bytes: Vec<u8>) -> io::Result<Document> {
    Document::from_share(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
