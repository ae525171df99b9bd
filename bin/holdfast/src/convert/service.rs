//! `virtual_server`, `virtual_server_group` and `real_server`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::check;
use super::instance::drop_default;
use super::keyword::{Context, How, Keyword, Target, lost, misread, read};
use super::site::{Site, hoist};
use super::toml::{Table, Value};
use super::tree::Item;
use super::values;

/// What a service is known by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Member {
    Address(IpAddr, Option<u16>),
    Mark(i64, Option<&'static str>),
}

/// What checks inherit from the server and the service.
pub(super) type Timing = BTreeMap<String, Value>;

/// A virtual server, a real server or a check while it is read.
pub(super) struct Service {
    pub(super) table: Table,
    pub(super) timing: Timing,
    /// The checks of a real server.
    pub(super) checks: Vec<Value>,
    protocol: Option<Value>,
    servers: Vec<Self>,
}

impl Service {
    pub(super) fn new(header: &str, timing: Timing) -> Self {
        Self { table: Table::new(header), timing, checks: Vec::new(), protocol: None, servers: Vec::new() }
    }
}

impl Target for Service {
    fn set(&mut self, key: &str, value: Value) {
        match key.split_once('.') {
            Some(("timing", key)) => {
                self.timing.insert(key.to_owned(), value);
            }
            Some((table, key)) => self.table.set_in(table, key, value),
            None => self.table.set(key, value),
        }
    }

    fn remark(&mut self, text: String) {
        self.table.remarks.push(text);
    }
}

/// The keywords of `virtual_server`.
pub(super) const VIRTUAL: &[Keyword<Service>] = &[
    Keyword { names: &["lvs_sched", "lb_algo"], key: "scheduler", how: How::Word },
    Keyword { names: &["lvs_method", "lb_kind"], key: "forward", how: How::By(forward) },
    Keyword { names: &["protocol"], key: "protocol", how: How::By(protocol) },
    Keyword { names: &["persistence_timeout"], key: "persistence", how: How::By(persistence) },
    Keyword {
        names: &["persistence_granularity"],
        key: "persistence_granularity",
        how: How::By(granularity),
    },
    Keyword { names: &["persistence_engine"], key: "persistence_engine", how: How::Word },
    Keyword { names: &["flag-1"], key: "scheduler_flags", how: How::By(scheduler_flag) },
    Keyword {
        names: &["flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback"],
        key: "scheduler_flags",
        how: How::By(scheduler_flag),
    },
    Keyword { names: &["hashed"], key: "the kernel hashes services anyway", how: How::Needless },
    Keyword { names: &["ops"], key: "one_packet", how: How::Flag(true) },
    Keyword { names: &["ip_family"], key: "family", how: How::By(family) },
    Keyword { names: &["weight"], key: "weight", how: How::Number },
    Keyword { names: &["quorum"], key: "quorum", how: How::Number },
    Keyword { names: &["hysteresis"], key: "hysteresis", how: How::Number },
    Keyword { names: &["quorum_up"], key: "quorum_up", how: How::Command("user") },
    Keyword { names: &["quorum_down"], key: "quorum_down", how: How::Command("user") },
    Keyword { names: &["sorry_server"], key: "sorry_server", how: How::By(sorry) },
    Keyword { names: &["sorry_server_lvs_method"], key: "sorry_server.forward", how: How::By(sorry_forward) },
    Keyword { names: &["inhibit_on_failure"], key: "inhibit_on_failure", how: How::Flag(true) },
    Keyword { names: &["real_server"], key: "[[virtual_server.real_server]]", how: How::By(real_server) },
    Keyword { names: &["delay_loop"], key: "interval of its checks", how: How::By(check::delay_loop) },
    Keyword { names: &["retry"], key: "retries of its checks", how: How::By(check::retry) },
    Keyword {
        names: &["delay_before_retry"],
        key: "retry_delay of its checks",
        how: How::By(check::retry_delay),
    },
    Keyword { names: &["warmup"], key: "warm_up of its checks", how: How::By(check::warm_up) },
    Keyword { names: &["connect_timeout"], key: "timeout of its checks", how: How::By(check::timeout) },
    Keyword { names: &["alpha"], key: "initial = \"down\" of its checks", how: How::By(check::alpha) },
    Keyword { names: &["virtualhost"], key: "host of its checks", how: How::By(check::virtualhost) },
    Keyword { names: &["snmp_name"], key: "there is no SNMP", how: How::Lost },
    Keyword { names: &["ha_suspend"], key: "ha_suspend", how: How::Flag(true) },
    Keyword { names: &["omega"], key: "notify_on_stop", how: How::Flag(true) },
    Keyword {
        names: &["sorry_server_inhibit"],
        key: "sorry_server.inhibit_on_failure",
        how: How::By(sorry_inhibit),
    },
    Keyword { names: &["smtp_alert"], key: "alert", how: How::Flag(true) },
];

