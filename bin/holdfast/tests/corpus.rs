//! Broken configurations: the exact text `holdfast check` prints for each, and the lines it must point at.
//!
//! `corpus/NAME.toml` begins with a comment that says what is wrong with it, and a second that names every line with
//! a fault (`# faults: 4 7`, or `# faults: 4 other.d/x.toml:2` for included files). `corpus/NAME.faults` is what is
//! printed. `UPDATE=1 cargo test` writes the latter anew; the former is by hand, so that a rewrite cannot hide a fault
//! told at the wrong place.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn names(extension: &str) -> BTreeSet<String> {
    let files = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == extension));
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The exit code and everything printed.
fn check(name: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.arg("check").arg(format!("{name}.toml")).current_dir(corpus()).output().unwrap();
    let text = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

/// `file:line` of every error and warning printed.
fn places(text: &str) -> BTreeSet<String> {
    let faults = text.lines().filter(|line| line.contains(": error: ") || line.contains(": warning: "));
    faults.map(|line| line.splitn(3, ':').take(2).collect::<Vec<_>>().join(":")).collect()
}

/// What the second line of the file says.
fn expected(name: &str) -> BTreeSet<String> {
    let text = fs::read(corpus().join(format!("{name}.toml"))).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().nth(1).unwrap_or_default().trim();
    let places = line.strip_prefix("# faults:").unwrap_or_else(|| unnamed(name));
    let file =
        |place: &str| if place.contains(':') { place.to_owned() } else { format!("{name}.toml:{place}") };
    places.split_whitespace().map(file).collect()
}

#[expect(clippy::panic, reason = "helpers of tests fail by panicking")]
fn unnamed(name: &str) -> &str {
    panic!("{name}.toml: the second line must be `# faults: LINE ...`")
}

#[test]
fn every_fault_is_told_with_its_exact_place() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for name in names("toml") {
        let (code, text) = check(&name);
        let golden = corpus().join(format!("{name}.faults"));
        if update {
            fs::write(&golden, &text).unwrap();
        }
        let wanted = fs::read_to_string(&golden).unwrap_or_default();
        if text != wanted {
            wrong.push(format!("{name}: printed\n{text}--- but the golden is\n{wanted}"));
        }
        let wanted = if text.contains(": error: ") || !text.contains("no errors") { 2 } else { 0 };
        if code != wanted {
            wrong.push(format!("{name}: exit code {code}, not {wanted}"));
        }
        let (told, wanted) = (places(&text), expected(&name));
        if told != wanted {
            wrong.push(format!("{name}: told {told:?}, but the file says {wanted:?}"));
        }
        if wanted.is_empty() {
            wrong.push(format!("{name}: no fault; what is good belongs to the samples"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn no_golden_is_left_over() {
    assert_eq!(names("faults").difference(&names("toml")).collect::<Vec<_>>(), Vec::<&String>::new());
}
