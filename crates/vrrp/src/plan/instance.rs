//! `[[vrrp.instance]]`: the keys of a virtual router, and the faults one router can have by itself.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use common::config::{
    Diagnostics, Form as Written, FromValue, IfName, Located, Priority, Ranged, Shape, Span, Table, Value,
    Vrid as ConfigVrid, format_duration,
};

use super::address::{self, AddressDraft};
use super::layers::Layers;
use super::object;
use super::parts::{self, Known};
use super::{InstancePlan, Tracker, Wish};
use crate::machine::address::{Lifetime, VirtualAddress};
use crate::machine::id::{Family, Key, Name, Vrid};
use crate::wire::admit::{Mismatch, is_link_local};
use crate::wire::advert::{Auth, Version};
use crate::wire::checksum::Form;

mod also_via;
mod auth;
mod strict;
mod unicast;
mod virtual_mac;

const DEFAULT_PRIORITY: u8 = 100;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_LEASE: Duration = Duration::from_secs(3);
const LEASES: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(3600);
/// What every instance has for itself.
const OWN_KEYS: [&str; 6] = [
    "name",
    "virtual_router_id",
    "virtual_addresses",
    "excluded_addresses",
    "virtual_routes",
    "virtual_rules",
];
/// An IPv6 advert with more addresses than this is fragmented on Ethernet.
const MOST_IPV6_ADDRESSES: usize = 90;

/// An instance with the places the cross-checks point at.
pub(super) struct Read {
    pub(super) name: Located<String>,
    /// `None` if a fault that was reported leaves nothing to run.
    pub(super) plan: Option<InstancePlan>,
    pub(super) vrid_span: Span,
    /// Where it asks for a virtual MAC.
    pub(super) virtual_mac_span: Option<Span>,
    /// Place of each address of the plan.
    pub(super) address_spans: Vec<Span>,
    /// Place of each route and rule of the plan.
    pub(super) object_spans: Vec<Span>,
    /// Place of each further way of the plan.
    pub(super) via_spans: Vec<Span>,
}

/// What may also stand in `[vrrp]` as a default for all instances.
struct Common {
    interface: Option<Located<IfName>>,
    version: Option<Located<Version>>,
    family: Option<Located<Family>>,
    priority: Option<Located<u8>>,
    wish: Option<Located<Wish>>,
    interval: Option<Located<Duration>>,
    down_timer_adverts: Option<Located<u8>>,
    preempt: Option<Located<bool>>,
    preempt_delay: Option<Located<Duration>>,
    startup_delay: Option<Located<Duration>>,
    answer_inferior: Option<Located<bool>>,
    answer_better: Option<Located<bool>>,
    auth: Option<Located<auth::Auth>>,
    unicast: unicast::Keys,
    also_via: Vec<also_via::Way>,
    source: Option<Located<IpAddr>>,
    mismatch: Option<Located<Mismatch>>,
    form: Option<Located<Form>>,
    strict_form: Option<Located<bool>>,
    strict_link_local: Option<Located<bool>>,
    lease: Option<Located<Lifetime>>,
    hand_over: Option<Located<bool>>,
    strict: Option<Located<bool>>,
    accept: Option<Located<bool>>,
    promote_secondaries: Option<Located<bool>>,
    virtual_mac: Option<Located<virtual_mac::Wanted>>,
    no_vip: Option<Located<bool>>,
    trackers: Vec<Located<Tracker>>,
    notify: super::NotifyPlan,
    announce: super::AnnouncePlan,
}

/// Reads the defaults alone, for their faults.
pub(super) fn check_defaults(vrrp: &Table<'_>, known: &Known, d: &mut Diagnostics) {
    let mut layers = Layers::new(vec![vrrp.clone()]);
    let _ = common(&mut layers, known, d);
    layers.finish(d);
}

/// Refuses what stands in `[vrrp]` but only one instance can have.
pub(super) fn refuse_own_keys(vrrp: &mut Table<'_>, d: &mut Diagnostics) {
    for key in OWN_KEYS {
        let Some(span) = vrrp.key_span(key) else { continue };
        vrrp.value(key, Vec::new, d);
        d.error(span, format!("`{key}` cannot be a default: every instance has its own"))
            .hint("move it below a [[vrrp.instance]]");
    }
}

