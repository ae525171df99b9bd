//! What the running daemon calls the service of a connection: that of a group, or a firewall mark.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::entry::{Entry, Target};
use crate::status::model::Checker;

/// Names by protocol and place; empty where no daemon runs.
#[derive(Debug, Default)]
pub(super) struct Names {
    places: BTreeMap<(String, SocketAddr), String>,
    /// A connection of a marked service does not tell the mark, but its server does.
    marked: BTreeMap<SocketAddr, BTreeSet<String>>,
}

impl Names {
    /// Out of the checker's status.
    pub(super) fn new(checker: &Checker) -> Self {
        let mut names = Self::default();
        for service in &checker.virtual_servers {
            let name = if service.protocol.is_empty() {
                service.address.clone()
            } else {
                format!("{} {}", service.protocol, service.address)
            };
            let protocol = service.protocol.to_ascii_uppercase();
            let mut marked = false;
            for address in service.addresses.iter().chain([&service.address]) {
                match address.parse() {
                    Ok(place) => drop(names.places.insert((protocol.clone(), place), name.clone())),
                    Err(_) => marked = true,
                }
            }
            for real in service.real_servers.iter().filter(|_| marked) {
                if let Ok(server) = real.address.parse() {
                    names.marked.entry(server).or_default().insert(name.clone());
                }
            }
        }
        names
    }

    /// The name of a connection's service.
    pub(super) fn of(&self, entry: &Entry<'_>) -> Option<&str> {
        let at = |place| self.places.get(&(entry.protocol.to_owned(), place)).map(String::as_str);
        let Target::Place(to) = entry.target() else { return None };
        // A service of every port has port 0.
        at(to).or_else(|| at(SocketAddr::new(to.ip(), 0))).or_else(|| self.by_server(entry.server))
    }

    fn by_server(&self, server: SocketAddr) -> Option<&str> {
        let marked =
            self.marked.get(&server).or_else(|| self.marked.get(&SocketAddr::new(server.ip(), 0)))?;
        // Of several it is not known which.
        (marked.len() == 1).then(|| marked.first().map(String::as_str))?
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::entry::{Line, line};
    use super::*;

    #[test]
    fn groups_marks_and_services_of_every_port_have_names() {
        let checker = serde_json::from_value(json!({ "virtual_servers": [
            { "address": "192.0.2.100:80", "addresses": ["192.0.2.100:80", "192.0.2.101:80"], "protocol": "tcp" },
            { "address": "192.0.2.102:0", "addresses": ["192.0.2.102:0"], "protocol": "tcp" },
            { "address": "fwmark 10", "addresses": ["fwmark 10"], "real_servers": [{ "address": "10.0.0.9:80" }] },
        ]}));
        let names = Names::new(&checker.unwrap());
        for (to, server, name) in [
            ("C0000264 0050", "0A000001 0050", Some("tcp 192.0.2.100:80")),
            ("C0000265 0050", "0A000001 0050", Some("tcp 192.0.2.100:80")),
            ("C0000266 1234", "0A000001 1234", Some("tcp 192.0.2.102:0")),
            ("C0000267 0050", "0A000009 0050", Some("fwmark 10")),
            ("C0000267 0050", "0A000008 0050", None),
        ] {
            let text = format!("TCP 0A000015 B2C6 {to} {server} ESTABLISHED 899");
            let Line::Entry(entry) = line(&text) else { panic!() };
            assert_eq!(names.of(&entry), name, "{text}");
        }
    }
}
