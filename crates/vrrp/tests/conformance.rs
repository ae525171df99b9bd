//! `docs/conformance.md` is made of the rules in `tests/conformance/rules.txt` and of the names of the tests that begin
//! with a rule's id: `w3_…`, `v2_5_…` for rule 2-5, `s11_…`, `d6_1_…`, several ids one after the other. `UPDATE=1`
//! writes it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test: a panic is a failure")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

struct Rule<'t> {
    id: &'t str,
    level: &'t str,
    words: &'t str,
    note: &'t str,
}

fn rules(text: &str) -> Vec<Rule<'_>> {
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            assert_eq!(fields.len(), 4, "{line}");
            Rule { id: fields[0], level: fields[1], words: fields[2], note: fields[3] }
        })
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|n| n != "target" && n != "corpus") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The rule ids a test's name begins with.
fn ids(name: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut words = name.split('_').peekable();
    while let Some(word) = words.peek().copied() {
        let (letter, number) = word.split_at_checked(1).unwrap_or(("", ""));
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            break;
        }
        words.next();
        match letter {
            "w" | "s" => ids.push(format!("{}{number}", letter.to_uppercase())),
            "v" | "d" => {
                let Some(rule) =
                    words.peek().filter(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_digit()))
                else {
                    break;
                };
                ids.push(format!("{}{number}-{rule}", letter.replace('v', "").to_uppercase()));
                words.next();
            }
            _ => break,
        }
    }
    ids
}

type Tests = BTreeMap<String, Vec<(String, String)>>;

/// Tests by rule: their names and files.
fn tests(root: &Path) -> Tests {
    let mut files = Vec::new();
    sources(&root.join("crates/vrrp"), &mut files);
    sources(&root.join("tests"), &mut files);
    files.sort();
    let mut tests = Tests::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let place = file.strip_prefix(root).unwrap().display().to_string();
        let (mut is_test, mut listed) = (false, false);
        for line in text.lines().map(str::trim) {
            // A list of what is repeated for every way of speaking.
            if line.starts_with("e2e::for_every_flavour![") {
                listed = true;
            } else if line.starts_with(']') {
                listed = false;
            } else if listed {
                for id in ids(line) {
                    let test = (line.trim_end_matches(',').to_owned(), place.clone());
                    tests.entry(id).or_default().push(test);
                }
            } else if line.starts_with("#[test]") {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ") {
                let name = rest.split('(').next().unwrap();
                if std::mem::take(&mut is_test) {
                    for id in ids(name) {
                        tests.entry(id).or_default().push((name.to_owned(), place.clone()));
                    }
                }
            }
        }
    }
    tests
}

fn document(rules: &[Rule<'_>], tests: &Tests) -> String {
    let mut text = "# Conformance\n\n\
        Made by `UPDATE=1 cargo test -p holdfast-vrrp --test conformance` from `crates/vrrp/tests/conformance/rules.txt` and\n\
        the names of the tests; do not edit. W: common rules of the wire; 2-: version 2 (RFC 3768); 3-: version 3 (RFC 5798,\n\
        RFC 9568 and errata); S: the state machine, in the words of version 2; D6-: what the field has taught; D7-: interop\n\
        with keepalived and FRR. Tests under `tests/` run in network namespaces.\n\n\
        | id | level | rule | tests | remarks |\n|---|---|---|---|---|\n"
        .to_owned();
    for rule in rules {
        let of_rule = tests.get(rule.id).map_or(&[][..], Vec::as_slice);
        let names: Vec<String> = of_rule
            .iter()
            .map(|(name, place)| {
                let up = "../";
                format!("[`{name}`]({up}{place})")
            })
            .collect();
        let names = if names.is_empty() { "-".to_owned() } else { names.join("<br>") };
        writeln!(text, "| {} | {} | {} | {names} | {} |", rule.id, rule.level, rule.words, rule.note)
            .unwrap();
    }
    text
}

#[test]
fn every_rule_has_a_test_or_a_reason_and_the_document_says_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let text = std::fs::read_to_string(root.join("crates/vrrp/tests/conformance/rules.txt")).unwrap();
    let rules = rules(&text);
    let tests = tests(&root);
    for rule in &rules {
        assert!(tests.contains_key(rule.id) || !rule.note.is_empty(), "rule {} has neither", rule.id);
    }
    for (id, of_rule) in &tests {
        assert!(rules.iter().any(|r| r.id == id), "no rule {id} for {}", of_rule[0].0);
    }
    let path = root.join("docs/conformance.md");
    let document = document(&rules, &tests);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, document).unwrap();
    } else {
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(written, document, "docs/conformance.md is not up to date: see the head of this file");
    }
}

#[test]
fn names_are_read_as_meant() {
    assert_eq!(ids("w3_ttl"), ["W3"]);
    assert_eq!(ids("w1_w2_w6_an_advert"), ["W1", "W2", "W6"]);
    assert_eq!(ids("v2_5_s11_x"), ["2-5", "S11"]);
    assert_eq!(ids("s_x"), Vec::<String>::new());
    assert_eq!(ids("v2_and_v3"), Vec::<String>::new());
    assert_eq!(ids("d6_stall"), Vec::<String>::new());
    assert_eq!(ids("w9_d6_9_rest"), ["W9", "D6-9"]);
}
