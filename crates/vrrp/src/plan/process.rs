//! `[[vrrp.process]]`: a program of which a certain number is to run.

use std::time::Duration;

use common::config::{Diagnostics, Located, Table};

use super::parts::WEIGHTS;
use super::read::Defined;
use crate::machine::id::Name;

/// Processes of one kind, to be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessPlan {
    /// Its name.
    pub name: Name,
    /// The name of the program, or its absolute path.
    pub program: String,
    /// Only with these arguments.
    pub arguments: Option<Arguments>,
    /// So many at least.
    pub quorum: u32,
    /// So many at most.
    pub quorum_max: Option<u32>,
    /// How long the number has to be right before it counts.
    pub fork_delay: Duration,
    /// How long the number has to be wrong before it counts.
    pub terminate_delay: Duration,
}

impl ProcessPlan {
    /// Whether so many are right.
    #[must_use]
    pub fn accepts(&self, count: u32) -> bool {
        count >= self.quorum && self.quorum_max.is_none_or(|most| count <= most)
    }

    /// The number wanted, in words: `1 or more`, `2 to 4`, `exactly 1`.
    #[must_use]
    pub fn wanted(&self) -> String {
        match (self.quorum, self.quorum_max) {
            (least, None) => format!("{least} or more"),
            (least, Some(most)) if least == most => format!("exactly {least}"),
            (least, Some(most)) => format!("{least} to {most}"),
        }
    }
}

/// The arguments by which a process is told from others of the same program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// They, without the program's name.
    pub list: Vec<String>,
    /// How much of them has to be the same.
    pub exactness: Exactness,
}

/// How arguments are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exactness {
    /// These and no others.
    All,
    /// These are the first ones.
    First,
    /// As before, and the last one begins so.
    Beginning,
}

impl Exactness {
    /// Whether a process's arguments are the wanted ones.
    #[must_use]
    pub fn holds(self, wanted: &[String], have: &[Vec<u8>]) -> bool {
        let same = |wanted: &String, have: &Vec<u8>| wanted.as_bytes() == have.as_slice();
        let all = |wanted: &[String]| {
            have.len() >= wanted.len() && wanted.iter().zip(have).all(|(wanted, have)| same(wanted, have))
        };
        match (self, wanted.split_last()) {
            (Self::All, _) => have.len() == wanted.len() && all(wanted),
            (Self::First, _) | (Self::Beginning, None) => all(wanted),
            (Self::Beginning, Some((last, before))) => {
                all(before) && have.get(before.len()).is_some_and(|have| have.starts_with(last.as_bytes()))
            }
        }
    }
}

/// Reads one.
pub(super) fn read(mut t: Table<'_>, d: &mut Diagnostics) -> Option<Defined<ProcessPlan>> {
    let name = t.required::<String>("name", d);
    let program = t.required::<String>("program", d).filter(|program| check_program(program, d));
    let list = t.optional::<Vec<String>>("arguments", d);
    let kinds = [("all", Exactness::All), ("first", Exactness::First), ("beginning", Exactness::Beginning)];
    let exactness = t.choice("arguments_match", &kinds, d);
    if let (Some(exactness), None) = (&exactness, &list) {
        d.error(exactness.span, "`arguments_match` says how `arguments` are compared, and there are none");
    }
    let quorum = t.within("quorum", &(0..=1_000_000), d);
    let quorum_max = t.within("quorum_max", &(0..=1_000_000), d);
    let least = quorum.as_ref().map_or(1, |quorum| quorum.value);
    if let Some(most) = &quorum_max
        && most.value < least
    {
        let fault = d.error(most.span, format!("`quorum_max` is below `quorum`, which is {least}"));
        if let Some(quorum) = &quorum {
            fault.note(quorum.span, "`quorum` is here");
        }
    }
    let weight = t.within_or("weight", &WEIGHTS, 0, d);
    let range = Duration::ZERO..=Duration::from_secs(3600);
    let delay = t.within_or("delay", &range, Duration::ZERO, d);
    let fork_delay = t.within("fork_delay", &range, d).map_or(delay, |delay| delay.value);
    let terminate_delay = t.within("terminate_delay", &range, d).map_or(delay, |delay| delay.value);
    t.finish(d);
    let (name, program) = (name?, program);
    let arguments = list.map(|list| Arguments {
        list: list.value,
        exactness: exactness.map_or(Exactness::All, |exactness| exactness.value),
    });
    let plan = program.map(|program| ProcessPlan {
        name: Name::from(name.value.as_str()),
        program: program.value,
        arguments,
        quorum: least,
        quorum_max: quorum_max.map(|most| most.value),
        fork_delay,
        terminate_delay,
    });
    Some((name, weight, plan))
}

fn check_program(program: &Located<String>, d: &mut Diagnostics) -> bool {
    let text = program.value.as_str();
    let usable = !text.is_empty()
        && !text.contains(char::is_control)
        && (!text.contains('/') || text.starts_with('/') && !text.ends_with('/'));
    if !usable {
        d.error(program.span, "`program`: the name of a program, or its absolute path");
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_compared_as_it_is_asked() {
        let holds = |exactness: Exactness, wanted: &[&str], have: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|word| (*word).to_owned()).collect();
            let have: Vec<Vec<u8>> = have.iter().map(|word| word.as_bytes().to_vec()).collect();
            exactness.holds(&wanted, &have)
        };
        let have = ["-c", "/etc/one.conf"];
        for (exactness, wanted, yes) in [
            (Exactness::All, &["-c", "/etc/one.conf"][..], true),
            (Exactness::All, &["-c"], false),
            (Exactness::All, &[], false),
            (Exactness::First, &["-c"], true),
            (Exactness::First, &[], true),
            (Exactness::First, &["-c", "/etc/"], false),
            (Exactness::First, &["-c", "/etc/one.conf", "-d"], false),
            (Exactness::Beginning, &["-c", "/etc/"], true),
            (Exactness::Beginning, &["-", "/etc/"], false),
            (Exactness::Beginning, &["-c", "/etc/one.conf", ""], false),
            (Exactness::Beginning, &[], true),
        ] {
            assert_eq!(holds(exactness, wanted, &have), yes, "{exactness:?} {wanted:?}");
        }
        assert!(holds(Exactness::All, &[], &[]), "a program without arguments");
    }
}
