//! Performing what the core wants: sockets, the kernel's addresses, announcements, scripts, the log.
//!
//! For each instance, what matters to the network is done in the core's order. What became of them comes back as events, which the caller
//! feeds to the core; nothing here decides anything. [`kernel`] is the other direction: what the kernel reports.

mod addresses;
pub mod ipvs_sync;
pub mod kernel;
pub mod leftovers;
pub mod objects;
pub mod refusals;
mod repetitions;
pub mod scripts;
mod signer;
pub mod tuning;
pub mod virtual_links;

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use common::event_loop::Registry;
use common::fifo::Fifos;
use common::netlink::link::Ipv4Setting;
use serde_json::Value;

use crate::io::announcer::Announcer;
use crate::io::listener::Listener;
use crate::io::sender::Sender;
use crate::machine::action::{Action, AdvertPacket, Announcement, Listener as Wanted, VirtualLink};
use crate::machine::event::Event;
use crate::machine::fact::{Fact, Severity};
use crate::machine::id::{Family, InstanceId, LinkIndex, LinkName, Tag};
use crate::parts;
use crate::wire::{announce, frame};
use addresses::Batch;
use ipvs_sync::IpvsSync;
use kernel::Kernel;
use refusals::Refusals;
use repetitions::Repetitions;
use scripts::Scripts;
use signer::Signer;
pub(crate) use signer::time_of_day;
use tuning::Tuning;
use virtual_links::VirtualLinks;

/// Everything the process does to the outside.
#[derive(Debug)]
pub struct Effects<K: Copy> {
    /// Interfaces and addresses.
    pub kernel: Kernel<K>,
    /// Scripts.
    pub scripts: Scripts<K>,
    /// Packets that are not taken.
    pub refusals: Refusals<K>,
    /// The named pipes that notifications are written to.
    pub fifos: Fifos<K>,
    virtual_links: VirtualLinks,
    tuning: Tuning,
    promoting: Vec<(InstanceId, Vec<LinkName>)>,
    guarding: bool,
    listeners: BTreeMap<(LinkName, Family), Listener<K>>,
    sender: Sender,
    signer: Signer,
    announcer: Announcer,
    registry: Registry<K>,
    listener_key: fn(LinkName, Family) -> K,
    batch: Batch,
    changed_links: bool,
    objects: objects::Batch,
    /// What waits until everything urgent is done: see [`Self::finish`].
    rest: Vec<Action>,
    /// Announcements made once that are to be made again.
    repetitions: Repetitions,
    /// Something was asked of the kernel, and it has reported it.
    asked: bool,
    /// The kernel's daemons for connections.
    pub ipvs_sync: IpvsSync,
    // Kept between announcements for its memory.
    frame: Vec<u8>,
    moved: bool,
    told: Vec<Value>,
}

impl<K: Copy> Effects<K> {
    /// Puts the parts together. Listeners are registered under what `listener_key` says.
    ///
    /// # Errors
    /// No permission for a packet socket, or no descriptors.
    pub fn new(
        kernel: Kernel<K>,
        (scripts, fifos): (Scripts<K>, Fifos<K>),
        (virtual_links, tuning, refusals): (VirtualLinks, Tuning, Refusals<K>),
        ipvs_sync: IpvsSync,
        registry: Registry<K>,
        listener_key: fn(LinkName, Family) -> K,
    ) -> io::Result<Self> {
        Ok(Self {
            kernel,
            scripts,
            refusals,
            fifos,
            virtual_links,
            tuning,
            promoting: Vec::new(),
            guarding: false,
            listeners: BTreeMap::new(),
            sender: Sender::default(),
            signer: Signer::default(),
            announcer: Announcer::open()?,
            registry,
            listener_key,
            batch: Batch::default(),
            changed_links: false,
            objects: objects::Batch::default(),
            rest: Vec::new(),
            repetitions: Repetitions::default(),
            asked: false,
            ipvs_sync,
            frame: Vec::new(),
            moved: false,
            told: Vec::new(),
        })
    }

    /// The listener of an interface and family.
    pub fn listener(&mut self, link: LinkName, family: Family) -> Option<&mut Listener<K>> {
        self.listeners.get_mut(&(link, family))
    }

    /// Where is listened.
    pub fn listening(&self) -> Vec<(LinkName, Family)> {
        self.listeners.keys().copied().collect()
    }

    /// Closes a listener that broke.
    pub fn close(&mut self, link: LinkName, family: Family) {
        self.listeners.remove(&(link, family));
    }

