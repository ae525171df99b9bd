//! What works on the text before it means anything: includes, conditional lines, definitions and repetitions.
//!
//! The file system is reached through [`Files`] only, so that all of it can be tested without.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::lex::split_comment;
use super::place::{Kind, Place, Report};
use super::repeat;
use super::tree::Line;

/// How deep files may include files, and definitions name definitions.
const DEPTH: usize = 16;
/// How many lines a configuration may come to: a definition can double itself.
const MOST_LINES: usize = 500_000;

/// Where files come from.
pub(super) trait Files {
    /// The text of a file.
    fn read(&self, path: &Path) -> Result<String, String>;
    /// The files a pattern names, in order.
    fn find(&self, pattern: &str) -> Vec<PathBuf>;
}

/// The lines of a configuration and of everything it includes.
pub(super) struct Reader<'a> {
    files: &'a dyn Files,
    /// What `@` conditions are compared with.
    id: &'a str,
    definitions: BTreeMap<String, String>,
    lines: Vec<Line>,
    report: &'a mut Report,
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a dyn Files, id: &'a str, report: &'a mut Report) -> Self {
        Self { files, id, definitions: BTreeMap::new(), lines: Vec::new(), report }
    }

    /// Reads the root file. Its own failure is the caller's affair.
    pub(super) fn read(mut self, path: &Path) -> Result<Vec<Line>, String> {
        let text = self.files.read(path)?;
        self.file(path, &text, 0);
        Ok(self.lines)
    }

    fn file(&mut self, path: &Path, text: &str, depth: usize) {
        let file: Rc<str> = path.display().to_string().into();
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut lines = (1..).zip(text.lines());
        while let Some((line, text)) = lines.next() {
            let place = Place { file: Rc::clone(&file), line };
            let mut whole = text.to_owned();
            // Only a definition goes on behind a backslash; its lines stay lines.
            while is_definition(&whole) && whole.ends_with('\\') {
                whole.pop();
                whole.push('\n');
                whole.push_str(lines.next().map_or("", |(_, next)| next.trim()));
            }
            self.text(&place, &whole, folder, depth);
        }
    }

    /// One line of a file, or of what a definition stands for.
    fn text(&mut self, place: &Place, text: &str, folder: &Path, depth: usize) {
        if self.lines.len() >= MOST_LINES || depth > DEPTH {
            return self.report.fault(place, "this includes or repeats itself without end");
        }
        if let Some((name, value)) = definition(text) {
            let lines: Vec<&str> = value.lines().map(|line| split_comment(line).0).collect();
            self.definitions.insert(name.to_owned(), lines.join("\n"));
            return;
        }
        let (code, comment) = split_comment(text);
        let Some(code) = self.conditional(place, code) else { return };
        let code = self.expand(place, &code);
        if code.starts_with("~SEQ") || code.starts_with("~LST") {
            match repeat::lines(&code) {
                Ok(lines) => lines.iter().for_each(|line| self.text(place, line, folder, depth + 1)),
                Err(fault) => self.report.fault(place, fault),
            }
            return;
        }
        if code.contains('\n') {
            for line in code.lines() {
                self.text(place, line, folder, depth + 1);
            }
            return;
        }
        let mut words = code.split_whitespace();
        if let Some("include" | "includer" | "includem" | "includew" | "includeb" | "includea") = words.next()
        {
            let pattern = words.next().unwrap_or_default().trim_matches('"').to_owned();
            return self.include(place, &pattern, folder, depth);
        }
        self.lines.push(Line { place: place.clone(), text: code, comment: comment.map(str::to_owned) });
    }

    /// None for a line that is not for this machine.
    fn conditional(&mut self, place: &Place, code: &str) -> Option<String> {
        let Some(condition) = code.strip_prefix('@') else { return Some(code.to_owned()) };
        let (id, rest) = condition.split_once(char::is_whitespace).unwrap_or((condition, ""));
        let (id, negated) = id.strip_prefix('^').map_or((id, false), |id| (id, true));
        let text = format!("lines for `@` are decided now, for the machine \"{}\" (see --id)", self.id);
        self.report.add(place, Kind::Note, text);
        ((id == self.id) != negated).then(|| rest.trim().to_owned())
    }

    fn include(&mut self, place: &Place, pattern: &str, folder: &Path, depth: usize) {
        if pattern.is_empty() {
            return self.report.fault(place, "include what?");
        }
        let mut found = false;
        for pattern in repeat::braces(pattern) {
            let pattern = folder.join(pattern);
            for path in self.files.find(&pattern.to_string_lossy()) {
                found = true;
                match self.files.read(&path) {
                    Ok(text) if depth < DEPTH => self.file(&path, &text, depth + 1),
                    Ok(_) => self.report.fault(place, "this includes itself without end"),
                    Err(fault) => self.report.fault(place, fault),
                }
            }
        }
        if !found {
            self.report.fault(place, format!("no file is called {pattern}"));
        }
    }

    /// Puts definitions in for their names. An unknown name stays: a script may mean its own variable.
    fn expand(&mut self, place: &Place, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..DEPTH {
            let expanded = self.expand_once(place, &text);
            if expanded == text || expanded.len() > MOST_LINES {
                break;
            }
            text = expanded;
        }
        text
    }

    fn expand_once(&mut self, place: &Place, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, dollar) = rest.split_at(at);
            out.push_str(before);
            let named = name_after(dollar);
            let value = named.and_then(|(name, _)| self.definitions.get(name));
            match (named, value) {
                (Some((_, length)), Some(value)) => {
                    out.push_str(value);
                    rest = dollar.get(length..).unwrap_or_default();
                }
                (named, _) => {
                    if let Some((name, _)) = named.filter(|(name, _)| PREDEFINED.contains(name)) {
                        let text =
                            format!("`${{{name}}}` is decided by keepalived when it runs: write what it is");
                        self.report.add(place, Kind::Lost, text);
                    }
                    out.push('$');
                    rest = dollar.get(1..).unwrap_or_default();
                }
            }
        }
        out + rest
    }
}

