//! Virtual and real servers and their checks.

use super::grid::{Cell, Grid, Tone, painted};
use super::model::{Check, Checker, Ipvs, Leaving, RealServer, VirtualServer};
use super::text::{ago, took};

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
        let down = server.real_servers.iter().filter(|real| !real.alive).count();
        let all = server.real_servers.len();
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

/// The tables of the checker process.
pub(super) fn render(part: &Checker, colour: bool) -> String {
    let mut blocks: Vec<String> = part.virtual_servers.iter().map(|server| block(server, colour)).collect();
    if let Some(Ipvs { services, destinations, repairs, .. }) = &part.ipvs {
        blocks.push(format!(
            "IPVS TABLE {services} services, {destinations} destinations, {repairs} repairs\n"
        ));
    }
    if part.ipvs.is_none() {
        blocks.push("IPVS TABLE left alone ([checker] ipvs = false)\n".to_owned());
    }
    blocks.join("\n")
}

fn block(server: &VirtualServer, colour: bool) -> String {
    let alive = server.real_servers.iter().filter(|real| real.alive).count();
    let met = if server.quorum_met {
        Cell("met".to_owned(), Tone::Good)
    } else {
        Cell("NOT MET".to_owned(), Tone::Bad)
    };
    let sorry = match &server.sorry_server {
        Some(address) if server.sorry_active => format!(", sorry server {address} ACTIVE"),
        Some(address) if server.sorry_alive == Some(false) => format!(", sorry server {address} DOWN"),
        Some(address) => format!(", sorry server {address} waits"),
        None => String::new(),
    };
    let rest = if server.suspended { ", not checked: its address is not on this machine" } else { "" };
    let how = format!("{} {}", server.scheduler, server.forward);
    let mut out = format!(
        "VIRTUAL SERVER {}  {}  {alive} of {} alive, quorum {} {}{sorry}{rest}\n",
        name(server),
        how.trim_end(),
        server.real_servers.len(),
        server.quorum,
        painted(&met, colour),
    );
    let leaving = server.leaving.iter().map(leaving);
    if server.real_servers.is_empty() {
        leaving.for_each(|line| out.push_str(&format!("  {line}\n")));
        return out;
    }
    let mut grid = Grid::new(&["REAL SERVER", "STATE", "WEIGHT", "ACTIVE", "INACTIVE", "CHECKS"]);
    for real in &server.real_servers {
        let (first, others) = checks(real);
        grid.row(vec![
            real.address.as_str().into(),
            state(real),
            weight(real).into(),
            real.active_connections.map_or_else(|| "-".to_owned(), |count| count.to_string()).into(),
            real.inactive_connections.map_or_else(|| "-".to_owned(), |count| count.to_string()).into(),
            first,
        ]);
        for other in others {
            grid.remark(format!("also checked by {}", other.0), other.1);
        }
    }
    out.push_str(&grid.render(2, colour));
    leaving.for_each(|line| out.push_str(&format!("  {line}\n")));
    out
}

fn state(real: &RealServer) -> Cell {
    let (word, tone) = match (real.alive, real.backup) {
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
        let grows = if real.slow_start { ", grows" } else { "" };
        format!("{} (of {}{grows})", real.effective_weight, real.weight)
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