/// The keywords of `real_server`.
pub(super) const REAL: &[Keyword<Service>] = &[
    Keyword { names: &["weight"], key: "weight", how: How::Number },
    Keyword { names: &["lvs_method"], key: "forward", how: How::By(forward) },
    Keyword { names: &["uthreshold"], key: "upper_threshold", how: How::Number },
    Keyword { names: &["lthreshold"], key: "lower_threshold", how: How::Number },
    Keyword { names: &["inhibit_on_failure"], key: "inhibit_on_failure", how: How::Flag(true) },
    Keyword { names: &["notify_up"], key: "notify_up", how: How::Command("user") },
    Keyword { names: &["notify_down"], key: "notify_down", how: How::Command("user") },
    Keyword { names: &["delay_loop"], key: "interval of its checks", how: How::By(check::delay_loop) },
    Keyword { names: &["retry"], key: "retries of its checks", how: How::By(check::retry) },
    Keyword {
        names: &["delay_before_retry"],
        key: "retry_delay of its checks",
        how: How::By(check::retry_delay),
    },
    Keyword { names: &["warmup"], key: "warm_up of its checks", how: How::By(check::warm_up) },
    Keyword { names: &["connect_timeout"], key: "timeout of its checks", how: How::By(check::timeout) },
    Keyword { names: &["alpha"], key: "initial = \"down\" of its checks", how: How::By(check::alpha) },
    Keyword { names: &["virtualhost"], key: "host of its checks", how: How::By(check::virtualhost) },
    Keyword {
        names: &["log_all_failures"],
        key: "log_all_failures of its checks",
        how: How::By(check::log_all),
    },
    Keyword { names: &["TCP_CHECK"], key: "check of type tcp", how: How::By(check::tcp) },
    Keyword { names: &["HTTP_GET"], key: "check of type http", how: How::By(check::http) },
    Keyword { names: &["SSL_GET"], key: "check of type https", how: How::By(check::https) },
    Keyword { names: &["SMTP_CHECK"], key: "check of type smtp", how: How::By(check::smtp) },
    Keyword { names: &["DNS_CHECK"], key: "check of type dns", how: How::By(check::dns) },
    Keyword { names: &["UDP_CHECK"], key: "check of type udp", how: How::By(check::udp) },
    Keyword { names: &["PING_CHECK"], key: "check of type ping", how: How::By(check::ping) },
    Keyword { names: &["MISC_CHECK"], key: "check of type script", how: How::By(check::misc) },
    Keyword { names: &["FILE_CHECK"], key: "check of type file", how: How::By(check::file) },
    Keyword { names: &["BFD_CHECK"], key: "a check of type tcp with a short interval", how: How::Lost },
    Keyword { names: &["snmp_name"], key: "there is no SNMP", how: How::Lost },
    Keyword { names: &["smtp_alert"], key: "alert", how: How::Flag(true) },
];

