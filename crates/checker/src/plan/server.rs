//! `[[virtual_server.real_server]]`, and what it inherits from its virtual server.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use common::alerts;
use common::config::{CommandLine, Diagnostics, Located, Span, Table};
use common::ipvs::{Checksum, Forward, ServiceKey, Tunnel};

use super::check::Template;
use super::endpoint::Endpoint;
use super::{CheckAt, Notify, RealServer, Terms, check, service_port};

/// What servers have unless they say otherwise.
#[derive(Debug)]
pub(super) struct Inherited {
    pub(super) weight: u32,
    pub(super) forward: Forward,
    pub(super) inhibit_on_failure: bool,
    pub(super) alert: Option<bool>,
    pub(super) notify: Notify,
    pub(super) checks: Vec<Template>,
    pub(super) needed: check::Needing,
    pub(super) drain: Duration,
    pub(super) slow_start: Duration,
    /// Where it serves if it does not say.
    pub(super) port: Option<u16>,
}

/// A server with the place it was written at.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) server: RealServer,
    pub(super) span: Span,
    /// Whether it says itself how it is checked; an empty list is meant so.
    pub(super) checked: bool,
}

/// The kernel takes weights as signed numbers.
pub(super) const MAX_WEIGHT: u32 = 0x7fff_ffff;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The short form: an address alone.
pub(super) fn plain(at: Located<Endpoint>, inherited: &Inherited, d: &mut Diagnostics) -> Placed {
    let terms = Terms {
        forward: inherited.forward,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: inherited.inhibit_on_failure,
        backup: false,
        drain: inherited.drain,
        slow_start: inherited.slow_start,
        alert: inherited.alert,
        notify: inherited.notify.clone(),
        checks: checks(&inherited.checks, at, inherited, d),
        needed: inherited.needed.needed,
    };
    let server = server(at.value, inherited.weight, terms);
    Placed { server, span: at.span, checked: false }
}

/// The long form: a table.
pub(super) fn read(table: &mut Table<'_>, inherited: &Inherited, d: &mut Diagnostics) -> Option<Placed> {
    let at = table.required::<Endpoint>("address", d);
    let weight = table.within("weight", &(0..=MAX_WEIGHT), d).map_or(inherited.weight, |weight| weight.value);
    let forward = forward(table, d).unwrap_or(inherited.forward);
    let limits = 0..=MAX_WEIGHT;
    let upper = table.within("upper_threshold", &limits, d);
    let lower = table.within("lower_threshold", &limits, d);
    if let Some(lower) = &lower {
        match upper.as_ref().map_or(0, |upper| upper.value) {
            0 if lower.value > 0 && !table.has("upper_threshold") => {
                d.error(lower.span, "`lower_threshold` means nothing without `upper_threshold`");
            }
            upper if lower.value > upper => {
                let fault = format!("`lower_threshold` {} is above `upper_threshold` {upper}", lower.value);
                d.error(lower.span, fault);
            }
            _ => {}
        }
    }
    let inhibit = table.optional::<bool>("inhibit_on_failure", d);
    let inhibit_on_failure = inhibit.map_or(inherited.inhibit_on_failure, |inhibit| inhibit.value);
    let notify = notify(table, "notify_up", "notify_down", &inherited.notify, d);
    let alert = alerts::wish(table, d).or(inherited.alert);
    let backup = table.or("backup", false, d);
    let drain = drain(table, d).unwrap_or(inherited.drain);
    let slow_start = slow_start(table, d);
    if let Some(span) = table.key_span("slow_start")
        && weight == 1
        && slow_start.is_some_and(|time| !time.is_zero())
    {
        too_light(span, d);
    }
    let own = check::take(table, d);
    let needing = check::needed(table, d);
    let needing = if table.has("checks_needed") { needing } else { inherited.needed };
    let at = at?;
    let checks = checks(own.as_ref().unwrap_or(&inherited.checks), at, inherited, d);
    needing.judge(checks.len(), d);
    let terms = Terms {
        forward,
        upper_threshold: upper.map_or(0, |upper| upper.value),
        lower_threshold: lower.map_or(0, |lower| lower.value),
        inhibit_on_failure,
        backup,
        drain,
        slow_start: slow_start.unwrap_or(inherited.slow_start),
        alert,
        notify,
        checks,
        needed: needing.needed,
    };
    let server = server(at.value, weight, terms);
    Some(Placed { server, span: at.span, checked: own.is_some() })
}

pub(super) fn server(at: Endpoint, weight: u32, terms: Terms) -> RealServer {
    RealServer { address: at.address, port: at.port, weight, terms: Rc::new(terms) }
}

