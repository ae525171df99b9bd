//! `holdfast top`: everything on one screen, renewed, with what goes through it a second.
//!
//! `model` makes rates out of two samples, `rows` makes rows of them, `ui` draws; here is the terminal. The daemon is
//! asked for one status every interval, more rarely if it takes long, and only shown.

mod model;
mod rows;
mod ui;

use std::io::{self, Stdout};
use std::time::{Duration, Instant};

use clap::Args;
use common::event_loop::clock;
use common::exit::Exit;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::cli::Arguments;
use crate::output::Output;
use crate::screen::{Happened, Screen, next};
use crate::status;
use crate::status::wanted::seconds;
use model::Model;
use ui::{Ui, Wish};

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// How often to look, in seconds; the kernel adds up its counters every two
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "2")]
    interval: Duration,
}

/// Shows it until somebody presses q.
pub(crate) fn run(arguments: &Arguments, wanted: &Top, output: &mut Output) -> Exit {
    if !output.terminal {
        output.complain("top needs a terminal; for programs there is holdfast status -o json --watch\n");
        return Exit::Config;
    }
    match show(arguments, wanted.interval, output.colour) {
        Ok(()) => Exit::Done,
        Err(error) => {
            output.complain(&format!("the terminal cannot be used: {error}\n"));
            Exit::Failed
        }
    }
}

type Canvas = Terminal<CrosstermBackend<Stdout>>;

fn show(arguments: &Arguments, interval: Duration, colour: bool) -> io::Result<()> {
    let screen = Screen::open()?;
    let mut canvas = Canvas::new(CrosstermBackend::new(io::stdout()))?;
    let (mut model, mut ui) = (Model::default(), Ui::new(colour));
    loop {
        let began = clock::now();
        let answer = status::gather(&arguments.run_dir, None);
        let now = clock::now();
        model.take(answer.map_err(|error| error.to_string()), now);
        if !turn(&screen, &mut canvas, &model, &mut ui, next(began, interval, now - began))? {
            return Ok(());
        }
    }
}

/// Draws and listens until it is time for the next look; says whether that is wanted.
fn turn(
    screen: &Screen,
    canvas: &mut Canvas,
    model: &Model,
    ui: &mut Ui,
    until: Instant,
) -> io::Result<bool> {
    loop {
        canvas.draw(|frame| ui.draw(model, clock::wall(), frame.area(), frame.buffer_mut()))?;
        match screen.wait(until)? {
            Happened::Nothing => return Ok(true),
            Happened::Resized => {}
            Happened::End => return Ok(false),
            Happened::Key(key) => match ui.key(key.code) {
                Wish::Draw => {}
                Wish::Look => return Ok(true),
                Wish::Quit => return Ok(false),
            },
        }
    }
}

#[cfg(test)]
mod tests;
