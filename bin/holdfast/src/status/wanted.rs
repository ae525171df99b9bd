//! What of the status is wanted, and how: the command line of `holdfast status`.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Too short an interval would be work for the daemon and no use to the eye.
const SHORTEST: f64 = 0.2;
const LONGEST: f64 = 86_400.0;

#[derive(Debug, Default, Args)]
pub(crate) struct Status {
    /// Print JSON, for programs: the same as -o json
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// How to print it
    #[arg(short = 'o', long = "output", value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Show it again and again, every 2 or so many seconds, until q is pressed
    #[arg(
        short, long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
        value_parser = seconds, conflicts_with = "quiet"
    )]
    pub(crate) watch: Option<Duration>,
    /// Print nothing: exit code 0 if all is well, 1 if something is wrong, 7 if the daemon does not run
    #[arg(short, long, conflicts_with_all = ["json", "format", "down"])]
    pub(crate) quiet: bool,
    /// Show only what is down or in fault
    #[arg(long)]
    pub(crate) down: bool,
    /// Show only what is in one of these states
    #[arg(long, value_enum, value_name = "STATE", value_delimiter = ',')]
    pub(crate) state: Vec<State>,
    /// Show only this part
    #[arg(value_enum)]
    pub(crate) what: Option<What>,
    /// Show only what has such a name or address; * and ? stand for anything
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

impl Status {
    /// How it is to be printed.
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format.unwrap_or(Format::Text) }
    }

    /// The states that are wanted; all of them where there are none.
    pub(super) fn states(&self) -> Vec<State> {
        let mut states = self.state.clone();
        if self.down {
            states.extend([State::Down, State::Fault]);
        }
        states
    }
}

/// The parts of the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Virtual routers, groups and tracked scripts
    Vrrp,
    /// Virtual and real servers and their checks
    Servers,
    /// The processes and the configuration they run
    Watchdog,
}

/// The ways to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, for a terminal of 80 columns
    Text,
    /// For people, with everything
    Wide,
    /// For programs
    Json,
}

/// The states to choose by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Virtual routers and groups that are master
    Master,
    /// Virtual routers and groups that are backup
    Backup,
    /// Virtual routers and groups in fault
    Fault,
    /// Virtual routers and groups that have not begun
    Init,
    /// Servers, scripts and processes that work
    Up,
    /// Servers, scripts and processes that do not, and services without a quorum
    Down,
}

impl State {
    /// The word for it in the status.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Backup => "backup",
            Self::Fault => "fault",
            Self::Init => "init",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A span of time in seconds, of use as an interval.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?;
    if !(SHORTEST..=LONGEST).contains(&seconds) {
        return Err(format!("{SHORTEST} to {LONGEST} seconds are possible"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// `--watch 5` as `--watch=5`: the number is no name, and what is no number is none of the watch's.
pub(crate) fn joined(line: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let is_number = |word: &OsString| word.to_str().is_some_and(|word| word.parse::<f64>().is_ok());
    let mut joined: Vec<OsString> = Vec::new();
    for word in line {
        match joined.last_mut() {
            Some(last) if (last == "--watch" || last == "-w") && is_number(&word) => {
                last.push("=");
                last.push(word);
            }
            Some(_) | None => joined.push(word),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_may_follow_and_may_be_missing() {
        let line = |text: &str| {
            let words = joined(text.split(' ').map(OsString::from));
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("status --watch 5 vrrp"), "status --watch=5 vrrp");
        assert_eq!(line("status -w 0.5"), "status -w=0.5");
        assert_eq!(line("status --watch vrrp VI_1"), "status --watch vrrp VI_1");
        assert_eq!(line("status vrrp 5"), "status vrrp 5");
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["0", "-1", "nan", "x", "1e9"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
