//! Where the command writes: results to standard output, faults to standard error. A closed pipe is no fault.

use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;

/// When there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether there are colours on such an output.
    fn wanted(self, terminal: bool, no_color: bool) -> bool {
        match self {
            Self::Auto => terminal && !no_color,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The two streams, and what the first can show.
pub(crate) struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    /// Whether states are coloured.
    pub(crate) colour: bool,
    /// Whether results go to a terminal.
    pub(crate) terminal: bool,
}

impl Output {
    /// The streams of the process.
    pub(crate) fn standard(color: Color) -> Self {
        let terminal = io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = color.wanted(terminal, no_color);
        Self { out: Box::new(io::stdout()), err: Box::new(io::stderr()), colour, terminal }
    }

    /// Results to this writer, faults to nobody.
    #[cfg(test)]
    pub(crate) fn to(out: Box<dyn Write>) -> Self {
        Self { out, err: Box::new(io::sink()), colour: false, terminal: false }
    }

    /// The columns of the terminal; none where results go elsewhere, and nothing has to be cut.
    pub(crate) fn width(&self) -> Option<usize> {
        let size = self.terminal.then(crossterm::terminal::size)?;
        size.ok().map(|(columns, _)| usize::from(columns)).filter(|columns| *columns > 0)
    }

    /// Writes a result; says whether there is still somebody who reads it.
    pub(crate) fn print(&mut self, text: &str) -> bool {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_for_who_asks_for_them() {
        for (color, terminal, no_color, wanted) in [
            (Color::Auto, true, false, true),
            (Color::Auto, false, false, false),
            (Color::Auto, true, true, false),
            (Color::Always, false, true, true),
            (Color::Never, true, false, false),
        ] {
            assert_eq!(color.wanted(terminal, no_color), wanted, "{color:?} {terminal} {no_color}");
        }
    }
}
