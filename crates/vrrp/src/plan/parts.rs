//! The keys that several tables share: trackers, notify commands, announcements.

use std::collections::BTreeMap;
use std::time::Duration;

use common::config::{
    CommandLine, Diagnostics, Form, FromValue, IfName, Located, Shape, Span, UserName, Value,
};

use super::layers::Layers;
use super::{AnnouncePlan, NotifyPlan, Tracked, Tracker};
use crate::machine::action::Command;
use crate::machine::id::{LinkName, Name};

/// How long a notify command may run unless told otherwise.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(30);
/// The weights keepalived's users know: more could never matter.
pub(super) const WEIGHTS: std::ops::RangeInclusive<i16> = -253..=253;

/// An interface name of the configuration as the machines have it.
pub(super) fn link_name(name: &Located<IfName>, d: &mut Diagnostics) -> Option<LinkName> {
    let link = LinkName::new(name.value.as_str());
    if link.is_none() {
        d.error(name.span, format!("{} cannot be the name of an interface", name.value));
    }
    link
}

/// Things of one kind that the text defines: name, place, default weight.
pub(super) type Named = BTreeMap<String, (Span, i16)>;

/// What can be tracked by its name.
#[derive(Default)]
pub(super) struct Known {
    pub(super) scripts: Named,
    pub(super) files: Named,
    pub(super) processes: Named,
}

/// `track_scripts`, `track_files`, `track_processes` and `track_interfaces`.
pub(super) fn trackers(t: &mut Layers<'_>, known: &Known, d: &mut Diagnostics) -> Vec<Located<Tracker>> {
    let mut trackers: Vec<Located<Tracker>> = Vec::new();
    named(t, "track_scripts", "script", &known.scripts, Tracked::Script, &mut trackers, d);
    named(t, "track_files", "file", &known.files, Tracked::File, &mut trackers, d);
    named(t, "track_processes", "process", &known.processes, Tracked::Process, &mut trackers, d);
    if let Some(value) = t.value("track_interfaces", tracker_forms::<IfName>, d) {
        for item in value.one_or_list() {
            let Some((name, weight, reverse)) = tracker::<IfName>(&item, "interface", d) else { continue };
            let Some(link) = link_name(&name, d) else { continue };
            let tracker = Tracker { what: Tracked::Link(link), weight: weight.unwrap_or(0), reverse };
            push(&mut trackers, Located { value: tracker, span: name.span }, d);
        }
    }
    trackers
}

/// Trackers of what is defined elsewhere and used by its name.
fn named(
    t: &mut Layers<'_>,
    key: &'static str,
    kind: &str,
    known: &Named,
    what: fn(Name) -> Tracked,
    trackers: &mut Vec<Located<Tracker>>,
    d: &mut Diagnostics,
) {
    let Some(value) = t.value(key, tracker_forms::<String>, d) else { return };
    for item in value.one_or_list() {
        let Some((name, weight, reverse)) = tracker::<String>(&item, "name", d) else { continue };
        let Some((_, default)) = known.get(&name.value) else {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let fault = d.error(name.span, format!("there is no {kind} \"{}\"", name.value));
            if names.is_empty() {
                fault.hint(format!("define it with [[vrrp.{kind}]]"));
            } else {
                fault.hint(format!("the {} are: {}", plural(kind), names.join(", ")));
            }
            continue;
        };
        let what = what(Name::from(name.value.as_str()));
        let tracker = Tracker { what, weight: weight.unwrap_or(*default), reverse };
        push(trackers, Located { value: tracker, span: name.span }, d);
    }
}

/// More than one of a kind.
pub(super) fn plural(kind: &str) -> String {
    format!("{kind}{}", if kind.ends_with('s') { "es" } else { "s" })
}

fn push(list: &mut Vec<Located<Tracker>>, tracker: Located<Tracker>, d: &mut Diagnostics) {
    if let Some(other) = list.iter().find(|t| t.value.what == tracker.value.what) {
        d.error(tracker.span, "this is tracked twice").note(other.span, "first here");
        return;
    }
    list.push(tracker);
}

type Use<T> = (Located<T>, Option<i16>, bool);

/// What a list of trackers is written as.
fn tracker_forms<T: FromValue>() -> Vec<Form> {
    Form::one_or_list([T::forms(), vec![Form::Table]].concat())
}

