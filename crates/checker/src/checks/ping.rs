//! `type = "ping"`: the server answers an ICMP echo request (RFC 792, RFC 4443 4.1).
//!
//! The socket is the unprivileged datagram kind: the kernel sets identifier and checksum and delivers only replies to
//! this very socket.

use std::net::SocketAddr;

use common::config::{Diagnostics, Table};

use super::{CheckKind, Defaults, Input, Path, Port, Probe, Shown, Step, Verdict};

const PAYLOAD: &[u8] = b"holdfast echo request, 32 bytes.";
/// Type and code.
const REQUEST_V4: [u8; 2] = [8, 0];
const REPLY_V4: [u8; 2] = [0, 0];
const REQUEST_V6: [u8; 2] = [128, 0];
const REPLY_V6: [u8; 2] = [129, 0];

/// Nothing to set beyond what all checks have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings;

impl CheckKind for Settings {
    const NAME: &'static str = "ping";
    const DEFAULTS: Defaults = Defaults { port: Port::Usual(0), ..Defaults::NETWORK };

    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        if let Some(span) = table.key_span("port") {
            d.error(span, "ICMP has no ports");
        }
        Some(Self)
    }

    fn probe(&self, target: SocketAddr) -> Box<dyn Probe> {
        let (request, reply) = if target.is_ipv6() { (REQUEST_V6, REPLY_V6) } else { (REQUEST_V4, REPLY_V4) };
        Box::new(PingProbe { request, reply })
    }
}

#[derive(Debug)]
struct PingProbe {
    request: [u8; 2],
    reply: [u8; 2],
}

/// A message with identifier 0 (the kernel's to set) and sequence number 1.
fn message(kind: [u8; 2]) -> Vec<u8> {
    let mut message = kind.to_vec();
    message.extend([0, 0, 0, 0, 0, 1]);
    message.extend_from_slice(PAYLOAD);
    message
}

impl Probe for PingProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Echo),
            Input::Connected => Step::Send(message(self.request)),
            Input::Datagram(datagram) => {
                let echoed = datagram.get(6..8) == Some(&[0, 1]) && datagram.get(8..) == Some(PAYLOAD);
                match datagram.get(..2) {
                    Some(kind) if *kind == self.reply && echoed => Step::Done(Verdict::pass("echo reply")),
                    // The reply to another request, or our own request heard on loopback.
                    Some(kind) if *kind == self.reply || *kind == self.request => Step::Read,
                    _ => Step::Done(Verdict::fail(format!("not an echo reply: {}", Shown(datagram)))),
                }
            }
            Input::Refused(refusal) => Step::Done(Verdict::Fail(refusal.words.clone())),
            Input::TimedOut => Step::Done(Verdict::fail("no echo reply in time")),
            Input::Secured | Input::Bytes(_) | Input::Closed | Input::Exited(_) => Step::Read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str) -> Box<dyn Probe> {
        let mut probe = Settings.probe(target.parse().unwrap());
        assert_eq!(probe.on(Input::Start), Step::Connect(Path::Echo));
        let kind = if target.starts_with('[') { REQUEST_V6 } else { REQUEST_V4 };
        assert_eq!(probe.on(Input::Connected), Step::Send(message(kind)));
        probe
    }

    #[test]
    fn the_echo_of_either_family_passes() {
        for (target, kind) in [("192.0.2.1:0", REPLY_V4), ("[2001:db8::1]:0", REPLY_V6)] {
            let step = asked(target).on(Input::Datagram(&message(kind)));
            assert_eq!(step, Step::Done(Verdict::pass("echo reply")));
        }
    }

    #[test]
    fn another_reply_is_passed_over() {
        let mut probe = asked("192.0.2.1:0");
        let mut other = message(REPLY_V4);
        other[7] = 9;
        assert_eq!(probe.on(Input::Datagram(&other)), Step::Read);
        assert_eq!(probe.on(Input::Datagram(&message(REQUEST_V4))), Step::Read);
        assert_eq!(probe.on(Input::TimedOut), Step::Done(Verdict::fail("no echo reply in time")));
    }

    #[test]
    fn an_icmp_error_fails() {
        let mut probe = asked("192.0.2.1:0");
        assert!(matches!(probe.on(Input::Datagram(&[3, 1, 0, 0])), Step::Done(Verdict::Fail(_))));
        assert!(matches!(asked("192.0.2.1:0").on(Input::Datagram(&[])), Step::Done(Verdict::Fail(_))));
    }
}
