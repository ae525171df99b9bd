//! A server's side of any check: no answer, however it comes, does more than decide the check.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use checker::checks::{Exited, Input, KINDS, Step};
use common::config::{Diagnostics, Document, Sources};

use crate::pieces;

/// Answers are at an end after this many steps: nobody asks for ever.
const MOST_STEPS: usize = 10_000;

/// The first byte chooses the kind, the second cuts the stream, the rest is what the server says.
pub fn probe(data: &[u8]) {
    let Some(([kind, seed], said)) = data.split_first_chunk() else { return };
    let Some((_, kind)) = KINDS.get(usize::from(*kind) % KINDS.len()) else { return };
    let sources = Sources::from_text("check.toml", "command = '/bin/true'\n");
    let mut diagnostics = Diagnostics::new();
    let document = Document::parse(&sources, &mut diagnostics);
    let Some(settings) = kind.read(&mut document.root(), &mut diagnostics) else { return };
    let mut probe = settings.probe(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80));
    let (mut portions, mut datagram) = (pieces(said, *seed), Some(said.to_vec()));
    let mut input = Input::Start;
    let mut datagrams = false;
    let mut sent;
    for _ in 0..MOST_STEPS {
        input = match probe.on(input) {
            Step::Done(verdict) => {
                assert!(verdict.words().len() < 1000, "words, not the whole answer: {verdict}");
                return;
            }
            Step::Connect(path) => {
                datagrams = !matches!(path, checker::checks::Path::Stream);
                Input::Connected
            }
            Step::Secure(_) => Input::Secured,
            Step::Spawn(_) => Input::Exited(Exited::Code(*seed)),
            Step::Send(request) if datagrams => match datagram.take() {
                Some(mut reply) => {
                    // Identifiers are not guessed: a reply begins as its request does.
                    reply.iter_mut().zip(request).take(2).for_each(|(ours, theirs)| *ours = theirs);
                    sent = reply;
                    Input::Datagram(&sent)
                }
                None => Input::TimedOut,
            },
            Step::Read if datagrams => Input::TimedOut,
            Step::Send(_) | Step::Read | Step::Load(_) => portions.next().map_or(Input::Closed, Input::Bytes),
        };
    }
    assert!(matches!(probe.on(Input::TimedOut), Step::Done(_)), "the time limit decides");
}
