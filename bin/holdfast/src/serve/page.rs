//! The status page: one file without anything from outside, that renews itself.

use std::fmt::Write as _;

use super::history::History;
use crate::status::model::{Checker, Instance, RealServer, VirtualServer, Vrrp, Watchdog, Whole};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Asks for what an order takes. The script asks for the token only where it has none.
const DIALOG: &str = "<dialog id=\"ask\"><form method=\"dialog\" id=\"form\"><p id=\"what\"></p>\
                      <label>reason <input id=\"reason\" maxlength=\"200\" \
                      autocomplete=\"off\"></label><label id=\"span\">for <input id=\"for\" maxlength=\"20\" \
                      placeholder=\"until released; 10m\" autocomplete=\"off\"></label><label id=\"key\">token <input id=\"token\" type=\"password\" \
                      autocomplete=\"off\"></label><p><button>give the order</button> \
                      <button type=\"button\" id=\"leave\">leave it</button></p></form></dialog>";

/// The whole page.
pub(super) fn render(whole: &Whole, history: &History, nonce: &str, steerable: bool) -> String {
    let name = whole.router_id.as_deref().unwrap_or("Holdfast");
    let title = escape(name);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style nonce=\"{nonce}\">{STYLE}</style></head><body>\
         <main id=\"all\">{}</main>{}<script nonce=\"{nonce}\">{SCRIPT}</script></body></html>\n",
        body(whole, history, steerable),
        if steerable { DIALOG } else { "" }
    )
}

/// What is renewed.
pub(super) fn body(whole: &Whole, history: &History, steerable: bool) -> String {
    let mut out = String::new();
    let watchdog: Option<Watchdog> = whole.watchdog();
    head(&mut out, whole, watchdog.as_ref());
    let vrrp: Vrrp = whole.vrrp();
    if !vrrp.instances.is_empty() {
        routers(&mut out, &vrrp);
    }
    let checker: Checker = whole.checker();
    for service in &checker.virtual_servers {
        self::service(&mut out, service, history, steerable);
    }
    if let Some(watchdog) = &watchdog {
        processes(&mut out, watchdog);
    }
    out
}

/// Appends text; writing into a string cannot fail.
macro_rules! put {
    ($out:expr, $($part:tt)*) => {{
        let _infallible = write!($out, $($part)*);
    }};
}

fn head(out: &mut String, whole: &Whole, watchdog: Option<&Watchdog>) {
    let name = escape(whole.router_id.as_deref().unwrap_or("Holdfast"));
    put!(out, "<header><h1>{name}</h1><p>Holdfast {}", escape(&whole.version));
    match watchdog {
        Some(watchdog) => {
            put!(out, ", up {}", duration(watchdog.uptime_s));
            if let Some(reload) = watchdog.config.last_reload.as_ref().filter(|reload| !reload.ok) {
                let error = reload.error.as_deref().unwrap_or_default();
                put!(out, "</p><p class=\"bad\">the last reload was refused: {}", escape(error));
            }
        }
        None => out.push_str("</p><p class=\"bad\">the daemon does not answer"),
    }
    out.push_str("</p></header>");
}

