//! The pages of `docs/tasks`: every configuration is checked, every command is run, and prints what the page says.

mod capabilities;
mod page;
mod stage;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::uml::Uml;
use lab::{Error, Result};

use page::{Block, blocks};
use stage::Stage;

/// What stands in the first line of a page whose commands need IPVS.
const IPVS: &str = "<!-- IPVS -->";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn pages() -> Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(docs().join("tasks"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        pages.push((name, std::fs::read_to_string(&path)?));
    }
    pages.sort();
    Ok(pages)
}

fn perform(ipvs: bool) -> Result {
    let pages = pages()?;
    let mut wrong = Vec::new();
    for (name, text) in pages.iter().filter(|(_, text)| text.contains(IPVS) == ipvs) {
        let blocks = blocks(text)?;
        if !blocks.iter().any(|block| matches!(block, Block::Console(_) | Block::Config { .. })) {
            continue;
        }
        let mut stage = Stage::new()?;
        if let Err(error) = blocks.iter().try_for_each(|block| stage.perform(block)) {
            wrong.push(format!("{name}: {error}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::new(wrong.join("\n\n"))) }
}

#[test]
fn every_page_does_what_it_shows() -> Result {
    lab::require_privileges()?;
    perform(false)
}

#[test]
fn in_the_test_kernel() {
    let kernel = Uml::default().limit(Duration::from_secs(600)).with_holdfast().unwrap();
    let report = kernel.run_ignored_tests("").unwrap_or_else(|error| panic!("{error}"));
    assert!(report.contains(" 3 passed"), "nothing was tested: {report}");
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn every_page_about_balancing_does_what_it_shows() -> Result {
    perform(true)
}

/// What is not run is little, and each says why.
#[test]
fn hardly_anything_is_not_run() -> Result {
    let mut idle = Vec::new();
    for (name, text) in pages()? {
        let of_page = blocks(&text)?.into_iter().filter(|block| matches!(block, Block::Idle(_)));
        idle.extend(of_page.map(|block| format!("{name}: {block:?}")));
    }
    assert!(idle.len() <= 6, "{idle:#?}");
    Ok(())
}

/// Configurations outside of the tasks: the README's, and those of the other pages.
#[test]
fn configurations_of_all_other_pages_are_good() -> Result {
    let mut files = vec![docs().join("../README.md")];
    for entry in std::fs::read_dir(docs())? {
        files.push(entry?.path());
    }
    let mut found = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(file)?;
        let mut parts = text.split("\n```toml\n").skip(1);
        while let Some(config) = parts.next().and_then(|part| part.split("\n```").next()) {
            stage::check(config).map_err(|error| Error::new(format!("{}: {error}", file.display())))?;
            found += 1;
        }
    }
    assert!(found > 0);
    Ok(())
}

/// The README leads to every page.
#[test]
fn every_page_is_found() -> Result {
    let readme = std::fs::read_to_string(docs().join("../README.md"))?;
    for (name, _) in pages()? {
        assert!(readme.contains(&format!("docs/tasks/{name}")), "{name}");
    }
    Ok(())
}

/// The lines of the log that a page explains are lines that the programs write.
#[test]
fn lines_of_the_log_are_written_by_somebody() -> Result {
    let mut sources = String::new();
    let mut folders = vec![docs().join("../crates"), docs().join("../bin")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(path)?);
            }
        }
    }
    let page = std::fs::read_to_string(docs().join("tasks/troubleshooting.md"))?;
    let lines: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(lines.len() > 10, "{lines:?}");
    for line in lines {
        assert!(sources.contains(line), "{line:?}");
    }
    Ok(())
}
