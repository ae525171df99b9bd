//! `~SEQ` and `~LST`, which repeat a line, and braces in the patterns of includes.

/// How often one line may be repeated.
const MOST: usize = 65_536;

/// The lines that `~SEQ(…) text` or `~LST(…) text` stands for; a repetition inside is left to the next round.
pub(super) fn lines(code: &str) -> Result<Vec<String>, String> {
    let (head, rest) = code.split_once('(').ok_or("a repetition without its parentheses")?;
    let (arguments, text) = closed(rest).ok_or("the parenthesis of a repetition is not closed")?;
    let arguments = split(arguments);
    let rounds = match head.trim() {
        "~SEQ" => sequence(&arguments, false)?,
        "~SEQx" => sequence(&arguments, true)?,
        "~LST" => list(&arguments)?,
        other => return Err(format!("`{other}` is no repetition: there are ~SEQ, ~SEQx and ~LST")),
    };
    Ok(rounds.iter().map(|round| put_in(text.trim(), round)).collect())
}

/// What each variable is in one round.
type Round = Vec<(String, String)>;

fn sequence(arguments: &[String], hexadecimal: bool) -> Result<Vec<Round>, String> {
    let (name, numbers) = arguments.split_first().ok_or("~SEQ needs a variable")?;
    let base = if hexadecimal { 16 } else { 10 };
    let number = |text: &String| {
        let digits = text.trim_start_matches("0x");
        i64::from_str_radix(digits, base).map_err(|_| format!("`{text}` is no number"))
    };
    let numbers: Vec<i64> = numbers.iter().map(number).collect::<Result<_, _>>()?;
    let (start, step, end) = match *numbers.as_slice() {
        [end] => (1, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Err("~SEQ is written ~SEQ(variable, start, step, end)".to_owned()),
    };
    if step == 0 || (end - start).signum() == -step.signum() {
        return Err("this ~SEQ never gets to its end".to_owned());
    }
    let mut rounds = Vec::new();
    let mut now = start;
    while (step > 0 && now <= end) || (step < 0 && now >= end) {
        if rounds.len() == MOST {
            return Err(format!("a ~SEQ of more than {MOST} lines"));
        }
        let value = if hexadecimal { format!("{now:x}") } else { now.to_string() };
        rounds.push(vec![(name.clone(), value)]);
        now = now.saturating_add(step);
    }
    Ok(rounds)
}

fn list(arguments: &[String]) -> Result<Vec<Round>, String> {
    let (names, values) = arguments.split_first().ok_or("~LST needs a variable")?;
    let names = tuple(names);
    let round = |value: &String| {
        let values = tuple(value);
        if values.len() != names.len() {
            return Err(format!("`{value}` does not have {} parts", names.len()));
        }
        Ok(names.iter().cloned().zip(values).collect())
    };
    values.iter().map(round).collect()
}

/// `{a, b}` or one thing.
fn tuple(text: &str) -> Vec<String> {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(inside) => split(inside),
        None => vec![text.to_owned()],
    }
}

/// At the commas that are in no braces.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// What stands before the closing parenthesis, and what behind it.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn put_in(text: &str, round: &Round) -> String {
    let mut text = text.to_owned();
    for (name, value) in round {
        text = text.replace(&format!("${{{name}}}"), value);
        text = replace_name(&text, name, value);
    }
    text
}

/// `$NAME`, unless the name goes on.
fn replace_name(text: &str, name: &str, value: &str) -> String {
    let sign = format!("${name}");
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&sign) {
        let (before, found) = rest.split_at(at);
        let after = found.get(sign.len()..).unwrap_or_default();
        let goes_on = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        out.push_str(before);
        out.push_str(if goes_on { &sign } else { value });
        rest = after;
    }
    out + rest
}

/// `a{b,c}d` is `abd` and `acd`.
pub(super) fn braces(pattern: &str) -> Vec<String> {
    let parts = pattern.split_once('{').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once('}')?;
        Some((before, inside, after))
    });
    let Some((before, inside, after)) = parts else { return vec![pattern.to_owned()] };
    inside.split(',').flat_map(|choice| braces(&format!("{before}{choice}{after}"))).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_count_up_down_and_in_hexadecimal() {
        assert_eq!(lines("~SEQ(A, 3) x$A").unwrap(), ["x1", "x2", "x3"]);
        assert_eq!(lines("~SEQ(A, 2, 4) x$A").unwrap(), ["x2", "x3", "x4"]);
        assert_eq!(lines("~SEQ(A, 8, -4, 0) ${A}x").unwrap(), ["8x", "4x", "0x"]);
        assert_eq!(lines("~SEQx(A, 9, b) $A").unwrap(), ["9", "a", "b"]);
    }

    #[test]
    fn lists_take_tuples() {
        assert_eq!(lines("~LST({A,B}, {1, x}, {2, y}) $A=$B $AB").unwrap(), ["1=x $AB", "2=y $AB"]);
        lines("~LST({A,B}, 1) $A").unwrap_err();
    }

    #[test]
    fn what_never_ends_is_refused() {
        for line in
            ["~SEQ(A, 1, 0, 5) x", "~SEQ(A, 1, -1, 5) x", "~SEQ(A, 1, 99999999) x", "~SEQ(A", "~SEQ(A, b) x"]
        {
            lines(line).unwrap_err();
        }
    }

    #[test]
    fn braces_of_patterns() {
        assert_eq!(braces("a{b,c}d{1,2}"), ["abd1", "abd2", "acd1", "acd2"]);
        assert_eq!(braces("a{b"), ["a{b"]);
    }
}
