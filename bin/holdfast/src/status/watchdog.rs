//! The processes and the configuration they run.

use super::grid::{Cell, Grid, Tone};
use super::model::{Watchdog, Whole};
use super::process;
use super::text::{ago, plain, took};
use super::view::View;

/// What is wrong with the processes.
pub(super) fn problems(part: &Watchdog) -> Vec<String> {
    let mut problems = Vec::new();
    for child in part.children.iter().filter(|child| !is_up(&child.state)) {
        problems.push(format!("the {} process is {}", child.name, child.state));
    }
    if let Some(reload) = part.config.last_reload.as_ref().filter(|reload| !reload.ok) {
        let first = reload.error.as_deref().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        problems.push(format!(
            "the last reload was refused, generation {} runs on: {first}",
            part.config.generation
        ));
    }
    problems.extend(part.mail.as_ref().and_then(super::mail::Mail::problem));
    problems
}

fn is_up(state: &str) -> bool {
    matches!(state, "up" | "running" | "ready")
}

/// The head of the status.
pub(super) fn render(part: &Watchdog, whole: &Whole, view: View) -> String {
    let on = whole.router_id.as_ref().map_or(String::new(), |id| format!(" on {id}"));
    let mut out = format!("Holdfast {}{on}, up {}\n", whole.version, ago(part.uptime_s));
    let config = &part.config;
    let loaded = match plain(&config.loaded_at) {
        at if at.is_empty() => String::new(),
        at => format!(", loaded {at}"),
    };
    out.push_str(&format!("{}, generation {}{loaded}\n", config.path, config.generation));
    if let Some(reload) = &config.last_reload {
        let verdict = if reload.ok { "done" } else { "refused" };
        out.push_str(&format!("last reload {verdict} {}\n", plain(&reload.at)));
    }
    out.push('\n');
    let mut grid = Grid::new(&["PROCESS", "STATE", "PID", "UP", "RESTARTS", "HELLO"]);
    grid.row(vec![
        "watchdog".into(),
        Cell("up".to_owned(), Tone::Good),
        part.pid.to_string().into(),
        ago(part.uptime_s).into(),
    ]);
    if let Some(remark) = process::read(whole.watchdog.as_ref()).remark() {
        grid.remark(remark, Tone::Calm);
    }
    for child in &part.children {
        let tone = if is_up(&child.state) { Tone::Good } else { Tone::Bad };
        let hello = child.hello.last_rtt_us.map(took).unwrap_or_default();
        let unanswered = child.hello.sent.saturating_sub(child.hello.answered);
        let hello = if unanswered > 1 { format!("{hello} ({unanswered} unanswered)") } else { hello };
        grid.row(vec![
            child.name.as_str().into(),
            Cell(child.state.clone(), tone),
            child.pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
            child.uptime_s.map(ago).unwrap_or_default().into(),
            child.restarts.to_string().into(),
            hello.into(),
        ]);
        if let Some(reason) = child.last_restart_reason.as_ref().filter(|reason| !reason.is_empty()) {
            grid.remark(format!("last restarted: {reason}"), Tone::Calm);
        }
        let own = match child.name.as_str() {
            "vrrp" => whole.vrrp.as_ref(),
            "checker" => whole.checker.as_ref(),
            _ => None,
        };
        if let Some(remark) = process::read(own).remark() {
            grid.remark(remark, Tone::Calm);
        }
    }
    out.push_str(&grid.render(0, view.colour, view.room()));
    if let Some(mail) = &part.mail {
        out.push_str(&mail.line());
        out.push('\n');
    }
    out
}
