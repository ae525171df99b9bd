//! `include = ["conf.d/*.toml"]`: which files belong to a configuration.
//!
//! Patterns are relative to the file that includes. A pattern may match nothing; a plain name must exist. A file that
//! is reached twice is read once; a file that includes itself, however indirectly, is a fault.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::source::{FileId, SourceFile, Sources, Span, read};

/// How deep includes may nest.
const MAX_DEPTH: usize = 16;
/// How many files a configuration may consist of.
const MAX_FILES: usize = 4096;

/// Follows the `include` keys of the root file, depth first.
pub(super) fn resolve(sources: &mut Sources) {
    let Some(root) = sources.files.first() else { return };
    let mut chain = vec![identity(&root.path)];
    let mut seen = chain.clone();
    follow(sources, FileId(0), &mut chain, &mut seen);
}

fn follow(sources: &mut Sources, id: FileId, chain: &mut Vec<PathBuf>, seen: &mut Vec<PathBuf>) {
    let Some(file) = sources.file(id) else { return };
    let directory = file.path.parent().map(Path::to_path_buf).unwrap_or_default();
    for (span, pattern) in patterns(id, &file.text) {
        let paths = match matches(&directory, &pattern) {
            Ok(paths) => paths,
            Err(fault) => {
                sources.faults.push((span, fault));
                continue;
            }
        };
        for path in paths {
            let identity = identity(&path);
            if chain.contains(&identity) {
                let fault = format!(
                    "`{pattern}` includes {}, which is being read already: an include cycle",
                    path.display()
                );
                sources.faults.push((span, fault));
                continue;
            }
            if seen.contains(&identity) {
                continue;
            }
            if chain.len() > MAX_DEPTH || sources.files.len() >= MAX_FILES {
                let fault =
                    format!("includes nest deeper than {MAX_DEPTH} files, or are more than {MAX_FILES}");
                sources.faults.push((span, fault));
                return;
            }
            seen.push(identity.clone());
            match read(&path) {
                Ok(text) => {
                    let next = sources.next_id();
                    sources.files.push(SourceFile { path, text });
                    chain.push(identity);
                    follow(sources, next, chain, seen);
                    chain.pop();
                }
                Err(fault) => {
                    let fault = format!("cannot include {}{}", path.display(), fault.detail());
                    sources.faults.push((span, fault));
                }
            }
        }
    }
}

/// The strings of the `include` key; wrong types are reported when the document is parsed.
fn patterns(file: FileId, text: &str) -> Vec<(Span, String)> {
    let mut found = Vec::new();
    if !text.contains("include") {
        return found;
    }
    // It stands before every header: where what stands there is right by itself, the rest does not matter.
    let lines = text.split_inclusive('\n').take_while(|line| !line.trim_start().starts_with('['));
    let head = text.get(..lines.map(str::len).sum()).unwrap_or(text);
    let (mut table, errors) = DeTable::parse_recoverable(head);
    if !errors.is_empty() {
        (table, _) = DeTable::parse_recoverable(text);
    }
    let mut add = |value: &toml::Spanned<DeValue<'_>>| {
        if let Some(pattern) = value.get_ref().as_str() {
            let span = value.span();
            found.push((Span { file, start: span.start, end: span.end }, pattern.to_owned()));
        }
    };
    if let Some(value) = table.get_ref().get("include") {
        match value.get_ref().as_array() {
            Some(list) => list.iter().for_each(add),
            None => add(value),
        }
    }
    found
}

/// The files one pattern stands for, sorted.
fn matches(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    if pattern.is_empty() {
        return Err("an include names a file or a pattern like `conf.d/*.toml`, not nothing".to_owned());
    }
    if !pattern.contains(['*', '?', '[']) {
        let path = directory.join(pattern);
        if path.is_dir() {
            return Err(format!(
                "{} is a directory; write `{}/*.toml`",
                path.display(),
                pattern.trim_end_matches('/')
            ));
        }
        return Ok(vec![path]);
    }
    // The including file's own directory is a name, not a pattern, whatever characters it has.
    let whole = if Path::new(pattern).is_absolute() || directory.as_os_str().is_empty() {
        pattern.to_owned()
    } else {
        format!("{}/{pattern}", glob::Pattern::escape(&directory.to_string_lossy()))
    };
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        // An editor's swap file is not configuration.
        require_literal_leading_dot: true,
    };
    let paths =
        glob::glob_with(&whole, options).map_err(|e| format!("`{pattern}` is not a pattern: {}", e.msg))?;
    let mut found = Vec::new();
    for path in paths {
        let path = path
            .map_err(|e| format!("cannot look for `{pattern}` in {}: {}", e.path().display(), e.error()))?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What makes two paths the same file.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}
