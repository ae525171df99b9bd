//! `[[virtual_server]]`: what clients talk to, and how the kernel distributes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use common::alerts;
use common::config::{Diagnostics, Form, Located, Ranged, Span, Table, Value};
use common::ipvs::{
    Family, FlagError, Forward, Name, Persistence, SCHEDULERS, SchedulerFlags, Service, ServiceKey, Transport,
};

use super::conflict::{self, Services};
use super::endpoint::Endpoint;
use super::range::Places;
use super::server::{self, Inherited, MAX_WEIGHT, Placed};
use super::{Notify, VirtualServer, check, sorry, suspend};

/// Reads one virtual server, with all faults. None where it could not be used even to look for more.
pub(super) fn read(table: &mut Table<'_>, seen: &mut Services, d: &mut Diagnostics) -> Option<VirtualServer> {
    let identity = Identity::take(table, d);
    let service = service(table, &identity, d);
    let forward = server::forward(table, d).unwrap_or(Forward::Masquerade);
    let quorum = table.within("quorum", &(1..=u64::from(u32::MAX)), d);
    let hysteresis = table.within("hysteresis", &(0..=u64::from(u32::MAX)), d);
    let needed = quorum.as_ref().map_or(1, |quorum| quorum.value);
    if let Some(hysteresis) = &hysteresis
        && hysteresis.value >= needed
    {
        d.error(
            hysteresis.span,
            format!("`hysteresis` {} must be below the `quorum`, {needed}", hysteresis.value),
        );
    }
    let on_quorum = server::notify(table, "quorum_up", "quorum_down", &Notify::default(), d);
    let templates = check::take(table, d);
    let unchecked = templates.is_none();
    let needing = check::needed(table, d);
    if let Some(templates) = &templates {
        needing.judge(templates.len(), d);
    }
    let alert = alerts::wish(table, d);
    let inherited = Inherited {
        weight: table.within_or("weight", &(0..=MAX_WEIGHT), 1, d),
        forward,
        inhibit_on_failure: table.or("inhibit_on_failure", false, d),
        alert,
        notify: server::notify(table, "notify_up", "notify_down", &Notify::default(), d),
        checks: templates.unwrap_or_default(),
        needed: needing,
        drain: server::drain(table, d).unwrap_or_default(),
        slow_start: server::slow_start(table, d).unwrap_or_default(),
        port: identity.port(),
    };
    let sorry = sorry::read(table, &inherited, d);
    let backup_below = table.within("backup_below", &(1..=100), d);
    let suspend = suspend::read(table, &identity.own(), d);
    let notify_on_stop = table.or("notify_on_stop", false, d);
    let placed = servers(table, &inherited, d);
    let services = identity.services(&placed, seen, d);
    conflict::servers(&placed, &services, d);
    if let Some(sorry) = &sorry {
        conflict::sorry(sorry, &services, d);
    }
    let backups = placed.iter().any(|placed| placed.server.terms.backup);
    if let Some(below) = &backup_below
        && !backups
    {
        d.error(below.span, "`backup_below` means nothing without a server that is a `backup`");
    }
    if let Some(span) = table.key_span("slow_start")
        && !inherited.slow_start.is_zero()
        && placed.iter().all(|placed| placed.server.weight <= 1)
    {
        server::too_light(span, d);
    }
    let lone = |placed: &&Placed| !placed.checked && placed.server.terms.checks.is_empty();
    if unchecked && let Some(lone) = placed.iter().find(lone) {
        d.warning(lone.span, "no check: this server counts as alive whatever happens")
            .hint("write check = { type = \"tcp\" }, or check = [] where that is meant");
    }
    let mut real_servers: Vec<_> = placed.into_iter().map(|placed| placed.server).collect();
    real_servers.shrink_to_fit();
    let server = VirtualServer {
        services,
        service: service?,
        quorum: needed,
        hysteresis: hysteresis.map_or(0, |hysteresis| hysteresis.value),
        sorry: sorry.map(|sorry| sorry.server),
        backup_below: backup_below.map_or(0, |below| below.value),
        suspend,
        notify_on_stop,
        alert,
        on_quorum,
        real_servers,
    };
    conflict::quorum(&server, quorum.map(|quorum| quorum.span), d);
    (!server.services.is_empty()).then_some(server)
}

/// What identifies the virtual server, as it is written.
struct Identity {
    transport: Located<Transport>,
    addresses: Vec<Located<Endpoint>>,
    marks: Vec<Located<u32>>,
    family: Option<Family>,
    span: Span,
    /// Whether something was wrong already, so that nothing more is said.
    faulty: bool,
}

