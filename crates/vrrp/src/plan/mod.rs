//! What will run: the configuration with its defaults filled in, its names resolved and its conflicts refused.
//!
//! Made by [`plan`] from the text alone, so that a configuration can be checked on any machine; whether an interface or
//! a script exists is a matter of the run. Every fault is reported, not just the first.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::surroundings::Surroundings;

use crate::machine::action::{Command, NotifyState};
use crate::machine::address::{Lifetime, VirtualAddress};
use crate::machine::id::{Key, LinkName, Mac, Name};
use crate::machine::object::Object;
use crate::wire::admit::{Mismatch, Settings};
use crate::wire::advert::{self, Auth, Version};
use crate::wire::checksum::Form;
use crate::wire::hmac::{Keyring, Secret};
use crate::wire::reach::{self, Peer};

mod address;
mod instance;
mod ipvs_sync;
mod layers;
mod object;
mod parts;
mod process;
mod read;

pub use ipvs_sync::IpvsSyncPlan;
pub use process::{Arguments, Exactness, ProcessPlan};
pub use read::plan;

/// Everything the VRRP process is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The virtual routers, in the order of the text.
    pub instances: Vec<InstancePlan>,
    /// The sync groups.
    pub groups: Vec<GroupPlan>,
    /// The tracked scripts.
    pub scripts: Vec<ScriptPlan>,
    /// The tracked files.
    pub files: Vec<FilePlan>,
    /// The tracked processes.
    pub processes: Vec<ProcessPlan>,
    /// Addresses, routes and rules that are there whatever the state.
    pub statics: Vec<Object>,
    /// `vrrp.notify_fifo`.
    pub notify_fifo: Option<PathBuf>,
    /// What the process lives in, as far as `[vrrp]` says it.
    pub surroundings: Surroundings,
    /// The kernel's daemons that tell other directors of connections.
    pub ipvs_sync: Option<IpvsSyncPlan>,
}

impl Plan {
    /// Whether somebody reads a named pipe.
    pub fn set_tell(&mut self, tell: bool) {
        let of_instances = self.instances.iter_mut().map(|instance| &mut instance.notify);
        for notify in of_instances.chain(self.groups.iter_mut().map(|group| &mut group.notify)) {
            notify.tell = tell;
        }
    }

    /// Reads the keys that stand in files of their own; what could not be read is a fault of its instance.
    pub fn load_keys(&mut self, mut read: impl FnMut(&Path) -> Result<Secret, String>) {
        for keyring in self.instances.iter_mut().filter_map(|instance| instance.keyring.as_mut()) {
            Arc::make_mut(keyring).load(&mut read);
        }
    }

    /// An instance that lacks a key, and why.
    #[must_use]
    pub fn missing_key(&self) -> Option<(&Name, String)> {
        self.instances.iter().find_map(|instance| Some((&instance.name, instance.keyring.as_ref()?.fault()?)))
    }

