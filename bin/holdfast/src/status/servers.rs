//! Virtual and real servers and their checks.

use super::grid::{Cell, Grid, Tone, painted, wrapped};
use super::model::{Check, Checker, Ipvs, Leaving, RealServer, Traffic, VirtualServer};
use super::text::{ago, took};
use super::view::View;

/// What is wrong with the servers.
pub(super) fn problems(part: &Checker) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(ipvs) = &part.ipvs {
        if ipvs.reachable == Some(false) {
            problems.push("the kernel's IPVS table cannot be reached".to_owned());
        }
        for refusal in &ipvs.refused {
            problems.push(format!("the kernel refuses: {refusal}"));
        }
    }
    for server in &part.virtual_servers {
        let all = server.all();
        let down = all.saturating_sub(server.alive());
        let name = name(server);
        if !server.quorum_met {
            let sorry = if server.sorry_active { ", the sorry server answers" } else { "" };
            problems.push(format!("{name} has no quorum: {down} of {all} real servers down{sorry}"));
        } else if down > 0 {
            problems.push(format!("{name}: {down} of {all} real servers down"));
        }
        for real in &server.real_servers {
            let warnings = real.checks.iter().filter_map(|check| check.warning.as_ref());
            problems.extend(warnings.map(|warning| format!("{name}: {}: {warning}", real.address)));
        }
    }
    problems
}

fn name(server: &VirtualServer) -> String {
    if server.addresses.len() > 1 {
        return format!("{} {}", server.protocol, server.addresses.join(" "));
    }
    if server.protocol.is_empty() {
        server.address.clone()
    } else {
        format!("{} {}", server.protocol, server.address)
    }
}

/// More servers than this are told in a row for each service, and by themselves only where something is wrong.
const FEW: usize = 100;

/// The tables of the checker process.
pub(super) fn render(part: &Checker, view: View) -> String {
    let servers: usize = part.virtual_servers.iter().map(|service| service.real_servers.len()).sum();
    let few = view.detailed() || servers.max(part.virtual_servers.len() * 2) <= FEW;
    let mut blocks: Vec<String> = if few {
        part.virtual_servers.iter().map(|server| block(server, view)).collect()
    } else {
        vec![overview(part, view)]
    };
    blocks.push(match &part.ipvs {
        Some(Ipvs { services, destinations, repairs, .. }) => {
            format!("IPVS TABLE {services} services, {destinations} destinations, {repairs} repairs\n")
        }
        None => "IPVS TABLE left alone ([checker] ipvs = false)\n".to_owned(),
    });
    blocks.join("\n")
}

/// Many services: a row each, and under it the servers of which somebody should know.
fn overview(part: &Checker, view: View) -> String {
    let services = &part.virtual_servers;
    let met = services.iter().filter(|service| service.quorum_met).count();
    let (all, alive): (usize, usize) =
        (services.iter().map(VirtualServer::all).sum(), services.iter().map(VirtualServer::alive).sum());
    let mut out = format!(
        "{} services: {met} with quorum, {} without; {all} servers: {alive} up, {} down\n\n",
        services.len(),
        services.len() - met,
        all.saturating_sub(alive)
    );
    let mut grid = Grid::new(&["SERVICE", "QUORUM", "UP", "FOR", "ACTIVE", "SCHEDULER"]);
    for service in services {
        let counts: Vec<u64> =
            service.real_servers.iter().filter_map(|real| real.active_connections).collect();
        let active = if counts.is_empty() { "-".to_owned() } else { counts.iter().sum::<u64>().to_string() };
        let name = if service.protocol.is_empty() {
            service.name()
        } else {
            format!("{} {}", service.protocol, service.name())
        };
        grid.row(vec![
            name.into(),
            quorum(service),
            format!("{}/{}", service.alive(), service.all()).into(),
            service.since_s.map(ago).unwrap_or_default().into(),
            active.into(),
            service.scheduler.as_str().into(),
        ]);
        if service.sorry_active {
            grid.remark("the sorry server answers", Tone::Bad);
        }
        for real in service.real_servers.iter().filter(|real| !real.alive) {
            let since = real.since_s.map(|since| format!(" for {}", ago(since))).unwrap_or_default();
            let why: Vec<String> = failing(real).map(|check| check.0).collect();
            grid.remark(format!("{} is DOWN{since}: {}", real.address, why.join("; ")), Tone::Bad);
        }
    }
    out.push_str(&grid.render(0, view.colour, view.room()));
    out
}

fn quorum(server: &VirtualServer) -> Cell {
    if server.quorum_met { Cell("met".to_owned(), Tone::Good) } else { Cell("NOT MET".to_owned(), Tone::Bad) }
}

