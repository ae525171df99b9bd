//! For the tests of the kinds: one attempt as a transcript, what goes out and what comes in.
#![expect(clippy::wildcard_enum_match_arm, reason = "any other step fails the test")]

use super::{CheckKind, Input, Path, Probe, Refusal, Step};

/// An attempt under way. Every method fails the test where the probe does something else.
#[derive(Debug)]
pub(crate) struct Transcript {
    probe: Box<dyn Probe>,
    last: Option<Step>,
}

impl Transcript {
    pub(crate) fn of(settings: &impl CheckKind) -> Self {
        let mut probe = settings.probe("192.0.2.1:80".parse().unwrap());
        let last = Some(probe.on(Input::Start));
        Self { probe, last }
    }

    fn step(&mut self) -> Step {
        self.last.take().expect("the probe has said what it wants")
    }

    pub(crate) fn connects(&mut self, path: Path) {
        assert_eq!(self.step(), Step::Connect(path));
    }

    pub(crate) fn spawns(&mut self, command: &str) {
        match self.step() {
            Step::Spawn(program) => assert_eq!(program.command.to_string(), command),
            other => panic!("spawn expected, got {other:?}"),
        }
    }

    pub(crate) fn loads(&mut self, path: &str) {
        assert_eq!(self.step(), Step::Load(path.to_owned()));
    }

    /// This comes in, that goes out.
    pub(crate) fn answers(&mut self, input: Input<'_>, bytes: &[u8]) {
        match self.probe.on(input) {
            Step::Send(sent) => assert_eq!(sent.escape_ascii().to_string(), bytes.escape_ascii().to_string()),
            other => panic!("bytes expected, got {other:?}"),
        }
    }

    /// This comes in, and another connection is to be opened.
    pub(crate) fn connects_again(&mut self, input: Input<'_>, path: Path) {
        assert_eq!(self.probe.on(input), Step::Connect(path));
    }

    /// This comes in, and TLS is to be started.
    pub(crate) fn secures(&mut self, input: Input<'_>) {
        assert_eq!(self.probe.on(input), Step::Secure(super::Tls::default()));
    }

    /// This comes in, and more is waited for.
    pub(crate) fn waits(&mut self, input: Input<'_>) {
        assert_eq!(self.probe.on(input), Step::Read);
    }

    /// This comes in, and ends the attempt with that verdict.
    pub(crate) fn ends(&mut self, input: Input<'_>, verdict: &str) {
        match self.probe.on(input) {
            Step::Done(found) => assert_eq!(found.to_string(), verdict),
            other => panic!("the end expected, got {other:?}"),
        }
    }

    pub(crate) fn refused(&mut self, words: &'static str, verdict: &str) {
        self.ends(Input::Refused(&Refusal { words: words.into() }), verdict);
    }
}
