//! `type = "http"`: the server answers a request with an expected status.
//!
//! Without rules for the body the verdict falls with the head of the answer: a body, however long, is not waited for. At
//! most [`MAX_HEAD`] bytes of a head and `max_body` of a body are kept, whatever the server sends. Several URLs are asked
//! for one after the other, each over a connection of its own; the first that is not as expected decides.

mod answer;
mod body;
mod head;
mod settings;

use std::net::SocketAddr;

pub use answer::{Answer, Report};
use body::{Body, Progress};
pub use body::{Digest, Framing, MAX_BODY, Pattern, Rules};
use head::Parsed;
pub use head::{MAX_HEAD, parse};
pub use settings::{Header, Method, Settings, StatusSet, Url, Version};

use super::{CheckKind, Input, Path, Probe, Shown, Step, Tls, Verdict};

/// An attempt: over plain TCP, or over TLS for `https`.
#[derive(Debug)]
pub(super) struct HttpProbe {
    settings: Settings,
    target: SocketAddr,
    tls: Option<Tls>,
    /// The URL under way.
    at: usize,
    stage: Stage,
    head: Vec<u8>,
    /// Bytes of interim answers so far.
    interim: usize,
    /// Where the answer is left, if nobody is judged.
    report: Option<Report>,
}

#[derive(Debug)]
enum Stage {
    Connecting,
    Securing,
    Answering,
    Body { status: u16, body: Body },
}

impl HttpProbe {
    pub(super) fn new(settings: &Settings, target: SocketAddr, tls: Option<Tls>) -> Self {
        Self {
            settings: settings.clone(),
            target,
            tls,
            at: 0,
            stage: Stage::Connecting,
            head: Vec::new(),
            interim: 0,
            report: None,
        }
    }

    fn url(&self) -> Option<&Url> {
        self.settings.urls.get(self.at)
    }

    fn ask(&mut self) -> Step {
        self.stage = Stage::Answering;
        let usual_port = if self.tls.is_some() { 443 } else { 80 };
        let request = self.url().map(|url| url.request(self.target, usual_port));
        Step::Send(request.unwrap_or_default())
    }

    fn heard(&mut self, bytes: &[u8]) -> Step {
        if let Stage::Body { status, body } = &mut self.stage {
            let (status, progress) = (*status, body.push(bytes));
            return self.progressed(status, progress);
        }
        let room = MAX_HEAD.saturating_sub(self.head.len());
        let (part, mut beyond) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        let mut from = self.head.len();
        self.head.extend_from_slice(part);
        loop {
            match parse(&self.head, from) {
                Parsed::Partial if self.head.len() >= MAX_HEAD => {
                    return self.fail(format!("head of the answer longer than {MAX_HEAD} bytes"));
                }
                Parsed::Partial => return Step::Read,
                Parsed::NotHttp => return self.fail(format!("answer is not HTTP: {}", Shown(&self.head))),
                // An interim answer (100 Continue, 103 Early Hints): the real one follows.
                Parsed::Head { status: 100..200, length, .. } => {
                    self.interim += length;
                    if self.interim > MAX_HEAD {
                        return self.fail("interim answers without end");
                    }
                    self.head.drain(..length);
                    // There is room again for what had none.
                    let (part, later) = beyond.split_at_checked(length).unwrap_or((beyond, &[]));
                    self.head.extend_from_slice(part);
                    beyond = later;
                    from = 0;
                    if self.head.is_empty() {
                        return Step::Read;
                    }
                }
                Parsed::Head { status, length, framing } => {
                    let mut rest = self.head.split_off(length);
                    rest.extend_from_slice(beyond);
                    return self.judge(status, framing, &rest);
                }
            }
        }
    }

    fn judge(&mut self, status: u16, framing: Framing, rest: &[u8]) -> Step {
        let Some(url) = self.url() else { return Step::Read };
        if self.report.is_none() && !url.status.contains(status) {
            let words = format!("status {status}, expected {}", url.status);
            return self.fail(words);
        }
        if self.report.is_none() && !url.body.wanted() {
            return self.passed(status);
        }
        let mut body = Body::new(framing, &url.body);
        let progress = body.push(rest);
        self.stage = Stage::Body { status, body };
        self.progressed(status, progress)
    }