fn block(server: &VirtualServer, view: View) -> String {
    let sorry = match &server.sorry_server {
        Some(address) if server.sorry_active => format!(", sorry server {address} ACTIVE"),
        Some(address) if server.sorry_alive == Some(false) => format!(", sorry server {address} DOWN"),
        Some(address) => format!(", sorry server {address} waits"),
        None => String::new(),
    };
    let rest = if server.suspended { ", not checked: its address is not on this machine" } else { "" };
    let how = format!("{} {}", server.scheduler, server.forward);
    let head = format!(
        "VIRTUAL SERVER {}  {}  {} of {} alive, quorum {} {}{sorry}{rest}",
        name(server),
        how.trim_end(),
        server.alive(),
        server.all(),
        server.quorum,
        painted(&quorum(server), view.colour),
    );
    let mut out = wrapped(&head.into(), 0, view.colour, view.room());
    if view.detailed()
        && let Some(Traffic { connections, packets_in, packets_out, bytes_in, bytes_out }) = &server.traffic
    {
        out.push_str(&format!(
            "  {connections} connections, packets {packets_in} in {packets_out} out, bytes {bytes_in} in {bytes_out} out\n"
        ));
    }
    if !server.real_servers.is_empty() {
        out.push_str(&grid(server, view).render(2, view.colour, view.room()));
    }
    server.leaving.iter().for_each(|one| out.push_str(&format!("  {}\n", leaving(one))));
    out
}

fn grid(server: &VirtualServer, view: View) -> Grid {
    let mut titles = vec!["REAL SERVER", "STATE", "FOR", "WEIGHT", "ACTIVE", "INACTIVE"];
    titles.extend(view.wide.then_some("CHECKS"));
    let mut grid = Grid::new(&titles);
    for real in &server.real_servers {
        let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let mut cells = vec![
            real.address.as_str().into(),
            state(real),
            real.since_s.map(ago).unwrap_or_default().into(),
            weight(real).into(),
            count(real.active_connections).into(),
            count(real.inactive_connections).into(),
        ];
        if view.wide {
            let (first, others) = checks(real);
            cells.push(first);
            grid.row(cells);
            others.into_iter().for_each(|other| grid.remark(format!("also checked by {}", other.0), other.1));
        } else {
            grid.row(cells);
            let shown: Vec<Cell> =
                if view.close { real.checks.iter().map(check).collect() } else { failing(real).collect() };
            shown.into_iter().for_each(|check| grid.remark(check.0, check.1));
        }
        for order in &real.overrides {
            grid.remark(order.line(), Tone::Calm);
        }
        if let Some(why) = weight_reason(real) {
            grid.remark(why, Tone::Calm);
        }
    }
    grid
}

/// The checks that do not pass, or could not say.
fn failing(real: &RealServer) -> impl Iterator<Item = Cell> {
    real.checks.iter().filter(|check| check.up != Some(true) || check.local_errors > 0).map(check)
}

/// Why it has another weight than the configured one; of one that is down that is plain.
fn weight_reason(real: &RealServer) -> Option<&'static str> {
    if real.weight == real.effective_weight || !real.alive || !real.overrides.is_empty() {
        None
    } else if real.standby {
        Some("weight 0: a backup, called when the others are not enough")
    } else if real.slow_start {
        Some("its weight grows back after a failure (slow_start)")
    } else {
        Some("its checks have changed its weight")
    }
}

fn state(real: &RealServer) -> Cell {
    let ordered = |kind: &str| real.overrides.iter().any(|order| order.kind == kind);
    let (word, tone) = match (real.alive, real.backup) {
        _ if ordered("disable") => ("disabled", Tone::Calm),
        (false, _) if ordered("drain") => ("drained, DOWN", Tone::Bad),
        _ if ordered("drain") => ("drained", Tone::Calm),
        _ if ordered("force") => ("forced", Tone::Calm),
        (false, _) => ("DOWN", Tone::Bad),
        (true, false) => ("up", Tone::Good),
        (true, true) if real.standby => ("backup, waits", Tone::Calm),
        (true, true) => ("backup, SERVES", Tone::Good),
    };
    Cell(word.to_owned(), tone)
}

fn leaving(leaving: &Leaving) -> String {
    let connections = match (leaving.active_connections, leaving.inactive_connections) {
        (Some(active), Some(inactive)) => format!("{} connections left, ", active.saturating_add(inactive)),
        _ => String::new(),
    };
    format!("{} leaves: {connections}for {} at most", leaving.address, ago(leaving.left_s))
}

fn weight(real: &RealServer) -> String {
    if real.weight == real.effective_weight {
        real.weight.to_string()
    } else {
        format!("{} (of {})", real.effective_weight, real.weight)
    }
}

/// The first check, which stands in the row, and the others below it.
fn checks(real: &RealServer) -> (Cell, Vec<Cell>) {
    let mut cells = real.checks.iter().map(check);
    let first = cells.next().unwrap_or_else(|| Cell("none".to_owned(), Tone::Plain));
    (first, cells.collect())
}

fn check(check: &Check) -> Cell {
    let mut text = format!("{}: {}", check.kind, check.last_result.as_deref().unwrap_or("not run yet"));
    if let Some(micros) = check.last_duration_us {
        text.push_str(&format!(" in {}", took(micros)));
    }
    let mut more = Vec::new();
    if check.failures > 0 {
        more.push(format!("{} failures", check.failures));
    }
    if check.local_errors > 0 {
        more.push(format!("{} times not possible here", check.local_errors));
    }
    if let Some(since) = check.since_s {
        let word = if check.up == Some(false) { "down" } else { "for" };
        more.push(format!("{word} {}", ago(since)));
    }
    if !more.is_empty() {
        text.push_str(&format!(" ({})", more.join(", ")));
    }
    let tone = match check.up {
        Some(true) => Tone::Plain,
        Some(false) => Tone::Bad,
        None => Tone::Calm,
    };
    Cell(text, tone)
}
