//! From when on: `10m`, or a time of day in UTC, as text that compares with the time of an event.

use std::time::SystemTime;

use common::config::parse_duration;
use common::log::timestamp;

/// Digits are `0`; what may follow may be left out.
const SHAPE: &str = "0000-00-00T00:00:00.000";
/// The shortest part of it that is a time.
const DATE: usize = 10;

/// The beginning, in the form of the field `at`, or a beginning of that form.
pub(super) fn parse(text: &str, now: SystemTime) -> Result<String, String> {
    if let Ok(ago) = parse_duration(text) {
        return Ok(timestamp(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)));
    }
    let time = text.strip_suffix('Z').unwrap_or(text).replacen(' ', "T", 1);
    let fits = |(given, wanted): (char, char)| given == wanted || (wanted == '0' && given.is_ascii_digit());
    // Not in the middle of a number.
    let ends = [DATE, 16, 19, SHAPE.len()].contains(&time.len());
    if ends && time.chars().zip(SHAPE.chars()).all(fits) {
        return Ok(time);
    }
    Err(format!(
        "--since {text:?} is neither a duration such as 10m or 1h30m nor a time (UTC) such as 2026-11-21T09:00:00Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_duration_is_so_long_ago_and_a_time_is_itself() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_219_200);
        for (text, from) in [
            ("10m", "2026-11-20T23:50:00.000Z"),
            ("1d", "2026-11-20T00:00:00.000Z"),
            ("99999d", "1970-01-01T00:00:00.000Z"),
            ("2026-11-21", "2026-11-21"),
            ("2026-11-21 09:30", "2026-11-21T09:30"),
            ("2026-11-21T09:30:01Z", "2026-11-21T09:30:01"),
            ("2026-11-21T09:30:01.250Z", "2026-11-21T09:30:01.250"),
        ] {
            assert_eq!(parse(text, now).as_deref(), Ok(from));
        }
        for text in ["", "yesterday", "2026-11", "2026-11-21T09:3", "10", "2026-11-21T09:30:01+01:00"] {
            assert!(parse(text, now).is_err(), "{text}");
        }
    }
}
