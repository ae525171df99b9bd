//! Faults and warnings, collected with their place and told all at once.

use super::excerpt::Excerpts;
use super::form::Form;
use super::record::{Asked, Record, Visit};
use super::source::{Sources, Span};

/// How many are printed; one slip in a generated file can make thousands.
const MAX_RENDERED: usize = 200;

/// Whether a configuration can be used in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is accepted; the operator should look.
    Warning,
}

/// One fault, with what helps to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    span: Span,
    message: String,
    notes: Vec<(Span, String)>,
    hints: Vec<String>,
}

impl Diagnostic {
    fn new(severity: Severity, span: Span, message: impl Into<String>) -> Self {
        Self { severity, span, message: message.into(), notes: Vec::new(), hints: Vec::new() }
    }

    /// Adds advice: what to write instead.
    pub fn hint(&mut self, text: impl Into<String>) -> &mut Self {
        self.hints.push(text.into());
        self
    }

    /// Adds another place in the text that belongs to the fault.
    pub fn note(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        self.notes.push((span, text.into()));
        self
    }

    /// Whether the configuration is refused for it.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Where it is.
    pub fn span(&self) -> Span {
        self.span
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The other places that belong to it.
    pub fn notes(&self) -> &[(Span, String)] {
        &self.notes
    }
}

/// Everything found wrong so far.
#[derive(Debug)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Set when a file is not TOML: what the tables seem to lack then is not said, only what they do say.
    broken: bool,
    /// Set when a header or list has no end: then nobody can say which table a key is in.
    lost: bool,
    /// Takes what is not reported, so that callers need not care.
    discarded: Diagnostic,
    /// What was asked for, when recording.
    record: Option<Box<Record>>,
    /// Sections that the whole text is known not to have.
    absent: Vec<&'static str>,
}

impl Default for Diagnostics {
    fn default() -> Self {
        Self::new()
    }
}

impl Diagnostics {
    /// Nothing wrong yet.
    pub fn new() -> Self {
        Self {
            list: Vec::new(),
            broken: false,
            lost: false,
            discarded: Diagnostic::new(Severity::Warning, Span::START, ""),
            record: None,
            absent: Vec::new(),
        }
    }

    /// Like [`Diagnostics::new`], and remembers every key the tables are asked for.
    pub fn recording() -> Self {
        Self { record: Some(Box::default()), ..Self::new() }
    }

    /// The keys asked for while [`Diagnostics::recording`], as `table.key`.
    pub fn asked(&self) -> impl Iterator<Item = &str> {
        self.keys().map(|(path, _)| path)
    }

    /// What was asked for under each of them.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Asked)> {
        self.record.iter().flat_map(|record| &record.keys).map(|(path, asked)| (path.as_str(), asked))
    }

    /// The tables that were read meanwhile.
    pub fn visits(&self) -> impl Iterator<Item = &Visit> {
        self.record.iter().flat_map(|record| &record.visits)
    }

    pub(super) fn record(&mut self, path: &str, key: &str, forms: impl FnOnce() -> Vec<Form>) {
        if let Some(record) = &mut self.record {
            record.key(path, key).forms.extend(forms());
        }
    }

    /// Gives what is to be remembered to the record, if there is one.
    pub(super) fn recorded(&mut self) -> Option<&mut Record> {
        self.record.as_deref_mut()
    }

    /// Reports a fault: the configuration will be refused.
    ///
    /// Plans report here what they find by comparing values. After a syntax fault such findings are dropped: half the
    /// text may be missing, and they would only mislead.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        if self.broken {
            self.discarded = Diagnostic::new(Severity::Error, span, message);
            return &mut self.discarded;
        }
        self.push(Diagnostic::new(Severity::Error, span, message))
    }

    /// Notes which of the sections that keys elsewhere rely on the whole text does not have. Who sees only a share of
    /// it cannot say so, and does not.
    pub(crate) fn note_absent(&mut self, sections: impl Iterator<Item = &'static str>) {
        self.absent = sections.collect();
    }

    /// Whether a section is known to be missing, so that a key that relies on it can have no effect.
    pub(crate) fn is_absent(&self, section: &str) -> bool {
        self.absent.contains(&section)
    }

    /// Reports something that is accepted but looks wrong.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        if self.broken {
            self.discarded = Diagnostic::new(Severity::Warning, span, message);
            return &mut self.discarded;
        }
        self.push(Diagnostic::new(Severity::Warning, span, message))
    }

    /// Reports a fault that stands by itself: one value or key, whatever the rest of the text says.
    pub(super) fn local_error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Diagnostic::new(Severity::Error, span, message))
    }

    /// Reports that a file is not TOML.
    pub(super) fn syntax_error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.broken = true;
        self.push(Diagnostic::new(Severity::Error, span, message))
    }

    /// Notes that a header or list has no end.
    pub(super) fn lost_header(&mut self) {
        self.lost = true;
    }

    /// Whether it can be said which table a key is in.
    pub(super) fn tables_are_known(&self) -> bool {
        !self.lost
    }

    fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        self.list.push(diagnostic);
        match self.list.last_mut() {
            Some(last) => last,
            None => &mut self.discarded,
        }
    }

    /// Whether the configuration is refused.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// Whether nothing at all was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Everything found, by place, each once.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut list: Vec<&Diagnostic> = self.list.iter().collect();
        list.sort_by(|a, b| (a.span, a.severity, &a.message).cmp(&(b.span, b.severity, &b.message)));
        // A default that many objects inherit is read, and found faulty, many times.
        list.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        list
    }

    /// How many errors and warnings [`Diagnostics::render`] tells.
    pub fn counts(&self) -> (usize, usize) {
        let list = self.sorted();
        let errors = list.iter().filter(|d| d.severity == Severity::Error).count();
        (errors, list.len() - errors)
    }

    /// One line each, for the log: `file:line:column: message`.
    pub fn lines(&self, sources: &Sources) -> Vec<(Severity, String)> {
        let excerpts = Excerpts::new(sources);
        let line = |d: &&Diagnostic| (d.severity, format!("{}: {}", excerpts.locate(d.span), d.message));
        self.sorted().iter().take(MAX_RENDERED).map(line).collect()
    }

    /// What is wrong without where: for those who have no text.
    pub fn messages(&self) -> String {
        let lines: Vec<&str> = self.sorted().iter().take(MAX_RENDERED).map(|d| d.message.as_str()).collect();
        lines.join("\n")
    }

    /// The text for people: `file:line:column`, the line, a caret under the place, advice.
    pub fn render(&self, sources: &Sources) -> String {
        let excerpts = Excerpts::new(sources);
        let list = self.sorted();
        let mut out = String::new();
        for diagnostic in list.iter().take(MAX_RENDERED) {
            let word = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            excerpts.write(&mut out, diagnostic.span, word, &diagnostic.message);
            for (span, note) in &diagnostic.notes {
                excerpts.write(&mut out, *span, "note", note);
            }
            for hint in &diagnostic.hints {
                out.push_str("  hint: ");
                out.push_str(hint);
                out.push('\n');
            }
        }
        if list.len() > MAX_RENDERED {
            out.push_str(&format!("... and {} more\n", list.len() - MAX_RENDERED));
        }
        out
    }
}
