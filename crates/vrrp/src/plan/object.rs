//! Routes, rules and static addresses as they are written.

mod route;
mod rule;

use std::collections::BTreeMap;
use std::net::IpAddr;

use common::config::{Diagnostics, Form, IpCidr, Located, Shape, Span, Table, Value};

use super::address;
use crate::machine::address::Preferred;
use crate::machine::id::{Family, LinkName};
use crate::machine::object::{Key, MAIN_TABLE, Object};
use route::RouteDraft;
use rule::RuleDraft;

/// Objects with their places in the text.
pub(super) type Placed = Vec<(Object, Span)>;

/// `virtual_routes` and `virtual_rules` of an instance, whose interface and family are known later.
pub(super) struct Drafts {
    routes: Vec<RouteDraft>,
    rules: Vec<RuleDraft>,
}

impl Drafts {
    pub(super) fn read(own: &mut Table<'_>, d: &mut Diagnostics) -> Self {
        Self {
            routes: route::routes(own, "virtual_routes", true, d),
            rules: rule::rules(own, "virtual_rules", d),
        }
    }

    pub(super) fn finish(self, link: LinkName, family: Family) -> Placed {
        let routes = self.routes.into_iter().map(|draft| draft.finish(Some(link)));
        let rules = self.rules.into_iter().map(|draft| draft.finish(family));
        routes.chain(rules).collect()
    }
}

/// `[vrrp.static]`: what is there whatever the state.
pub(super) fn statics(vrrp: &mut Table<'_>, d: &mut Diagnostics) -> Placed {
    let Some(mut table) = vrrp.table("static", d) else { return Vec::new() };
    let mut found = Vec::new();
    for draft in address::addresses(&mut table, "addresses", d) {
        let span = draft.cidr.span;
        let Some(link) = draft.link else {
            d.error(span, "a static address names its interface")
                .hint("write { address = \"192.0.2.1/24\", interface = \"eth0\" }");
            continue;
        };
        let mut address = draft.finish(link, false);
        if address.options.preferred == Preferred::Usual {
            // Unlike a virtual one it does not leave.
            address.options.preferred = Preferred::Forever;
        }
        found.push((Object::Address(address), span));
    }
    let routes = route::routes(&mut table, "routes", false, d);
    found.extend(routes.into_iter().map(|draft| draft.finish(None)));
    let rules = rule::rules(&mut table, "rules", d);
    found.extend(rules.into_iter().map(|draft| draft.finish(Family::Ipv4)));
    table.finish(d);
    found
}

/// No two objects can have one place in the kernel.
#[derive(Default)]
pub(super) struct Places(BTreeMap<Key, (Span, String)>);

impl Places {
    /// Takes the objects of an instance, or the static ones.
    pub(super) fn take<'a>(
        &mut self,
        owner: &str,
        objects: impl Iterator<Item = (&'a Object, Span)>,
        d: &mut Diagnostics,
    ) {
        for (object, span) in objects {
            let key = object.key();
            if let Some((first, other)) = self.0.get(&key) {
                let what = object.kind();
                let message = if other == owner {
                    format!("this {what} is listed twice")
                } else {
                    format!("this {what} belongs to {other} already")
                };
                let fault = d.error(span, message).note(*first, "first listed here");
                if let Object::Route(_) = object {
                    fault.hint("the kernel tells routes apart by destination, table and metric");
                }
                continue;
            }
            self.0.insert(key, (span, owner.to_owned()));
        }
    }
}

/// A network: no bits set beyond its length.
fn network(cidr: &Located<IpCidr>, key: &str, d: &mut Diagnostics) -> Option<(IpAddr, u8)> {
    let (address, length) = (cidr.value.addr(), cidr.value.prefix());
    let network = first_of(address, length);
    if network != address {
        d.error(
            cidr.span,
            format!("`{key}`: {address} is not the first address of a network of length {length}"),
        )
        .hint(format!("write {network}/{length}, or {address} for that address alone"));
        return None;
    }
    Some((network, length))
}

fn first_of(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::from((u32::from(v4) & mask).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::from((u128::from(v6) & mask).to_be_bytes())
        }
    }
}

/// `table`: a number, or one of the names that mean the same on every machine.
fn table_number(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Located<u32>> {
    let known = [("main", MAIN_TABLE), ("local", 255), ("default", 253)];
    let forms = || vec![Form::word(known.map(|(name, _)| name)), Form::Integer(1, u32::MAX.into())];
    let value: Value<'_> = table.value("table", forms, d)?;
    let span = value.span();
    if let Shape::String(name) = value.shape() {
        let found = known.iter().find(|(known, _)| *known == name);
        if found.is_none() {
            value
                .refuse(format!("{} is not a number, nor main, local or default", value.describe()), d)
                .hint("other names are in a file that may differ between machines (rt_tables): write the number");
        }
        return found.map(|(_, number)| Located { value: *number, span });
    }
    let number = value.read::<u32>(d)?;
    if number == 0 {
        value.refuse("table 0 means no table", d);
        return None;
    }
    Some(Located { value: number, span })
}
