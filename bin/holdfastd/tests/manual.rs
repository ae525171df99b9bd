//! holdfastd(8) has every option that `--help` has, and no other.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Every long option of the help text.
fn options() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfastd")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let first = help.lines().filter(|line| line.trim_start().starts_with('-'));
    let words = first.flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix("--"));
    words.map(|word| word.trim_end_matches(',').to_owned()).collect()
}

#[test]
fn the_manual_has_the_options_of_the_program() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man/holdfastd.8");
    let page = std::fs::read_to_string(page).unwrap().replace("\\-", "-");
    let items = page.lines().filter(|line| line.starts_with(".It Fl "));
    let words = items.flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix('-'));
    let explained: BTreeSet<String> = words.map(str::to_owned).collect();
    assert_eq!(explained, options());
}
