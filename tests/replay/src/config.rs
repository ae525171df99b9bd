//! A configuration: whatever the text, every fault has a place in it, and the same text has the same faults.

use common::config::{Diagnostics, Document, Sources, global};

/// The text of a configuration without includes.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sources = Sources::from_text("holdfast.toml", text);
    let first = faults(&sources);
    assert_eq!(first, faults(&sources));
    if first.is_empty() {
        child_judges_alike(&sources);
    }
}

/// What travels from the watchdog to its children, which read it with the same care.
pub fn share(data: &[u8]) {
    let Ok(document) = Document::from_share(data.to_vec()) else { return };
    let mut diagnostics = Diagnostics::new();
    let _plans = plans(&document, &mut diagnostics);
    let _again = written(&document);
    if let Some(equal) = document.equal_tables(&document, "virtual_server") {
        assert!(equal.iter().all(Option::is_some));
    }
}

const SECTIONS: [&str; 5] = ["checker", "global", "virtual_server", "vrrp", "watchdog"];

/// A child plans the same from its share as its parent from the text.
fn child_judges_alike(sources: &Sources) {
    let mut diagnostics = Diagnostics::new();
    let document = Document::parse(sources, &mut diagnostics);
    let bytes = written(&document);
    let handed_down = Document::from_share(bytes.clone());
    assert_eq!(handed_down.as_ref().err(), None);
    let Ok(handed_down) = handed_down else { return };
    assert_eq!(bytes, written(&handed_down));
    let theirs = plans(&handed_down, &mut diagnostics);
    assert_eq!(plans(&document, &mut diagnostics), theirs);
    assert!(diagnostics.is_empty());
}

fn written(document: &Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into a vector cannot fail.
    assert_eq!(document.write_share(&SECTIONS, &mut bytes).err().map(|error| error.to_string()), None);
    bytes
}

fn plans(document: &Document, diagnostics: &mut Diagnostics) -> (vrrp::plan::Plan, checker::plan::Plan) {
    let mut root = document.root();
    let global = global::plan(&mut root, diagnostics);
    let plans =
        (vrrp::plan::plan(&mut root, diagnostics), checker::plan::plan(&mut root, &global, diagnostics));
    root.finish(diagnostics);
    plans
}

fn faults(sources: &Sources) -> String {
    let mut diagnostics = Diagnostics::new();
    let document = Document::parse(sources, &mut diagnostics);
    let _plans = plans(&document, &mut diagnostics);
    let rendered = diagnostics.render(sources);
    assert_eq!(rendered.is_empty(), diagnostics.is_empty());
    rendered
}