impl Identity {
    fn take(table: &mut Table<'_>, d: &mut Diagnostics) -> Self {
        let written: Vec<&str> =
            ["address", "addresses", "fwmark"].into_iter().filter(|key| table.has(key)).collect();
        table.demand(&["address", "addresses", "fwmark"], d);
        let mut faulty = true;
        match written.as_slice() {
            [] => table.missing("address", "an address (or `addresses`, or `fwmark`)", d),
            // A group may have marks among its services.
            [_] | ["addresses", "fwmark"] => faulty = false,
            [first, second, ..] => {
                let span = table.key_span(second).unwrap_or(table.span());
                d.error(span, format!("`{first}` and `{second}` exclude each other"));
            }
        }
        let address = table.optional::<Places>("address", d);
        let list = table.optional::<Vec<Located<Places>>>("addresses", d);
        if let Some(list) = &list
            && list.value.is_empty()
        {
            d.error(list.span, "`addresses` is empty");
        }
        let marks = marks(table, d);
        faulty |= !written.is_empty() && address.is_none() && list.is_none() && marks.is_empty();
        let families = [("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)];
        let family = table.choice("family", &families, d);
        if let (Some(family), true) = (&family, marks.is_empty()) {
            d.error(family.span, "`family` is only for `fwmark`: an address tells its family itself");
        }
        let transports = [("tcp", Transport::Tcp), ("udp", Transport::Udp), ("sctp", Transport::Sctp)];
        let transport = table.choice("protocol", &transports, d);
        if let (Some(transport), true) = (&transport, list.is_none() && !marks.is_empty()) {
            d.error(transport.span, "`protocol` is not for `fwmark`: the mark says which packets are meant");
        }
        let span = table.span();
        let transport = transport.unwrap_or(Located { value: Transport::Tcp, span });
        let places = address.into_iter().chain(list.into_iter().flat_map(|list| list.value));
        let each =
            |at: Located<Places>| at.value.0.into_iter().map(move |value| Located { value, span: at.span });
        let addresses = places.flat_map(each).collect();
        Self { transport, addresses, marks, family: family.map(|family| family.value), span, faulty }
    }

    /// The port on which servers serve unless they say otherwise.
    fn port(&self) -> Option<u16> {
        self.addresses.iter().find_map(|endpoint| endpoint.value.port)
    }

    /// The addresses that are its own; none where it is made of marks.
    fn own(&self) -> BTreeSet<IpAddr> {
        self.addresses.iter().map(|endpoint| endpoint.value.address).collect()
    }

    fn services(&self, servers: &[Placed], seen: &mut Services, d: &mut Diagnostics) -> Vec<ServiceKey> {
        let mut services = Vec::with_capacity(self.addresses.len() + self.marks.len());
        for endpoint in &self.addresses {
            let Endpoint { address, port } = endpoint.value;
            let key =
                ServiceKey::Address { transport: self.transport.value, address, port: port.unwrap_or(0) };
            if seen.note(key, endpoint.span, d) {
                services.push(key);
            }
        }
        if !self.marks.is_empty() {
            let of_servers = || servers.iter().map(|placed| Family::of(placed.server.address));
            let guess = of_servers().next().filter(|first| of_servers().all(|family| family == *first));
            if let Some(family) = self.family.or(guess) {
                for mark in &self.marks {
                    let key = ServiceKey::Mark { family, mark: mark.value };
                    if seen.note(key, mark.span, d) {
                        services.push(key);
                    }
                }
            } else if !self.faulty {
                d.error(
                    self.span,
                    "`family` is missing: the servers don't tell the family of the marked packets",
                )
                .hint("write family = \"ipv4\" or family = \"ipv6\"");
            }
        }
        services
    }
}

/// `fwmark`: one or a list.
fn marks(table: &mut Table<'_>, d: &mut Diagnostics) -> Vec<Located<u32>> {
    let forms = || Form::one_or_list(vec![Form::Integer(1, u32::MAX.into())]);
    let Some(value) = table.value("fwmark", forms, d) else { return Vec::new() };
    let values = value.one_or_list();
    if values.is_empty() {
        d.error(value.span(), "`fwmark` is empty");
    }
    let read = |value: Value<'_>| {
        let mark = u32::from_value_within(&value, &(1..=u32::MAX), d)?;
        Some(Located { value: mark, span: value.span() })
    };
    values.into_iter().filter_map(read).collect()
}

fn service(table: &mut Table<'_>, identity: &Identity, d: &mut Diagnostics) -> Option<Service> {
    let schedulers: Vec<(&str, &str)> = SCHEDULERS.iter().map(|name| (*name, *name)).collect();
    let scheduler = table.choice("scheduler", &schedulers, d);
    let known = scheduler.is_some() || !table.has("scheduler");
    let scheduler = scheduler.map_or("wlc", |scheduler| scheduler.value);
    let mut flags = SchedulerFlags::default();
    for flag in table.optional::<Vec<Located<String>>>("scheduler_flags", d).map_or(vec![], |f| f.value) {
        match flags.with(&flag.value, scheduler) {
            Ok(with) => flags = with,
            Err(FlagError::Foreign(owner)) if known => {
                let fault =
                    format!("`{}` is a flag of scheduler \"{owner}\", not of \"{scheduler}\"", flag.value);
                d.error(flag.span, fault);
            }
            Err(FlagError::Foreign(_)) => {}
            Err(FlagError::Unknown) => {
                let names: Vec<&str> = SchedulerFlags::names().collect();
                d.error(flag.span, format!("no scheduler has a flag {:?}", flag.value))
                    .hint(format!("known: {}", names.join(", ")));
            }
        }
    }
    let persistence = persistence(table, identity, d);
    let one_packet = table.optional::<bool>("one_packet", d);
    if let Some(one) = &one_packet
        && one.value
        && identity.marks.is_empty()
        && identity.transport.value != Transport::Udp
    {
        d.error(one.span, "`one_packet` is only for protocol = \"udp\"");
    }
    if persistence.is_none() {
        for endpoint in identity.addresses.iter().filter(|endpoint| endpoint.value.port.is_none()) {
            let fault = format!(
                "{} has no port: a service for all ports needs `persistence`",
                endpoint.value.address
            );
            d.error(endpoint.span, fault).hint(format!(
                "write a port, as in \"{}\", or persistence = \"6m\"",
                with_port(endpoint.value.address)
            ));
        }
    }
    Some(Service {
        scheduler: scheduler.parse().ok()?,
        flags,
        one_packet: one_packet.is_some_and(|one| one.value),
        persistence: persistence.map(|persistence| persistence.value),
    })
}

fn with_port(address: IpAddr) -> String {
    std::net::SocketAddr::new(address, 80).to_string()
}

fn persistence(
    table: &mut Table<'_>,
    identity: &Identity,
    d: &mut Diagnostics,
) -> Option<Located<Persistence>> {
    let day = 24 * 3600;
    let timeout = table.within("persistence", &(Duration::from_secs(1)..=Duration::from_secs(366 * day)), d);
    if let Some(timeout) = &timeout
        && timeout.value.subsec_nanos() != 0
    {
        d.error(timeout.span, "`persistence` is in whole seconds: the kernel knows no other");
    }
    let bits = match identity.addresses.first() {
        Some(endpoint) => Family::of(endpoint.value.address).bits(),
        None => identity.family.map_or(128, Family::bits),
    };
    let granularity = table.within("persistence_granularity", &(1..=bits), d);
    let engine = table.choice("persistence_engine", &[("sip", "sip")], d);
    if let Some(engine) = &engine
        && identity.marks.is_empty()
        && identity.transport.value != Transport::Udp
    {
        d.error(engine.span, "the persistence engine \"sip\" is only for protocol = \"udp\"");
    }
    let stray = [granularity.as_ref().map(|g| g.span), engine.as_ref().map(|e| e.span)];
    let Some(timeout) = timeout else {
        if !table.has("persistence") {
            for span in stray.into_iter().flatten() {
                d.error(span, "this means nothing without `persistence`");
            }
        }
        return None;
    };
    let value = Persistence {
        timeout: u32::try_from(timeout.value.as_secs()).unwrap_or(u32::MAX),
        granularity: granularity.map_or(bits, |granularity| granularity.value),
        engine: engine.and_then(|engine| engine.value.parse::<Name>().ok()),
    };
    Some(Located { value, span: timeout.span })
}

fn servers(table: &mut Table<'_>, inherited: &Inherited, d: &mut Diagnostics) -> Vec<Placed> {
    let mut placed = Vec::new();
    let short = table.optional::<Vec<Located<Endpoint>>>("real_servers", d);
    for at in short.map_or_else(Vec::new, |short| short.value) {
        placed.push(server::plain(at, inherited, d));
    }
    for mut table in table.tables("real_server", d) {
        placed.extend(server::read(&mut table, inherited, d));
        table.finish(d);
    }
    if placed.is_empty() && !table.has("real_server") && !table.has("real_servers") {
        d.warning(table.span(), "a virtual server without real servers");
    }
    placed
}
