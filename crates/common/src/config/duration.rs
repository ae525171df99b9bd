//! Durations as text: `"1s"`, `"100ms"`, `"1m30s"`, `"1.5s"`.

use std::time::Duration;

/// The units, longest first, with their length in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What [`parse_duration`] takes, and little else, as a regular expression: it does not see that something is there at
/// all.
pub fn duration_pattern() -> String {
    let part = |(unit, _): (&str, u64)| format!("(?:[0-9]+(?:\\.[0-9]+)?{unit}\\s*)?");
    format!("^\\s*{}$", UNITS.map(part).concat())
}

/// Reads a duration; the error says what is wrong, in words that follow "is not a duration:".
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(format!("there is no number before `{}`", rest.chars().take(20).collect::<String>()));
        }
        if unit.is_empty() {
            return Err(format!("the number {number} has no unit (ms, s, m, h)"));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{unit}` is not a unit (ms, s, m, h)"));
        };
        if *scale >= last_unit {
            return Err("units go from long to short, each once".to_owned());
        }
        last_unit = *scale;
        let part = scaled(number, *scale)?;
        total = total.checked_add(part).ok_or("it is far too long")?;
        rest = after.trim_start();
    }
    Ok(Duration::from_nanos(total))
}

/// `number` (with an optional fraction) times `scale`, exactly.
fn scaled(number: &str, scale: u64) -> Result<u64, String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(format!("`{number}` is not a number"));
    }
    let whole: u64 = whole.parse().map_err(|_| "it is far too long")?;
    let mut total = whole.checked_mul(scale).ok_or("it is far too long")?;
    let mut digit_scale = scale;
    for digit in fraction.chars() {
        let value = u64::from(digit.to_digit(10).unwrap_or(0));
        if value != 0 && !digit_scale.is_multiple_of(10) {
            return Err("it is finer than a nanosecond".to_owned());
        }
        digit_scale /= 10;
        total = total.checked_add(value * digit_scale).ok_or("it is far too long")?;
    }
    Ok(total)
}

/// Writes a duration as an operator would: `1m30s`, `100ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, scale) in UNITS {
        let count = rest / u128::from(scale);
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
            rest %= u128::from(scale);
        }
    }
    out
}
