//! A line of a keepalived.conf: its comment and its words.
//!
//! `#` and `!` begin a comment outside of double quotes; a backslash protects what follows it. Braces are words of
//! their own.

/// A word, and whether it stood in quotes: a quoted brace is text, and a quoted command is one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) quoted: bool,
}

/// The line without its comment, and the comment without its sign.
pub(super) fn split_comment(line: &str) -> (&str, Option<&str>) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '#' | '!' if !quoted => {
                let (code, comment) = line.split_at(at);
                return (code.trim(), Some(comment.trim_start_matches(['#', '!']).trim()));
            }
            _ => {}
        }
    }
    (line.trim(), None)
}

/// The words of a line, or what is wrong with it.
pub(super) fn words(line: &str) -> Result<Vec<Word>, &'static str> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.peek().copied() {
        match c {
            _ if c.is_whitespace() => {
                rest.next();
            }
            '{' | '}' => {
                rest.next();
                words.push(Word { text: c.to_string(), quoted: false });
            }
            '"' => {
                rest.next();
                words.push(Word { text: quoted(&mut rest)?, quoted: true });
            }
            _ => words.push(Word { text: plain(&mut rest), quoted: false }),
        }
    }
    Ok(words)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn quoted(rest: &mut Chars<'_>) -> Result<String, &'static str> {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(text),
            '\\' => match rest.next() {
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.extend(['\\', other]),
                None => return Err("a quotation that ends in a backslash"),
            },
            _ => text.push(c),
        }
    }
    Err("a quotation that is not closed on its line")
}

fn plain(rest: &mut Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = rest.peek().copied() {
        match c {
            '\\' => {
                rest.next();
                text.extend(rest.next());
                continue;
            }
            // `${NAME}` of a variable that nobody has defined is text.
            '{' if text.ends_with('$') => {
                for c in rest.by_ref() {
                    text.push(c);
                    if c == '}' {
                        break;
                    }
                }
                continue;
            }
            '{' | '}' | '"' => break,
            _ if c.is_whitespace() => break,
            _ => text.push(c),
        }
        rest.next();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        words(line).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn both_signs_begin_a_comment_but_not_in_quotes() {
        assert_eq!(split_comment("a b # c ! d"), ("a b", Some("c ! d")));
        assert_eq!(split_comment("  ! whole"), ("", Some("whole")));
        assert_eq!(split_comment(r##"script "a # b" ! c"##), (r##"script "a # b""##, Some("c")));
        assert_eq!(split_comment(r"password a\#b"), (r"password a\#b", None));
    }

    #[test]
    fn braces_are_words_and_quotes_keep_words_together() {
        assert_eq!(texts("vrrp_instance VI_1{"), ["vrrp_instance", "VI_1", "{"]);
        assert_eq!(texts("group { A B }"), ["group", "{", "A", "B", "}"]);
        assert_eq!(texts(r#"script "/bin/x \"y z\" {" "#), ["script", r#"/bin/x "y z" {"#]);
        assert_eq!(texts(r"auth_pass a\#b\ c"), ["auth_pass", "a#b c"]);
        assert_eq!(texts("notify ${HOME}/x"), ["notify", "${HOME}/x"]);
    }

    #[test]
    fn a_quotation_that_does_not_end_is_a_fault() {
        assert!(words("script \"/bin/x").unwrap_err().contains("not closed"));
        words("script \"x\\").unwrap_err();
    }
}
