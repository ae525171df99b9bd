//! `type = "tcp"`: the server accepts connections.

use std::net::SocketAddr;

use common::config::{Diagnostics, Table};

use super::{CheckKind, Input, Path, Probe, Step, Verdict};

/// Nothing to set beyond what all checks have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings;

impl CheckKind for Settings {
    const NAME: &'static str = "tcp";

    fn read(_: &mut Table<'_>, _: &mut Diagnostics) -> Option<Self> {
        Some(Self)
    }

    fn probe(&self, _: SocketAddr) -> Box<dyn Probe> {
        Box::new(TcpProbe)
    }
}

#[derive(Debug)]
struct TcpProbe;

impl Probe for TcpProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Stream),
            Input::Connected
            | Input::Secured
            | Input::Bytes(_)
            | Input::Datagram(_)
            | Input::Closed
            | Input::Exited(_) => Step::Done(Verdict::pass("connection accepted")),
            Input::Refused(refusal) => Step::Done(Verdict::Fail(refusal.words.clone())),
            Input::TimedOut => Step::Done(Verdict::fail("connection not answered in time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::transcript::Transcript;

    #[test]
    fn a_connection_is_enough() {
        let mut talk = Transcript::of(&Settings);
        talk.connects(Path::Stream);
        talk.ends(Input::Connected, "pass: connection accepted");
    }

    #[test]
    fn a_refusal_is_a_failure_and_says_why() {
        let mut talk = Transcript::of(&Settings);
        talk.connects(Path::Stream);
        talk.refused("connection refused", "fail: connection refused");
    }

    #[test]
    fn silence_is_a_failure() {
        let mut talk = Transcript::of(&Settings);
        talk.connects(Path::Stream);
        talk.ends(Input::TimedOut, "fail: connection not answered in time");
    }
}
