//! Where log lines go and what they look like there.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, Record};

use super::{journal, sink};
use crate::event_loop::clock;

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard error, with time and level.
    Stderr,
    /// The system log at `/dev/log`, facility daemon.
    Syslog,
    /// The journal of systemd, with its own fields.
    Journal,
    /// A file, appended to, with time and level.
    File(PathBuf),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stderr" => Ok(Self::Stderr),
            "syslog" => Ok(Self::Syslog),
            "journal" => Ok(Self::Journal),
            path if path.starts_with('/') => Ok(Self::File(PathBuf::from(path))),
            other => Err(format!("{other:?} is not stderr, syslog, journal or an absolute path")),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("stderr"),
            Self::Syslog => f.write_str("syslog"),
            Self::Journal => f.write_str("journal"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Target {
    pub(super) fn attach(&self, ident: &'static str, builder: &mut env_logger::Builder) -> io::Result<()> {
        match self {
            Self::Stderr => {
                builder.target(env_logger::Target::Stderr);
                builder.format(move |out, record| out.write_all(text_line(ident, record).as_bytes()));
            }
            Self::File(path) => {
                builder.target(env_logger::Target::Pipe(Box::new(sink::to_file(path)?)));
                builder.format(move |out, record| out.write_all(text_line(ident, record).as_bytes()));
            }
            Self::Syslog => {
                builder.target(env_logger::Target::Pipe(Box::new(sink::to_socket("/dev/log")?)));
                builder.format(move |out, record| out.write_all(syslog_line(ident, record).as_bytes()));
            }
            Self::Journal => {
                let way = sink::to_socket("/run/systemd/journal/socket")?;
                builder.target(env_logger::Target::Pipe(Box::new(way)));
                builder.format(move |out, record| out.write_all(&journal::datagram(ident, record)));
            }
        }
        Ok(())
    }
}

/// A point in time as `2026-11-21T09:00:00.123Z`.
pub fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (date, time) = (Date::from_unix(since.as_secs()), since.as_secs() % 86400);
    let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
    format!("{date}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", since.subsec_millis())
}

/// `2026-11-21T09:00:00.123Z info  vrrp: message`
fn text_line(ident: &str, record: &Record<'_>) -> String {
    let level = record.level().as_str().to_ascii_lowercase();
    format!("{} {level:<5} {ident}: {}\n", timestamp(clock::wall()), record.args())
}

/// RFC 3164 as local system logs read it: `<priority>ident[pid]: message`.
fn syslog_line(ident: &str, record: &Record<'_>) -> String {
    const DAEMON: u8 = 3;
    format!(
        "<{}>holdfastd-{ident}[{}]: {}",
        DAEMON * 8 + severity(record.level()),
        std::process::id(),
        record.args()
    )
}

/// The number of a level in system logs.
pub(super) fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// A day of the Gregorian calendar.
struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// From seconds since 1970, by counting days from 1 March of year 0 (so that leap days come last).
    fn from_unix(seconds: u64) -> Self {
        let days = seconds / 86400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        Self { year, month, day: day_of_year - (153 * shifted + 2) / 5 + 1 }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_795_219_200, "2026-11-21"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Date::from_unix(seconds).to_string(), date);
        }
    }

    #[test]
    fn targets_are_named_as_on_the_command_line() {
        for name in ["stderr", "syslog", "journal", "/var/log/holdfast.log"] {
            assert_eq!(name.parse::<Target>().unwrap().to_string(), name);
        }
        "relative.log".parse::<Target>().unwrap_err();
    }
}