    /// There is nothing to do: the process is not needed.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.instances.is_empty() && self.statics.is_empty() && self.ipvs_sync.is_none()
    }

    /// Every route, rule and static address that may be installed at some time.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.instances.iter().flat_map(|instance| &instance.objects).chain(&self.statics)
    }
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstancePlan {
    /// Its identity.
    pub key: Key,
    /// Its name.
    pub name: Name,
    /// The protocol version.
    pub version: Version,
    /// The configured priority; 255 is the owner of the addresses.
    pub priority: u8,
    /// The wish at start.
    pub wish: Wish,
    /// Time between two adverts.
    pub interval: Duration,
    /// How many intervals of silence make a master dead (3 in the RFCs).
    pub down_timer_adverts: u8,
    /// Whether to take over from a master with a lower priority.
    pub preempt: bool,
    /// How long such a master is let be first.
    pub preempt_delay: Duration,
    /// How much longer to wait at the start, unless an advert is heard.
    pub startup_delay: Duration,
    /// Answer a worse advert with one of our own (RFC 9568); RFC 5798 does not.
    pub answer_inferior: bool,
    /// Send one more advert before yielding to a better one.
    pub answer_better: bool,
    /// Version 2 authentication.
    pub auth: Auth,
    /// Signed adverts, in any version.
    pub keyring: Option<Arc<Keyring>>,
    /// The virtual addresses, those not advertised among them.
    pub addresses: Vec<VirtualAddress>,
    /// Routes and rules that are there while it holds the addresses.
    pub objects: Vec<Object>,
    /// Where adverts go.
    pub transport: Transport,
    /// Where else they go, and are heard.
    pub also_via: Vec<Via>,
    /// Source of adverts, if not the interface's own choice.
    pub source: Option<IpAddr>,
    /// What to do about a peer with other addresses.
    pub mismatch: Mismatch,
    /// The checksum sent in version 3 over IPv4.
    pub form: Form,
    /// Take no other checksum form.
    pub strict_form: bool,
    /// Take no version 3 IPv6 advert whose first address is not link-local.
    pub strict_link_local: bool,
    /// How the addresses are announced.
    pub announce: AnnouncePlan,
    /// How long the kernel keeps the addresses without us.
    pub lifetime: Lifetime,
    /// Keep the addresses until the successor is heard when leaving on purpose.
    pub hand_over: bool,
    /// Whether packets for the addresses are taken, also by one that does not own them (RFC 9568 6.1, Accept_Mode).
    pub accept: bool,
    /// Whether other addresses of the network of a virtual one outlast it while it is held.
    pub promote_secondaries: bool,
    /// The interface with the virtual router's own hardware address, if it has one.
    pub virtual_mac: Option<VirtualMac>,
    /// What lowers or raises the priority, or puts it in fault.
    pub trackers: Vec<Tracker>,
    /// What to run on a change of state.
    pub notify: NotifyPlan,
}

impl InstancePlan {
    /// Whether it owns its addresses (RFC 9568 5.2.4).
    #[must_use]
    pub const fn is_owner(&self) -> bool {
        self.priority == 255
    }

    /// The advertised addresses in network form.
    #[must_use]
    pub fn advertised(&self) -> Vec<u8> {
        let listed = self.addresses.iter().filter(|a| a.advertised).map(|a| a.address);
        advert::address_bytes(self.key.family, listed)
    }

    /// By what received packets are judged.
    #[must_use]
    pub fn admission(&self) -> Settings {
        Settings {
            version: self.version,
            family: self.key.family,
            vrid: self.key.vrid,
            interval: self.interval,
            auth: self.auth,
            keyring: self.keyring.clone(),
            addresses: self.advertised(),
            owner: self.is_owner(),
            paths: std::iter::once(self.transport.path(self.key.link))
                .chain(self.also_via.iter().map(|via| via.transport.path(via.link)))
                .collect(),
            mismatch: self.mismatch,
            form: self.form,
            strict_form: self.strict_form,
            strict_link_local: self.strict_link_local,
        }
    }
}

/// The macvlan of a virtual router (RFC 9568 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualMac {
    /// Its name.
    pub link: LinkName,
    /// Its hardware address.
    pub mac: Mac,
    /// Adverts leave with this hardware address, too.
    pub adverts: bool,
}

/// The wish at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Wait for the whole master-down interval.
    Backup,
    /// Wait for one advert interval and the skew only: long enough to hear a master that is there.
    Master,
}

/// Where adverts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// To the VRRP group.
    Multicast,
    /// To each peer.
    Unicast(Unicast),
}

impl Transport {
    /// What is taken of those that come back this way.
    #[must_use]
    pub fn path(&self, link: LinkName) -> reach::Path {
        match self {
            Self::Multicast => reach::Path::multicast(link),
            Self::Unicast(Unicast { peers, any_source, .. }) => {
                reach::Path { link, peers: peers.clone(), any_source: *any_source }
            }
        }
    }
}

/// One more way for adverts, besides the instance's own interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The interface.
    pub link: LinkName,
    /// Where they go.
    pub transport: Transport,
    /// Their source, if not the interface's own choice.
    pub source: Option<IpAddr>,
}

/// Adverts one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unicast {
    /// To whom, and over how many hops theirs may come.
    pub peers: Vec<Peer>,
    /// TTL sent.
    pub ttl: u8,
    /// If others are heard too: the lowest and the highest TTL of theirs.
    pub any_source: Option<(u8, u8)>,
}

