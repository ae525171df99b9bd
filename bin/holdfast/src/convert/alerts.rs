//! Mail: `notification_email`, `smtp_server` and the switches, as `[alerts]` and `alert`.
//!
//! Where keepalived is not told otherwise, it writes about real servers only; Holdfast writes about everything. What
//! differs is written down. keepalived sends no mail without `smtp_server`, so there is no section without it.

use super::keyword::{Context, Target, misread};
use super::site::Site;
use super::toml::{Table, Value};
use super::tree::Item;
use super::values;

/// The section while it is read.
pub(super) struct Mail {
    pub(super) table: Table,
    all: Option<bool>,
    vrrp: Option<bool>,
    checker: Option<bool>,
}

impl Default for Mail {
    fn default() -> Self {
        Self { table: Table::new("[alerts]"), all: None, vrrp: None, checker: None }
    }
}

/// `notification_email { … }`
pub(super) fn recipients(site: &mut Site, item: &Item, cx: &mut Context) {
    for line in item.items() {
        match address(line.words.iter().map(|word| word.text.as_str())) {
            Some(address) => site.mail.table.push("to", address),
            None => misread(site, line, cx),
        }
    }
}

/// `notification_email_from ADDRESS`
pub(super) fn sender(site: &mut Site, item: &Item, cx: &mut Context) {
    match address(item.values()) {
        Some(address) => site.mail.table.set("from", address),
        None => misread(site, item, cx),
    }
}

/// The address among words such as `"Ops" <ops@example.org>`.
fn address<'a>(words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bare = words.flat_map(str::split_whitespace).map(|word| word.trim_matches(['<', '>', '"', ',']));
    let mut addresses = bare.filter(|word| common::alerts::is_address(word));
    addresses.next()
}

/// `smtp_server HOST [PORT]`
pub(super) fn server(site: &mut Site, item: &Item, cx: &mut Context) {
    let port = item.word(2).map(str::parse::<u16>).transpose();
    let (Some(host), Ok(port)) = (item.word(1), port) else { return misread(site, item, cx) };
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let server = match port {
        None | Some(25) => host.to_owned(),
        Some(port) => format!("{bracketed}:{port}"),
    };
    site.mail.table.set("server", server);
}

pub(super) fn all(site: &mut Site, item: &Item, cx: &mut Context) {
    match switch(item) {
        Some(on) => site.mail.all = Some(on),
        None => misread(site, item, cx),
    }
}

pub(super) fn of_vrrp(site: &mut Site, item: &Item, cx: &mut Context) {
    match switch(item) {
        Some(on) => site.mail.vrrp = Some(on),
        None => misread(site, item, cx),
    }
}

pub(super) fn of_checker(site: &mut Site, item: &Item, cx: &mut Context) {
    match switch(item) {
        Some(on) => site.mail.checker = Some(on),
        None => misread(site, item, cx),
    }
}

fn switch(item: &Item) -> Option<bool> {
    item.word(1).map_or(Some(true), values::flag)
}

/// What depends on several keywords.
pub(super) fn finish(site: &mut Site) {
    let mail = &mut site.mail;
    let vrrp = mail.vrrp.or(mail.all).unwrap_or(false);
    let services = mail.checker.or(mail.all).unwrap_or(false);
    let servers = mail.checker.or(mail.all).unwrap_or(true);
    if mail.table.get("server").is_none() || mail.table.get("to").is_none() {
        let mut said = !mail.table.is_empty();
        mail.table = Table::default();
        for table in site.instances.iter_mut().chain(&mut site.groups).chain(&mut site.services) {
            // `holdfast check` refuses a wish for mail that nobody is to get.
            said |= table.take("alert").is_some();
            for server in &mut table.children {
                said |= server.take("alert").is_some();
            }
        }
        if said {
            site.remark(
                "keepalived sends no mail without both smtp_server and notification_email: smtp_alert and the \
                 other words about mail are left out"
                    .to_owned(),
            );
        }
        return;
    }
    let table = &mut mail.table;
    table.set("tls", "none");
    table.remarks.push("keepalived sends in the clear; see tls, user and password_file".to_owned());
    let kinds = [
        ("instances", vrrp),
        ("sync_groups", vrrp),
        ("virtual_servers", services),
        ("real_servers", servers),
        // keepalived only logs those.
        ("processes", false),
    ];
    for (key, on) in kinds {
        if !on {
            table.set(key, false);
        }
    }
    table.order(&["to", "from", "server", "tls"]);
    // What all servers of their kind do anyway.
    for (tables, usual) in [(&mut site.instances, vrrp), (&mut site.groups, vrrp)] {
        for table in tables {
            drop_usual(table, usual);
        }
    }
    for service in &mut site.services {
        drop_usual(service, services);
        // Servers of Holdfast do as their service does, those of keepalived do not.
        let inherited = match service.get("alert") {
            Some(Value::Flag(on)) => *on,
            Some(_) | None => servers,
        };
        if inherited != servers {
            if let Some(Value::List(list)) = service.take("real_servers") {
                for address in list {
                    let mut server = Table::new("[[virtual_server.real_server]]");
                    server.set("address", address);
                    service.children.push(server);
                }
            }
            for server in &mut service.children {
                if server.get("alert").is_none() {
                    server.set("alert", servers);
                }
            }
        }
        for server in &mut service.children {
            drop_usual(server, inherited);
        }
    }
}

fn drop_usual(table: &mut Table, usual: bool) {
    if table.get("alert") == Some(&Value::Flag(usual)) {
        table.take("alert");
    }
}
