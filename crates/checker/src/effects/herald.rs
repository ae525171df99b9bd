//! Who is told of servers and quorums that turned: the log, programs that read a named pipe, the history, and those that
//! asked the control socket for `events`.
//!
//! All but the log are told at the end of a turn, when the kernel's table is as they will find it.

use std::time::Instant;

use common::config::format_duration;
use common::fifo::Fifos;
use common::ipvs::{DestinationKey, ServiceKey, Transport};
use log::Level;
use serde_json::{Value, json};

use crate::machine::{Stage, Turn, Turned};

/// What turned since the last time anybody was told.
#[derive(Debug)]
pub struct Herald<K: Copy> {
    /// The named pipes.
    pub fifos: Fifos<K>,
    lines: Vec<String>,
    events: Vec<Value>,
}

impl<K: Copy> Herald<K> {
    /// One that writes to these pipes.
    pub fn new(fifos: Fifos<K>) -> Self {
        Self { fifos, lines: Vec::new(), events: Vec::new() }
    }

    /// A server turned.
    pub fn server(&mut self, service: ServiceKey, server: DestinationKey, turn: Turn, reason: &str) {
        self.lines.push(format!(
            "RS {} {} {}",
            place(service, Some(server)),
            place(service, None),
            word(turn)
        ));
        let (level, message, from, to) = match turn {
            Turn::Up => (Level::Info, "real server up, it serves again", "down", "up"),
            Turn::Down => (Level::Warn, "real server down, it serves no more", "up", "down"),
        };
        let event = json!({
            "event": "server_changed",
            "service": service.to_string(),
            "server": server.to_string(),
            "up": turn == Turn::Up,
            "from": from,
            "to": to,
            "reason": reason,
        });
        let about = format!("service=\"{service}\" server={server} was={from} now={to} reason=\"{reason}\"");
        self.happened(level, event, &format!("{message} {about}"));
    }

    /// A quorum turned.
    pub fn quorum(&mut self, service: ServiceKey, turn: Turn, sorry: Option<DestinationKey>, reason: &str) {
        self.lines.push(format!("VS {} {}", place(service, None), word(turn)));
        let (level, message) = match turn {
            Turn::Up => (Level::Info, "quorum gained"),
            Turn::Down => (Level::Warn, "quorum lost"),
        };
        let event = json!({
            "event": "quorum_changed",
            "service": service.to_string(),
            "up": turn == Turn::Up,
            "sorry_server": sorry.map(|sorry| sorry.to_string()),
            "reason": reason,
        });
        let sorry = sorry.map(|sorry| format!(" sorry_server={sorry}")).unwrap_or_default();
        self.happened(level, event, &format!("{message} service=\"{service}\"{sorry} reason=\"{reason}\""));
    }

    /// A server that is alive is taken out.
    pub fn leaving(&mut self, service: ServiceKey, server: DestinationKey, stage: Stage) {
        let (level, word, message) = match stage {
            Stage::Begun => (
                Level::Info,
                "begun",
                "real server taken out: it keeps its connections, and gets no new ones",
            ),
            Stage::Empty => (Level::Info, "empty", "real server has no connections left: removed"),
            Stage::Late => {
                (Level::Warn, "late", "real server still has connections, but no more time: removed")
            }
            Stage::Over => (Level::Debug, "over", "real server leaves no more"),
        };
        let event = json!({
            "event": "server_leaving",
            "service": service.to_string(),
            "server": server.to_string(),
            "stage": word,
        });
        self.happened(level, event, &format!("{message} service=\"{service}\" server={server}"));
    }

    /// Checks rest, or do so no more.
    pub fn suspended(&mut self, service: ServiceKey, suspended: bool) {
        let message = if suspended {
            "checks rest: this machine does not hold the address"
        } else {
            "checks run: this machine holds the address"
        };
        let event = json!({
            "event": "checks_suspended", "service": service.to_string(), "suspended": suspended,
        });
        self.happened(Level::Info, event, &format!("{message} service=\"{service}\""));
    }

