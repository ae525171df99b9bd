//! Macvlan interfaces with a virtual MAC: made, taken over, set up and down, removed.
//!
//! One of ours carries a mark (its alias) that names our run directory, so that a successor knows it, and those of
//! anybody else, another Holdfast on this machine among them, are never touched. They are of mode *bridge*: the
//! interface below still hears a second master, whose frames come from the very same hardware address.

use std::collections::BTreeSet;
use std::path::Path;

use common::netlink::link::{self, IfIndex, Ipv4Setting, Link, Macvlan, MacvlanMode};
use common::netlink::{Failure, NetlinkError, Socket};

use super::kernel::Names;
use super::tuning::{BELOW_VIRTUAL_MAC, Tuning};
use crate::machine::action::VirtualLink;
use crate::machine::id::{InstanceId, LinkName};
use crate::plan::Plan;

/// Where the settings of IPv6 are that netlink cannot set.
const IPV6_SETTINGS: &str = "/proc/sys/net/ipv6/conf";
/// The kernel's limit for an alias is 256 with a closing zero.
const LONGEST_MARK: usize = 255;

/// Our macvlans.
#[derive(Debug)]
pub struct VirtualLinks {
    mark: String,
    /// Those that have their settings.
    prepared: BTreeSet<IfIndex>,
}

impl VirtualLinks {
    /// Those of the daemon in this run directory.
    pub fn new(run_dir: &Path) -> Self {
        let mut mark = format!("holdfast {}", run_dir.display());
        while mark.len() > LONGEST_MARK {
            mark.pop();
        }
        Self { mark, prepared: BTreeSet::new() }
    }

    fn is_ours(&self, link: &Link) -> bool {
        link.kind.as_deref() == Some("macvlan") && link.alias.as_deref() == Some(&*self.mark)
    }

    /// Sees to it that one is there as wanted.
    pub(super) fn ensure(
        &mut self,
        socket: &mut Socket,
        names: &mut Names,
        tuning: &mut Tuning,
        instance: InstanceId,
        wanted: &VirtualLink,
    ) -> Result<(), String> {
        let base = names.index(wanted.base).ok_or("the interface below it does not exist")?;
        let said = |error: NetlinkError| error.to_string();
        let mut found = link::by_name(socket, wanted.name.as_str()).map_err(said)?;
        if found.as_ref().is_some_and(|link| !self.is_ours(link)) {
            return Err(format!(
                "there is an interface {} already that is not ours; remove or rename it, or choose another name \
                 with virtual_mac = {{ interface = \"…\" }}",
                wanted.name
            ));
        }
        if let Some(other) =
            found.take_if(|link| link.parent != Some(base) || link.mac.map(|m| m.0) != Some(wanted.mac.0))
        {
            names.forget(other.index);
            link::delete(socket, other.index).map_err(said)?;
        }
        let link = match found {
            Some(link) => link,
            None => self.make(socket, base, wanted).map_err(said)?,
        };
        names.set(link.index, wanted.name);
        if self.prepared.insert(link.index) {
            no_autoconfiguration(wanted.name);
            for setting in BELOW_VIRTUAL_MAC {
                if let Err(error) = tuning.hold(socket, names, instance, (wanted.base, setting)) {
                    log::warn!("{error} interface={}", wanted.base);
                }
            }
        }
        if link.up != wanted.up {
            link::set_up(socket, link.index, wanted.up).map_err(said)?;
        }
        Ok(())
    }

    fn make(&self, socket: &mut Socket, base: IfIndex, wanted: &VirtualLink) -> Result<Link, NetlinkError> {
        let macvlan = Macvlan {
            name: wanted.name.as_str(),
            parent: base,
            mac: link::Mac(wanted.mac.0),
            mode: MacvlanMode::Bridge,
        };
        let mut settings = vec![
            // As on the interface below: each answers for its own addresses only.
            (Ipv4Setting::ArpIgnore, 1),
            (Ipv4Setting::ArpAnnounce, 2),
            // Answers leave by the interface below, so strict filtering would drop every packet. The system-wide value
            // counts too, and the higher one wins: 2 is loose whatever that says.
            (Ipv4Setting::RpFilter, 2),
            (Ipv4Setting::AcceptLocal, 1),
            // It is ours alone: an address that a reload removes leaves the others.
            (Ipv4Setting::PromoteSecondaries, 1),
        ];
        // What comes in by the virtual MAC is forwarded as what comes in by the interface below.
        if let Some(forwarding) = link::ipv4_setting(socket, base, Ipv4Setting::Forwarding)? {
            settings.push((Ipv4Setting::Forwarding, forwarding));
        }
        link::make_macvlan(socket, &macvlan, &self.mark, &settings)?;
        let made = link::by_name(socket, macvlan.name)?;
        made.ok_or_else(|| Failure::NoAnswer.asked(format!("create macvlan {}", macvlan.name)))
    }

    /// Deletes one of ours.
    pub(super) fn remove(
        &mut self,
        socket: &mut Socket,
        names: &Names,
        tuning: &mut Tuning,
        instance: InstanceId,
        name: LinkName,
    ) -> Result<(), NetlinkError> {
        if let Some(link) = link::by_name(socket, name.as_str())?.filter(|link| self.is_ours(link)) {
            self.prepared.remove(&link.index);
            link::delete(socket, link.index)?;
        }
        tuning.release(socket, names, instance, &BELOW_VIRTUAL_MAC, &[]);
        Ok(())
    }

    /// Removes those of an earlier run that the plan does not have any more.
    ///
    /// # Errors
    /// The kernel could not be asked.
    pub fn sweep(&self, socket: &mut Socket, plan: &Plan) -> Result<(), NetlinkError> {
        let wanted: BTreeSet<LinkName> =
            plan.instances.iter().filter_map(|instance| Some(instance.virtual_mac?.link)).collect();
        for link in link::list(socket)?.iter().filter(|link| self.is_ours(link)) {
            if LinkName::new(&link.name).is_some_and(|name| wanted.contains(&name)) {
                continue;
            }
            log::warn!("removing an interface that an earlier run left behind interface={}", link.name);
            if let Err(error) = link::delete(socket, link.index) {
                log::warn!("{error}");
            }
        }
        Ok(())
    }
}

/// No addresses made of the virtual MAC or of router advertisements (RFC 9568 7.4).
fn no_autoconfiguration(name: LinkName) {
    for setting in ["accept_ra", "autoconf"] {
        let file = Path::new(IPV6_SETTINGS).join(name.as_str()).join(setting);
        match std::fs::write(&file, "0") {
            Ok(()) => {}
            // No IPv6 at all: nothing to turn off.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => log::warn!(
                "cannot turn off autoconfiguration, {name} may get addresses of its own: {error} file={}",
                file.display()
            ),
        }
    }
}