    /// Performs what is urgent of the actions, emptying the list; what came of it is appended to `news`.
    ///
    /// Adverts leave at once, then all changes of addresses, routes and rules together, then every announcement once;
    /// [`Self::finish`] does the rest. Of many instances that move at once, none waits for the kernel's work, the
    /// repetitions and the log lines of all the others.
    pub fn hasten(&mut self, actions: &mut Vec<Action>, now: Instant, news: &mut Vec<Event<'static>>) {
        let mut announcements = Vec::new();
        for action in actions.drain(..) {
            if !matches!(action, Action::Report(_)) {
                log::trace!(target: parts::of(&action), "{action}");
            }
            self.repetitions.heed(&action);
            match self.at_once(action, news) {
                Some(announcement @ Action::Announce { .. }) => announcements.push(announcement),
                other => self.rest.extend(other),
            }
        }
        let requests = !self.batch.is_empty() || !self.objects.is_empty();
        self.asked |= std::mem::take(&mut self.changed_links) || requests;
        let guarding = std::mem::take(&mut self.guarding);
        if guarding {
            self.refusals.before(now, news);
        }
        if requests {
            // What needs an address goes before it and comes after it.
            let Kernel { socket, names, .. } = &mut self.kernel;
            self.objects.send_before(socket, names, news);
            self.batch.send(socket, news);
            self.objects.send_after(socket, names, news);
        }
        if guarding {
            self.refusals.after(now, news);
            self.promote();
        }
        self.announce(&announcements, 0);
        self.repetitions.append(&mut announcements);
    }

    /// Whether something waits for [`Self::finish`].
    pub fn is_unfinished(&self) -> bool {
        !self.rest.is_empty() || !self.repetitions.is_empty()
    }

    /// Performs what was not urgent: repetitions of announcements, notifications, scripts, the log.
    pub fn finish(&mut self, now: Instant, news: &mut Vec<Event<'static>>) {
        let repeated = self.repetitions.take();
        for repetition in 1..=u8::MAX {
            if !self.announce(&repeated, repetition) {
                break;
            }
        }
        let mut rest = std::mem::take(&mut self.rest);
        for action in rest.drain(..) {
            self.at_last(&action, now, news);
        }
        self.rest = rest;
        self.scripts.flush(now);
        if std::mem::take(&mut self.asked) {
            // The kernel has reported what it did by now; read here, that costs no wake-up of its own.
            self.kernel.ready(now, news);
        }
    }

    /// Performs an advert, gathers a change of addresses; anything else is given back.
    fn at_once(&mut self, action: Action, news: &mut Vec<Event<'static>>) -> Option<Action> {
        let names = &self.kernel.names;
        match action {
            Action::SendAdvert { instance, packet, .. } => self.send(&instance, &packet, news),
            Action::InstallAddresses { instance, addresses, lifetime } => {
                self.batch.install(names, instance.id, &addresses, lifetime, news);
            }
            Action::RefreshAddresses { instance, addresses, lifetime } => {
                self.batch.install(names, instance.id, &addresses, lifetime, news);
            }
            Action::RemoveAddresses { instance, addresses } => {
                for address in &addresses {
                    self.sender.forget_source(address.link, address.address);
                }
                self.batch.remove(names, instance.id, &addresses);
            }
            Action::Guard { instance, refused, promoting } => {
                self.guarding = true;
                self.refusals.want(instance.id, refused);
                self.hold_promoting(&instance, promoting, news);
            }
            Action::EnsureLink { instance, link } => self.ensure_link(&instance, &link, news),
            Action::RemoveLink { instance, link } => self.remove_link(&instance, link),
            Action::Objects(requests) => self.objects.add(requests),
            Action::OpenListener(_)
            | Action::CloseListener { .. }
            | Action::Announce { .. }
            | Action::RunScript { .. }
            | Action::StopScript { .. }
            | Action::IpvsSync(_)
            | Action::Notify(_)
            | Action::Report(_) => return Some(action),
        }
        None
    }

