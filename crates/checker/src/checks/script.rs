//! `type = "script"`: a program of the operator judges the server by its exit status.

use std::net::SocketAddr;
use std::time::Duration;

use common::config::{CommandLine, Diagnostics, Table, UserName};

use super::kind::{Defaults, Port};
use super::{CheckKind, Exited, Input, Probe, Program, Step, Verdict, Weight};

/// The keys of this kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// `command`: the program and its arguments; a single string is split as a shell would, without a shell.
    pub command: CommandLine,
    /// `user`: whom it runs as; the `script_user` of `[global]` where absent.
    pub user: Option<UserName>,
    /// `dynamic`: exit statuses 2 to 255 are a pass with the weight (status - 2).
    pub dynamic: bool,
}

impl CheckKind for Settings {
    const NAME: &'static str = "script";
    const DEFAULTS: Defaults = Defaults { retries: 0, retry_delay: Duration::from_secs(1), port: Port::None };

    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        let command = table.required::<CommandLine>("command", d);
        let user = table.optional::<UserName>("user", d).map(|user| user.value);
        let dynamic = table.or("dynamic", false, d);
        Some(Self { command: command?.value, user, dynamic })
    }

    fn probe(&self, _: SocketAddr) -> Box<dyn Probe> {
        Box::new(ScriptProbe { settings: self.clone() })
    }
}

#[derive(Debug)]
struct ScriptProbe {
    settings: Settings,
}

impl Probe for ScriptProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Spawn(Program {
                command: self.settings.command.clone(),
                user: self.settings.user.clone(),
            }),
            Input::Exited(exited) => Step::Done(judge(exited, self.settings.dynamic)),
            Input::Refused(refusal) => Step::Done(Verdict::Fail(refusal.words.clone())),
            Input::TimedOut => Step::Done(Verdict::fail("did not end in time")),
            Input::Connected | Input::Secured | Input::Bytes(_) | Input::Datagram(_) | Input::Closed => {
                Step::Read
            }
        }
    }
}

fn judge(exited: Exited, dynamic: bool) -> Verdict {
    match exited {
        Exited::Code(0) => Verdict::pass("exit status 0"),
        Exited::Code(code @ 2..) if dynamic => {
            let weight = Some(Weight::Set(u32::from(code) - 2));
            Verdict::Pass { words: format!("exit status {code}").into(), weight }
        }
        Exited::Code(code) => Verdict::fail(format!("exit status {code}")),
        Exited::Signal(signal) => Verdict::fail(format!("killed by signal {signal}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::transcript::Transcript;

    fn settings(dynamic: bool) -> Settings {
        let command = CommandLine::new(vec!["/bin/check".into(), "-x".into()]).unwrap();
        Settings { command, user: None, dynamic }
    }

    fn judged(exited: Exited, dynamic: bool, verdict: &str) {
        let mut talk = Transcript::of(&settings(dynamic));
        talk.spawns("/bin/check -x");
        talk.ends(Input::Exited(exited), verdict);
    }

    #[test]
    fn the_exit_status_is_the_verdict() {
        judged(Exited::Code(0), false, "pass: exit status 0");
        judged(Exited::Code(1), false, "fail: exit status 1");
        judged(Exited::Code(2), false, "fail: exit status 2");
        judged(Exited::Signal(9), false, "fail: killed by signal 9");
    }

    #[test]
    fn a_dynamic_script_names_the_weight() {
        judged(Exited::Code(0), true, "pass: exit status 0");
        judged(Exited::Code(1), true, "fail: exit status 1");
        judged(Exited::Code(2), true, "pass: exit status 2 (weight 0)");
        judged(Exited::Code(255), true, "pass: exit status 255 (weight 253)");
    }

    #[test]
    fn a_script_that_does_not_end_is_a_failure() {
        let mut talk = Transcript::of(&settings(false));
        talk.spawns("/bin/check -x");
        talk.ends(Input::TimedOut, "fail: did not end in time");
    }
}
