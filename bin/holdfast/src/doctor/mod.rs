//! `holdfast doctor`: the machine against the configuration.
//!
//! What the configuration wants (`wants`) and what the machine has (`facts`, gathered by `gather` and `wire`) go through
//! a table of rules (`rules`, pure), each of which says what is wrong and the command that mends it. Nothing is changed
//! and the daemon need not run.

mod arp;
mod facts;
mod gather;
mod neighbour;
mod rules;
mod wants;
mod wire;

use common::config::{Diagnostics, Document, LoadErrorKind, Sources};
use common::exit::Exit;
use serde_json::{Value, json};

use crate::cli::Arguments;
use crate::output::Output;
use rules::{Finding, Severity};
use wants::Wants;

/// How it is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Looks, judges and tells.
pub(crate) fn run(arguments: &Arguments, how: &Doctor, output: &mut Output) -> Exit {
    let sources = match Sources::load(&arguments.config) {
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
    let mut d = Diagnostics::new();
    let document = Document::parse(&sources, &mut d);
    let mut root = document.root();
    let global = common::config::global::plan(&mut root, &mut d);
    let vrrp = vrrp::plan::plan(&mut root, &mut d);
    let checker = checker::plan::plan(&mut root, &global, &mut d);
    root.finish(&mut d);
    if d.has_errors() {
        output.complain(&d.render(&sources));
        return Exit::Config;
    }
    let wants = Wants::new(&sources, &global, &vrrp, &checker);
    let facts = gather::gather(&wants, &arguments.run_dir);
    let findings = rules::judge(&wants, &facts);
    if how.json {
        output.print(&format!("{}\n", as_json(&findings, &facts.skipped)));
    } else {
        output.print(&as_text(&findings, &facts.skipped));
    }
    if findings.iter().any(Finding::counts) { Exit::Failed } else { Exit::Done }
}

fn as_json(findings: &[Finding], skipped: &[String]) -> Value {
    let list = findings.iter().map(|finding| {
        json!({
            "rule": finding.rule, "severity": finding.severity.word(), "what": finding.what, "mend": finding.mend,
        })
    });
    let fine = !findings.iter().any(Finding::counts);
    json!({ "fine": fine, "findings": list.collect::<Vec<_>>(), "skipped": skipped })
}

/// The worst first, each with its command.
fn as_text(findings: &[Finding], skipped: &[String]) -> String {
    let mut out = String::new();
    for Finding { severity, what, mend, .. } in findings {
        out.push_str(&format!("{:<8} {what}\n", severity.word()));
        if !mend.is_empty() {
            out.push_str(&format!("         {mend}\n"));
        }
    }
    for what in skipped {
        out.push_str(&format!("skipped  {what}\n"));
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match errors + warnings {
        0 => out.push_str("nothing is wrong\n"),
        _ => out.push_str(&format!("errors: {errors}, warnings: {warnings}\n")),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_with_their_commands_and_notes_do_not_count() {
        let finding =
            |severity| Finding { rule: "r", severity, what: "it is so".into(), mend: "mend it".into() };
        let notes = [finding(Severity::Note)];
        assert_eq!(as_text(&notes, &[]), "note     it is so\n         mend it\nnothing is wrong\n");
        assert_eq!(as_json(&notes, &[])["fine"], true);
        let all = [finding(Severity::Error), finding(Severity::Warning)];
        let text = as_text(&all, &["the wire: needs root".to_owned()]);
        assert!(text.ends_with("skipped  the wire: needs root\nerrors: 1, warnings: 1\n"), "{text}");
        let told = as_json(&all, &["x".to_owned()]);
        assert_eq!((&told["fine"], &told["skipped"][0]), (&json!(false), &json!("x")));
        assert_eq!(
            told["findings"][0],
            json!({"rule": "r", "severity": "error", "what": "it is so", "mend": "mend it"})
        );
    }
}
