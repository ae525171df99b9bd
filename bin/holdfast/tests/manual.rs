//! The manual pages say what the programs do.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a page, with roff's escapes for a dash taken out.
fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs/man").join(name)).unwrap().replace("\\-", "-")
}

/// Every `--option` of a help text.
fn options(help: &str) -> BTreeSet<String> {
    let words = help.split(|c: char| c.is_whitespace() || c == ',' || c == '=');
    let options = words.filter(|word| word.starts_with("--") && word.len() > 2);
    options.map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned()).collect()
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast")).args(arguments).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_option_of_holdfast_is_in_its_page() {
    let page = page("holdfast.1");
    for arguments in [
        &[][..],
        &["check"],
        &["status"],
        &["reload"],
        &["convert"],
        &["schema"],
        &["serve"],
        &["events"],
        &["upgrade"],
        &["digest"],
        &["connections"],
        &["top"],
        &["realserver"],
        &["drain"],
        &["disable"],
        &["enable"],
        &["weight"],
        &["failover"],
        &["maintenance"],
        &["release"],
        &["doctor"],
    ] {
        let help = help(arguments);
        let found = options(&help);
        assert!(found.contains("--run-dir"), "{help}");
        for option in found {
            let flag = format!("Fl {}", &option[1..]);
            assert!(page.contains(&flag), "{option} of holdfast {arguments:?} is not in holdfast.1");
        }
    }
}

#[test]
fn every_command_of_holdfast_is_in_its_page() {
    let page = page("holdfast.1");
    let help = help(&[]);
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"check"), "{help}");
    for name in names {
        assert!(page.contains(&format!("\n.It Cm {name}")), "holdfast {name} is not in holdfast.1");
    }
}