fn routers(out: &mut String, vrrp: &Vrrp) {
    out.push_str(
        "<section><h2>Virtual routers</h2><div class=\"wide\"><table><thead><tr><th>name<th>state<th>since\
         <th>priority<th>addresses<th>master<th>adverts out / in<th>remarks</tr></thead><tbody>",
    );
    for instance in &vrrp.instances {
        let addresses: Vec<&str> =
            instance.addresses.iter().filter_map(serde_json::Value::as_str).take(8).collect();
        let more = instance.addresses.len().saturating_sub(addresses.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let name = format!(
            "{}<small>{} id {} v{}</small>",
            escape(&instance.name),
            escape(&instance.interface),
            instance.virtual_router_id,
            instance.version
        );
        row(
            out,
            colour(&instance.state),
            &name,
            &[
                ("state", escape(&instance.state)),
                ("since", instance.since_s.map(duration).unwrap_or_default()),
                ("priority", priority(instance)),
                ("addresses", escape(&addresses.join(", ")) + &more),
                ("master", escape(instance.master.as_deref().unwrap_or("–"))),
                (
                    "adverts out / in",
                    format!("{} / {}", instance.advertisements.sent, instance.advertisements.received),
                ),
                ("remarks", escape(&remarks(instance))),
            ],
        );
    }
    out.push_str("</tbody></table></div></section>");
}

fn priority(instance: &Instance) -> String {
    if instance.priority == instance.effective_priority {
        instance.priority.to_string()
    } else {
        format!("{} of {}", instance.effective_priority, instance.priority)
    }
}

fn remarks(instance: &Instance) -> String {
    let peers = instance
        .incompatible_peers
        .iter()
        .map(|peer| format!("{} has {} {} and not {}", peer.peer, peer.field, peer.theirs, peer.mine));
    instance.faults.iter().cloned().chain(peers).collect::<Vec<_>>().join("; ")
}

fn service(out: &mut String, service: &VirtualServer, history: &History, steerable: bool) {
    let alive = service.real_servers.iter().filter(|server| server.alive).count();
    put!(
        out,
        "<section><h2 class=\"{}\">{} <small>{} {} {}</small>{}</h2><p>{alive} of {} servers alive{}{}</p>",
        if service.quorum_met { "good" } else { "bad" },
        escape(&service.name()),
        escape(&service.protocol),
        escape(&service.scheduler),
        escape(&service.forward),
        history.curve(&service.key()),
        service.real_servers.len(),
        if service.quorum_met { "" } else { ", quorum lost" },
        if service.sorry_active { ", the sorry server serves" } else { "" },
    );
    out.push_str(
        "<div class=\"wide\"><table><thead><tr><th>server<th>state<th>since<th>weight<th>connections\
         <th>checks",
    );
    out.push_str(if steerable { "<th>orders</tr></thead><tbody>" } else { "</tr></thead><tbody>" });
    for server in &service.real_servers {
        let orders = steerable.then(|| buttons(service, server));
        self::server(out, server, orders);
    }
    let sum =
        |of: fn(&RealServer) -> Option<u64>| -> u64 { service.real_servers.iter().filter_map(of).sum() };
    let connections = format!(
        "{} + {}",
        sum(|server| server.active_connections),
        sum(|server| server.inactive_connections)
    );
    let nothing = |name| (name, String::new());
    let mut cells = vec![
        nothing("state"),
        nothing("since"),
        nothing("weight"),
        ("connections", connections),
        nothing("checks"),
    ];
    cells.extend(steerable.then(|| nothing("orders")));
    row(out, "sum", "all", &cells);
    out.push_str("</tbody></table></div></section>");
}

fn server(out: &mut String, server: &RealServer, orders: Option<String>) {
    let state = match (server.alive, server.effective_weight) {
        (false, _) => ("bad", "down"),
        (true, 0) => ("weak", "no new connections"),
        (true, _) => ("good", "up"),
    };
    let connections = match (server.active_connections, server.inactive_connections) {
        (Some(active), Some(inactive)) => format!("{active} + {inactive}"),
        _ => "–".to_owned(),
    };
    let checks: Vec<String> = server
        .checks
        .iter()
        .map(|check| {
            let words = check.last_result.as_deref().unwrap_or("not yet");
            let took =
                check.last_duration_us.map(|us| format!(" in {:.1} ms", us / 1000.0)).unwrap_or_default();
            format!("{}: {}{took}", escape(&check.kind), escape(words))
        })
        .collect();
    let standing = server.overrides.iter().map(|order| format!("<small>{}</small>", escape(&order.line())));
    let mut cells = vec![
        ("state", format!("<span>{}{}</span>", state.1, standing.collect::<String>())),
        ("since", server.since_s.map(duration).unwrap_or_default()),
        ("weight", server.effective_weight.to_string()),
        ("connections", connections),
        ("checks", checks.join("<br>")),
    ];
    cells.extend(orders.map(|orders| ("orders", orders)));
    row(out, state.0, &escape(&server.address), &cells);
}

/// The orders that would change something, and where the script says what came of one.
fn buttons(service: &VirtualServer, server: &RealServer) -> String {
    let stands = |kinds: &[&str]| server.overrides.iter().any(|order| kinds.contains(&order.kind.as_str()));
    let name = escape(&format!("{}/{}", service.key().trim(), server.address));
    let mut out = String::from("<span>");
    for (order, shown) in [
        ("drain", !stands(&["drain"])),
        ("enable", stands(&["drain", "disable", "force"])),
        ("release", stands(&["weight"])),
    ] {
        if shown {
            put!(
                out,
                "<button type=\"button\" data-order=\"{order}\" data-server=\"{name}\">{order}</button> "
            );
        }
    }
    put!(out, "<output data-server=\"{name}\"></output></span>");
    out
}

/// A row of a table; on a narrow screen every cell says what it is.
fn row(out: &mut String, class: &str, name: &str, cells: &[(&str, String)]) {
    put!(out, "<tr class=\"{class}\"><th>{name}");
    for (label, content) in cells {
        put!(out, "<td data-label=\"{label}\">{content}");
    }
    out.push_str("</tr>");
}

fn processes(out: &mut String, watchdog: &Watchdog) {
    out.push_str(
        "<section><h2>Processes</h2><div class=\"wide\"><table><thead><tr><th>name<th>state<th>up<th>restarts\
         <th>last reason<th>hello</tr></thead><tbody>",
    );
    for child in &watchdog.children {
        row(
            out,
            if child.state == "up" { "good" } else { "weak" },
            &escape(&child.name),
            &[
                ("state", escape(&child.state)),
                ("up", child.uptime_s.map(duration).unwrap_or_default()),
                ("restarts", child.restarts.to_string()),
                ("last reason", escape(child.last_restart_reason.as_deref().unwrap_or("–"))),
                (
                    "hello",
                    child.hello.last_rtt_us.map(|us| format!("{:.1} ms", us / 1000.0)).unwrap_or_default(),
                ),
            ],
        );
    }
    out.push_str("</tbody></table></div></section>");
}

fn colour(state: &str) -> &'static str {
    match state {
        "master" => "good",
        "backup" => "calm",
        "fault" => "bad",
        _ => "weak",
    }
}

/// A time in the largest unit that fits, and the next.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time the daemon has counted, cut at whole seconds"
)]
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_text_and_nothing_else() {
        let whole: Whole = serde_json::from_value(serde_json::json!({
            "router_id": "<b>", "checker": { "virtual_servers": [{ "address": "192.0.2.1:80", "real_servers": [
                { "address": "192.0.2.2:80", "checks": [{ "type": "http", "last_result": "<script>alert(1)</script>" }] }
            ]}]}
        }))
        .unwrap();
        let page = render(&whole, &History::default(), "n", true);
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
        assert!(page.contains("<h1>&lt;b&gt;</h1>"));
        assert_eq!(page.matches("<script").count(), 1);
    }

    #[test]
    fn durations() {
        for (seconds, text) in
            [(5.9, "5 s"), (65.0, "1 min 5 s"), (7265.0, "2 h 1 min"), (90_000.0, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