/// `virtual_server_group NAME { … }`
pub(super) fn group(site: &mut Site, item: &Item, cx: &mut Context) {
    let Some(name) = item.word(1) else { return misread(site, item, cx) };
    let mut members = Vec::new();
    for line in item.items() {
        if line.name() == "fwmark" {
            match line.word(1).and_then(|mark| mark.parse().ok()) {
                Some(mark) => members.push(Member::Mark(mark, line.word(2).and_then(ip_family))),
                None => misread(site, line, cx),
            }
            continue;
        }
        let port = line.word(1).map(str::parse::<u16>).transpose();
        match (values::addresses(line.name()), port) {
            (Some(addresses), Ok(port)) => {
                let port = port.filter(|port| *port != 0);
                members.extend(addresses.into_iter().map(|address| Member::Address(address, port)));
            }
            _ => misread(site, line, cx),
        }
    }
    cx.groups.insert(name.to_owned(), members);
}

/// `virtual_server … { … }`
pub(super) fn virtual_server(site: &mut Site, item: &Item, cx: &mut Context) {
    let members = match item.word(1) {
        Some("group") => item.word(2).and_then(|name| cx.groups.get(name)).cloned(),
        Some("fwmark") => {
            item.word(2).and_then(|mark| mark.parse().ok()).map(|mark| vec![Member::Mark(mark, None)])
        }
        _ => values::address_and_port(item, 1).map(|(address, port)| vec![Member::Address(address, port)]),
    };
    let Some(members) = members else { return misread(site, item, cx) };
    let mut service = Service::new("[[virtual_server]]", Timing::new());
    service.table.comments.clone_from(&item.comments);
    // What its servers inherit may stand behind them.
    let is_server = |inner: &&Item| inner.name() == "real_server";
    let (servers, own): (Vec<&Item>, Vec<&Item>) = item.items().iter().partition(is_server);
    for inner in own.into_iter().chain(servers) {
        read("virtual_server", VIRTUAL, &mut service, std::slice::from_ref(inner), cx);
    }
    service.finish(&members);
    site.services.extend(service.of(&members));
}

impl Service {
    fn finish(&mut self, members: &[Member]) {
        drop_default(&mut self.table, "scheduler", "wlc");
        drop_default(&mut self.table, "forward", "nat");
        let mut tables: Vec<Table> = self.servers.drain(..).map(|server| server.table).collect();
        let nat = Value::from("nat");
        for table in &mut tables {
            // What it would inherit anyway need not be said; NAT in a service of another way must be.
            if table.get("forward") == Some(self.table.get("forward").unwrap_or(&nat))
                && table.get("tunnel").is_none()
                && self.table.get("tunnel").is_none()
            {
                table.take("forward");
            }
        }
        for table in &mut tables {
            port_of_service(table, self.table.get("forward"), members);
        }
        // A way stays where it is if its tunnels differ, or if the sorry server would take it for its own.
        let tunnel = |table: &Table| table.get("tunnel").cloned();
        let way = tables.iter().all(|table| tunnel(table) == tables.first().and_then(tunnel))
            && self.table.get("sorry_server").is_none();
        for key in ["check", "forward", "tunnel", "notify_up", "notify_down"] {
            // A key of the service is a default already.
            if way || !["forward", "tunnel"].contains(&key) {
                hoist(&mut tables, &mut self.table, key);
            }
        }
        if let [only] = tables.as_mut_slice()
            && self.table.get("check").is_none()
            && let Some(check) = only.take("check")
        {
            self.table.set("check", check);
        }
        let plain = |table: &Table| {
            table.keys().eq(["address"]) && table.comments.is_empty() && table.remarks.is_empty()
        };
        if tables.iter().all(plain) {
            let servers: Value = tables.iter_mut().filter_map(|table| table.take("address")).collect();
            if !matches!(&servers, Value::List(list) if list.is_empty()) {
                self.table.set("real_servers", servers);
            }
        } else {
            self.table.children = tables;
        }
    }

