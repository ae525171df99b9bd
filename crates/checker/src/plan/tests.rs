mod faults;
mod values;

use common::config::{Diagnostics, Document, Sources};

use super::Plan;

/// Plans a text: the plan, and the faults as `line:column: message`.
pub(crate) fn plan_with_faults(text: &str) -> (Plan, Vec<String>) {
    let sources = Sources::from_text("t.toml", text);
    let mut d = Diagnostics::new();
    let document = Document::parse(&sources, &mut d);
    let mut root = document.root();
    let global = common::config::global::plan(&mut root, &mut d);
    let plan = super::plan(&mut root, &global, &mut d);
    root.finish(&mut d);
    let rendered = d.render(&sources);
    let lines = rendered.lines().filter_map(|line| line.strip_prefix("t.toml:"));
    let lines = lines.filter(|line| !line.contains(": note: "));
    (plan, lines.map(str::to_owned).collect())
}

/// Plans a text that has nothing wrong with it.
pub(crate) fn plan(text: &str) -> Plan {
    let (plan, faults) = plan_with_faults(text);
    assert!(faults.is_empty(), "{faults:#?}");
    plan
}