pub(super) fn checks(
    templates: &[Template],
    at: Located<Endpoint>,
    inherited: &Inherited,
    d: &mut Diagnostics,
) -> Box<[CheckAt]> {
    let port = at.value.port.or(inherited.port);
    let mut checks: Vec<_> =
        templates.iter().filter_map(|template| template.of(at.value.address, port, at.span, d)).collect();
    // The same check twice would be one check with two lines in the status.
    if checks.len() > 1 {
        let mut seen = std::collections::BTreeSet::new();
        checks.retain(|check| seen.insert(check.clone()));
    }
    checks.into()
}

/// `drain`.
pub(super) fn drain(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Duration> {
    table.within("drain", &(Duration::ZERO..=DAY), d).map(|time| time.value)
}

/// `slow_start`.
pub(super) fn slow_start(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Duration> {
    table.within("slow_start", &(Duration::ZERO..=DAY), d).map(|time| time.value)
}

/// A weight that cannot grow.
pub(super) fn too_light(slow_start: Span, d: &mut Diagnostics) {
    d.warning(slow_start, "`slow_start` does nothing with weight 1: there is no smaller share to begin with")
        .hint("give all servers larger weights, like 100");
}

/// The commands for a turn.
pub(super) fn notify(
    table: &mut Table<'_>,
    up: &'static str,
    down: &'static str,
    inherited: &Notify,
    d: &mut Diagnostics,
) -> Notify {
    let mut command = |key, inherited: &Option<CommandLine>| {
        table.optional::<CommandLine>(key, d).map(|command| command.value).or_else(|| inherited.clone())
    };
    Notify { up: command(up, &inherited.up), down: command(down, &inherited.down) }
}

/// `forward`, and `tunnel` where it applies.
pub(super) fn forward(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Forward> {
    let methods =
        [("nat", Forward::Masquerade), ("dr", Forward::DirectRoute), ("tun", Forward::Tunnel(Tunnel::Ipip))];
    let method = table.choice("forward", &methods, d);
    let tunnel_span = table.key_span("tunnel");
    let tunnel = table.table("tunnel", d).map(|mut table| {
        let tunnel = tunnel(&mut table, d);
        table.finish(d);
        tunnel
    });
    match (method.map(|method| method.value), tunnel) {
        (Some(Forward::Tunnel(_)), Some(tunnel)) => Some(Forward::Tunnel(tunnel?)),
        (method, None) => method,
        (method, Some(_)) => {
            if let Some(span) = tunnel_span {
                d.error(span, "`tunnel` is only for forward = \"tun\"");
            }
            method
        }
    }
}

fn tunnel(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Tunnel> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Ipip,
        Gue,
        Gre,
    }
    let kinds = [("ipip", Kind::Ipip), ("gue", Kind::Gue), ("gre", Kind::Gre)];
    let checksums = [("none", Checksum::None), ("plain", Checksum::Plain), ("remote", Checksum::Remote)];
    let kind = table.required_choice("type", &kinds, d);
    let Some(kind) = kind.map(|kind| kind.value) else {
        // What else is there depends on the type: only that is a fault.
        let _own = table.entries();
        return None;
    };
    if kind == Kind::Ipip {
        return Some(Tunnel::Ipip);
    }
    let checksum = table.choice("checksum", &checksums, d);
    let found = checksum.as_ref().map_or(Checksum::None, |checksum| checksum.value);
    if kind == Kind::Gue {
        let port = table.required_within("port", &(1..=u16::MAX), d);
        return Some(Tunnel::Gue { port: port?.value, checksum: found });
    }
    if let Some(checksum) = checksum.filter(|checksum| checksum.value == Checksum::Remote) {
        d.error(checksum.span, "a GRE tunnel has no remote checksum").hint("only \"none\" and \"plain\"");
        return None;
    }
    Some(Tunnel::Gre { checksum: found })
}

/// Why packets for this service cannot be forwarded to this server so.
pub(super) fn forward_fault(
    service: ServiceKey,
    address: IpAddr,
    port: Option<u16>,
    forward: Forward,
) -> Option<(String, &'static str)> {
    let method = forward.to_string();
    let same_family = service.family() == common::ipvs::Family::of(address);
    match forward {
        Forward::Tunnel(_) => {}
        Forward::Masquerade | Forward::DirectRoute | Forward::Local | Forward::Bypass => {
            if !same_family {
                let fault =
                    format!("{service} cannot be forwarded to {address} with \"{method}\": another family");
                return Some((fault, "only forward = \"tun\" goes from one family to the other"));
            }
        }
    }
    match (forward, service_port(service), port) {
        (Forward::DirectRoute | Forward::Tunnel(_), Some(served), Some(port)) if served != port => {
            let fault = format!(
                "forward = \"{method}\" does not change the port: {service} would reach port {served}, not {port}"
            );
            Some((fault, "only forward = \"nat\" can change the port"))
        }
        _ => None,
    }
}
