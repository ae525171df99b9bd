//! `[vrrp]` as a whole: scripts, instances, groups, and what must be true across them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::config::{CommandLine, Diagnostics, Located, Span, Table, UserName};
use common::{fifo, surroundings};

use super::instance::{self, Read};
use super::layers::Layers;
use super::object::{self, Placed, Places};
use super::parts::{self, Known, Named, WEIGHTS};
use super::{FilePlan, GroupPlan, Plan, ScriptPlan, Tracked, ipvs_sync, process};
use crate::machine::action::Command;
use crate::machine::id::{Key, LinkName, Name};
use crate::machine::object::Object;
use crate::wire::admit::is_link_local;

/// Plans the VRRP process from the root table. Every fault is reported; a plan with faults is not to be run.
pub fn plan(root: &mut Table<'_>, d: &mut Diagnostics) -> Plan {
    let Some(mut vrrp) = root.table("vrrp", d) else { return Plan::default() };
    let (scripts, known_scripts) = defined(&mut vrrp, "script", script, d);
    let (files, known_files) = defined(&mut vrrp, "file", file, d);
    let (processes, known_processes) = defined(&mut vrrp, "process", process::read, d);
    let known = Known { scripts: known_scripts, files: known_files, processes: known_processes };
    let statics = object::statics(&mut vrrp, d);
    let surroundings = surroundings::read(&mut vrrp, d);
    let sync = vrrp.table("ipvs_sync", d);
    let notify_fifo = fifo::read(&mut vrrp, d);
    let instances = vrrp.tables("instance", d);
    let groups = vrrp.tables("sync_group", d);
    instance::refuse_own_keys(&mut vrrp, d);
    instance::check_defaults(&vrrp, &known, d);
    let read: Vec<Read> =
        instances.into_iter().filter_map(|own| instance::read(own, &vrrp, &known, d)).collect();
    check_names(&read, d);
    check_keys(&read, d);
    check_ways(&read, d);
    check_addresses(&read, d);
    check_virtual_links(&read, d);
    check_objects(&read, &statics, d);
    let groups = self::groups(groups, &read, &known, d);
    let ipvs_sync = sync.and_then(|table| ipvs_sync::read(table, &read, d));
    let statics = statics.into_iter().map(|(object, _)| object).collect();
    let instances = read.into_iter().filter_map(|r| r.plan).collect();
    let plan =
        Plan { instances, groups, scripts, files, processes, statics, notify_fifo, surroundings, ipvs_sync };
    check_unused(&plan, &known, d);
    // Everything that may stand in it was asked for by `check_defaults`, which also told what was unknown.
    plan
}

/// A thing's name, its default weight, and its plan unless a fault that was reported leaves none.
pub(super) type Defined<P> = (Located<String>, i16, Option<P>);