    /// The tables: one for all addresses, and one for each mark.
    fn of(mut self, members: &[Member]) -> Vec<Table> {
        let addresses: Vec<String> = members
            .iter()
            .filter_map(|member| match member {
                Member::Address(address, port) => Some(values::endpoint(*address, *port)),
                Member::Mark(..) => None,
            })
            .collect();
        let mut made = Vec::new();
        let first = ["address", "addresses", "fwmark", "family", "protocol", "scheduler", "forward", "check"];
        if !addresses.is_empty() {
            let mut table = self.table.clone();
            table.take("family");
            match addresses.as_slice() {
                [only] => table.set("address", only.as_str()),
                many => table.set("addresses", many.iter().map(String::as_str).collect::<Value>()),
            }
            // keepalived means UDP where nothing is said.
            let protocol = self.protocol.take().unwrap_or(Value::from("udp"));
            table.set("protocol", protocol);
            drop_default(&mut table, "protocol", "tcp");
            table.order(&first);
            made.push(table);
        }
        for member in members {
            if let Member::Mark(mark, family) = member {
                let mut table = self.table.clone();
                table.set("fwmark", *mark);
                if let Some(family) = family {
                    table.set("family", *family);
                }
                table.order(&first);
                made.push(table);
            }
        }
        made
    }
}

/// Only NAT changes the port of a packet. keepalived takes another one for DR and TUN all the same, and checks it.
fn port_of_service(server: &mut Table, inherited: Option<&Value>, members: &[Member]) {
    let nat = Value::from("nat");
    let forward = server.get("forward").or(inherited).unwrap_or(&nat);
    let Some(Value::Text(address)) = server.get("address").cloned() else { return };
    let Ok(at) = address.parse::<std::net::SocketAddr>() else { return };
    let other = |member: &Member| !matches!(member, Member::Address(_, Some(port)) if *port == at.port());
    if *forward == nat || !members.iter().any(other) {
        return;
    }
    server.set("address", at.ip().to_string());
    server.remarks.push(format!(
        "port {}: packets reach the port of the service, whatever keepalived is told",
        at.port()
    ));
    let with_port = |check: &mut Value| {
        if let Value::Table(pairs) = check
            && !pairs.iter().any(|(key, value)| {
                key == "port"
                    || (key == "type" && ["script", "file", "ping"].map(Value::from).contains(value))
            })
        {
            pairs.push(("port".to_owned(), i64::from(at.port()).into()));
        }
    };
    if let Some(mut check) = server.take("check") {
        if let Value::List(checks) = &mut check {
            checks.iter_mut().for_each(with_port);
        } else {
            with_port(&mut check);
        }
        server.set("check", check);
    }
}

fn real_server(service: &mut Service, item: &Item, cx: &mut Context) {
    let Some((address, port)) = values::address_and_port(item, 1) else { return misread(service, item, cx) };
    let mut server = Service::new("[[virtual_server.real_server]]", service.timing.clone());
    server.table.comments.clone_from(&item.comments);
    server.table.set("address", values::endpoint(address, port));
    // What its checks inherit may stand behind them.
    let is_check = |inner: &&Item| inner.block.is_some();
    let (checks, own): (Vec<&Item>, Vec<&Item>) = item.items().iter().partition(is_check);
    for inner in own.into_iter().chain(checks) {
        read("real_server", REAL, &mut server, std::slice::from_ref(inner), cx);
    }
    if server.table.get("weight") == Some(&Value::Number(1)) && service.table.get("weight").is_none() {
        server.table.take("weight");
    }
    let mut checks = std::mem::take(&mut server.checks);
    let check = if checks.len() == 1 { checks.remove(0) } else { Value::List(checks) };
    server.table.set("check", check);
    service.servers.push(server);
}

/// `NAT`, `DR`, or `TUN` with the kind of tunnel.
fn forward(service: &mut Service, item: &Item, cx: &mut Context) {
    let Some((forward, tunnel)) = method(item) else { return misread(service, item, cx) };
    service.table.set("forward", forward);
    if let Some(tunnel) = tunnel {
        service.table.set("tunnel", tunnel);
    }
}

