//! What a process of `holdfastd` is to the others: a name, a share of the configuration, a main function.

use crate::alerts::Alerts;
use crate::child::Inherited;
use crate::config::global::Global;
use crate::config::{Diagnostics, Document, Sources, Table};
use crate::exit::Exit;
use crate::log::Part;

/// Whether a configuration has work for a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// There is something to do: the process is to run.
    Wanted,
    /// Nothing is configured: no process is needed.
    Idle,
}

/// One kind of child process.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    /// `vrrp` or `checker`: names the process, its socket and its part of the status.
    pub name: &'static str,
    /// Its parts that may log more or less than the rest of it.
    pub parts: &'static [Part],
    /// Takes this role's tables from the root of the configuration, reports every fault in them.
    pub check: fn(&mut Table<'_>, &Global, &mut Diagnostics) -> Need,
    /// The main function of the process.
    pub run: fn(Inherited) -> Exit,
}

/// What a whole configuration amounts to.
#[derive(Debug)]
pub struct Checked {
    /// The sections for every process.
    pub global: Global,
    /// For each role, in the order given, whether it is needed.
    pub needs: Vec<Need>,
    /// For each role, the sections it has asked for.
    pub sections: Vec<Vec<&'static str>>,
    /// To whom mail is sent; the watchdog's affair alone.
    pub alerts: Option<Alerts>,
    /// What the text says.
    pub document: Document,
}

/// Sections without which a key of another section means nothing.
const RELIED_ON: [&str; 1] = [crate::alerts::SECTION];

/// Checks a whole configuration: every role's share, the common share, and that nothing is left over.
/// Faults are in `diagnostics` afterwards.
pub fn check(roles: &[Role], sources: &Sources, diagnostics: &mut Diagnostics) -> Checked {
    let document = Document::parse(sources, diagnostics);
    let mut root = document.root();
    diagnostics.note_absent(RELIED_ON.into_iter().filter(|section| !root.has(section)));
    let global = crate::config::global::plan(&mut root, diagnostics);
    let common = root.asked().to_vec();
    let (mut needs, mut sections) = (Vec::new(), Vec::new());
    for role in roles {
        let before = root.asked().len();
        needs.push((role.check)(&mut root, &global, diagnostics));
        sections.push([&common, root.asked().get(before..).unwrap_or_default()].concat());
    }
    // After the roles: it is in nobody's share, and a reload that changes it touches no child.
    let alerts = crate::alerts::plan(&mut root, diagnostics);
    root.finish(diagnostics);
    Checked { global, needs, sections, alerts, document }
}
