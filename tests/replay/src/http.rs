//! A web server's answer: one verdict, the same however the stream is cut.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use checker::checks::{CheckKind, Input, Step, http};
use common::config::{Diagnostics, Document, Sources};

use crate::pieces;

/// The first byte cuts the stream and says whether the body matters, the rest is the answer.
pub fn http(data: &[u8]) {
    let Some((seed, answer)) = data.split_first() else { return };
    let settings = if seed & 1 == 0 {
        "path = '/healthz'\nstatus = [200, 301]\n"
    } else {
        "path = '/'\nstatus = [200]\nbody_match = 'o+k'\n"
    };
    let cut = verdict(settings, pieces(answer, *seed));
    let large = verdict(settings, std::iter::once(answer));
    assert_eq!(judged(&cut), judged(&large));
}

/// The verdict, without the words of a failure: these tell how far the answer had come.
fn judged(verdict: &str) -> &str {
    if verdict.starts_with("fail: ") { "fail" } else { verdict }
}

fn verdict<'a>(settings: &str, portions: impl Iterator<Item = &'a [u8]>) -> String {
    let sources = Sources::from_text("check.toml", settings);
    let mut diagnostics = Diagnostics::new();
    let document = Document::parse(&sources, &mut diagnostics);
    let settings = http::Settings::read(&mut document.root(), &mut diagnostics);
    let Some(settings) = settings else { return diagnostics.render(&sources) };
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(&sources));
    let mut probe = settings.probe(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80));
    assert!(matches!(probe.on(Input::Start), Step::Connect(_)));
    assert!(matches!(probe.on(Input::Connected), Step::Send(_)));
    for portion in portions {
        match probe.on(Input::Bytes(portion)) {
            Step::Read => {}
            Step::Done(verdict) => return verdict.to_string(),
            other @ (Step::Connect(_) | Step::Secure(_) | Step::Send(_) | Step::Spawn(_) | Step::Load(_)) => {
                assert_eq!(other, Step::Read, "an answer is read, nothing else");
            }
        }
    }
    let last = probe.on(Input::Closed);
    assert!(matches!(last, Step::Done(_)), "no verdict at the end: {last:?}");
    if let Step::Done(verdict) = last { verdict.to_string() } else { String::new() }
}
