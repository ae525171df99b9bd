//! `type = "http"`: the server answers a request with an expected status.
//!
//! The verdict falls with the head of the answer: a body, however long, is not waited for. At most
//! [`MAX_HEAD`] bytes of an answer are kept, whatever the server sends.

mod head;
mod settings;

use std::net::SocketAddr;

use head::Parsed;
pub use head::{MAX_HEAD, parse};
pub use settings::{Header, Method, Settings, StatusSet, Version};

use super::{CheckKind, Input, Path, Probe, Shown, Step, Verdict};

#[derive(Debug)]
pub(super) struct HttpProbe {
    request: Vec<u8>,
    status: StatusSet,
    stage: Stage,
    head: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Answering,
}

impl HttpProbe {
    pub(super) fn new(settings: &Settings, target: SocketAddr, usual_port: u16) -> Self {
        Self {
            request: settings.request(target, usual_port),
            status: settings.status.clone(),
            stage: Stage::Connecting,
            head: Vec::new(),
        }
    }

    pub(super) fn ask(&mut self) -> Step {
        self.stage = Stage::Answering;
        Step::Send(std::mem::take(&mut self.request))
    }

    fn heard(&mut self, bytes: &[u8]) -> Step {
        let room = MAX_HEAD.saturating_sub(self.head.len());
        let part = bytes.get(..room).unwrap_or(bytes);
        let from = self.head.len();
        self.head.extend_from_slice(part);
        loop {
            match parse(&self.head, from) {
                Parsed::Partial if self.head.len() >= MAX_HEAD => {
                    return Step::Done(Verdict::fail(format!("head of the answer longer than {MAX_HEAD} bytes")));
                }
                Parsed::Partial => return Step::Read,
                Parsed::NotHttp => {
                    return Step::Done(Verdict::fail(format!("answer is not HTTP: {}", Shown(&self.head))));
                }
                // An interim answer (100 Continue, 103 Early Hints): the real one follows.
                Parsed::Head { status: 100..200, length } if length < self.head.len() => {
                    self.head.drain(..length);
                }
                Parsed::Head { status: 100..200, .. } => {
                    self.head.clear();
                    return Step::Read;
                }
                Parsed::Head { status, .. } => return Step::Done(self.judge(status)),
            }
        }
    }

    fn judge(&self, status: u16) -> Verdict {
        if self.status.contains(status) {
            Verdict::pass(format!("status {status}"))
        } else {
            Verdict::fail(format!("status {status}, expected {}", self.status))
        }
    }

    fn silent(&self) -> Verdict {
        match self.stage {
            Stage::Connecting => Verdict::fail("connection not answered in time"),
            Stage::Answering if self.head.is_empty() => Verdict::fail("connected, but no answer in time"),
            Stage::Answering => Verdict::fail("answer not complete in time"),
        }
    }

    fn closed(&self) -> Verdict {
        if self.head.is_empty() {
            Verdict::fail("connection closed without an answer")
        } else {
            Verdict::fail(format!("connection closed in the middle of the answer: {}", Shown(&self.head)))
        }
    }
}

impl Probe for HttpProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Stream),
            Input::Connected | Input::Secured => self.ask(),
            Input::Bytes(bytes) => self.heard(bytes),
            Input::Closed => Step::Done(self.closed()),
            Input::Refused(refusal) => Step::Done(Verdict::Fail(refusal.words.clone())),
            Input::TimedOut => Step::Done(self.silent()),
            Input::Datagram(_) | Input::Exited(_) => Step::Read,
        }
    }
}

impl CheckKind for Settings {
    const NAME: &'static str = "http";
    const DEFAULTS: super::Defaults =
        super::Defaults { retry_delay: std::time::Duration::from_secs(3), ..super::Defaults::NETWORK };

    fn read(
        table: &mut common::config::Table<'_>,
        d: &mut common::config::Diagnostics,
    ) -> Option<Self> {
        Self::read_from(table, d)
    }

    fn probe(&self, target: SocketAddr) -> Box<dyn Probe> {
        Box::new(HttpProbe::new(self, target, 80))
    }
}

#[cfg(test)]
mod tests;