const PREDEFINED: [&str; 6] = ["_PWD", "_INSTANCE", "_RANDOM", "_ENV", "_HASH", "_BANG"];

/// The name behind a dollar, and how many bytes both take.
fn name_after(dollar: &str) -> Option<(&str, usize)> {
    let after = dollar.strip_prefix('$')?;
    if let Some(braced) = after.strip_prefix('{') {
        let (inside, _) = braced.split_once('}')?;
        let name = inside.split_whitespace().next()?;
        return Some((name, inside.len() + 3));
    }
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    let name = after.get(..end).filter(|name| !name.is_empty())?;
    Some((name, end + 1))
}

fn is_definition(text: &str) -> bool {
    definition(text).is_some()
}

/// `$NAME=value`
fn definition(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.trim().strip_prefix('$')?.split_once('=')?;
    let name = name.trim_end();
    let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    good.then(|| (name, value.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Memory(BTreeMap<&'static str, &'static str>);

    impl Files for Memory {
        fn read(&self, path: &Path) -> Result<String, String> {
            let name = path.to_string_lossy().into_owned();
            self.0.get(name.as_str()).map(|text| (*text).to_owned()).ok_or(format!("no {name}"))
        }

        fn find(&self, pattern: &str) -> Vec<PathBuf> {
            let pattern = glob::Pattern::new(pattern).unwrap();
            self.0.keys().filter(|name| pattern.matches(name)).map(PathBuf::from).collect()
        }
    }

    fn read(files: &[(&'static str, &'static str)]) -> (Vec<String>, Vec<String>) {
        let memory = Memory(files.iter().copied().collect());
        let mut report = Report::default();
        let lines = Reader::new(&memory, "lb1", &mut report).read(Path::new("/e/k.conf")).unwrap();
        let show = |line: &Line| format!("{} {}", line.place, line.text);
        let lines = lines.iter().filter(|line| !line.text.is_empty()).map(show).collect();
        (lines, report.remarks().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn includes_are_relative_to_the_file_that_includes() {
        let (lines, faults) = read(&[
            ("/e/k.conf", "a\ninclude d/*.conf\nb\ninclude gone"),
            ("/e/d/1.conf", "one\ninclude 2.inc"),
            ("/e/d/2.inc", "two"),
        ]);
        assert_eq!(lines, ["/e/k.conf:1 a", "/e/d/1.conf:1 one", "/e/d/2.inc:1 two", "/e/k.conf:3 b"]);
        assert_eq!(faults, ["/e/k.conf:4: error: no file is called gone"]);
    }

    #[test]
    fn an_include_of_itself_ends() {
        let (_, faults) = read(&[("/e/k.conf", "include k.conf")]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("without end"));
    }

    #[test]
    fn definitions_stand_for_text_and_for_lines() {
        let text = "$P=51\n$BLOCK=x {\\\n y $P # no\\\n}\n  id ${P}0 $UNKNOWN\n$BLOCK\n";
        let (lines, faults) = read(&[("/e/k.conf", text)]);
        assert_eq!(
            lines,
            ["/e/k.conf:5 id 510 $UNKNOWN", "/e/k.conf:6 x {", "/e/k.conf:6 y 51", "/e/k.conf:6 }"]
        );
        assert!(faults.is_empty(), "{faults:?}");
        let (_, faults) = read(&[("/e/k.conf", "$A=$A$A$A\n$A")]);
        assert!(faults.len() <= 1);
        assert!(read(&[("/e/k.conf", "x ${_ENV HOME}")]).1[0].contains("_ENV"));
    }

    #[test]
    fn conditions_choose_lines() {
        let (lines, _) = read(&[("/e/k.conf", "@lb1 priority 100\n@lb2 priority 90\n@^lb1 x\n@^lb3 y")]);
        assert_eq!(lines, ["/e/k.conf:1 priority 100", "/e/k.conf:4 y"]);
    }

    #[test]
    fn repetitions_repeat() {
        let (lines, faults) = read(&[("/e/k.conf", "~SEQ(N, 1, 3) server 10.0.0.$N\n~LST(X, a, b) $X")]);
        assert_eq!(
            lines,
            ["server 10.0.0.1", "server 10.0.0.2", "server 10.0.0.3"]
                .map(|text| format!("/e/k.conf:1 {text}"))
                .into_iter()
                .chain(["/e/k.conf:2 a".to_owned(), "/e/k.conf:2 b".to_owned()])
                .collect::<Vec<_>>()
        );
        assert!(faults.is_empty(), "{faults:?}");
    }
}
