//! Virtual routers, groups, and what they track.

use serde_json::Value;

use super::grid::{Cell, Grid, Tone};
use super::model::{Instance, Path, Transition, Vrrp};
use super::text::{ago, plain};
use super::view::View;

/// What is wrong with the virtual routers.
pub(super) fn problems(part: &Vrrp) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(maintenance) = &part.maintenance {
        problems.push(maintenance.line());
    }
    for instance in part.instances.iter().filter(|instance| instance.state == "fault") {
        problems.push(format!("{} is in FAULT: {}", instance.name, instance.faults.join("; ")));
    }
    for instance in &part.instances {
        for peer in &instance.incompatible_peers {
            problems.push(format!(
                "{}: peer {} has another {}: {} there, {} here",
                instance.name, peer.peer, peer.field, peer.theirs, peer.mine
            ));
        }
    }
    for instance in &part.instances {
        for path in &instance.paths {
            if let Some(why) = &path.lost {
                problems.push(format!("{}: adverts have lost the path {}: {why}", instance.name, path.path));
            }
        }
    }
    for script in part.scripts.iter().filter(|script| script.up == Some(false)) {
        problems.push(format!("script {} fails: {}", script.name, plain(&script.last_exit)));
    }
    for process in part.processes.iter().filter(|process| process.up == Some(false)) {
        let count = process.count.map_or("?".to_owned(), |count| count.to_string());
        problems.push(format!("process {}: {count} run, wanted: {}", process.name, process.wanted));
    }
    for object in &part.objects {
        if let Some(error) = &object.error {
            problems.push(format!("{} {} is not installed: {error}", object.kind, object.named()));
        }
    }
    if let Some(error) = part.ipvs_sync.as_ref().and_then(|sync| sync.error.as_ref()) {
        problems.push(format!("connections are not synchronised: {error}"));
    }
    if let Some(why) = &part.process_reports_refused {
        problems.push(format!("processes are looked for once a second: {why}"));
    }
    problems
}

fn state(state: &str) -> Cell {
    let tone = match state {
        "master" => Tone::Good,
        "fault" => Tone::Bad,
        _ => Tone::Calm,
    };
    Cell(state.to_uppercase(), tone)
}

fn verdict(up: Option<bool>) -> Cell {
    match up {
        Some(true) => Cell("up".to_owned(), Tone::Good),
        Some(false) => Cell("DOWN".to_owned(), Tone::Bad),
        None => Cell("not known yet".to_owned(), Tone::Calm),
    }
}

/// Address with prefix, however the part writes it.
fn address(value: &Value) -> String {
    value.get("address").map_or_else(|| plain(value), plain)
}

fn priority(instance: &Instance) -> String {
    if instance.priority == instance.effective_priority {
        instance.priority.to_string()
    } else {
        format!("{} (of {})", instance.effective_priority, instance.priority)
    }
}

/// A way of adverts. A master hears nobody by any.
fn words(path: &Path) -> String {
    let heard = path.last_heard_ms.map(|ms| {
        let from = path.last_heard_from.as_deref().unwrap_or("?");
        format!("last heard {} ago from {from}", ago(ms / 1000.0))
    });
    let parts = [path.lost.as_ref().map(|why| format!("LOST, {why}")), heard];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    format!("path {}: {}", path.path, if text.is_empty() { "nothing heard yet" } else { text.as_str() })
}

/// More instances than this are told in a row each, with remarks only where something is wrong.
const FEW: usize = 20;

/// The tables of the VRRP process.
pub(super) fn render(part: &Vrrp, view: View) -> String {
    let mut blocks = Vec::new();
    if !part.instances.is_empty() {
        blocks.push(instances(part, view));
    }
    blocks.extend(grids(part).iter().map(|grid| grid.render(0, view.colour, view.room())));
    if let Some(sync) = &part.ipvs_sync {
        let running = if sync.running.is_empty() { "none".to_owned() } else { sync.running.join(" and ") };
        blocks.push(format!("IPVS SYNC {running} on {}, id {}\n", sync.interface, sync.id));
    }
    blocks.join("\n")
}

fn instances(part: &Vrrp, view: View) -> String {
    let few = view.detailed() || part.instances.len() <= FEW;
    let mut titles = vec!["INSTANCE", "STATE", "FOR", "PRIORITY", "INTERFACE", "VRID"];
    titles.extend(if view.wide {
        &["VER", "MASTER", "SENT", "RECEIVED", "ADDRESSES"][..]
    } else {
        &["ADDRESSES"]
    });
    let mut grid = Grid::new(&titles);
    for instance in &part.instances {
        grid.row(row(instance, view));
        remarks(instance, few, view, &mut grid);
    }
    let mut out = String::new();
    if !few {
        out.push_str(&summary(part));
    }
    out.push_str(&grid.render(0, view.colour, view.room()));
    out
}

fn summary(part: &Vrrp) -> String {
    let mut states = std::collections::BTreeMap::<&str, usize>::new();
    for instance in &part.instances {
        *states.entry(&instance.state).or_default() += 1;
    }
    let states: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    format!("{} virtual routers: {}\n\n", part.instances.len(), states.join(", "))
}

