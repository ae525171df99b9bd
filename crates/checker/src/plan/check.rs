//! `check = { … }`: the keys common to all kinds; the rest is handed to the kind.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use common::config::{Diagnostics, Form, IfName, Located, Shape, Span, Table};

use super::endpoint::unusable;
use super::{CheckAt, CheckSettings, Dial, Needed};
use crate::checks::{Defaults, KINDS, Port};
use crate::machine::schedule::{Initial, Timing};

/// A check as it is written, before it is known whom it is about.
#[derive(Clone, Debug)]
pub(super) struct Template {
    settings: Rc<CheckSettings>,
    port: Port,
    span: Span,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const SHORTEST: Duration = Duration::from_millis(10);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// How long an attempt may take unless the interval is shorter.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const PERIOD: RangeInclusive<Duration> = SHORTEST..=DAY;

/// Takes `check` from a table: one check or a list. None if the key is not there.
pub(super) fn take(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Vec<Template>> {
    let value = table.value("check", || vec![Form::Table, Form::Tables], d)?;
    let mut templates = Vec::new();
    for value in value.one_or_list() {
        if let Shape::Table(mut table) = value.shape() {
            templates.extend(read(&mut table, d));
            table.finish(d);
        } else {
            value.mismatch("a table like { type = \"tcp\" }", d);
        }
    }
    Some(templates)
}

/// `checks_needed`, and where it stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needing {
    pub(super) needed: Needed,
    span: Option<Span>,
}

/// Takes `checks_needed` from a table: `"all"`, `"any"`, or a number.
pub(super) fn needed(table: &mut Table<'_>, d: &mut Diagnostics) -> Needing {
    let forms = || vec![Form::word(["all", "any"]), Form::Integer(1, 1000)];
    let Some(value) = table.value("checks_needed", forms, d) else { return Needing::default() };
    let needed = match value.shape() {
        Shape::String("all") => Needed::All,
        Shape::String("any") => Needed::AtLeast(1),
        Shape::Integer(Some(count @ 1..=1000)) => Needed::AtLeast(usize::try_from(count).unwrap_or(1)),
        Shape::String(_)
        | Shape::Integer(_)
        | Shape::Float(_)
        | Shape::Boolean(_)
        | Shape::Datetime
        | Shape::List(_)
        | Shape::Table(_) => {
            value.mismatch("\"all\", \"any\", or a number of checks from 1 to 1000", d);
            return Needing::default();
        }
    };
    Needing { needed, span: Some(value.span()) }
}

impl Needing {
    /// Says so where more are needed than there are. What a virtual server asks for may be too much for one of its
    /// servers, which then needs all: that is told once, where it is written.
    pub(super) fn judge(self, checks: usize, d: &mut Diagnostics) {
        if let (Some(span), Needed::AtLeast(count)) = (self.span, self.needed)
            && count > checks.max(1)
        {
            d.error(
                span,
                format!("`checks_needed` is {count}, but there is a server here with only {checks}"),
            );
        }
    }
}

fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Template> {
    let name = table.required_choice("type", KINDS, d);
    let defaults = name.as_ref().map_or(Defaults::NETWORK, |name| name.value.defaults());
    let timing = timing(table, defaults, d);
    // Without a type there is no telling whether it connects: what is there is read, nothing is said.
    let dial = if defaults.port == Port::None { Dial::default() } else { dial(table, d) };
    let log_all_failures = table.or("log_all_failures", false, d);
    let Some(name) = name else {
        // Its own keys are not faults: only the type is.
        let _own = table.entries();
        return None;
    };
    let kind = name.value.read(table, d)?;
    let settings = CheckSettings { kind, timing, dial, log_all_failures };
    Some(Template { settings: Rc::new(settings), port: defaults.port, span: table.span() })
}

fn timing(table: &mut Table<'_>, defaults: Defaults, d: &mut Diagnostics) -> Timing {
    let interval = table.within_or("interval", &PERIOD, DEFAULT_INTERVAL, d);
    let initial = [("up", Initial::Up), ("down", Initial::Down)];
    Timing {
        interval,
        timeout: or(table.within("timeout", &PERIOD, d), DEFAULT_TIMEOUT.min(interval)),
        retries: or(table.within("retries", &(0..=1000), d), defaults.retries),
        retry_delay: or(table.within("retry_delay", &PERIOD, d), defaults.retry_delay),
        warm_up: or(table.within("warm_up", &(Duration::ZERO..=DAY), d), interval),
        rise: table.within_or("rise", &(1..=1000), 1, d),
        fall: table.within_or("fall", &(1..=1000), 1, d),
        initial: table.choice_or("initial", &initial, Initial::Up, d),
    }
}

/// What depends on the kind of the check, or on other times of it.
fn or<T>(value: Option<Located<T>>, default: T) -> T {
    value.map_or(default, |value| value.value)
}

fn dial(table: &mut Table<'_>, d: &mut Diagnostics) -> Dial {
    let address = table.optional::<IpAddr>("address", d);
    let source = table.optional::<IpAddr>("source", d);
    for address in [&address, &source].into_iter().flatten() {
        if let Some(what) = unusable(address.value) {
            d.error(address.span, format!("{} is {what}", address.value));
        }
    }
    let value = |address: Option<Located<IpAddr>>| address.map(|address| address.value);
    let mark = table.within("fwmark", &(1..=u32::MAX), d);
    Dial {
        address: value(address),
        port: table.within("port", &(1..=u16::MAX), d).map(|port| port.value),
        source: value(source),
        interface: table.optional::<IfName>("interface", d).map(|interface| interface.value),
        fwmark: mark.and_then(|mark| NonZeroU32::new(mark.value)),
    }
}

impl Template {
    /// The check of this server. `port` is where it serves, if it has one port.
    pub(super) fn of(
        &self,
        server: IpAddr,
        port: Option<u16>,
        at: Span,
        d: &mut Diagnostics,
    ) -> Option<CheckAt> {
        let dial = &self.settings.dial;
        let address = dial.address.unwrap_or(server);
        let port = match (dial.port, self.port) {
            (Some(port), _) => port,
            (None, Port::Usual(port)) => port,
            (None, Port::None) => port.unwrap_or(0),
            (None, Port::Server) => {
                let Some(port) = port else {
                    d.error(at, format!("no port is known on which {server} can be checked"))
                        .hint("give the check a `port`, or the server")
                        .note(self.span, "this check connects");
                    return None;
                };
                port
            }
        };
        if let Some(source) = dial.source
            && source.is_ipv4() != address.is_ipv4()
        {
            d.error(at, format!("{address} cannot be reached from {source}: they are of different families"))
                .note(self.span, "the check");
            return None;
        }
        Some(CheckAt { port, settings: Rc::clone(&self.settings) })
    }
}
