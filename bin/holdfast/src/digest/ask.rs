//! One attempt by the checker's own client, on a loop of its own.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use checker::checks::http::{MAX_BODY, Method, Report, Rules, Settings, StatusSet, Url, Version};
use checker::checks::{Tls, Verdict};
use checker::plan::Dial;
use checker::transport::{Outcome, Slot, Transport};
use common::event_loop::{Cx, Drained, EventLoop, Process, Readiness, Signal, clock};
use common::exit::Exit;

/// Bodies are looked at this far: as far as a check can.
const LIMIT: u64 = 256 * MAX_BODY;

/// A request for `/` that takes any answer.
pub(super) fn anything() -> Url {
    Url {
        path: "/".to_owned(),
        method: Method::Get,
        version: Version::V1_1,
        host: None,
        headers: Vec::new(),
        status: StatusSet::default(),
        body: Rules { max_body: LIMIT, ..Rules::default() },
    }
}

/// Asks; with TLS and this host if there is one. Certificates are not verified, as in a check without `ca_file`.
pub(super) fn ask(
    settings: &Settings,
    target: SocketAddr,
    tls: Option<Option<String>>,
    patience: Duration,
) -> Result<checker::checks::http::Answer, String> {
    let tls = tls.map(|host| Tls { server_name: host.as_deref().map(without_port), ..Tls::default() });
    let report = Report::default();
    let probe = settings.asking(target, tls, report.clone());
    let broken = |error: io::Error| format!("no event loop: {error}");
    let mut event_loop = EventLoop::new().map_err(broken)?;
    let registry = event_loop.cx().registry().clone();
    let mut asking = Asking {
        transport: Transport::new(|slot| slot),
        slot: None,
        until: clock::now() + patience,
        verdict: None,
    };
    match asking.transport.begin(probe, target, &Dial::default(), &registry) {
        (_, Outcome::Done(verdict)) => asking.verdict = Some(verdict),
        (slot, Outcome::Pending | Outcome::Program(_)) => asking.slot = Some(slot),
    }
    event_loop.run(&mut asking).map_err(broken)?;
    let answer = report.borrow_mut().take();
    answer.ok_or_else(|| match asking.verdict {
        Some(verdict) => verdict.words().clone().into_owned(),
        None => "given up".to_owned(),
    })
}

fn without_port(host: &str) -> String {
    host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned()
}

struct Asking {
    transport: Transport<Slot>,
    slot: Option<Slot>,
    until: Instant,
    verdict: Option<Verdict>,
}

impl Process for Asking {
    type Key = Slot;

    fn ready(&mut self, slot: Slot, readiness: Readiness, cx: &mut Cx<'_, Slot>) -> Drained {
        let (outcome, drained) = self.transport.ready(slot, readiness, cx.registry());
        if let Outcome::Done(verdict) = outcome {
            self.verdict = Some(verdict);
        }
        drained
    }

    fn timeout(&mut self, cx: &mut Cx<'_, Slot>) {
        if let Some(slot) = self.slot.take()
            && cx.now() >= self.until
        {
            self.verdict = Some(self.transport.expire(slot, cx.registry()));
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.slot.map(|_| self.until)
    }

    fn signal(&mut self, _: Signal, _: &mut Cx<'_, Slot>) {
        self.verdict = Some(Verdict::fail("interrupted"));
    }

    fn finished(&self) -> Option<Exit> {
        self.verdict.as_ref().map(|_| Exit::Done)
    }
}
