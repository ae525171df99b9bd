//! What `holdfast schema` prints, before a validator that knows nothing of Holdfast: Python's `jsonschema` and `tomllib`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lab::{Result, TempDir, output, run};

/// Says of every file whether the schema takes it; those that are no TOML are left out.
const JUDGE: &str = "\
import json, sys, tomllib
from jsonschema import Draft202012Validator as Validator
schema = json.load(open(sys.argv[1]))
Validator.check_schema(schema)
validator = Validator(schema)
for path in sys.argv[2:]:
    try:
        document = tomllib.load(open(path, 'rb'))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        continue
    faults = [f'{error.json_path}: {error.message}'[:200] for error in validator.iter_errors(document)]
    print(json.dumps({'file': path, 'faults': faults}))
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, found: &mut Vec<String>) -> Result {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(())
}

/// The files and what is wrong with them.
fn judged(paths: &[String]) -> Result<Vec<(String, Vec<String>)>> {
    let folder = TempDir::new()?;
    let holdfast = lab::program(lab::Program::Holdfast)?;
    let schema = folder.write("schema.json", &run(&[holdfast.as_os_str(), "schema".as_ref()])?)?;
    let judge = folder.write("judge.py", JUDGE)?;
    let mut argv =
        vec!["/usr/bin/python3".to_owned(), judge.display().to_string(), schema.display().to_string()];
    argv.extend(paths.iter().cloned());
    let line = |line: &str| -> Result<(String, Vec<String>)> {
        let said: serde_json::Value = serde_json::from_str(line)?;
        let file = said["file"].as_str().unwrap_or_default().to_owned();
        let faults = said["faults"].as_array().into_iter().flatten();
        Ok((file, faults.filter_map(|fault| fault.as_str().map(str::to_owned)).collect()))
    };
    run(&argv)?.lines().map(line).collect()
}

#[test]
fn another_validator_takes_what_is_shipped_and_what_is_converted() -> Result {
    let mut paths = Vec::new();
    for folder in ["etc/holdfast", "bin/holdfast/tests/convert"] {
        files(&root().join(folder), &mut paths)?;
    }
    let all = judged(&paths)?;
    assert!(all.len() > 10, "{all:?}");
    for (file, faults) in &all {
        // What was converted may be worth a look before it is used.
        let holdfast = lab::program(lab::Program::Holdfast)?;
        let good = output(&[holdfast.as_os_str(), "check".as_ref(), file.as_ref()])?.code == Some(0);
        assert!(!good || faults.is_empty(), "{file}: {faults:#?}");
        assert!(good || !file.contains("/etc/holdfast/"), "{file}");
    }
    Ok(())
}

#[test]
fn another_validator_refuses_the_same_files_of_the_corpus() -> Result {
    let mut paths = Vec::new();
    files(&root().join("bin/holdfast/tests/corpus"), &mut paths)?;
    // Those in folders are parts of others.
    paths.retain(|path| !path.contains(".d/"));
    let name = |file: &str| Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let all = judged(&paths)?;
    let refused = all.iter().filter(|(_, faults)| !faults.is_empty()).map(|(file, _)| name(file));
    // Python reads no byte order mark, and numbers of any size: these two are TOML for one of us only.
    let alike = |name: &String| !["text-bom", "type-huge-number"].contains(&name.as_str());
    let refused: BTreeSet<String> = refused.filter(alike).collect();
    let list = std::fs::read_to_string(root().join("bin/holdfast/tests/refused-by-schema"))?;
    let ours: BTreeSet<String> = list.lines().map(str::to_owned).filter(alike).collect();
    assert_eq!(refused, ours);
    assert!(ours.len() > 40, "{ours:?}");
    Ok(())
}
