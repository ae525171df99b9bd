//! The watchdog's end of the pipe: bytes of several tellers as whole lines.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::LENGTH;

/// So much is read before others have their turn.
const BUDGET: usize = 1 << 18;

/// The reader's end of the pipe.
#[derive(Debug)]
pub struct Inbox {
    pipe: File,
    /// The beginning of a line whose end has not been read.
    begun: Vec<u8>,
}

impl Inbox {
    /// Of a pipe that does not block.
    #[must_use]
    pub fn new(pipe: OwnedFd) -> Self {
        Self { pipe: File::from(pipe), begun: Vec::new() }
    }

    /// To be waited for.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Appends what has come, in whole lines without their ends. True if there may be more.
    pub fn read(&mut self, lines: &mut Vec<Vec<u8>>) -> bool {
        let mut buffer = vec![0; 1 << 16];
        let mut budget = BUDGET;
        while budget > 0 {
            match self.pipe.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    budget = budget.saturating_sub(count);
                    self.take(buffer.get(..count).unwrap_or_default(), lines);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn take(&mut self, bytes: &[u8], lines: &mut Vec<Vec<u8>>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if self.begun.pop_if(|last| *last == b'\n').is_some() {
                lines.push(std::mem::take(&mut self.begun));
            } else if self.begun.len() > LENGTH {
                // Nobody writes that: it is not worth keeping.
                self.begun.clear();
            }
        }
    }
}
