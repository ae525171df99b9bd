//! What was there before `up`, in a file, so that `down` can leave it so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::judge::Found;
use super::machine::Machine;
use super::wish::Wish;

/// What `up` has changed.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The virtual addresses it was called for.
    vips: BTreeSet<IpAddr>,
    /// Those of them that were not there.
    added: BTreeSet<IpAddr>,
    settings: BTreeMap<String, Changed>,
    /// Devices that were down.
    raised: BTreeSet<String>,
    /// Ports that were closed.
    opened: BTreeSet<u16>,
}

/// A setting that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    from: u8,
    to: u8,
}

impl State {
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        match fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Whole or not at all; gone when there is nothing to remember.
    pub(super) fn save(&self, path: &Path) -> Result<(), String> {
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        if *self == Self::default() {
            return match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(told(error)),
                Ok(()) | Err(_) => Ok(()),
            };
        }
        let text = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        let new = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new);
        let written = file.and_then(|mut file| file.write_all(&text)).and_then(|()| fs::rename(&new, path));
        written.map_err(told)
    }

    /// Adds what `up` is about to change.
    pub(super) fn remember(&mut self, wish: &Wish, before: &Found) {
        self.vips.extend(&wish.vips);
        for setting in wish.settings() {
            let Some(value) = before.settings.get(&setting.path) else { continue };
            if before.is_good(&setting) != Some(false) {
                continue;
            }
            // What it was at first counts, however often `up` is called.
            let from = self.settings.get(&setting.path).map_or(*value, |changed| changed.from);
            self.settings.insert(setting.path, Changed { from, to: setting.value });
        }
        let down = wish.ends().into_iter().filter(|end| before.links.get(end.device) != Some(&true));
        self.raised.extend(down.map(|end| end.device.to_owned()));
        self.opened.extend(wish.port().filter(|port| !before.ports.contains(port)));
        self.added.extend(wish.vips.iter().filter(|vip| !before.holds(vip, wish.device(vip))));
    }

    /// Whether an address is one that `up` added.
    pub(super) fn added(&self, vip: &IpAddr) -> bool {
        self.added.contains(vip)
    }

    /// Takes these addresses out. When none is left, everything is made as it was; says what somebody else has changed
    /// meanwhile and is therefore left alone.
    pub(super) fn forget(&mut self, wish: &Wish, machine: &mut Machine) -> Result<Vec<String>, String> {
        for vip in &wish.vips {
            self.vips.remove(vip);
            self.added.remove(vip);
        }
        if !self.vips.is_empty() {
            return Ok(Vec::new());
        }
        let mut strange = Vec::new();
        for port in std::mem::take(&mut self.opened) {
            machine.close(port)?;
        }
        for device in std::mem::take(&mut self.raised) {
            machine.set_up(&device, false)?;
        }
        for (path, Changed { from, to }) in std::mem::take(&mut self.settings) {
            match machine.setting(&path) {
                Some(value) if value == to => machine.set(&path, from)?,
                Some(value) if value != from => {
                    strange.push(format!(
                        "{path} was made {to} and is {value} by now: left alone (it was {from})"
                    ));
                }
                // It is so already, or its device is gone.
                Some(_) | None => {}
            }
        }
        Ok(strange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(vip: &str) -> Wish {
        Wish::new(&[vip.parse().unwrap()], None, None, None).unwrap()
    }

    fn found(value: u8) -> Found {
        let settings = wish("192.0.2.1").settings().into_iter().map(|setting| (setting.path, value));
        Found { settings: settings.collect(), ..Found::default() }
    }

    #[test]
    fn what_was_there_at_first_is_remembered() {
        let mut state = State::default();
        state.remember(&wish("192.0.2.1"), &found(0));
        state.remember(&wish("192.0.2.2"), &found(1));
        assert_eq!(state.settings["net/ipv4/conf/all/arp_ignore"], Changed { from: 0, to: 1 });
        assert_eq!(state.settings["net/ipv4/conf/all/arp_announce"], Changed { from: 0, to: 2 });
        assert_eq!(state.vips.len(), 2);
    }

    #[test]
    fn what_was_right_is_not_remembered() {
        let mut state = State::default();
        let wish = wish("192.0.2.1");
        let mut before = found(2);
        before.addresses.push(super::super::judge::Held {
            address: wish.vips[0],
            prefix: 32,
            device: "lo".into(),
            ours: false,
        });
        state.remember(&wish, &before);
        assert!(state.settings.is_empty() && state.added.is_empty(), "{state:?}");
    }

    #[test]
    fn it_survives_its_file_and_an_empty_one_is_no_file() {
        let path = std::env::temp_dir().join(format!("hf-realserver-{}.json", std::process::id()));
        let mut state = State::default();
        state.remember(&wish("192.0.2.1"), &found(0));
        state.save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), state);
        fs::write(&path, "nonsense").unwrap();
        assert!(State::load(&path).is_err(), "what cannot be read is not forgotten");
        State::default().save(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(State::load(&path).unwrap(), State::default());
    }
}