    fn progressed(&mut self, status: u16, progress: Progress) -> Step {
        match progress {
            Progress::More => Step::Read,
            Progress::Whole => self.body_ended(status, true),
            Progress::Enough => self.body_ended(status, false),
            Progress::Broken => self.fail("chunks of the body make no sense"),
        }
    }

    fn body_ended(&mut self, status: u16, whole: bool) -> Step {
        if let (Some(report), Stage::Body { body, .. }) = (&self.report, &self.stage) {
            if !whole {
                return self.fail("body longer than what is looked at");
            }
            *report.borrow_mut() = Some(body.answer(status));
            return self.passed(status);
        }
        let fault = match (&self.stage, self.url()) {
            (Stage::Body { body, .. }, Some(url)) => body.fault(&url.body, whole),
            _ => None,
        };
        match fault {
            Some(fault) => self.fail(fault.words().clone()),
            None => self.passed(status),
        }
    }

    /// This URL is as expected: on to the next, or done.
    fn passed(&mut self, status: u16) -> Step {
        self.at += 1;
        if self.url().is_none() {
            return Step::Done(Verdict::pass(match self.settings.urls.len() {
                1 => format!("status {status}"),
                count => format!("{count} URLs as expected"),
            }));
        }
        self.stage = Stage::Connecting;
        self.head.clear();
        self.interim = 0;
        Step::Connect(Path::Request)
    }

    /// With several URLs, says which.
    fn fail(&self, words: impl Into<super::Words>) -> Step {
        let words = words.into();
        Step::Done(match self.url() {
            Some(url) if self.settings.urls.len() > 1 => Verdict::fail(format!("{}: {words}", url.path)),
            _ => Verdict::Fail(words),
        })
    }

    fn silent(&self) -> Step {
        self.fail(match self.stage {
            Stage::Connecting => "connection not answered in time",
            Stage::Securing => "TLS handshake not complete in time",
            Stage::Answering if self.head.is_empty() => "connected, but no answer in time",
            Stage::Answering | Stage::Body { .. } => "answer not complete in time",
        })
    }

    fn closed(&mut self) -> Step {
        match &self.stage {
            Stage::Body { status, body } if body.ends_with_connection() => {
                let status = *status;
                self.body_ended(status, true)
            }
            Stage::Body { .. } => self.fail("connection closed in the middle of the body"),
            Stage::Connecting | Stage::Securing | Stage::Answering if self.head.is_empty() => {
                self.fail("connection closed without an answer")
            }
            Stage::Connecting | Stage::Securing | Stage::Answering => {
                self.fail(format!("connection closed in the middle of the answer: {}", Shown(&self.head)))
            }
        }
    }
}

impl Probe for HttpProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Request),
            Input::Connected => match self.tls.clone() {
                Some(tls) => {
                    self.stage = Stage::Securing;
                    Step::Secure(tls)
                }
                None => self.ask(),
            },
            Input::Secured => self.ask(),
            Input::Bytes(bytes) => self.heard(bytes),
            Input::Closed => self.closed(),
            Input::Refused(refusal) => self.fail(refusal.words.clone()),
            Input::TimedOut => self.silent(),
            Input::Datagram(_) | Input::Exited(_) => Step::Read,
        }
    }
}

impl CheckKind for Settings {
    const NAME: &'static str = "http";
    const DEFAULTS: super::Defaults =
        super::Defaults { retry_delay: std::time::Duration::from_secs(3), ..super::Defaults::NETWORK };

    fn read(table: &mut common::config::Table<'_>, d: &mut common::config::Diagnostics) -> Option<Self> {
        Self::read_from(table, d)
    }

    fn probe(&self, target: SocketAddr) -> Box<dyn Probe> {
        Box::new(HttpProbe::new(self, target, None))
    }
}

#[cfg(test)]
mod tests;