/// How a master announces its addresses by gratuitous ARP and unsolicited neighbour advertisements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnouncePlan {
    /// Frames per address on becoming master; as many again after `delay`.
    pub repeat: u8,
    /// Time to the second burst; zero for none.
    pub delay: Duration,
    /// Time between later announcements; zero for none.
    pub refresh: Duration,
    /// Frames per address then.
    pub refresh_repeat: u8,
    /// Least time between two gratuitous ARP frames on an interface; zero for back to back.
    pub spacing: Duration,
    /// The same for unsolicited neighbour advertisements.
    pub na_spacing: Duration,
    /// Time between announcements of the addresses that are on another interface than the instance's; zero for none.
    pub elsewhere_refresh: Duration,
    /// Frames per address after an inferior advert was heard; zero for none.
    pub inferior_repeat: u8,
    /// Time to a second burst after an inferior advert; zero for none.
    pub inferior_delay: Duration,
}

impl Default for AnnouncePlan {
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            spacing: Duration::ZERO,
            na_spacing: Duration::ZERO,
            elsewhere_refresh: Duration::ZERO,
            inferior_repeat: 5,
            inferior_delay: Duration::from_secs(5),
        }
    }
}

/// Something watched for an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    /// What.
    pub what: Tracked,
    /// 0: its failure is a fault. Above: added while it is up. Below: subtracted while it is down. Of a file: times the
    /// number in it, and 0: any number but 0 is a fault.
    pub weight: i16,
    /// Up counts as down and the other way round; of a file, the sign, and whether 0 or anything else is the fault.
    pub reverse: bool,
}

/// What can be watched. A new kind is a variant here and its reading in `machine::track`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tracked {
    /// A script of the plan.
    Script(Name),
    /// An interface, whether it is up with carrier.
    Link(LinkName),
    /// The number in a file of the plan.
    File(Name),
    /// How many of a process of the plan run.
    Process(Name),
}

/// A script that is run again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptPlan {
    /// Its name.
    pub name: Name,
    /// What to run.
    pub run: Arc<Command>,
    /// From start to start.
    pub interval: Duration,
    /// Good runs in a row before it counts as up.
    pub rise: u8,
    /// Bad runs in a row before it counts as down.
    pub fall: u8,
    /// What it counts as before its first run has ended; nothing where that is waited for.
    pub initial: Option<bool>,
}

/// A file with a number in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlan {
    /// Its name.
    pub name: Name,
    /// Where it is: an absolute path.
    pub path: PathBuf,
}

/// Instances that move together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// Its name.
    pub name: Name,
    /// Its members, in the order of the text.
    pub members: Vec<Key>,
    /// Trackers that act on every member.
    pub trackers: Vec<Tracker>,
    /// What to run on a change of state.
    pub notify: NotifyPlan,
}

/// Commands for changes of state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotifyPlan {
    /// On becoming master.
    pub master: Option<Command>,
    /// On becoming backup.
    pub backup: Option<Command>,
    /// On fault.
    pub fault: Option<Command>,
    /// On stop.
    pub stop: Option<Command>,
    /// When a reload removes it; `stop` where there is none.
    pub deleted: Option<Command>,
    /// When a master hears an advert with a lower priority.
    pub lower_priority: Option<Command>,
    /// Whether mail is sent about changes of state; what is usual without.
    pub alert: Option<bool>,
    /// Whether a changed priority is told too.
    pub priority_changes: bool,
    /// Whether readers of named pipes are told.
    pub tell: bool,
    /// On all of them; gets `INSTANCE|GROUP`, the name, the state and the priority as further arguments.
    pub any: Option<Command>,
}

impl NotifyPlan {
    /// The command of one state.
    #[must_use]
    pub const fn of(&self, state: NotifyState) -> Option<&Command> {
        match state {
            NotifyState::Master => self.master.as_ref(),
            NotifyState::Backup => self.backup.as_ref(),
            NotifyState::Fault => self.fault.as_ref(),
            NotifyState::Stop => self.stop.as_ref(),
            NotifyState::Deleted if self.deleted.is_some() => self.deleted.as_ref(),
            NotifyState::Deleted => self.stop.as_ref(),
            NotifyState::LowerPriority => self.lower_priority.as_ref(),
            NotifyState::MasterPriority | NotifyState::BackupPriority => None,
        }
    }
}

impl NotifyPlan {
    /// Whether everything but the mail is as it was.
    #[must_use]
    pub fn same_commands(&self, other: &Self) -> bool {
        let other = Self { alert: self.alert, ..other.clone() };
        *self == other
    }
}

#[cfg(test)]
pub(crate) mod tests;
