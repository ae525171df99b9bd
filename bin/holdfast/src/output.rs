//! Where the command writes: results to standard output, faults to standard error. A closed pipe is no fault.

use std::io::{self, IsTerminal as _, Write};

/// The two streams, and whether the first may have colours.
pub(crate) struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    /// Whether states are coloured.
    pub(crate) colour: bool,
}

impl Output {
    /// The streams of the process.
    pub(crate) fn standard() -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { out: Box::new(io::stdout()), err: Box::new(io::stderr()), colour }
    }

    /// Writes a result.
    pub(crate) fn print(&mut self, text: &str) {
        let _closed = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Writes a result, for whoever has no more to say when nobody reads it.
    pub(crate) fn try_print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush())
    }

    /// Writes what went wrong.
    pub(crate) fn complain(&mut self, text: &str) {
        let _closed = self.err.write_all(text.as_bytes());
    }
}
