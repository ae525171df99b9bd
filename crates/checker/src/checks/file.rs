//! `type = "file"`: a number that another program keeps in a file judges the server, or weighs it.
//!
//! A file that is missing, empty or not a number says nothing of the server: whoever should write it does not.

use std::net::SocketAddr;
use std::time::Duration;

use common::config::{Diagnostics, Table};

use super::kind::{Defaults, Port};
use super::{CheckKind, Input, Probe, Shown, Step, Verdict, Weight};

/// The keys of this kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// `path`: the file, absolute.
    pub path: String,
    /// `factor`: so many times the number is added to the configured weight; with 0 the number judges: 0 is a pass.
    pub factor: i32,
    /// `reverse`: with factor 0, 0 is a failure and everything else a pass.
    pub reverse: bool,
}

impl CheckKind for Settings {
    const NAME: &'static str = "file";
    const DEFAULTS: Defaults = Defaults { retries: 0, retry_delay: Duration::from_secs(1), port: Port::None };

    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        let path = table.required::<String>("path", d);
        if let Some(path) = &path
            && (!path.value.starts_with('/') || path.value.contains('\0'))
        {
            d.error(path.span, "`path` is not an absolute path");
        }
        let written = table.optional::<i32>("factor", d);
        let factor = written.as_ref().map_or(1, |factor| factor.value);
        let reverse = table.optional::<bool>("reverse", d);
        let understood = written.is_some() || !table.has("factor");
        if let Some(reverse) = &reverse
            && factor != 0
            && understood
        {
            let fault = d.error(reverse.span, "`reverse` is only for factor = 0");
            fault.hint("a negative `factor` reverses the weight");
            if let Some(written) = &written {
                fault.note(written.span, "another factor");
            }
        }
        Some(Self { path: path?.value, factor, reverse: reverse.is_some_and(|reverse| reverse.value) })
    }

    fn probe(&self, _: SocketAddr) -> Box<dyn Probe> {
        Box::new(FileProbe { settings: self.clone(), text: Vec::new() })
    }
}

/// More than any number has; the rest of a longer file is not read.
const MOST: usize = 64;

#[derive(Debug)]
struct FileProbe {
    settings: Settings,
    text: Vec<u8>,
}

impl FileProbe {
    fn judge(&self) -> Verdict {
        let text = self.text.trim_ascii();
        let number = str::from_utf8(text).ok().and_then(|text| text.parse::<i32>().ok());
        let Some(number) = number else {
            return Verdict::Unknown(format!("{} has no number: {}", self.settings.path, Shown(text)).into());
        };
        let words = format!("the number is {number}");
        match (self.settings.factor, (number == 0) != self.settings.reverse) {
            (0, true) => Verdict::pass(words),
            (0, false) => Verdict::fail(words),
            (factor, _) => {
                let weight = Some(Weight::Add(i64::from(factor) * i64::from(number)));
                Verdict::Pass { words: words.into(), weight }
            }
        }
    }
}

impl Probe for FileProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Load(self.settings.path.clone()),
            Input::Bytes(bytes) => {
                let room = MOST.saturating_sub(self.text.len());
                self.text.extend(bytes.iter().take(room));
                Step::Read
            }
            Input::Closed => Step::Done(self.judge()),
            Input::TimedOut => Step::Done(Verdict::Unknown("the file was not read in time".into())),
            Input::Refused(refusal) => Step::Done(Verdict::Unknown(refusal.words.clone())),
            Input::Connected | Input::Secured | Input::Datagram(_) | Input::Exited(_) => Step::Read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::transcript::Transcript;

    fn judged(factor: i32, reverse: bool, text: &str, verdict: &str) {
        let mut talk = Transcript::of(&Settings { path: "/run/load".into(), factor, reverse });
        talk.loads("/run/load");
        talk.waits(Input::Bytes(text.as_bytes()));
        talk.ends(Input::Closed, verdict);
    }

    #[test]
    fn the_number_weighs() {
        judged(1, false, "3\n", "pass: the number is 3 (weight +3)");
        judged(-2, false, " 3", "pass: the number is 3 (weight -6)");
        judged(1, false, "-40", "pass: the number is -40 (weight -40)");
        judged(i32::MAX, false, "2147483647", "pass: the number is 2147483647 (weight +4611686014132420609)");
    }

    #[test]
    fn with_factor_zero_the_number_judges() {
        judged(0, false, "0", "pass: the number is 0");
        judged(0, false, "1", "fail: the number is 1");
        judged(0, true, "0", "fail: the number is 0");
        judged(0, true, "-7", "pass: the number is -7");
    }

    #[test]
    fn anything_else_says_nothing_of_the_server() {
        judged(1, false, "", "unknown: /run/load has no number: \"\"");
        judged(1, false, "many", "unknown: /run/load has no number: \"many\"");
        judged(1, false, "99999999999", "unknown: /run/load has no number: \"99999999999\"");
        judged(1, false, "\u{fffd}", "unknown: /run/load has no number: \"\\xef\\xbf\\xbd\"");
    }

    #[test]
    fn a_long_file_is_read_in_part() {
        let mut probe =
            Settings { path: "/x".into(), factor: 1, reverse: false }.probe("192.0.2.1:0".parse().unwrap());
        probe.on(Input::Start);
        for _ in 0..1000 {
            assert_eq!(probe.on(Input::Bytes(&[b'1'; 1000])), Step::Read);
        }
        let Step::Done(Verdict::Unknown(words)) = probe.on(Input::Closed) else { panic!("a verdict") };
        assert!(words.len() < 100, "{words}");
    }
}
