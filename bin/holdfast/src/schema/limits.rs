//! The faults of the corpus and the schema: what kind of fault it refuses, and what it cannot see, with the reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::make::schema;
use super::tests::json;
use super::validate::faults;
use crate::reference::root;

/// Faults that are about one key and yet none of the schema, by a part of their words.
const BEYOND: &[(&str, &str)] = &[
    ("expected a duration from", "the range of a duration that is written with units"),
    ("expected whole seconds", "the same"),
    ("`interface` is missing", "it may stand in [vrrp], for all instances"),
    ("`persistence_granularity`", "how far it goes is said by the family of another key"),
    ("`X-Number`", "the keys of `headers` are the operator's"),
];

/// What a fault of one key is about.
#[derive(Debug, PartialEq, Eq)]
enum About<'f> {
    Missing(&'f str),
    Unknown(&'f str),
    Value(&'f str),
}

/// None of a fault that more than one key has a part in.
fn about(message: &str) -> Option<About<'_>> {
    if let Some(rest) =
        message.strip_prefix("unknown key \"").or_else(|| message.strip_prefix("unknown section \""))
    {
        return rest.split_once('"').map(|(key, _)| About::Unknown(key));
    }
    let (key, rest) = message.strip_prefix('`')?.split_once('`')?;
    if rest.starts_with(" is missing in ") {
        return Some(About::Missing(key));
    }
    let value = rest.starts_with(": expected ") || rest.starts_with(": \"") && rest.contains("\" is not a");
    value.then_some(About::Value(key))
}

/// Whether one of what the schema says is that.
fn is_told(about: &About<'_>, told: &[String]) -> bool {
    told.iter().any(|fault| {
        let (place, what) = fault.split_once(": ").unwrap();
        let key = place.trim_end_matches("[]").rsplit('.').next().unwrap();
        match about {
            About::Missing(wanted) => {
                key == *wanted && what == "missing"
                    || what.contains(&format!("{{\"required\":[\"{wanted}\"]}}"))
            }
            About::Unknown(wanted) => key == *wanted && what == "unknown",
            About::Value(wanted) => key == *wanted,
        }
    })
}

/// The names of the corpus.
fn corpus() -> BTreeSet<String> {
    let files =
        fs::read_dir(root().join("bin/holdfast/tests/corpus")).unwrap().map(|entry| entry.unwrap().path());
    let broken = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    broken.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// A broken file, if it is TOML at all, and what the reader says of it.
fn broken(name: &str) -> Option<(serde_json::Value, String)> {
    let path = |ending: &str| root().join(format!("bin/holdfast/tests/corpus/{name}.{ending}"));
    let text = fs::read_to_string(path("toml")).ok()?;
    Some((json(&text)?, fs::read_to_string(path("faults")).unwrap()))
}

#[test]
fn the_schema_refuses_every_fault_of_the_corpus_that_is_about_one_key() {
    let (schema, mut count, mut wrong) = (schema(), 0, Vec::new());
    let mut used = BTreeSet::new();
    for name in corpus() {
        let Some((document, printed)) = broken(&name) else { continue };
        let told = faults(&schema, &document);
        for line in printed.lines().filter(|line| line.starts_with(&format!("{name}.toml:"))) {
            let Some((_, message)) = line.split_once(": error: ") else { continue };
            let Some(about) = about(message) else { continue };
            let beyond = BEYOND.iter().find(|(words, _)| message.contains(words));
            match (is_told(&about, &told), beyond) {
                (true, _) => count += 1,
                (false, Some((words, _))) => drop(used.insert(*words)),
                (false, None) => wrong.push(format!("{name}: {message}")),
            }
        }
    }
    assert!(wrong.is_empty(), "the schema does not see\n{}", wrong.join("\n"));
    let stale: Vec<_> = BEYOND.iter().filter(|(words, _)| !used.contains(words)).collect();
    assert!(stale.is_empty(), "the schema sees all of {stale:?}");
    assert!(count > 100, "{count}");
}

/// An independent validator has to come to the same list: `tests/e2e/tests/operator/schema.rs`.
#[test]
fn the_list_of_refused_files_is_that_of_the_schema() {
    let schema = schema();
    let refused = corpus()
        .into_iter()
        .filter(|name| broken(name).is_some_and(|(document, _)| !faults(&schema, &document).is_empty()));
    let text: String = refused.map(|name| format!("{name}\n")).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused-by-schema");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == text,
        "bin/holdfast/tests/refused-by-schema is out of date: UPDATE=1 cargo test -p holdfast"
    );
}
