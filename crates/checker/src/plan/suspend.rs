//! `ha_suspend`: checks run only while this machine holds an address of the service.

use std::collections::BTreeSet;
use std::net::IpAddr;

use common::config::{Diagnostics, Form, FromValue, Shape, Table};

/// The addresses one of which has to be here for the checks to run: those of the services, or those that are named.
/// None where the checks always run.
pub(super) fn read(
    table: &mut Table<'_>,
    own: &BTreeSet<IpAddr>,
    d: &mut Diagnostics,
) -> Option<BTreeSet<IpAddr>> {
    let forms = || [vec![Form::Boolean], Form::one_or_list(IpAddr::forms())].concat();
    let value = table.value("ha_suspend", forms, d)?;
    let named: BTreeSet<IpAddr> = match value.shape() {
        Shape::Boolean(false) => return None,
        Shape::Boolean(true) => {
            if own.is_empty() {
                d.error(value.span(), "a firewall mark does not say which address this machine has to hold")
                    .hint("name addresses: ha_suspend = [\"192.0.2.1\"]");
                return None;
            }
            return Some(own.clone());
        }
        Shape::List(list) => list.iter().filter_map(|address| address.read::<IpAddr>(d)).collect(),
        Shape::String(_) => value.read::<IpAddr>(d).into_iter().collect(),
        Shape::Integer(_) | Shape::Float(_) | Shape::Datetime | Shape::Table(_) => {
            value.mismatch("true, false, or a list of addresses", d);
            return None;
        }
    };
    if named.is_empty() && matches!(value.shape(), Shape::List(list) if list.is_empty()) {
        d.error(value.span(), "`ha_suspend` is empty: no check would ever run");
    }
    (!named.is_empty()).then_some(named)
}
