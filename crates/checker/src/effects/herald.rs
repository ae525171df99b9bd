//! Who is told of servers and quorums that turned: programs that read a named pipe, and those that asked the control
//! socket for `events`.
//!
//! They are told at the end of a turn, when the kernel's table is as they will find it.

use common::fifo::Fifos;
use common::ipvs::{DestinationKey, ServiceKey, Transport};
use serde_json::{Value, json};

use crate::machine::Turn;

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
        self.events.push(json!({
            "event": "server_changed",
            "service": service.to_string(),
            "server": server.to_string(),
            "up": turn == Turn::Up,
            "reason": reason,
        }));
    }

    /// A quorum turned.
    pub fn quorum(&mut self, service: ServiceKey, turn: Turn, reason: &str) {
        self.lines.push(format!("VS {} {}", place(service, None), word(turn)));
        self.events.push(json!({
            "event": "quorum_changed",
            "service": service.to_string(),
            "up": turn == Turn::Up,
            "reason": reason,
        }));
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
