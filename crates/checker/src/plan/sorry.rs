//! `sorry_server`: who serves when the quorum is lost; an address alone, or a table.

use std::time::Duration;

use common::config::{Diagnostics, Located, Shape, Table};

use super::endpoint::Endpoint;
use super::server::{self, Inherited, Placed};
use super::{Needed, Notify, RealServer, check};

/// Takes the sorry server. It is checked only where it says how itself: it need not be like the others.
pub(super) fn read(table: &mut Table<'_>, inherited: &Inherited, d: &mut Diagnostics) -> Option<Placed> {
    let value = table.value("sorry_server", d)?;
    let mut server = RealServer {
        address: std::net::Ipv4Addr::UNSPECIFIED.into(),
        port: None,
        weight: 1,
        forward: inherited.forward,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: false,
        backup: false,
        drain: inherited.drain,
        slow_start: Duration::ZERO,
        notify: Notify::default(),
        checks: Vec::new(),
        needed: Needed::All,
    };
    let at = match value.shape() {
        Shape::Table(mut table) => {
            let at = table.required::<Endpoint>("address", d);
            server.forward = server::forward(&mut table, d).unwrap_or(server.forward);
            server.inhibit_on_failure = table.or("inhibit_on_failure", false, d);
            server.drain = server::drain(&mut table, d).unwrap_or(server.drain);
            server.notify = server::notify(&mut table, "notify_up", "notify_down", &Notify::default(), d);
            let templates = check::take(&mut table, d).unwrap_or_default();
            let needing = check::needed(&mut table, d);
            table.finish(d);
            let at = Located { value: at?.value, span: value.span() };
            server.checks = server::checks(&templates, at, inherited, d);
            needing.judge(server.checks.len(), d);
            server.needed = needing.needed;
            at.value
        }
        Shape::String(_)
        | Shape::Integer(_)
        | Shape::Float(_)
        | Shape::Boolean(_)
        | Shape::Datetime
        | Shape::List(_) => value.read::<Endpoint>(d)?,
    };
    (server.address, server.port) = (at.address, at.port);
    Some(Placed { server, span: value.span(), checked: true })
}
