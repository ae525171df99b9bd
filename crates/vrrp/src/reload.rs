//! What a new plan changes, object by object: the steps of a reload, in the order they are taken.
//!
//! Identity: an instance is its interface, family and identifier; a script, a file, a process, and a sync group, is its name. The rules of
//! what is carried over are in `docs/reload.md`; `Router::reconfigure` follows them.

use std::collections::BTreeMap;
use std::fmt;

use common::change::{self, Traffic};
use serde_json::Value;

use crate::machine::id::Key;
use crate::machine::object::Object;
use crate::plan::{FilePlan, GroupPlan, InstancePlan, IpvsSyncPlan, Plan, ProcessPlan, ScriptPlan};

/// What happens to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The object, as in `vrrp instance VI_1`.
    pub object: String,
    /// What happens to it.
    pub change: Change,
    /// What about it, in words; empty where there is nothing to say.
    pub detail: String,
    /// What the traffic notices.
    pub traffic: Traffic,
}

impl Step {
    /// As in the answer to a reload.
    #[must_use]
    pub fn told(&self) -> Value {
        change::told(&self.object, self.change.word(), &self.detail, self.traffic)
    }
}

/// Kinds of change, in the order they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It goes; a master hands over first.
    Removed,
    /// It goes on with other settings; its state is kept.
    Changed,
    /// It begins.
    Added,
    /// It is not touched.
    Kept,
}