/// Reads one instance; `vrrp` has the defaults.
pub(super) fn read(mut own: Table<'_>, vrrp: &Table<'_>, known: &Known, d: &mut Diagnostics) -> Option<Read> {
    let span = own.span();
    let name = own.required::<String>("name", d);
    let vrid = own.required::<ConfigVrid>("virtual_router_id", d);
    let advertised = address::addresses(&mut own, "virtual_addresses", d);
    let excluded = address::addresses(&mut own, "excluded_addresses", d);
    let drafts = object::Drafts::read(&mut own, d);
    let list_span = own.key_span("virtual_addresses");
    // Faulty ones were told already.
    let listed =
        own.value("virtual_addresses", address::forms, d).is_some_and(|list| !list.one_or_list().is_empty());
    // A faulty one was told already.
    let has_interface = own.has("interface") || vrrp.has("interface");
    let mut layers = Layers::new(vec![own, vrrp.clone()]);
    let mut common = common(&mut layers, known, d);
    layers.finish(d);

    let name = name?;
    check_name(&name, d);
    if !has_interface {
        d.error(span, format!("`interface` is missing in [vrrp.instance] \"{}\"", name.value))
            .hint("write interface = \"eth0\" here, or in [vrrp] for all instances");
    }
    let address_spans = advertised.iter().chain(&excluded).map(|a| a.cidr.span).collect::<Vec<_>>();
    let vrid_span = vrid.as_ref().map_or(span, |v| v.span);
    let no_vip = common.no_vip.is_some_and(|v| v.value);
    if advertised.is_empty() && !listed && !no_vip {
        let fault = d.error(
            list_span.unwrap_or(span),
            format!("instance \"{}\" has no virtual addresses", name.value),
        );
        if list_span.is_some() || !excluded.is_empty() {
            fault.hint("at least one address stands in `virtual_addresses`");
        } else {
            fault.hint(
                "write virtual_addresses = [\"192.0.2.1/24\"], or no_vip = true if there are to be none",
            );
        }
    }
    if let Some(no_vip) = &common.no_vip
        && no_vip.value
        && !(advertised.is_empty() && excluded.is_empty())
    {
        d.error(no_vip.span, "`no_vip = true` says that there are no addresses, but there are")
            .hint("leave out one of them");
    }
    let virtual_mac_span = common.virtual_mac.as_ref().map(|v| v.span).or_else(|| strict::asked(&common));
    let ways = std::mem::take(&mut common.also_via);
    strict::refuse_ways(&common, ways.first().map(also_via::Way::span), d);
    let mut plan = build(&name, vrid, common, advertised, excluded, d);
    let (mut object_spans, mut via_spans) = (Vec::new(), Vec::new());
    if let Some(plan) = &mut plan {
        // Where its addresses are.
        let link = plan.virtual_mac.map_or(plan.key.link, |made| made.link);
        let (own, family) = (plan.key.link, plan.key.family);
        (plan.also_via, via_spans) =
            also_via::finish(ways, own, &plan.transport, family, d).into_iter().unzip();
        (plan.objects, object_spans) = drafts.finish(link, plan.key.family).into_iter().unzip();
    }
    Some(Read { name, plan, vrid_span, virtual_mac_span, address_spans, object_spans, via_spans })
}

