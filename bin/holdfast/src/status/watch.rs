//! `holdfast status --watch`: the same again and again, on the whole screen, or as a stream where there is no terminal.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use common::event_loop::clock;
use common::exit::Exit;
use common::log::timestamp;
use crossterm::event::KeyCode;
use crossterm::terminal::{Clear, ClearType};
use crossterm::{cursor, queue, style};
use nix::poll::{PollTimeout, poll};

use super::select::Selection;
use super::wanted::{Format, Status};
use super::{gather, nothing, text, view};
use crate::cli::Arguments;
use crate::output::Output;
use crate::screen::{Happened, Screen, next};

/// Shows it until somebody wants no more of it.
pub(super) fn run(
    arguments: &Arguments,
    wanted: &Status,
    selection: &Selection,
    interval: Duration,
    output: &mut Output,
) -> Exit {
    let looker = Looker { arguments, wanted, selection };
    let outcome = if output.terminal && wanted.format() != Format::Json {
        looker.watch(interval, output)
    } else {
        looker.stream(interval, output);
        Ok(())
    };
    match outcome {
        Ok(()) => Exit::Done,
        Err(error) => {
            output.complain(&format!("the terminal cannot be used: {error}\n"));
            Exit::Failed
        }
    }
}

struct Looker<'a> {
    arguments: &'a Arguments,
    wanted: &'a Status,
    selection: &'a Selection,
}

impl Looker<'_> {
    /// The text of this moment; a daemon that does not run may come back.
    fn look(&self, colour: bool, width: Option<usize>) -> Result<String, String> {
        let (mut status, faults) =
            gather(&self.arguments.run_dir, self.wanted.what).map_err(|error| format!("{error}\n"))?;
        let found = self.selection.apply(&mut status);
        if self.wanted.format() == Format::Json {
            return Ok(format!("{status}\n"));
        }
        let mut out: String = faults.iter().map(|fault| format!("! {fault}\n")).collect();
        if found > 0 {
            out.push_str(&text::render(&status, self.wanted.what, view(self.wanted, colour, width)));
        } else {
            out.push_str(&format!("{}\n", nothing(self.wanted)));
        }
        Ok(out)
    }

    /// One after the other, for a program or a file.
    fn stream(&self, interval: Duration, output: &mut Output) {
        loop {
            let began = clock::now();
            let read = match self.look(output.colour, None) {
                Ok(text) if self.wanted.format() == Format::Json => output.print(&text),
                Ok(text) => output.print(&format!("{}\n{text}\n", timestamp(clock::wall()))),
                Err(error) => {
                    output.complain(&error);
                    true
                }
            };
            if !read {
                return;
            }
            let now = clock::now();
            rest(next(began, interval, now - began).saturating_duration_since(now));
        }
    }

    fn watch(&self, interval: Duration, output: &Output) -> io::Result<()> {
        let screen = Screen::open()?;
        let mut offset = 0;
        loop {
            let began = clock::now();
            let text = self.look(output.colour, output.width()).unwrap_or_else(|error| error);
            let until = next(began, interval, clock::now() - began);
            let head = format!("{}  every {:.1} s  q ends", timestamp(clock::wall()), interval.as_secs_f64());
            if !show(&screen, &head, &text, &mut offset, until)? {
                return Ok(());
            }
        }
    }
}

/// Shows a text until it is time for the next; says whether that is wanted.
fn show(screen: &Screen, head: &str, text: &str, offset: &mut usize, until: Instant) -> io::Result<bool> {
    loop {
        let (_, rows) = crossterm::terminal::size()?;
        let height = usize::from(rows).saturating_sub(1);
        draw(head, &page(text, height, offset))?;
        match screen.wait(until)? {
            Happened::Nothing | Happened::Resized => return Ok(true),
            Happened::End => return Ok(false),
            Happened::Key(key) if QUIT.contains(&key.code) => return Ok(false),
            Happened::Key(key) if AGAIN.contains(&key.code) => return Ok(true),
            Happened::Key(key) => *offset = scrolled(key.code, *offset, height),
        }
    }
}

const QUIT: [KeyCode; 2] = [KeyCode::Char('q'), KeyCode::Esc];
const AGAIN: [KeyCode; 2] = [KeyCode::Char(' '), KeyCode::Char('r')];

/// Where a key moves to in what is longer than a page.
pub(crate) fn scrolled(key: KeyCode, offset: usize, page: usize) -> usize {
    let moves = [
        (KeyCode::Up, offset.saturating_sub(1)),
        (KeyCode::Char('k'), offset.saturating_sub(1)),
        (KeyCode::Down, offset.saturating_add(1)),
        (KeyCode::Char('j'), offset.saturating_add(1)),
        (KeyCode::PageUp, offset.saturating_sub(page)),
        (KeyCode::PageDown, offset.saturating_add(page)),
        (KeyCode::Home, 0),
        (KeyCode::End, usize::MAX),
    ];
    moves.into_iter().find(|(of, _)| *of == key).map_or(offset, |(_, to)| to)
}

/// The lines that fit, and how many there are besides. The offset is kept within the text.
fn page(text: &str, height: usize, offset: &mut usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= height {
        *offset = 0;
        return lines.into_iter().map(str::to_owned).collect();
    }
    let shown = height.saturating_sub(1);
    *offset = (*offset).min(lines.len() - shown);
    let mut page: Vec<String> =
        lines.iter().skip(*offset).take(shown).map(|line| (*line).to_owned()).collect();
    page.push(format!(
        "-- lines {} to {} of {}: arrows, PgUp, PgDn --",
        *offset + 1,
        *offset + shown,
        lines.len()
    ));
    page
}

fn draw(head: &str, lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    queue!(out, cursor::MoveTo(0, 0), style::Print(head), Clear(ClearType::UntilNewLine))?;
    for line in lines {
        queue!(out, style::Print("\r\n"), style::Print(line), Clear(ClearType::UntilNewLine))?;
    }
    queue!(out, Clear(ClearType::FromCursorDown))?;
    out.flush()
}

/// Waits without a terminal; a signal ends the program as it always does.
fn rest(time: Duration) {
    let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    let _interrupted = poll(&mut [], timeout);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_what_fits_and_says_what_does_not() {
        let text = "1\n2\n3\n4\n5\n";
        let mut offset = 7;
        assert_eq!(page(text, 5, &mut offset), ["1", "2", "3", "4", "5"]);
        assert_eq!(offset, 0);
        assert_eq!(page(text, 3, &mut offset), ["1", "2", "-- lines 1 to 2 of 5: arrows, PgUp, PgDn --"]);
        offset = usize::MAX;
        assert_eq!(page(text, 3, &mut offset), ["4", "5", "-- lines 4 to 5 of 5: arrows, PgUp, PgDn --"]);
        assert_eq!(offset, 3);
        for height in 0..3 {
            let _any = page(text, height, &mut offset);
        }
    }
}
