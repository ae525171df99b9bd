//! A configuration: whatever the text, every fault has a place in it, and the same text has the same faults.

use common::config::{Diagnostics, Document, Sources, global};

/// The text of a configuration without includes.
pub fn config(data: &[u8]) {
    // What travels from the watchdog to its children is read with the same care.
    if let Ok(sources) = Sources::from_bytes(data) {
        assert_eq!(Sources::from_bytes(&sources.to_bytes()).as_ref(), Ok(&sources));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sources = Sources::from_text("holdfast.toml", text);
    let first = faults(&sources);
    assert_eq!(first, faults(&sources));
    let handed_down = Sources::from_bytes(&sources.to_bytes());
    assert_eq!(handed_down.map(|sources| faults(&sources)), Ok(first), "parent and child judge alike");
}

fn faults(sources: &Sources) -> String {
    let mut diagnostics = Diagnostics::new();
    let document = Document::parse(sources, &mut diagnostics);
    let mut root = document.root();
    let global = global::plan(&mut root, &mut diagnostics);
    let _vrrp = vrrp::plan::plan(&mut root, &mut diagnostics);
    let _checker = checker::plan::plan(&mut root, &global, &mut diagnostics);
    root.finish(&mut diagnostics);
    let rendered = diagnostics.render(sources);
    assert_eq!(rendered.is_empty(), diagnostics.is_empty());
    rendered
}