impl Change {
    /// The word of the control protocol.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Kept => "kept",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.change.word(), self.object)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// The steps from one plan to another.
#[must_use]
pub fn diff(old: &Plan, new: &Plan) -> Vec<Step> {
    let mut steps = Vec::new();
    let instances =
        |plan: &Plan| plan.instances.iter().map(|i| (i.key, i.clone())).collect::<BTreeMap<Key, _>>();
    compare(
        &mut steps,
        &instances(old),
        &instances(new),
        &Kind {
            object: |i: &InstancePlan| format!("vrrp instance {}", i.name),
            place: |i: &InstancePlan| i.key.to_string(),
            changes: instance_changes,
            // Without an address nobody talks to it.
            traffic: |i: &InstancePlan| held(!i.addresses.is_empty() || !i.objects.is_empty()),
        },
    );
    let statics = |plan: &Plan| plan.statics.iter().map(|o| (o.key(), o.clone())).collect::<BTreeMap<_, _>>();
    compare(
        &mut steps,
        &statics(old),
        &statics(new),
        &Kind {
            object: |o: &Object| format!("vrrp static {o}"),
            place: |_: &Object| String::new(),
            changes: |a: &Object, b: &Object| {
                let (a, b) = (a.to_string(), b.to_string());
                let words = if a == b { "options".to_owned() } else { format!("was {a}") };
                Changes(vec![words], Traffic::All)
            },
            traffic: |_: &Object| Traffic::All,
        },
    );
    let sync = |plan: &Plan| plan.ipvs_sync.iter().map(|sync| ((), sync.clone())).collect::<BTreeMap<_, _>>();
    compare(
        &mut steps,
        &sync(old),
        &sync(new),
        &Kind {
            object: |_: &IpvsSyncPlan| "vrrp ipvs_sync".to_owned(),
            place: |sync: &IpvsSyncPlan| sync.settings.to_string(),
            changes: |a: &IpvsSyncPlan, b: &IpvsSyncPlan| {
                let mut list = Changes::default();
                list.word("instance", a.instance == b.instance);
                list.value("settings", &a.settings, &b.settings);
                list
            },
            traffic: |_: &IpvsSyncPlan| Traffic::Untouched,
        },
    );
    let scripts =
        |plan: &Plan| plan.scripts.iter().map(|s| (s.name.clone(), s.clone())).collect::<BTreeMap<_, _>>();
    compare(
        &mut steps,
        &scripts(old),
        &scripts(new),
        &Kind {
            object: |s: &ScriptPlan| format!("vrrp script {}", s.name),
            place: |_: &ScriptPlan| String::new(),
            changes: script_changes,
            // What it does to a router stands with the router's trackers.
            traffic: |_: &ScriptPlan| Traffic::Untouched,
        },
    );
    let files =
        |plan: &Plan| plan.files.iter().map(|f| (f.name.clone(), f.clone())).collect::<BTreeMap<_, _>>();
    compare(
        &mut steps,
        &files(old),
        &files(new),
        &Kind {
            object: |f: &FilePlan| format!("vrrp file {}", f.name),
            place: |f: &FilePlan| f.path.display().to_string(),
            changes: |a: &FilePlan, b: &FilePlan| {
                Changes(vec![format!("path {} -> {}", a.path.display(), b.path.display())], Traffic::All)
            },
            traffic: |_: &FilePlan| Traffic::Untouched,
        },
    );
    let processes =
        |plan: &Plan| plan.processes.iter().map(|p| (p.name.clone(), p.clone())).collect::<BTreeMap<_, _>>();
    compare(
        &mut steps,
        &processes(old),
        &processes(new),
        &Kind {
            object: |p: &ProcessPlan| format!("vrrp process {}", p.name),
            place: |p: &ProcessPlan| p.program.clone(),
            changes: process_changes,
            traffic: |_: &ProcessPlan| Traffic::Untouched,
        },
    );
    let groups =
        |plan: &Plan| plan.groups.iter().map(|g| (g.name.clone(), g.clone())).collect::<BTreeMap<_, _>>();
    compare(
        &mut steps,
        &groups(old),
        &groups(new),
        &Kind {
            object: |g: &GroupPlan| format!("vrrp sync group {}", g.name),
            place: |_: &GroupPlan| String::new(),
            changes: group_changes,
            traffic: |_: &GroupPlan| Traffic::All,
        },
    );
    steps.sort_by_key(|step| step.change);
    steps
}

struct Kind<T> {
    object: fn(&T) -> String,
    place: fn(&T) -> String,
    changes: fn(&T, &T) -> Changes,
    /// When one begins or goes.
    traffic: fn(&T) -> Traffic,
}

const fn held(something: bool) -> Traffic {
    if something { Traffic::All } else { Traffic::Untouched }
}

fn compare<K: Ord, T: PartialEq>(
    steps: &mut Vec<Step>,
    old: &BTreeMap<K, T>,
    new: &BTreeMap<K, T>,
    kind: &Kind<T>,
) {
    let mut push = |item: &T, change, detail, traffic| {
        steps.push(Step { object: (kind.object)(item), change, detail, traffic });
    };
    for (key, before) in old {
        match new.get(key) {
            None => push(before, Change::Removed, (kind.place)(before), (kind.traffic)(before)),
            Some(after) if after == before => push(after, Change::Kept, String::new(), Traffic::Untouched),
            Some(after) => {
                let Changes(words, traffic) = (kind.changes)(before, after);
                push(after, Change::Changed, words.join(", "), traffic);
            }
        }
    }
    for (key, after) in new {
        if !old.contains_key(key) {
            push(after, Change::Added, (kind.place)(after), (kind.traffic)(after));
        }
    }
}

fn instance_changes(a: &InstancePlan, b: &InstancePlan) -> Changes {
    let mut list = Changes::default();
    list.value("name", &a.name, &b.name);
    list.value("version", &a.version, &b.version);
    list.value("priority", &a.priority, &b.priority);
    list.word("state", a.wish == b.wish);
    list.debug("advert_interval", &a.interval, &b.interval);
    list.value("down_timer_adverts", &a.down_timer_adverts, &b.down_timer_adverts);
    list.value("preempt", &a.preempt, &b.preempt);
    list.debug("preempt_delay", &a.preempt_delay, &b.preempt_delay);
    list.debug("startup_delay", &a.startup_delay, &b.startup_delay);
    list.value("answer_inferior", &a.answer_inferior, &b.answer_inferior);
    list.value("answer_better", &a.answer_better, &b.answer_better);
    // Without values: a password does not belong in a report.
    list.word("auth", (a.auth, &a.keyring) == (b.auth, &b.keyring));
    for address in a.addresses.iter().filter(|x| !b.addresses.contains(x)) {
        list.push("", format!("-{}/{}", address.address, address.prefix));
    }
    for address in b.addresses.iter().filter(|x| !a.addresses.contains(x)) {
        list.push("", format!("+{}/{}", address.address, address.prefix));
    }
    for object in a.objects.iter().filter(|x| !b.objects.contains(x)) {
        list.push("", format!("-{object}"));
    }
    for object in b.objects.iter().filter(|x| !a.objects.contains(x)) {
        list.push("", format!("+{object}"));
    }
    let order = |p: &InstancePlan| p.addresses.iter().map(|x| x.address).collect::<Vec<_>>();
    let sorted = |p: &InstancePlan| {
        let mut addresses = order(p);
        addresses.sort_unstable();
        addresses
    };
    list.word("order of addresses", sorted(a) != sorted(b) || order(a) == order(b));
    list.word("unicast_peers", a.transport == b.transport);
    list.word("also_via", a.also_via == b.also_via);
    list.word("source_address", a.source == b.source);
    list.word("address_mismatch", a.mismatch == b.mismatch);
    list.word("v3_checksum", (a.form, a.strict_form) == (b.form, b.strict_form));
    list.word("strict_link_local", a.strict_link_local == b.strict_link_local);
    list.word("announce", a.announce == b.announce);
    list.value("address_lease", &a.lifetime, &b.lifetime);
    list.value("hand_over", &a.hand_over, &b.hand_over);
    list.value("accept", &a.accept, &b.accept);
    list.value("promote_secondaries", &a.promote_secondaries, &b.promote_secondaries);
    list.word("virtual_mac", a.virtual_mac == b.virtual_mac);
    list.word("trackers", a.trackers == b.trackers);
    list.word("alert", a.notify.alert == b.notify.alert);
    list.word("notify", a.notify.same_commands(&b.notify));
    list
}

fn script_changes(a: &ScriptPlan, b: &ScriptPlan) -> Changes {
    let mut list = Changes::default();
    list.word("command", a.run.argv == b.run.argv);
    list.word("user", a.run.user == b.run.user);
    list.debug("timeout", &a.run.timeout, &b.run.timeout);
    list.debug("interval", &a.interval, &b.interval);
    list.value("rise", &a.rise, &b.rise);
    list.value("fall", &a.fall, &b.fall);
    list.word("initial", a.initial == b.initial);
    list
}

fn process_changes(a: &ProcessPlan, b: &ProcessPlan) -> Changes {
    let mut list = Changes::default();
    list.value("program", &a.program, &b.program);
    list.word("arguments", a.arguments == b.arguments);
    list.value("number", &a.wanted(), &b.wanted());
    list.debug("fork_delay", &a.fork_delay, &b.fork_delay);
    list.debug("terminate_delay", &a.terminate_delay, &b.terminate_delay);
    list
}

fn group_changes(a: &GroupPlan, b: &GroupPlan) -> Changes {
    let mut list = Changes::default();
    list.word("instances", a.members == b.members);
    list.word("trackers", a.trackers == b.trackers);
    list.word("alert", a.notify.alert == b.notify.alert);
    list.word("notify", a.notify.same_commands(&b.notify));
    list
}

/// What can neither make another router master nor change what a master does with packets. Anything else may.
const QUIET: &[&str] = &[
    "name",
    "state",
    "advert_interval",
    "preempt_delay",
    "startup_delay",
    "order of addresses",
    "announce",
    "address_lease",
    "hand_over",
    "alert",
    "notify",
    // The kernel's daemons tell other machines of connections, and move none.
    "instance",
    "settings",
    // A verdict stands until there is another.
    "command",
    "user",
    "timeout",
    "interval",
    "rise",
    "fall",
    "initial",
    "fork_delay",
    "terminate_delay",
];

/// What is different, in words, and what the traffic notices of it.
#[derive(Default)]
struct Changes(Vec<String>, Traffic);

impl Changes {
    fn push(&mut self, what: &str, words: String) {
        self.0.push(words);
        if !QUIET.contains(&what) {
            self.1 = Traffic::All;
        }
    }

    fn value<T: PartialEq + fmt::Display>(&mut self, what: &str, a: &T, b: &T) {
        if a != b {
            self.push(what, format!("{what} {a} -> {b}"));
        }
    }

    fn debug<T: PartialEq + fmt::Debug>(&mut self, what: &str, a: &T, b: &T) {
        if a != b {
            self.push(what, format!("{what} {a:?} -> {b:?}"));
        }
    }

    fn word(&mut self, what: &str, same: bool) {
        if !same {
            self.push(what, what.to_owned());
        }
    }
}