fn common(t: &mut Layers<'_>, known: &Known, d: &mut Diagnostics) -> Common {
    Common {
        interface: t.optional("interface", d),
        version: read_version(t, d),
        family: t.choice("family", &[("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)], d),
        priority: t.optional::<Priority>("priority", d).map(|p| p.map(Priority::get)),
        wish: t.choice("state", &[("backup", Wish::Backup), ("master", Wish::Master)], d),
        interval: t.within("advert_interval", &(Duration::from_millis(10)..=Duration::from_secs(255)), d),
        down_timer_adverts: t.within("down_timer_adverts", &(1..=100), d),
        preempt: t.optional("preempt", d),
        preempt_delay: t.within("preempt_delay", &(Duration::ZERO..=Duration::from_secs(3600)), d),
        startup_delay: t.within("startup_delay", &(Duration::ZERO..=Duration::from_secs(3600)), d),
        answer_inferior: t.optional("answer_inferior", d),
        answer_better: t.optional("answer_better", d),
        auth: auth::read(t, d),
        unicast: unicast::Keys::read(t, d),
        also_via: also_via::read(t, d),
        source: t.optional("source_address", d),
        mismatch: t.choice(
            "address_mismatch",
            &[("drop", Mismatch::Drop), ("report", Mismatch::Report), ("ignore", Mismatch::Ignore)],
            d,
        ),
        form: t.choice("v3_checksum", &[("pseudo_header", Form::PseudoHeader), ("plain", Form::Plain)], d),
        strict_form: t.optional("v3_checksum_strict", d),
        strict_link_local: t.optional("strict_link_local", d),
        lease: t.value("address_lease", lease_forms, d).and_then(|v| lease(&v, d)),
        hand_over: t.optional("hand_over", d),
        strict: t.optional("strict", d),
        accept: t.optional("accept", d),
        promote_secondaries: t.optional("promote_secondaries", d),
        virtual_mac: virtual_mac::read(t, d),
        no_vip: t.optional("no_vip", d),
        trackers: parts::trackers(t, known, d),
        notify: parts::notify(t, d),
        announce: parts::announce(t, d),
    }
}

/// `version`: one number.
fn read_version(t: &mut Layers<'_>, d: &mut Diagnostics) -> Option<Located<Version>> {
    let value = t.value("version", || vec![Written::Integer(2, 3)], d)?;
    if let Shape::List(_) = value.shape() {
        // RFC 9568 8.4, which is optional.
        d.error(value.span(), "`version`: a virtual router speaks one version: 2 or 3, not both").hint(
            "write version = 2 until every router of the group knows 3, then version = 3 on all of them",
        );
        return None;
    }
    let number = u8::from_value_within(&value, &(2..=3), d)?;
    Version::from_number(number).map(|version| Located { value: version, span: value.span() })
}

fn lease_forms() -> Vec<Written> {
    vec![Written::Boolean, Written::Duration(*LEASES.start(), *LEASES.end())]
}

/// `address_lease`: a duration, or `false`.
fn lease(value: &Value<'_>, d: &mut Diagnostics) -> Option<Located<Lifetime>> {
    let span = value.span();
    if let Shape::Boolean(on) = value.shape() {
        let lifetime = if on { Lifetime::Lease(DEFAULT_LEASE) } else { Lifetime::Forever };
        return Some(Located { value: lifetime, span });
    }
    let length = Duration::from_value(value, d)?;
    let usable = LEASES.contains(&length) && length.subsec_nanos() == 0;
    if !usable {
        value
            .refuse(format!("expected whole seconds from 2s to 1h, found {}", format_duration(length)), d)
            .hint("the kernel counts leases in seconds; false turns them off");
        return None;
    }
    Some(Located { value: Lifetime::Lease(length), span })
}

fn check_name(name: &Located<String>, d: &mut Diagnostics) {
    if name.value.is_empty() || name.value.contains(char::is_control) {
        d.error(name.span, "`name`: a name is not empty and has no control characters");
    }
}

fn build(
    name: &Located<String>,
    vrid: Option<Located<ConfigVrid>>,
    mut c: Common,
    advertised: Vec<AddressDraft>,
    excluded: Vec<AddressDraft>,
    d: &mut Diagnostics,
) -> Option<InstancePlan> {
    let family = family(&c, &advertised, d);
    let version = version(&c, family, name, d);
    strict::hold(&mut c, version, family, &advertised, d);
    let interval = interval(&c, version, d);
    let transport = c.unicast.transport(family, c.source.as_ref(), d);
    check_list(family, &advertised, version, name, strict::asked(&c).is_some(), d);
    check_preemption(&c, d);
    check_owner(&c, d);
    check_source(&c, family, &advertised, &excluded, d);
    if let (Some(Located { value: auth::Auth::Password(_), span }), Version::V3) = (&c.auth, version) {
        d.error(*span, "`auth`: version 3 has no passwords").hint(
            "auth = { type = \"hmac\", … } signs adverts of any version; or write version = 2, or leave out `auth`",
        );
    }
    let (password, keyring) = match c.auth.as_ref().map(|auth| &auth.value) {
        None => (Auth::None, None),
        Some(auth::Auth::Password(password)) => (*password, None),
        Some(auth::Auth::Keys(keys)) => (Auth::None, Some(keys.keyring(interval))),
    };
    let lifetime = c.lease.map_or(Lifetime::Lease(DEFAULT_LEASE), |l| l.value);
    address::check_preferred(advertised.iter().chain(&excluded), lifetime, d);
    let link = parts::link_name(c.interface.as_ref()?, d)?;
    let vrid = vrid.and_then(|v| Vrid::new(v.value.get()))?;
    let virtual_mac = virtual_mac::finish(c.virtual_mac, family, vrid, &transport);
    let own = virtual_mac.map_or(link, |v| v.link);
    let finish = |list: Vec<AddressDraft>, advertised| {
        list.into_iter().map(move |a| a.finish(own, advertised)).collect::<Vec<VirtualAddress>>()
    };
    let mut addresses = finish(advertised, true);
    addresses.extend(finish(excluded, false));
    virtual_mac::place(virtual_mac.as_ref(), &mut addresses);
    let mismatch = match version {
        // RFC 3768 7.1 drops; RFC 9568 7.1 does not.
        Version::V2 => Mismatch::Drop,
        Version::V3 => Mismatch::Report,
    };
    Some(InstancePlan {
        key: Key { link, family, vrid },
        name: Name::from(name.value.as_str()),
        version,
        priority: c.priority.map_or(DEFAULT_PRIORITY, |p| p.value),
        wish: c.wish.map_or(Wish::Backup, |w| w.value),
        interval,
        down_timer_adverts: c.down_timer_adverts.map_or(3, |n| n.value),
        preempt: c.preempt.is_none_or(|p| p.value),
        preempt_delay: c.preempt_delay.map_or(Duration::ZERO, |p| p.value),
        startup_delay: c.startup_delay.map_or(Duration::ZERO, |p| p.value),
        answer_inferior: c.answer_inferior.is_none_or(|a| a.value),
        answer_better: c.answer_better.is_some_and(|a| a.value),
        auth: password,
        keyring,
        addresses,
        objects: Vec::new(),
        transport,
        also_via: Vec::new(),
        source: c.source.map(|s| s.value),
        mismatch: c.mismatch.map_or(mismatch, |m| m.value),
        form: c.form.map_or(Form::PseudoHeader, |f| f.value),
        strict_form: c.strict_form.is_some_and(|s| s.value),
        strict_link_local: c.strict_link_local.is_some_and(|s| s.value),
        announce: c.announce,
        lifetime,
        hand_over: c.hand_over.is_none_or(|h| h.value),
        accept: c.accept.is_none_or(|a| a.value),
        promote_secondaries: c.promote_secondaries.is_some_and(|p| p.value),
        virtual_mac,
        trackers: c.trackers.into_iter().map(|t| t.value).collect(),
        notify: c.notify,
    })
}

/// Of the addresses, or as told, or of the peers.
fn family(c: &Common, advertised: &[AddressDraft], d: &mut Diagnostics) -> Family {
    let of_addresses = advertised.first().map(|a| Family::of(a.cidr.value.addr()));
    let of_peers = c.unicast.family();
    if let (Some(told), Some(found)) = (&c.family, of_addresses)
        && told.value != found
    {
        d.error(told.span, format!("`family` is {}, but the virtual addresses are {found}", told.value))
            .hint("leave it out: it follows from the addresses");
    }
    let told = c.family.as_ref().map(|f| f.value);
    of_addresses.or(told).or(of_peers).unwrap_or(Family::Ipv4)
}

fn version(c: &Common, family: Family, name: &Located<String>, d: &mut Diagnostics) -> Version {
    let password = c.auth.as_ref().is_some_and(|auth| matches!(auth.value, auth::Auth::Password(_)));
    let default = if password && family == Family::Ipv4 { Version::V2 } else { Version::V3 };
    let version = c.version.as_ref().map_or(default, |v| v.value);
    if version == Version::V2 && family == Family::Ipv6 {
        let span = c.version.as_ref().map_or(name.span, |v| v.span);
        d.error(span, "version 2 has no IPv6").hint("write version = 3");
        return Version::V3;
    }
    version
}

fn interval(c: &Common, version: Version, d: &mut Diagnostics) -> Duration {
    let Some(interval) = &c.interval else { return DEFAULT_INTERVAL };
    let value = interval.value;
    match version {
        Version::V2 if value.subsec_nanos() != 0 || value < Duration::from_secs(1) => {
            d.error(
                interval.span,
                format!(
                    "`advert_interval`: version 2 counts whole seconds from 1s to 255s, found {}",
                    format_duration(value)
                ),
            )
            .hint("version 3 can do 10ms to 40.95s");
            DEFAULT_INTERVAL
        }
        Version::V3 if value.as_nanos() % 10_000_000 != 0 || value > Duration::from_millis(40_950) => {
            d.error(
                interval.span,
                format!(
                    "`advert_interval`: version 3 counts in steps of 10ms from 10ms to 40.95s, found {}",
                    format_duration(value)
                ),
            );
            DEFAULT_INTERVAL
        }
        Version::V2 | Version::V3 => value,
    }
}

/// The advertised list: one family, not too long, link-local first where it must be.
fn check_list(
    family: Family,
    advertised: &[AddressDraft],
    version: Version,
    name: &Located<String>,
    strict: bool,
    d: &mut Diagnostics,
) {
    for address in advertised {
        let found = Family::of(address.cidr.value.addr());
        if found != family {
            d.error(
                address.cidr.span,
                format!("{} is {found}, and the instance is {family}", address.cidr.value.addr()),
            )
            .hint(
                "one instance has one family; put it in an instance of its own, or in `excluded_addresses`",
            );
        }
    }
    let most = if family == Family::Ipv6 { MOST_IPV6_ADDRESSES } else { 255 };
    if advertised.len() > most {
        d.error(
            name.span,
            format!("an advert holds {most} addresses, \"{}\" has {}", name.value, advertised.len()),
        )
        .hint("put the others into `excluded_addresses`");
    }
    // RFC 9568 5.2.9: the link-local address of the virtual router comes first.
    if let Some(first) = advertised.first()
        && (version, family) == (Version::V3, Family::Ipv6)
        && !strict
        && !is_link_local(first.cidr.value.addr())
    {
        d.warning(first.cidr.span, "the first virtual address of an IPv6 instance should be link-local")
            .hint("RFC 9568 demands it, and some routers drop such adverts: put fe80::… first");
    }
}

fn check_preemption(c: &Common, d: &mut Diagnostics) {
    if let (Some(preempt), Some(delay)) = (&c.preempt, &c.preempt_delay)
        && !preempt.value
        && !delay.value.is_zero()
    {
        d.error(delay.span, "`preempt_delay` means nothing with preempt = false")
            .note(preempt.span, "preemption is turned off here");
    }
}

/// What an owner (priority 255) cannot have: it is master whenever it can be.
fn check_owner(c: &Common, d: &mut Diagnostics) {
    let Some(priority) = c.priority.as_ref().filter(|p| p.value == 255) else { return };
    let mut refuse = |span, message: &str| {
        d.error(span, message).note(priority.span, "priority 255 makes this the owner of the addresses");
    };
    if let Some(wish) = c.wish.as_ref().filter(|w| w.value == Wish::Backup) {
        refuse(wish.span, "an owner does not begin as backup");
    }
    if let Some(preempt) = c.preempt.as_ref().filter(|p| !p.value) {
        refuse(preempt.span, "an owner always pre-empts");
    }
    if let Some(delay) = c.preempt_delay.as_ref().filter(|p| !p.value.is_zero()) {
        refuse(delay.span, "an owner does not wait before it pre-empts");
    }
    if let Some(delay) = c.startup_delay.as_ref().filter(|p| !p.value.is_zero()) {
        refuse(delay.span, "an owner does not wait at the start");
    }
    if let Some(answer) = c.answer_better.as_ref().filter(|a| a.value) {
        refuse(answer.span, "an owner yields to nobody");
    }
    for tracker in c.trackers.iter().filter(|t| t.value.weight != 0) {
        refuse(tracker.span, "an owner's priority does not change, so a weight means nothing");
    }
}

fn check_source(
    c: &Common,
    family: Family,
    advertised: &[AddressDraft],
    excluded: &[AddressDraft],
    d: &mut Diagnostics,
) {
    let Some(source) = &c.source else { return };
    let address = source.value;
    if Family::of(address) != family {
        d.error(
            source.span,
            format!("`source_address` {address} is not {family} like the virtual addresses"),
        );
    } else if family == Family::Ipv6 && c.unicast.peers.is_none() && !is_link_local(address) {
        // RFC 9568 5.1.2.1.
        d.error(source.span, "`source_address`: IPv6 adverts to the group come from a link-local address");
    }
    let owner = c.priority.as_ref().is_some_and(|p| p.value == 255);
    let same = advertised.iter().chain(excluded).find(|a| a.cidr.value.addr() == address);
    if let Some(same) = same
        && !owner
    {
        d.error(source.span, format!("`source_address` {address} is a virtual address and may move away"))
            .note(same.cidr.span, "it is listed here");
    }
}
