//! The whole terminal for a while: without echo, on a screen of its own, and given back however it ends.
//!
//! Signals that would end the program only raise a flag, which whoever waits for keys sees soon.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::event_loop::clock;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// A signal is seen after this at the latest.
const SLICE: Duration = Duration::from_millis(200);
/// The daemon is busy with us for at most one part in so many of the time.
const SHARE: u32 = 20;

/// The terminal, ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Screen {
    ended: Arc<AtomicBool>,
}

/// What happened while we waited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// The time is up.
    Nothing,
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// A signal, or the keys that stand for one.
    End,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// There is none, or it does not do what it is told.
    pub(crate) fn open() -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal_hook::flag::register(signal, Arc::clone(&ended))?;
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        enable_raw_mode()?;
        // From here on the drop undoes it.
        let screen = Self { ended };
        execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, cursor::Hide)?;
        Ok(screen)
    }

    /// Waits for the first thing to happen, until then at the latest.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn wait(&self, until: Instant) -> io::Result<Happened> {
        loop {
            if self.ended.load(Ordering::Relaxed) {
                return Ok(Happened::End);
            }
            let left = until.saturating_duration_since(clock::now());
            if event::poll(left.min(SLICE))? {
                match event::read()? {
                    Event::Key(key) if key.kind == KeyEventKind::Release => {}
                    Event::Key(key) if is_end(key) => return Ok(Happened::End),
                    Event::Key(key) => return Ok(Happened::Key(key)),
                    Event::Resize(..) => return Ok(Happened::Resized),
                    Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_) => {}
                }
            } else if left.is_zero() {
                return Ok(Happened::Nothing);
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// The keys that mean a signal where there is no raw mode.
fn is_end(key: KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'd' | '\\'))
}

/// As it was; twice does no harm, and a terminal that is gone cannot be told.
fn give_back() {
    let mut out = io::stdout();
    let _gone = execute!(out, EnableLineWrap, cursor::Show, LeaveAlternateScreen);
    let _gone = out.flush();
    let _gone = disable_raw_mode();
}

/// When to ask again, if an answer took so long.
pub(crate) fn next(began: Instant, interval: Duration, took: Duration) -> Instant {
    began + interval.max(took * SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_needs_long_is_asked_more_rarely() {
        let began = clock::now();
        let second = Duration::from_secs(1);
        assert_eq!(next(began, second, second / 1000), began + second);
        assert_eq!(next(began, second, second / 2), began + second * 10);
    }
}
