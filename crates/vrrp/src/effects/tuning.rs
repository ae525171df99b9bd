//! Settings of interfaces that are not ours, changed while we need them and put back afterwards.
//!
//! What a setting was is written down in the run directory before it is changed, so that a successor can still put it
//! back. What somebody else changed meanwhile is left as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use common::netlink::link::{self, Ipv4Setting};
use common::netlink::{NetlinkError, Socket};

use super::kernel::Names;
use crate::machine::id::{InstanceId, LinkName};

/// Which setting of which interface.
type Place = (LinkName, Ipv4Setting);

/// The settings by their names in the file, and what they are changed to.
const KNOBS: [(Ipv4Setting, &str, u32); 3] = [
    // Answer for an address on the interface it is on only, with that one's hardware address.
    (Ipv4Setting::ArpIgnore, "arp_ignore", 1),
    // Ask for neighbours in the name of the interface's own address only: theirs stay with the virtual MAC.
    (Ipv4Setting::ArpAnnounce, "arp_announce", 2),
    // Removing an address of ours does not take others of its network along.
    (Ipv4Setting::PromoteSecondaries, "promote_secondaries", 1),
];

/// What an interface below a virtual MAC needs.
pub(super) const BELOW_VIRTUAL_MAC: [Ipv4Setting; 2] = [Ipv4Setting::ArpIgnore, Ipv4Setting::ArpAnnounce];

/// The settings that are changed, and by whom.
#[derive(Debug)]
pub struct Tuning {
    file: PathBuf,
    originals: BTreeMap<Place, u32>,
    holders: BTreeMap<Place, BTreeSet<InstanceId>>,
}

impl Tuning {
    /// With what an earlier run in this directory has not put back.
    pub fn new(run_dir: &Path) -> Self {
        let file = run_dir.join("vrrp.settings");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Self { file, originals: text.lines().filter_map(parse).collect(), holders: BTreeMap::new() }
    }

    /// An instance needs a setting.
    pub(super) fn hold(
        &mut self,
        socket: &mut Socket,
        names: &Names,
        instance: InstanceId,
        place: Place,
    ) -> Result<(), NetlinkError> {
        let (name, setting) = place;
        let (Some(index), Some(ours)) = (names.index(name), value(setting)) else { return Ok(()) };
        self.holders.entry(place).or_default().insert(instance);
        let Some(current) = link::ipv4_setting(socket, index, setting)? else { return Ok(()) };
        if current == ours {
            return Ok(());
        }
        self.originals.insert(place, current);
        self.write();
        link::configure(socket, index, &[(setting, ours)], false)
    }

    /// It does not need these settings any more, but on some interfaces.
    pub(super) fn release(
        &mut self,
        socket: &mut Socket,
        names: &Names,
        instance: InstanceId,
        settings: &[Ipv4Setting],
        except: &[LinkName],
    ) {
        for ((link, setting), holders) in &mut self.holders {
            if settings.contains(setting) && !except.contains(link) {
                holders.remove(&instance);
            }
        }
        self.holders.retain(|_, holders| !holders.is_empty());
        self.restore_unheld(socket, names);
    }

    /// Puts back what nobody needs; what an earlier run left is among it.
    pub(super) fn restore_unheld(&mut self, socket: &mut Socket, names: &Names) {
        let unheld: Vec<Place> =
            self.originals.keys().filter(|place| !self.holders.contains_key(place)).copied().collect();
        if unheld.is_empty() {
            return;
        }
        for place in unheld {
            if let Err(error) = self.restore(socket, names, place) {
                log::warn!("a setting was not put back: {error} interface={}", place.0);
            }
            self.originals.remove(&place);
        }
        self.write();
    }

    fn restore(&self, socket: &mut Socket, names: &Names, place: Place) -> Result<(), NetlinkError> {
        let (name, setting) = place;
        let (Some(index), Some(original)) = (names.index(name), self.originals.get(&place)) else {
            return Ok(());
        };
        if link::ipv4_setting(socket, index, setting)? != value(setting) {
            return Ok(());
        }
        link::configure(socket, index, &[(setting, *original)], false)
    }

    fn write(&self) {
        let lines = self.originals.iter().filter_map(|((link, setting), original)| {
            let (_, word, _) = KNOBS.iter().find(|(knob, _, _)| knob == setting)?;
            Some(format!("{link} {word} {original}\n"))
        });
        let text: String = lines.collect();
        if let Err(error) = replace(&self.file, &text) {
            log::warn!(
                "changed settings not written down, a later run may leave them: {error} file={}",
                self.file.display()
            );
        }
    }
}

fn value(setting: Ipv4Setting) -> Option<u32> {
    KNOBS.iter().find(|(knob, _, _)| *knob == setting).map(|(_, _, value)| *value)
}

fn parse(line: &str) -> Option<(Place, u32)> {
    let mut words = line.split(' ');
    let link = LinkName::new(words.next()?)?;
    let word = words.next()?;
    let (setting, _, _) = KNOBS.iter().find(|(_, name, _)| *name == word)?;
    Some(((link, *setting), words.next()?.parse().ok()?))
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, text)?;
    std::fs::rename(&fresh, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_is_read_and_the_rest_is_not() {
        let link = LinkName::new("eth0.7").unwrap();
        assert_eq!(parse("eth0.7 arp_ignore 0"), Some(((link, Ipv4Setting::ArpIgnore), 0)));
        for line in
            ["", "eth0", "eth0 arp_ignore", "eth0 arp_ignore x", "eth0 forwarding 1", "a/b arp_ignore 1"]
        {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn every_setting_has_a_value_of_ours() {
        for (setting, _, ours) in KNOBS {
            assert_eq!(value(setting), Some(ours));
        }
        assert_eq!(value(Ipv4Setting::RpFilter), None);
    }
}
