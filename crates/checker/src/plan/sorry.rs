//! `sorry_server`: who serves when the quorum is lost; an address alone, or a table.

use std::time::Duration;

use common::alerts;
use common::config::{Diagnostics, Form, FromValue, Located, Shape, Table};

use super::endpoint::Endpoint;
use super::server::{self, Inherited, Placed};
use super::{Needed, Notify, Terms, check};

/// Takes the sorry server. It is checked only where it says how itself: it need not be like the others.
pub(super) fn read(table: &mut Table<'_>, inherited: &Inherited, d: &mut Diagnostics) -> Option<Placed> {
    let value = table.value("sorry_server", || [Endpoint::forms(), vec![Form::Table]].concat(), d)?;
    let mut terms = Terms {
        forward: inherited.forward,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: false,
        backup: false,
        drain: inherited.drain,
        slow_start: Duration::ZERO,
        alert: inherited.alert,
        notify: Notify::default(),
        checks: Box::default(),
        needed: Needed::All,
    };
    let at = match value.shape() {
        Shape::Table(mut table) => {
            let at = table.required::<Endpoint>("address", d);
            terms.forward = server::forward(&mut table, d).unwrap_or(terms.forward);
            terms.inhibit_on_failure = table.or("inhibit_on_failure", false, d);
            terms.drain = server::drain(&mut table, d).unwrap_or(terms.drain);
            terms.notify = server::notify(&mut table, "notify_up", "notify_down", &Notify::default(), d);
            terms.alert = alerts::wish(&mut table, d).or(terms.alert);
            let templates = check::take(&mut table, d).unwrap_or_default();
            let needing = check::needed(&mut table, d);
            table.finish(d);
            let at = Located { value: at?.value, span: value.span() };
            terms.checks = server::checks(&templates, at, inherited, d);
            needing.judge(terms.checks.len(), d);
            terms.needed = needing.needed;
            at.value
        }
        Shape::String(_)
        | Shape::Integer(_)
        | Shape::Float(_)
        | Shape::Boolean(_)
        | Shape::Datetime
        | Shape::List(_) => value.read::<Endpoint>(d)?,
    };
    Some(Placed { server: server::server(at, 1, terms), span: value.span(), checked: true })
}
