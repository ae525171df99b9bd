//! One policy routing rule: `{ priority = 1000, from = "192.0.2.0/24", table = 100 }`.

use common::config::{Diagnostics, Form, IfName, IpCidr, Located, Shape, Span, Table, Value};

use super::{network, table_number};
use crate::machine::id::Family;
use crate::machine::object::{Object, Rule, RuleAction};
use crate::plan::parts::link_name;

/// What a rule can do; a lookup is completed by its table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Lookup,
    Blackhole,
    Unreachable,
    Prohibit,
}

/// A rule whose family may be the instance's.
pub(super) struct RuleDraft {
    rule: Rule,
    /// Nothing in it says which family it is for.
    any_family: bool,
    span: Span,
}

impl RuleDraft {
    pub(super) fn finish(mut self, own: Family) -> (Object, Span) {
        if self.any_family {
            self.rule.family = own;
        }
        (Object::Rule(self.rule), self.span)
    }
}

/// A list of rules.
pub(super) fn rules(table: &mut Table<'_>, key: &'static str, d: &mut Diagnostics) -> Vec<RuleDraft> {
    table.tables(key, d).into_iter().filter_map(|table| rule(table, d)).collect()
}

fn rule(mut t: Table<'_>, d: &mut Diagnostics) -> Option<RuleDraft> {
    let span = t.span();
    let priority = t.required::<u32>("priority", d);
    let family = t.choice("family", &[("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)], d);
    let from = t.optional::<IpCidr>("from", d);
    let to = t.optional::<IpCidr>("to", d);
    let mark = || {
        vec![
            Form::text("(?:0x)?[+0-9A-Fa-f]+(?:/(?:0x)?[+0-9A-Fa-f]+)?", "0x10/0xff"),
            Form::Integer(1, u32::MAX.into()),
        ]
    };
    let fwmark = t.value("fwmark", mark, d).and_then(|value| fwmark(&value, d));
    let input = t.optional::<IfName>("input_interface", d);
    let output = t.optional::<IfName>("output_interface", d);
    let action = action(&mut t, span, d);
    t.finish(d);
    let ends = [("from", &from), ("to", &to)];
    let mut told = family.as_ref().map(|family| family.value);
    for (key, end) in ends {
        let Some(end) = end else { continue };
        let found = Family::of(end.value.addr());
        if let Some(other) = told.filter(|told| *told != found) {
            d.error(end.span, format!("`{key}` is {found}, and the rule is {other}"));
        }
        told = told.or(Some(found));
    }
    // All addresses are no condition, as the kernel has it.
    let mut end = |key, end: Option<Located<IpCidr>>| {
        end.and_then(|end| network(&end, key, d)).filter(|(_, length)| *length > 0)
    };
    let (from, to) = (end("from", from), end("to", to));
    let rule = Rule {
        family: told.unwrap_or(Family::Ipv4),
        priority: priority?.value,
        from,
        to,
        fwmark,
        input: input.and_then(|name| link_name(&name, d)),
        output: output.and_then(|name| link_name(&name, d)),
        action: action?,
    };
    Some(RuleDraft { rule, any_family: told.is_none(), span })
}

fn action(t: &mut Table<'_>, span: Span, d: &mut Diagnostics) -> Option<RuleAction> {
    let verdicts = [
        ("lookup", Verdict::Lookup),
        ("blackhole", Verdict::Blackhole),
        ("unreachable", Verdict::Unreachable),
        ("prohibit", Verdict::Prohibit),
    ];
    let has_table = t.has("table");
    let table = table_number(t, d);
    let suppress = t.within("suppress_prefix_length", &(0..=128), d);
    let given = t.has("action");
    let verdict = t.choice("action", &verdicts, d).map(|verdict| verdict.value);
    if given && verdict.is_none() {
        return None;
    }
    let verdict = verdict.unwrap_or(Verdict::Lookup);
    if verdict != Verdict::Lookup {
        for (key, span) in [
            ("table", table.as_ref().map(|t| t.span)),
            ("suppress_prefix_length", suppress.as_ref().map(|s| s.span)),
        ] {
            if let Some(span) = span {
                d.error(span, format!("`{key}`: a rule with this action looks nothing up"));
            }
        }
    }
    match verdict {
        Verdict::Blackhole => Some(RuleAction::Blackhole),
        Verdict::Unreachable => Some(RuleAction::Unreachable),
        Verdict::Prohibit => Some(RuleAction::Prohibit),
        Verdict::Lookup => {
            if !has_table {
                d.error(span, "this rule names no `table`")
                    .hint("write table = 100, or action = \"prohibit\"");
            }
            Some(RuleAction::Lookup { table: table?.value, suppress: suppress.map(|s| s.value) })
        }
    }
}

/// A number, or `"mark/mask"`.
fn fwmark(value: &Value<'_>, d: &mut Diagnostics) -> Option<(u32, u32)> {
    let found = if let Shape::String(text) = value.shape() {
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        match text.split_once('/') {
            Some((mark, mask)) => number(mark).zip(number(mask)),
            None => number(text).map(|mark| (mark, u32::MAX)),
        }
    } else {
        Some((value.read::<u32>(d)?, u32::MAX))
    };
    let usable = found.filter(|(mark, mask)| *mark != 0 && mark & !mask == 0);
    if usable.is_none() {
        value
            .refuse(format!("{} is not a mark", value.describe()), d)
            .hint("a mark is a number above 0, or \"0x10/0xf0\" with a mask that covers it");
    }
    usable
}
