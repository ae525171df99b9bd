//! `/stats;csv`: the services as HAProxy's statistics, for the programs that read those.
//!
//! What the kernel's load balancer does not have (queues, denied requests, sessions a second) is left empty, as
//! HAProxy leaves what a proxy does not have.

use crate::status::model::{Checker, RealServer, VirtualServer};

/// The columns, in HAProxy's order.
const COLUMNS: [&str; 37] = [
    "pxname",
    "svname",
    "qcur",
    "qmax",
    "scur",
    "smax",
    "slim",
    "stot",
    "bin",
    "bout",
    "dreq",
    "dresp",
    "ereq",
    "econ",
    "eresp",
    "wretr",
    "wredis",
    "status",
    "weight",
    "act",
    "bck",
    "chkfail",
    "chkdown",
    "lastchg",
    "downtime",
    "qlimit",
    "pid",
    "iid",
    "sid",
    "throttle",
    "lbtot",
    "tracked",
    "type",
    "rate",
    "check_status",
    "check_duration",
    "last_chk",
];

/// The whole table.
pub(super) fn render(checker: &Checker) -> String {
    let mut out = format!("# {},\n", COLUMNS.join(","));
    for (number, service) in (1_usize..).zip(&checker.virtual_servers) {
        for (sid, server) in (1_usize..).zip(&service.real_servers) {
            row(&mut out, &of_server(service, server, number, sid));
        }
        row(&mut out, &of_service(service, number));
    }
    out
}

type Cells = Vec<(&'static str, String)>;

fn row(out: &mut String, cells: &Cells) {
    for column in COLUMNS {
        let value = cells.iter().find(|(name, _)| *name == column).map(|(_, value)| value.as_str());
        out.push_str(&quoted(value.unwrap_or_default()));
        out.push(',');
    }
    out.push('\n');
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\"").replace('\n', " "))
    } else {
        text.to_owned()
    }
}

fn of_server(service: &VirtualServer, server: &RealServer, number: usize, sid: usize) -> Cells {
    let failures: u64 = server.checks.iter().map(|check| check.failures).sum();
    let told = server.checks.iter().find(|check| check.up == Some(false)).or(server.checks.first());
    let mut cells: Cells = vec![
        ("pxname", service.name()),
        ("svname", server.address.clone()),
        ("status", status(server).to_owned()),
        ("weight", server.effective_weight.to_string()),
        ("act", "1".to_owned()),
        ("bck", "0".to_owned()),
        ("chkfail", failures.to_string()),
        ("iid", number.to_string()),
        ("sid", sid.to_string()),
        ("pid", "1".to_owned()),
        ("type", "2".to_owned()),
    ];
    cells.extend(server.since_s.map(|since| ("lastchg", format!("{since:.0}"))));
    cells.extend(server.active_connections.map(|count| ("scur", count.to_string())));
    if let Some(check) = told {
        let layer = match check.kind.as_str() {
            "tcp" | "ping" | "udp" => "L4",
            _ => "L7",
        };
        let verdict = match check.up {
            Some(true) => format!("{layer}OK"),
            Some(false) => format!("{layer}CON"),
            None => "INI".to_owned(),
        };
        cells.push(("check_status", verdict));
        cells.extend(check.last_duration_us.map(|us| ("check_duration", format!("{:.0}", us / 1000.0))));
        cells.extend(check.last_result.clone().map(|words| ("last_chk", words)));
    }
    cells
}

fn status(server: &RealServer) -> &'static str {
    match (server.alive, server.checks.is_empty()) {
        _ if server.alive && server.effective_weight == 0 => "DRAIN",
        (true, true) => "no check",
        (true, false) => "UP",
        (false, _) => "DOWN",
    }
}

fn of_service(service: &VirtualServer, number: usize) -> Cells {
    let alive = service.real_servers.iter().filter(|server| server.alive);
    let weight: i64 = alive.clone().map(|server| server.effective_weight).sum();
    let connections: u64 = service.real_servers.iter().filter_map(|server| server.active_connections).sum();
    vec![
        ("pxname", service.name()),
        ("svname", "BACKEND".to_owned()),
        ("scur", connections.to_string()),
        ("status", if service.quorum_met { "UP" } else { "DOWN" }.to_owned()),
        ("weight", weight.to_string()),
        ("act", alive.count().to_string()),
        ("bck", "0".to_owned()),
        ("iid", number.to_string()),
        ("sid", "0".to_owned()),
        ("pid", "1".to_owned()),
        ("type", "1".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_server_and_one_for_the_service() {
        let checker: Checker = serde_json::from_value(serde_json::json!({ "virtual_servers": [{
            "address": "192.0.2.1:80", "protocol": "tcp", "quorum_met": true,
            "real_servers": [
                { "address": "192.0.2.2:80", "alive": true, "effective_weight": 3, "active_connections": 4,
                  "checks": [{ "type": "http", "up": true, "last_result": "200, \"ok\"", "last_duration_us": 1500 }] },
                { "address": "192.0.2.3:80", "alive": false, "effective_weight": 0, "checks": [{ "type": "tcp", "up": false }] },
            ],
        }]}))
        .unwrap();
        let text = render(&checker);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("# pxname,svname,"));
        assert!(lines[1].starts_with("192.0.2.1:80,192.0.2.2:80,,,4,"), "{}", lines[1]);
        assert!(lines[1].ends_with(",L7OK,2,\"200, \"\"ok\"\"\","), "{}", lines[1]);
        assert!(lines[2].contains(",DOWN,0,1,0,") && lines[2].contains("L4CON"), "{}", lines[2]);
        assert!(
            lines[3].starts_with("192.0.2.1:80,BACKEND,,,4,") && lines[3].contains(",UP,3,1,"),
            "{}",
            lines[3]
        );
        let columns = lines[0].matches(',').count();
        assert_eq!(lines[3].matches(',').count(), columns);
    }
}
