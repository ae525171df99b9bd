//! How much is logged: by every process alike, or by one, or by a part of one, more than by the others.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use log::LevelFilter;

use super::Part;

/// A level for all, and others for some processes and parts of processes: `info,vrrp=debug,checker.ipvs=trace`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    all: LevelFilter,
    own: BTreeMap<String, LevelFilter>,
}

impl From<LevelFilter> for Levels {
    fn from(all: LevelFilter) -> Self {
        Self { all, own: BTreeMap::new() }
    }
}

impl Levels {
    /// That of the process called `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> LevelFilter {
        self.own.get(name).copied().unwrap_or(self.all)
    }

    /// The levels of those parts of a process that have their own, by the beginnings of targets.
    pub(super) fn of_parts(&self, process: &str, parts: &[Part]) -> Vec<(String, LevelFilter)> {
        let mut own = Vec::new();
        for part in parts {
            let name = format!("{process}.{}", part.name);
            if let Some(level) = self.own.get(&name) {
                own.extend(part.targets.iter().map(|target| ((*target).to_owned(), *level)));
                own.push((name, *level));
            }
        }
        own
    }

    /// The processes and parts (`vrrp.adverts`) with a level of their own.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.own.keys().map(String::as_str)
    }
}

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let level = |word: &str| {
            let fault = || format!("{word:?} is not error, warn, info, debug or trace");
            word.parse::<LevelFilter>().map_err(|_| fault())
        };
        let (mut all, mut own) = (None, BTreeMap::new());
        for part in text.split(',') {
            let twice = match part.split_once('=') {
                Some((name, word)) => own.insert(name.to_owned(), level(word)?).is_some(),
                None => all.replace(level(part)?).is_some(),
            };
            if twice {
                return Err(format!(
                    "{part:?} comes second: one level for all, and one for each process or part"
                ));
            }
        }
        Ok(Self { all: all.unwrap_or(LevelFilter::Info), own })
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |level: &LevelFilter| level.as_str().to_ascii_lowercase();
        f.write_str(&word(&self.all))?;
        self.own.iter().try_for_each(|(name, level)| write!(f, ",{name}={}", word(level)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_its_own_level_or_that_of_all() {
        let levels: Levels = "warn,vrrp=debug,checker=trace".parse().unwrap();
        assert_eq!(levels.of("watchdog"), LevelFilter::Warn);
        assert_eq!(levels.of("vrrp"), LevelFilter::Debug);
        assert_eq!(levels.of("checker"), LevelFilter::Trace);
        assert_eq!("vrrp=error".parse::<Levels>().unwrap().of("checker"), LevelFilter::Info);
        assert_eq!(levels.to_string().parse::<Levels>(), Ok(levels), "children are told in the same words");
        for text in ["", "loud", "info,warn", "vrrp=debug,vrrp=info", "vrrp=", "info,"] {
            text.parse::<Levels>().unwrap_err();
        }
    }

    #[test]
    fn a_part_has_its_own_level_for_everything_that_is_its() {
        let parts = [
            Part { name: "adverts", targets: &["vrrp::io", "packet_dropped"] },
            Part { name: "scripts", targets: &["vrrp::effects::scripts"] },
        ];
        let levels: Levels = "warn,vrrp=info,vrrp.adverts=trace,checker.scripts=debug".parse().unwrap();
        let own = |target: &str| (target.to_owned(), LevelFilter::Trace);
        assert_eq!(
            levels.of_parts("vrrp", &parts),
            [own("vrrp::io"), own("packet_dropped"), own("vrrp.adverts")]
        );
        assert_eq!(levels.of("vrrp"), LevelFilter::Info);
        assert_eq!(levels.of_parts("watchdog", &parts), []);
        assert_eq!(levels.to_string().parse::<Levels>(), Ok(levels), "children are told in the same words");
    }
}
