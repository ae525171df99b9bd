//! The Holdfast daemon: reads what it is asked to be, and is it.

#![forbid(unsafe_code)]

mod cli;
mod roles;
mod start;

use std::process::ExitCode;

use common::exit::Exit;
use common::sys::{inherit, memory};
use watchdog::{Announcer, Failure};

use cli::{Line, Mode};
use roles::ROLES;

fn main() -> ExitCode {
    memory::stay_small();
    let line = match cli::parse(std::env::args_os(), ROLES) {
        Ok(line) => line,
        Err(error) => {
            let _closed = error.print();
            return if error.exit_code() == 0 { Exit::Done } else { Exit::Config }.into();
        }
    };
    run(line)
        .unwrap_or_else(|failure| {
            watchdog::tell(&failure.text);
            failure.exit
        })
        .into()
}

fn run(mut line: Line) -> Result<Exit, Failure> {
    start::name_process();
    match line.mode {
        Mode::Check => Ok(watchdog::check(&line.options, ROLES)),
        Mode::Child(role) => {
            let inherited = start::child(&line, role)?;
            Ok((role.run)(inherited))
        }
        Mode::Mail => {
            start::log(&line, "mail", &[])?;
            Ok(mail::run())
        }
        Mode::Foreground => {
            start::retitle();
            start::log(&line, "watchdog", watchdog::PARTS)?;
            Ok(watchdog::run(&line.options, ROLES, Announcer::new(None), start::estate(&line)))
        }
        Mode::Daemon => {
            start::choose_target(&mut line);
            Ok(watchdog::detach(&line.options))
        }
        Mode::Detached(fd) => {
            let mut announcer = Announcer::new(inherit::take(fd).ok());
            match watchdog::leave_terminal().and_then(|()| start::log(&line, "watchdog", watchdog::PARTS)) {
                Ok(()) => Ok(watchdog::run(&line.options, ROLES, announcer, None)),
                Err(failure) => {
                    announcer.failed(&failure);
                    Err(failure)
                }
            }
        }
    }
}