    /// Something happened: a line for the log, and the event for the history and those who asked for `events`.
    pub fn happened(&mut self, level: Level, event: Value, line: &str) {
        common::log::event(level, &event, format_args!("{line}"));
        self.events.push(event);
    }

    /// Whether mail is to be sent about what was told last, where the configuration says so.
    pub fn alert(&mut self, alert: Option<bool>) {
        if let Some(alert) = alert
            && let Some(fields) = self.events.last_mut().and_then(Value::as_object_mut)
        {
            fields.insert("alert".to_owned(), alert.into());
        }
    }

    /// Something became of an operator's order.
    pub fn order(&mut self, service: ServiceKey, server: DestinationKey, turned: &Turned, now: Instant) {
        let (level, kind, word, message, order, origin) = match turned {
            Turned::Begun(order) => (Level::Warn, "override_set", "begun", "override", order, &order.origin),
            Turned::Expired(order) => {
                (Level::Info, "override_expired", "expired", "override is over", order, &order.origin)
            }
            Turned::Ended(order, origin) => {
                (Level::Info, "override_released", "released", "override released", order, origin)
            }
            Turned::Dropped(order) => {
                let message = "override dropped, its server has left the configuration";
                (Level::Warn, "override_released", "dropped", message, order, &order.origin)
            }
        };
        let words = order.words();
        let event = json!({
            "event": kind,
            "service": service.to_string(),
            "server": server.to_string(),
            "override": words,
            "now": word,
            "user": origin.user,
            "uid": origin.uid,
            "sudo_user": origin.sudo_user,
            "reason": origin.reason,
        });
        let about = match turned {
            Turned::Begun(order) => {
                let left = order.left(now);
                let left = left.map_or_else(|| "until it is released".to_owned(), format_duration);
                format!("for=\"{left}\" {origin}")
            }
            Turned::Ended(..) => origin.to_string(),
            // Nobody ends it: this is who gave it.
            Turned::Expired(_) | Turned::Dropped(_) => format!("ordered_{origin}"),
        };
        let line = format!("{message}: {words} service=\"{service}\" server={server} {about}");
        self.happened(level, event, &line);
    }

    /// Writes the lines, and returns the events.
    pub fn tell(&mut self) -> Vec<Value> {
        for line in self.lines.drain(..) {
            self.fifos.push(&line);
        }
        std::mem::take(&mut self.events)
    }
}

const fn word(turn: Turn) -> &'static str {
    match turn {
        Turn::Up => "UP",
        Turn::Down => "DOWN",
    }
}

/// A service, or a server of it, as the lines of keepalived have them: `[192.0.2.1]:tcp:80`, `FWM 10`.
fn place(service: ServiceKey, server: Option<DestinationKey>) -> String {
    let protocol = match service {
        ServiceKey::Address { transport: Transport::Udp, .. } => "udp",
        ServiceKey::Address { transport: Transport::Sctp, .. } => "sctp",
        ServiceKey::Address { transport: Transport::Tcp, .. } | ServiceKey::Mark { .. } => "tcp",
    };
    match (service, server) {
        (_, Some(server)) => format!("[{}]:{protocol}:{}", server.address, server.port),
        (ServiceKey::Address { address, port, .. }, None) => format!("[{address}]:{protocol}:{port}"),
        (ServiceKey::Mark { mark, .. }, None) => format!("FWM {mark}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_readers_know_them() {
        let address = "2001:db8::1".parse().unwrap();
        let service = ServiceKey::Address { transport: Transport::Udp, address, port: 53 };
        let server = DestinationKey { address: "10.0.0.1".parse().unwrap(), port: 5353 };
        assert_eq!(place(service, None), "[2001:db8::1]:udp:53");
        assert_eq!(place(service, Some(server)), "[10.0.0.1]:udp:5353");
        let mark = ServiceKey::Mark { family: common::ipvs::Family::Ipv4, mark: 10 };
        assert_eq!(place(mark, None), "FWM 10");
    }
}