fn row(instance: &Instance, view: View) -> Vec<Cell> {
    let addresses: Vec<String> = instance.addresses.iter().map(address).collect();
    let mut cells = vec![
        instance.name.as_str().into(),
        state(&instance.state),
        instance.since_s.map(ago).unwrap_or_default().into(),
        priority(instance).into(),
        instance.interface.as_str().into(),
        instance.virtual_router_id.to_string().into(),
    ];
    if view.wide {
        let adverts = &instance.advertisements;
        let master = if instance.state == "master" { Some("this node") } else { instance.master.as_deref() };
        cells.extend([
            instance.version.to_string().into(),
            master.unwrap_or("-").into(),
            adverts.sent.to_string().into(),
            adverts.received.to_string().into(),
        ]);
    }
    cells.push(match addresses.as_slice() {
        [first, _, ..] if !view.detailed() => format!("{first} +{}", addresses.len() - 1).into(),
        _ => addresses.join(" ").into(),
    });
    cells
}

/// Why it is so, and what there is to know besides.
fn remarks(instance: &Instance, few: bool, view: View, grid: &mut Grid) {
    if instance.state == "fault" || !few {
        for fault in &instance.faults {
            grid.remark(format!("fault: {fault}"), Tone::Bad);
        }
    } else if !instance.why.is_empty() {
        grid.remark(instance.why.as_str(), Tone::Calm);
    }
    if instance.handing_over && instance.why.is_empty() {
        grid.remark("handing over: the addresses stay until the successor is heard", Tone::Calm);
    }
    // Maintenance is told at the beginning.
    for order in instance.overrides.iter().filter(|order| order.kind != "maintenance") {
        grid.remark(order.line(), Tone::Calm);
    }
    for path in instance.paths.iter().filter(|path| few || path.lost.is_some()) {
        let tone = if path.lost.is_some() { Tone::Bad } else { Tone::Calm };
        grid.remark(words(path), tone);
    }
    let adverts = &instance.advertisements;
    if adverts.send_failed > 0 {
        grid.remark(format!("{} advertisements could not be sent", adverts.send_failed), Tone::Bad);
    }
    if !few {
        return;
    }
    if !instance.priority_reasons.is_empty() {
        grid.remark(
            format!("priority {}: {}", priority(instance), instance.priority_reasons.join(", ")),
            Tone::Calm,
        );
    }
    for (reason, count) in adverts.rejected.iter().filter(|(_, count)| **count > 0) {
        grid.remark(format!("rejected {count}: {reason}"), Tone::Calm);
    }
    if instance.transitions > 1 {
        grid.remark(format!("{} transitions since start", instance.transitions), Tone::Plain);
    }
    if view.detailed() {
        for change in &instance.last_transitions {
            let Transition { ago_s, from, to, priority, reason } = change;
            let when = view.moment(*ago_s);
            grid.remark(format!("{when} {from} -> {to}, priority {priority}: {reason}"), Tone::Plain);
        }
    }
}

/// What the instances depend on.
fn grids(part: &Vrrp) -> Vec<Grid> {
    let mut grids = Vec::new();
    if !part.sync_groups.is_empty() {
        let mut grid = Grid::new(&["GROUP", "STATE", "INSTANCES"]);
        for group in &part.sync_groups {
            grid.row(vec![group.name.as_str().into(), state(&group.state), group.instances.join(" ").into()]);
        }
        grids.push(grid);
    }
    if !part.scripts.is_empty() {
        let mut grid = Grid::new(&["SCRIPT", "STATE", "LAST EXIT", "RUNS"]);
        for script in &part.scripts {
            let state = verdict(script.up);
            grid.row(vec![
                script.name.as_str().into(),
                state,
                plain(&script.last_exit).into(),
                script.runs.to_string().into(),
            ]);
        }
        grids.push(grid);
    }
    if !part.processes.is_empty() {
        let mut grid = Grid::new(&["PROCESS", "STATE", "COUNT", "WANTED", "PROGRAM"]);
        for process in &part.processes {
            grid.row(vec![
                process.name.as_str().into(),
                verdict(process.up),
                process.count.map_or("-".to_owned(), |count| count.to_string()).into(),
                process.wanted.as_str().into(),
                process.program.as_str().into(),
            ]);
        }
        grids.push(grid);
    }
    if !part.files.is_empty() {
        let mut grid = Grid::new(&["FILE", "NUMBER", "PATH"]);
        for file in &part.files {
            let number = file.number.to_string();
            grid.row(vec![file.name.as_str().into(), number.into(), file.path.as_str().into()]);
        }
        grids.push(grid);
    }
    if !part.objects.is_empty() {
        let mut grid = Grid::new(&["ROUTE, RULE", "OF", "STATE"]);
        for object in &part.objects {
            let state = match &object.error {
                None => Cell("installed".to_owned(), Tone::Good),
                Some(_) => Cell("MISSING".to_owned(), Tone::Bad),
            };
            let owner = object.instance.as_deref().unwrap_or("static");
            grid.row(vec![object.object.as_str().into(), owner.into(), state]);
        }
        grids.push(grid);
    }
    grids
}
