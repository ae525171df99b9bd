//! `holdfast events`: what happened, from the files that the watchdog keeps in the run directory. The daemon is not asked:
//! it need not even run.

mod filter;
mod since;
mod text;

use std::io;
use std::os::fd::AsFd as _;

use common::event_loop::clock;
use common::exit::Exit;
use common::history::{self, Follower, Line};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::cli::{Arguments, Events};
use crate::output::Output;
use filter::Filter;

/// So many events are shown before those that come, unless a number was asked for.
const BEFORE: usize = 10;

/// Why it ends early.
enum End {
    /// Nobody reads what is printed, or the operator has had enough.
    Enough,
    /// The events cannot be read.
    Unreadable(io::Error),
}

/// Shows what was asked for.
pub(crate) fn run(arguments: &Arguments, wanted: &Events, output: &mut Output) -> Exit {
    let since = match wanted.since.as_deref().map(|text| since::parse(text, clock::wall())).transpose() {
        Ok(since) => since,
        Err(fault) => {
            output.complain(&format!("{fault}\n"));
            return Exit::Config;
        }
    };
    let filter = Filter::new(&wanted.filters, since);
    let shown = if wanted.follow {
        follow(arguments, wanted, &filter, output)
    } else {
        history::read(&arguments.run_dir).map_err(End::Unreadable).and_then(|lines| {
            let lines: Vec<Line> = lines.filter(|line| filter.wants(line)).collect();
            show(last(&lines, wanted.number), wanted, output)
        })
    };
    match shown {
        Ok(()) | Err(End::Enough) => Exit::Done,
        Err(End::Unreadable(error)) => {
            let dir = arguments.run_dir.display();
            let (words, exit) = if error.kind() == io::ErrorKind::NotFound {
                (format!("there are no events in {dir}: the daemon keeps them there"), Exit::NotRunning)
            } else if error.kind() == io::ErrorKind::PermissionDenied {
                (format!("the events in {dir} may not be read: {error}"), Exit::Permission)
            } else {
                (format!("the events in {dir} cannot be read: {error}"), Exit::Failed)
            };
            output.complain(&format!("{words}\n"));
            exit
        }
    }
}

fn last(lines: &[Line], number: Option<usize>) -> &[Line] {
    let from = number.map_or(0, |number| lines.len().saturating_sub(number));
    lines.get(from..).unwrap_or_default()
}

fn show(lines: &[Line], wanted: &Events, output: &mut Output) -> Result<(), End> {
    let mut text = String::new();
    for line in lines {
        if wanted.json {
            text.push_str(&line.text);
        } else {
            text.push_str(&text::render(line, output.colour));
        }
        text.push('\n');
    }
    output.try_print(&text).map_err(|_| End::Enough)
}

fn follow(arguments: &Arguments, wanted: &Events, filter: &Filter, output: &mut Output) -> Result<(), End> {
    let unreadable = |error: Errno| End::Unreadable(error.into());
    let stop = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    stop.thread_block().map_err(unreadable)?;
    let signals = SignalFd::with_flags(&stop, SfdFlags::SFD_CLOEXEC).map_err(unreadable)?;
    let (lines, mut follower) = Follower::new(&arguments.run_dir).map_err(End::Unreadable)?;
    let lines: Vec<Line> = lines.into_iter().filter(|line| filter.wants(line)).collect();
    let number = wanted.number.or(wanted.since.is_none().then_some(BEFORE));
    show(last(&lines, number), wanted, output)?;
    loop {
        let stdout = io::stdout();
        let mut fds = [
            PollFd::new(follower.fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            // A reader that is gone is told without being asked for.
            PollFd::new(stdout.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(unreadable(error)),
        }
        let [news, signal, reader] = fds.map(|fd| fd.any().unwrap_or_default());
        if news {
            let mut lines = Vec::new();
            let missing = follower.read(&mut lines).map_err(End::Unreadable)?;
            if missing > 0 {
                output.complain(&format!("{missing} events are missing: more came than the daemon keeps\n"));
            }
            lines.retain(|line| filter.wants(line));
            show(&lines, wanted, output)?;
        }
        if signal || reader {
            return Ok(());
        }
    }
}