/// The things of one kind that are defined by themselves, to be used by their names.
fn defined<P>(
    vrrp: &mut Table<'_>,
    kind: &'static str,
    read: fn(Table<'_>, &mut Diagnostics) -> Option<Defined<P>>,
    d: &mut Diagnostics,
) -> (Vec<P>, Named) {
    let mut plans = Vec::new();
    let mut places = Named::new();
    for table in vrrp.tables(kind, d) {
        let Some((name, weight, plan)) = read(table, d) else { continue };
        if name.value.is_empty() || name.value.contains(char::is_control) {
            d.error(name.span, "`name`: a name is not empty and has no control characters");
        }
        if let Some((first, _)) = places.get(&name.value) {
            d.error(name.span, format!("there are two {} \"{}\"", parts::plural(kind), name.value))
                .note(*first, "first defined here");
            continue;
        }
        places.insert(name.value, (name.span, weight));
        plans.extend(plan);
    }
    (plans, places)
}

fn script(mut t: Table<'_>, d: &mut Diagnostics) -> Option<Defined<ScriptPlan>> {
    let name = t.required::<String>("name", d);
    let command = t.required::<CommandLine>("command", d);
    let range = Duration::from_millis(10)..=Duration::from_secs(86_400);
    let interval = t.within_or("interval", &range, Duration::from_secs(1), d);
    let timeout = t.within("timeout", &range, d).map_or(interval, |timeout| timeout.value);
    let weight = t.within_or("weight", &WEIGHTS, 0, d);
    let rise = t.within_or("rise", &(1..=255), 1, d);
    let fall = t.within_or("fall", &(1..=255), 1, d);
    let initial = t.choice("initial", &[("up", true), ("down", false)], d).map(|initial| initial.value);
    let user = t.optional::<UserName>("user", d).map(|u| u.value.as_str().to_owned());
    t.finish(d);
    let name = name?;
    let plan = command.map(|command| ScriptPlan {
        name: Name::from(name.value.as_str()),
        run: Arc::new(Command { argv: command.value.argv().to_vec(), user, timeout }),
        interval,
        rise,
        fall,
        initial,
    });
    Some((name, weight, plan))
}

fn file(mut t: Table<'_>, d: &mut Diagnostics) -> Option<Defined<FilePlan>> {
    let name = t.required::<String>("name", d);
    let path = t.required::<String>("path", d);
    let weight = t.within_or("weight", &WEIGHTS, 1, d);
    t.finish(d);
    let (name, path) = (name?, path.map(|path| path.map(PathBuf::from)));
    let path = path.filter(|path| {
        let text = path.value.as_os_str().as_encoded_bytes();
        let usable = path.value.is_absolute() && path.value.file_name().is_some() && !text.contains(&0);
        if !usable {
            d.error(path.span, "`path`: the path of a file begins with / and ends in a name");
        }
        usable
    });
    let plan = path.map(|path| FilePlan { name: Name::from(name.value.as_str()), path: path.value });
    Some((name, weight, plan))
}

fn groups(tables: Vec<Table<'_>>, read: &[Read], known: &Known, d: &mut Diagnostics) -> Vec<GroupPlan> {
    let mut groups = Vec::new();
    let mut names: BTreeMap<String, Span> = BTreeMap::new();
    let mut member_of: BTreeMap<String, Span> = BTreeMap::new();
    for mut table in tables {
        let name = table.required::<String>("name", d);
        let members = table.required::<Vec<Located<String>>>("instances", d);
        let mut layers = Layers::new(vec![table]);
        let trackers = parts::trackers(&mut layers, known, d);
        let notify = parts::group_notify(&mut layers, d);
        layers.finish(d);
        let (Some(name), Some(members)) = (name, members) else { continue };
        if let Some(first) = names.insert(name.value.clone(), name.span) {
            d.error(name.span, format!("there are two sync groups \"{}\"", name.value))
                .note(first, "first defined here");
        }
        let mut found: Vec<(&Read, Span)> = Vec::new();
        for member in members.value {
            let Some(instance) = read.iter().find(|r| r.name.value == member.value) else {
                unknown_instance(&member, read, d);
                continue;
            };
            if let Some(first) = member_of.insert(member.value.clone(), member.span) {
                d.error(member.span, format!("instance \"{}\" is in a sync group already", member.value))
                    .note(first, "first listed here");
                continue;
            }
            found.push((instance, member.span));
        }
        if found.is_empty() {
            d.error(members.span, format!("sync group \"{}\" has no instances", name.value));
        } else if found.len() == 1 {
            d.warning(members.span, format!("sync group \"{}\" has one instance only", name.value));
        }
        check_owners(&found, d);
        check_priorities(&found, d);
        groups.push(GroupPlan {
            name: Name::from(name.value.as_str()),
            members: found.iter().filter_map(|(r, _)| r.plan.as_ref().map(|p| p.key)).collect(),
            trackers: trackers.into_iter().map(|t| t.value).collect(),
            notify,
        });
    }
    groups
}

pub(super) fn unknown_instance(member: &Located<String>, read: &[Read], d: &mut Diagnostics) {
    let known: Vec<&str> = read.iter().map(|r| r.name.value.as_str()).take(20).collect();
    let fault = d.error(member.span, format!("there is no instance \"{}\"", member.value));
    if !known.is_empty() {
        fault.hint(format!("the instances are: {}", known.join(", ")));
    }
}

/// A group moves together: owners never yield, others must be able to.
fn check_owners(members: &[(&Read, Span)], d: &mut Diagnostics) {
    let is_owner = |r: &Read| r.plan.as_ref().map(super::InstancePlan::is_owner);
    let owner = members.iter().find(|(r, _)| is_owner(r) == Some(true));
    let other = members.iter().find(|(r, _)| is_owner(r) == Some(false));
    if let (Some((_, owner)), Some((_, other))) = (owner, other) {
        d.error(*other, "a sync group has owners (priority 255) only, or none")
            .note(*owner, "this one is an owner");
    }
}

/// With different priorities two machines can each have a better member, and neither the better group.
fn check_priorities(members: &[(&Read, Span)], d: &mut Diagnostics) {
    let priority = |r: &Read| r.plan.as_ref().map(|p| p.priority).filter(|p| *p != 255);
    let Some((first, span)) = members.first() else { return };
    let differs = members.iter().find(|(r, _)| priority(r).is_some() && priority(r) != priority(first));
    if let (Some((_, other)), Some(_)) = (differs, priority(first)) {
        d.warning(*other, "the instances of a sync group should have the same priority")
            .note(*span, "it is another one here")
            .hint("a group moves as one: its members cannot have different masters");
    }
}

fn check_names(read: &[Read], d: &mut Diagnostics) {
    let mut names: BTreeMap<&str, Span> = BTreeMap::new();
    for r in read {
        if let Some(first) = names.insert(&r.name.value, r.name.span) {
            d.error(r.name.span, format!("there are two instances \"{}\"", r.name.value))
                .note(first, "first defined here");
        }
    }
}

fn check_keys(read: &[Read], d: &mut Diagnostics) {
    let mut keys: BTreeMap<Key, &Read> = BTreeMap::new();
    for r in read {
        let Some(plan) = &r.plan else { continue };
        if let Some(first) = keys.insert(plan.key, r) {
            let Key { link, family, vrid } = plan.key;
            d.error(
                r.vrid_span,
                format!("virtual_router_id {vrid} is used twice on interface {link} for {family}"),
            )
            .note(first.vrid_span, format!("first used by instance \"{}\"", first.name.value));
        }
    }
}

/// What comes in by a further way is told apart by its interface, family and identifier too.
fn check_ways(read: &[Read], d: &mut Diagnostics) {
    let mut keys: BTreeMap<Key, (Span, &Read)> = BTreeMap::new();
    let instances = || read.iter().filter_map(|r| Some((r, r.plan.as_ref()?)));
    for (r, plan) in instances() {
        keys.entry(plan.key).or_insert((r.vrid_span, r));
    }
    for (r, plan) in instances() {
        for (via, span) in plan.also_via.iter().zip(&r.via_spans) {
            let Key { link, family, vrid } = Key { link: via.link, ..plan.key };
            let first = keys.entry(Key { link, family, vrid }).or_insert((*span, r));
            if first.1.name.value != r.name.value {
                d.error(
                    *span,
                    format!(
                        "virtual_router_id {vrid} means instance \"{}\" on {link} already",
                        first.1.name.value
                    ),
                )
                .note(first.0, "because of this")
                .hint("give one of them another virtual_router_id");
            }
        }
    }
}

/// An address can be held once. Link-local ones are told apart by their interface.
fn check_addresses(read: &[Read], d: &mut Diagnostics) {
    let mut held: BTreeMap<(IpAddr, Option<LinkName>), (Span, &Read)> = BTreeMap::new();
    for r in read {
        let Some(plan) = &r.plan else { continue };
        for (address, span) in plan.addresses.iter().zip(&r.address_spans) {
            let link = is_link_local(address.address).then_some(address.link);
            if let Some((first, owner)) = held.insert((address.address, link), (*span, r)) {
                let message = if owner.name.value == r.name.value {
                    format!("{} is listed twice in instance \"{}\"", address.address, r.name.value)
                } else {
                    format!("{} belongs to instance \"{}\" already", address.address, owner.name.value)
                };
                d.error(*span, message).note(first, "first listed here");
            }
        }
    }
}

/// An interface we make has a name of its own.
fn check_virtual_links(read: &[Read], d: &mut Diagnostics) {
    let mut made: BTreeMap<LinkName, &Read> = BTreeMap::new();
    for r in read {
        let (Some(plan), Some(span)) = (&r.plan, r.virtual_mac_span) else { continue };
        let Some(link) = plan.virtual_mac.map(|v| v.link) else { continue };
        let hint = format!("give it another name: virtual_mac = {{ interface = \"vrrp-{}\" }}", r.name.value);
        let used = read.iter().find(|o| o.plan.as_ref().is_some_and(|p| p.key.link == link));
        if let Some(used) = used {
            let message = format!(
                "the virtual MAC's interface {link} is the interface of instance \"{}\"",
                used.name.value
            );
            d.error(span, message).hint(hint);
        } else if let Some(first) = made.insert(link, r) {
            let message = format!(
                "the virtual MAC's interface {link} belongs to instance \"{}\" already",
                first.name.value
            );
            let fault = d.error(span, message);
            if let Some(span) = first.virtual_mac_span.filter(|first| *first != span) {
                fault.note(span, "first here");
            }
            fault.hint(hint);
        }
    }
}

/// One place in the kernel is one object's, and a virtual address is not a static one too.
fn check_objects(read: &[Read], statics: &Placed, d: &mut Diagnostics) {
    let mut places = Places::default();
    places.take("[vrrp.static]", statics.iter().map(|(object, span)| (object, *span)), d);
    for r in read {
        let Some(plan) = &r.plan else { continue };
        let owner = format!("instance \"{}\"", r.name.value);
        let addresses: Vec<Object> = plan.addresses.iter().cloned().map(Object::Address).collect();
        places.take(
            &owner,
            addresses.iter().zip(r.address_spans.iter().copied()).filter(|(address, _)| {
                // Those that two instances have were told already.
                statics.iter().any(|(object, _)| object.key() == address.key())
            }),
            d,
        );
        places.take(&owner, plan.objects.iter().zip(r.object_spans.iter().copied()), d);
    }
}

fn check_unused(plan: &Plan, known: &Known, d: &mut Diagnostics) {
    let of_instances = plan.instances.iter().flat_map(|i| &i.trackers);
    let of_groups = plan.groups.iter().flat_map(|g| &g.trackers);
    let used: Vec<&Tracked> = of_instances.chain(of_groups).map(|t| &t.what).collect();
    let mut check = |named: &Named, kind: &str, what: fn(Name) -> Tracked| {
        for (name, (span, _)) in named {
            if !used.contains(&&what(Name::from(name.as_str()))) {
                d.warning(*span, format!("{kind} \"{name}\" is not tracked by anything"));
            }
        }
    };
    check(&known.scripts, "script", Tracked::Script);
    check(&known.files, "file", Tracked::File);
    check(&known.processes, "process", Tracked::Process);
}