    /// What was reported since the last call, as events; to be asked every turn.
    pub fn take_told(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.told)
    }

    /// Whether an instance changed its state since the last call.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Performs what [`Self::at_once`] gave back.
    fn at_last(&mut self, action: &Action, now: Instant, news: &mut Vec<Event<'static>>) {
        match action {
            Action::OpenListener(wanted) => {
                let (link, family) = (wanted.link, wanted.family);
                news.push(match self.listen(wanted) {
                    Ok(()) => Event::ListenerOpened { link, family },
                    Err(error) => {
                        self.close(link, family);
                        Event::ListenerFailed { link, family, error: error.to_string() }
                    }
                });
            }
            Action::CloseListener { link, family } => self.close(*link, *family),
            Action::RunScript { script, run } => self.scripts.run(script, run, now, news),
            Action::StopScript { script } => self.scripts.stop(script, now),
            // A daemon that cannot be started may not hold up the addresses, nor their announcements.
            Action::IpvsSync(wanted) => self.ipvs_sync.want(*wanted, now),
            Action::Notify(notification) => match &notification.run {
                Some(run) => self.scripts.notify(notification, run, now),
                None => self.fifos.push(&notification.line()),
            },
            Action::Report(fact) => {
                self.moved |= matches!(fact, Fact::Transition { .. });
                self.told.push(report(fact));
            }
            Action::SendAdvert { .. }
            | Action::Announce { .. }
            | Action::InstallAddresses { .. }
            | Action::RefreshAddresses { .. }
            | Action::RemoveAddresses { .. }
            | Action::Guard { .. }
            | Action::EnsureLink { .. }
            | Action::RemoveLink { .. }
            | Action::Objects(_) => {}
        }
    }

    /// Puts back what an earlier run changed and this one does not need; to be called after the start.
    pub fn settle_settings(&mut self, now: Instant, news: &mut Vec<Event<'static>>) {
        self.tuning.restore_unheld(&mut self.kernel.socket, &self.kernel.names);
        self.refusals.settle(now, news);
    }

    /// Sets what is to be set before addresses are put up; [`Self::promote`] puts back what is not wanted any more.
    fn hold_promoting(&mut self, instance: &Tag, links: Vec<LinkName>, news: &mut Vec<Event<'static>>) {
        let Kernel { socket, names, .. } = &mut self.kernel;
        for link in &links {
            let place = (*link, Ipv4Setting::PromoteSecondaries);
            if let Err(error) = self.tuning.hold(socket, names, instance.id, place) {
                let error = format!("{error} interface={link}");
                news.push(Event::GuardFailed { instance: instance.id, error });
            }
        }
        self.promoting.push((instance.id, links));
    }

    fn promote(&mut self) {
        let Kernel { socket, names, .. } = &mut self.kernel;
        for (instance, links) in self.promoting.drain(..) {
            self.tuning.release(socket, names, instance, &[Ipv4Setting::PromoteSecondaries], &links);
        }
    }

    fn ensure_link(&mut self, instance: &Tag, link: &VirtualLink, news: &mut Vec<Event<'static>>) {
        self.changed_links = true;
        let Kernel { socket, names, .. } = &mut self.kernel;
        let made = self.virtual_links.ensure(socket, names, &mut self.tuning, instance.id, link);
        news.push(match made {
            Ok(()) => Event::VirtualLinkMade { instance: instance.id },
            Err(error) => Event::VirtualLinkFailed { instance: instance.id, error },
        });
    }

    fn remove_link(&mut self, instance: &Tag, link: LinkName) {
        self.changed_links = true;
        let Kernel { socket, names, .. } = &mut self.kernel;
        if let Err(error) = self.virtual_links.remove(socket, names, &mut self.tuning, instance.id, link) {
            log::warn!(target: "vrrp.addresses", "{error} instance={instance} interface={link}");
        }
    }

    fn listen(&mut self, wanted: &Wanted) -> io::Result<()> {
        let place = (wanted.link, wanted.family);
        if let Some(open) = self.listeners.get_mut(&place)
            && open.change(wanted)?
        {
            return Ok(());
        }
        // Another interface under the old name: the sockets that send are on the old one too.
        self.sender.forget(wanted.link);
        let key = (self.listener_key)(wanted.link, wanted.family);
        self.listeners.insert(place, Listener::open(wanted, key, &self.registry)?);
        Ok(())
    }

    fn send(&mut self, instance: &Tag, packet: &AdvertPacket, news: &mut Vec<Event<'static>>) {
        for (at, copy) in packet.copies.iter().enumerate() {
            let payload = match &packet.signer {
                None => copy.payload.as_slice(),
                Some(keyring) => {
                    let before = at.checked_sub(1).and_then(|at| packet.copies.get(at));
                    self.signer.sign(instance.id, keyring, copy, before)
                }
            };
            let sent = match self.kernel.names.index(copy.link) {
                Some(index) => match copy.mac {
                    None => self.sender.send(copy, payload, LinkIndex(index.0)),
                    Some(mac) if frame::write(mac, copy, payload, &mut self.frame) => {
                        self.announcer.send(LinkIndex(index.0), &self.frame)
                    }
                    Some(_) => Err(io::ErrorKind::InvalidInput.into()),
                },
                None => Err(io::ErrorKind::NotFound.into()),
            };
            if let Err(error) = sent {
                let error = format!("{error} interface={} destination={}", copy.link, copy.destination);
                news.push(Event::SendFailed { instance: instance.id, error });
            }
        }
    }

    /// Makes those announcements that are to be made so often. Returns whether any was.
    ///
    /// Every address has its turn before one has its next: of many instances that move at once, the last is not kept
    /// waiting by the repetitions of the others.
    fn announce(&mut self, actions: &[Action], repetition: u8) -> bool {
        let mut any = false;
        for action in actions {
            if let Action::Announce { instance, announcements, repeat } = action
                && repetition < *repeat
            {
                self.announce_once(instance, announcements);
                any = true;
            }
        }
        any
    }

    fn announce_once(&mut self, instance: &Tag, announcements: &[Announcement]) {
        for Announcement { link, index, mac, address } in announcements {
            if !announce::write(*mac, *address, &mut self.frame) {
                continue;
            }
            if let Err(error) = self.announcer.send(*index, &self.frame) {
                // A lost one is repeated by the core's schedule; a link that is gone is told by the monitor.
                log::debug!(
                    target: "vrrp.addresses",
                    "announcement not sent: {error} instance={instance} interface={link} address={address}"
                );
            }
        }
    }
}

/// The line in the log and the event, from one place.
fn report(fact: &Fact) -> Value {
    let level = match fact.severity() {
        Severity::Debug => log::Level::Debug,
        Severity::Info => log::Level::Info,
        Severity::Warn => log::Level::Warn,
    };
    let event = crate::events::event(fact);
    common::log::event(level, &event, format_args!("{fact}"));
    event
}