/// A name alone, or a table with a weight.
fn tracker<T: FromValue>(item: &Value<'_>, key: &'static str, d: &mut Diagnostics) -> Option<Use<T>> {
    let Shape::Table(mut table) = item.shape() else {
        return Some((Located::<T>::from_value_of(item, d)?, None, false));
    };
    let name = table.required(key, d);
    let weight = table.within("weight", &WEIGHTS, d).map(|w| w.value);
    let reverse = table.or("reverse", false, d);
    table.finish(d);
    Some((name?, weight, reverse))
}

trait FromValueOf: Sized {
    fn from_value_of(value: &Value<'_>, d: &mut Diagnostics) -> Option<Self>;
}

impl<T: FromValue> FromValueOf for Located<T> {
    fn from_value_of(value: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let span = value.span();
        value.read(d).map(|value| Self { value, span })
    }
}

/// `notify` of a sync group.
pub(super) fn group_notify(t: &mut Layers<'_>, d: &mut Diagnostics) -> NotifyPlan {
    let mut n = t.tables("notify", d);
    let run = Run::read(&mut n, d);
    let plan = NotifyPlan { alert: alert(t, d), ..notify_states(&mut n, &run, d) };
    n.finish(d);
    plan
}

/// `alert`: whether mail is sent about it.
fn alert(t: &mut Layers<'_>, d: &mut Diagnostics) -> Option<bool> {
    t.first(|table| common::alerts::wish(table, d))
}

/// `notify` of an instance, which more can happen to.
pub(super) fn notify(t: &mut Layers<'_>, d: &mut Diagnostics) -> NotifyPlan {
    let mut n = t.tables("notify", d);
    let run = Run::read(&mut n, d);
    let plan = NotifyPlan {
        alert: alert(t, d),
        deleted: run.command("deleted", &mut n, d),
        lower_priority: run.command("lower_priority", &mut n, d),
        priority_changes: n.optional("priority_changes", d).is_some_and(|on| on.value),
        ..notify_states(&mut n, &run, d)
    };
    n.finish(d);
    plan
}

/// How the commands of a `notify` run.
struct Run {
    user: Option<String>,
    timeout: Duration,
}

impl Run {
    fn read(n: &mut Layers<'_>, d: &mut Diagnostics) -> Self {
        let range = Duration::from_millis(100)..=Duration::from_secs(3600);
        Self {
            user: n.optional::<UserName>("user", d).map(|u| u.value.as_str().to_owned()),
            timeout: n.within("timeout", &range, d).map_or(NOTIFY_TIMEOUT, |t| t.value),
        }
    }

    fn command(&self, key: &'static str, n: &mut Layers<'_>, d: &mut Diagnostics) -> Option<Command> {
        let line = n.optional::<CommandLine>(key, d)?;
        Some(Command { argv: line.value.argv().to_vec(), user: self.user.clone(), timeout: self.timeout })
    }
}

fn notify_states(n: &mut Layers<'_>, run: &Run, d: &mut Diagnostics) -> NotifyPlan {
    NotifyPlan {
        master: run.command("master", n, d),
        backup: run.command("backup", n, d),
        fault: run.command("fault", n, d),
        stop: run.command("stop", n, d),
        any: run.command("any", n, d),
        ..NotifyPlan::default()
    }
}

/// `announce`.
pub(super) fn announce(t: &mut Layers<'_>, d: &mut Diagnostics) -> AnnouncePlan {
    let default = AnnouncePlan::default();
    let mut a = t.tables("announce", d);
    let hour = Duration::ZERO..=Duration::from_secs(3600);
    let day = Duration::ZERO..=Duration::from_secs(86_400);
    let second = Duration::ZERO..=Duration::from_secs(1);
    let spacing = a.within("spacing", &second, d).map_or(default.spacing, |v| v.value);
    let plan = AnnouncePlan {
        repeat: a.within("repeat", &(0..=100), d).map_or(default.repeat, |v| v.value),
        delay: a.within("delay", &hour, d).map_or(default.delay, |v| v.value),
        refresh: a.within("refresh", &day, d).map_or(default.refresh, |v| v.value),
        refresh_repeat: a.within("refresh_repeat", &(1..=100), d).map_or(default.refresh_repeat, |v| v.value),
        spacing,
        na_spacing: a.within("na_spacing", &second, d).map_or(spacing, |v| v.value),
        elsewhere_refresh: a
            .within("elsewhere_refresh", &day, d)
            .map_or(default.elsewhere_refresh, |v| v.value),
        inferior_repeat: a
            .within("inferior_repeat", &(0..=100), d)
            .map_or(default.inferior_repeat, |v| v.value),
        inferior_delay: a.within("inferior_delay", &hour, d).map_or(default.inferior_delay, |v| v.value),
    };
    a.finish(d);
    plan
}
