//! `holdfast check`: every fault of a configuration, without root and without touching anything.

use std::path::Path;

use common::config::{Diagnostics, LoadErrorKind, Sources};
use common::exit::Exit;
use common::role;

use crate::output::Output;
use crate::roles::ROLES;

/// Checks the file and says what is wrong.
pub(crate) fn run(path: &Path, output: &mut Output) -> Exit {
    let sources = match Sources::load(path) {
        Ok(sources) => sources,
        Err(error) => {
            output.complain(&format!("{error}\n"));
            return match error.kind() {
                LoadErrorKind::Missing => Exit::NoConfig,
                LoadErrorKind::Permission => Exit::Permission,
                LoadErrorKind::Unusable => Exit::Config,
            };
        }
    };
    let mut diagnostics = Diagnostics::new();
    role::check(ROLES, &sources, &mut diagnostics);
    output.complain(&diagnostics.render(&sources));
    let (errors, warnings) = diagnostics.counts();
    let summary = format!("{}: {}", path.display(), verdict(errors, warnings, sources.files().len()));
    if errors > 0 {
        output.complain(&summary);
        return Exit::Config;
    }
    output.print(&summary);
    Exit::Done
}

/// Whether a file has no fault; for deciding what a refused reload was about.
pub(crate) fn is_faulty(path: &Path) -> bool {
    let Ok(sources) = Sources::load(path) else { return true };
    let mut diagnostics = Diagnostics::new();
    role::check(ROLES, &sources, &mut diagnostics);
    diagnostics.has_errors()
}

fn verdict(errors: usize, warnings: usize, files: usize) -> String {
    let with = if warnings > 0 { format!(", {}", count(warnings, "warning")) } else { String::new() };
    if errors > 0 {
        return format!("{}{with}\n", count(errors, "error"));
    }
    let read = if files > 1 { format!(" ({files} files)") } else { String::new() };
    format!("no errors{with}{read}\n")
}

fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn the_last_line_counts() {
        assert_eq!(verdict(0, 0, 1), "no errors\n");
        assert_eq!(verdict(0, 2, 3), "no errors, 2 warnings (3 files)\n");
        assert_eq!(verdict(1, 1, 1), "1 error, 1 warning\n");
    }
}