fn method(item: &Item) -> Option<(&'static str, Option<Value>)> {
    let mut words = item.values();
    let forward = match words.next()?.to_ascii_uppercase().as_str() {
        "NAT" => "nat",
        "DR" => "dr",
        "TUN" => "tun",
        _ => return None,
    };
    let mut pairs: Vec<(String, Value)> = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "type" => pairs.push(("type".to_owned(), words.next()?.into())),
            "port" => pairs.push(("port".to_owned(), words.next()?.parse::<i64>().ok()?.into())),
            "nocsum" => {}
            "csum" => pairs.push(("checksum".to_owned(), "plain".into())),
            "remcsum" => pairs.push(("checksum".to_owned(), "remote".into())),
            _ => return None,
        }
    }
    Some((forward, (!pairs.is_empty()).then_some(Value::Table(pairs))))
}

fn protocol(service: &mut Service, item: &Item, cx: &mut Context) {
    match item.word(1).map(str::to_ascii_lowercase).as_deref() {
        Some(name @ ("tcp" | "udp" | "sctp")) => service.protocol = Some(Value::from(name)),
        _ => misread(service, item, cx),
    }
}

fn persistence(service: &mut Service, item: &Item, cx: &mut Context) {
    let seconds = item.word(1).map_or(Some(360), |word| word.parse::<u64>().ok());
    match seconds {
        Some(0) => {}
        Some(seconds) => service.table.set("persistence", format!("{seconds}s")),
        None => misread(service, item, cx),
    }
}

fn granularity(service: &mut Service, item: &Item, cx: &mut Context) {
    let bits = item.word(1).and_then(|word| match word.parse::<std::net::Ipv4Addr>() {
        Ok(mask) => Some(i64::from(u32::from(mask).leading_ones())),
        Err(_) => word.parse::<i64>().ok(),
    });
    match bits {
        Some(bits) => service.table.set("persistence_granularity", bits),
        None => misread(service, item, cx),
    }
}

fn scheduler_flag(service: &mut Service, item: &Item, _: &mut Context) {
    service.table.push("scheduler_flags", item.name());
}

fn ip_family(word: &str) -> Option<&'static str> {
    match word {
        "inet" => Some("ipv4"),
        "inet6" => Some("ipv6"),
        _ => None,
    }
}

fn family(service: &mut Service, item: &Item, cx: &mut Context) {
    match item.word(1).and_then(ip_family) {
        Some(family) => service.table.set("family", family),
        None => misread(service, item, cx),
    }
}

fn sorry(service: &mut Service, item: &Item, cx: &mut Context) {
    let Some((address, port)) = values::address_and_port(item, 1) else { return misread(service, item, cx) };
    let address = values::endpoint(address, port);
    match service.table.get("sorry_server") {
        Some(Value::Table(_)) => service.table.set_in("sorry_server", "address", address),
        Some(Value::Text(_) | Value::Number(_) | Value::Flag(_) | Value::List(_)) | None => {
            service.table.set("sorry_server", address);
        }
    }
}

/// A sorry server of which more is said than its address.
fn sorry_as_table(service: &mut Service) {
    if let Some(Value::Text(address)) = service.table.get("sorry_server").cloned() {
        service.table.take("sorry_server");
        service.table.set_in("sorry_server", "address", address);
    }
}

fn sorry_inhibit(service: &mut Service, _: &Item, _: &mut Context) {
    sorry_as_table(service);
    service.table.set_in("sorry_server", "inhibit_on_failure", true);
}

fn sorry_forward(service: &mut Service, item: &Item, cx: &mut Context) {
    let Some((forward, tunnel)) = method(item) else { return misread(service, item, cx) };
    sorry_as_table(service);
    service.table.set_in("sorry_server", "forward", forward);
    if tunnel.is_some() {
        lost(service, item, "the kind of tunnel to a sorry server", cx);
    }
}
