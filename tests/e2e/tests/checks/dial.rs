//! From where a check asks, how often, and what is this machine's own fault.

use std::time::Duration;

use lab::{Holdfast, HttpServer, Lan, Result, SECONDS_10, wait};
use serde_json::Value;

use crate::{Bench, LIMIT};

#[test]
fn a_check_goes_through_its_interface() -> Result {
    let bench = Bench::new("interface")?;
    // The same address behind both interfaces.
    let lans = [Lan::new()?, Lan::new()?];
    let mut servers = Vec::new();
    for (lan, (name, interface)) in lans.iter().zip([("left", "eth0"), ("right", "eth1")]) {
        lan.attach(&bench.host, interface, &["192.0.2.1/24"])?;
        let peer = lan.host(name, &["192.0.2.2/24"])?;
        let server = HttpServer::start(&peer, "192.0.2.2:80", name)?;
        servers.push((peer, server));
    }
    for (interface, name) in [("eth0", "left"), ("eth1", "right")] {
        let check = format!("type = \"http\", interface = \"{interface}\", body_match = \"^{name}$\"");
        bench.checked("192.0.2.2:80", &check)?.alive("status 200")?;
    }
    let watched = bench.checked("192.0.2.2:80", "type = \"http\", interface = \"eth7\", initial = \"up\"")?;
    watched.alive("not checked: cannot use interface eth7: no such device")
}

#[test]
fn the_mark_of_a_check_chooses_its_route() -> Result {
    let bench = Bench::new("fwmark")?;
    let lan = Lan::new()?;
    lan.attach(&bench.host, "eth0", &["192.0.2.1/24"])?;
    let peer = lan.host("peer", &["192.0.2.2/24", "198.51.100.7/32"])?;
    let _server = HttpServer::start(&peer, "198.51.100.7:80", "peer")?;
    bench.host.ip("rule add fwmark 77 table 100")?;
    bench.host.ip("route add 198.51.100.7 via 192.0.2.2 table 100")?;
    let up = "type = \"http\", initial = \"up\", retry_delay = \"50ms\"";
    bench.checked("198.51.100.7:80", up)?.alive("not checked: no route to its network")?;
    bench.checked("198.51.100.7:80", "type = \"http\", fwmark = 77")?.alive("status 200")
}

#[test]
fn a_source_that_is_not_there_yet_is_no_fault_of_the_server() -> Result {
    let bench = Bench::new("source")?;
    let lan = Lan::new()?;
    lan.attach(&bench.host, "eth0", &["192.0.2.1/24"])?;
    let peer = lan.host("peer", &["192.0.2.2/24"])?;
    let server = HttpServer::start(&peer, "192.0.2.2:80", "peer")?;
    let check = "type = \"tcp\", source = \"192.0.2.9\", initial = \"up\", retry_delay = \"100ms\"";
    let watched = bench.checked("192.0.2.2:80", check)?;
    watched.alive("not checked: cannot connect from 192.0.2.9: cannot assign requested address")?;
    let counted = |name: &str| -> Result<u64> {
        let server = watched.server()?;
        Ok(server.pointer(&format!("/checks/0/{name}")).and_then(Value::as_u64).unwrap_or_default())
    };
    wait::until("it to be tried again", LIMIT, || Ok(counted("local_errors")? >= 3))?;
    assert_eq!(counted("failures")?, 0);
    let log = watched.holdfast.log().text();
    assert!(
        log.contains("check not possible, the server keeps its state type=tcp target=192.0.2.2:80"),
        "{log}"
    );
    // The server is dead meanwhile, which nobody can know.
    drop(server);
    let before = counted("local_errors")?;
    wait::until("it to be tried again", LIMIT, || Ok(counted("local_errors")? > before + 1))?;
    watched.alive("not checked")?;
    bench.host.ip("addr add 192.0.2.9/32 dev eth0")?;
    watched.dead("connection refused")?;
    let _server = HttpServer::start(&peer, "192.0.2.2:80", "peer")?;
    watched.alive("connection accepted")
}

#[test]
fn a_checker_out_of_descriptors_takes_nobody_for_dead() -> Result {
    let bench = Bench::new("descriptors")?;
    let mut server = Some(HttpServer::start(&bench.host, "127.0.0.1:80", "only")?);
    let config = "[checker]\nipvs = false\n\n[watchdog]\nhello_interval = \"500ms\"\nhello_timeout = \"2s\"\n\n\
                  [[virtual_server]]\naddress = \"192.0.2.100:80\"\nreal_servers = [\"127.0.0.1:80\"]\n\
                  check = { type = \"tcp\", interval = \"200ms\", retries = 0, retry_delay = \"100ms\", warm_up = 0 }\n";
    let holdfast = Holdfast::start(&bench.host, config)?;
    let checked = |what: &str, want: &dyn Fn(&Value) -> bool| {
        wait::until(what, LIMIT, || {
            let status = holdfast.status()?;
            Ok(status.pointer("/checker/virtual_servers/0/real_servers/0").is_some_and(want))
        })
    };
    let field = |server: &Value, name: &str| server.pointer(name).and_then(Value::as_u64).unwrap_or_default();
    checked("the first pass", &|server| field(server, "/checks/0/attempts") > 1)?;
    let checker = holdfast.child("checker")?;
    let limit =
        |limit: &str| lab::run(&["prlimit", "--pid", &checker.to_string(), &format!("--nofile={limit}:")]);
    let limits = lab::run(&[
        "prlimit",
        "--pid",
        &checker.to_string(),
        "--nofile",
        "--output",
        "SOFT",
        "--noheadings",
    ])?;
    limit("3")?;
    // Out of descriptors it cannot take clients either: its log tells.
    drop(server.take());
    let words = "check not possible, the server keeps its state";
    wait::until("errors of this machine", LIMIT, || Ok(holdfast.log().text().matches(words).count() >= 3))?;
    // The watchdog's questions are answered all the while: it has its connection.
    let mark = holdfast.log().mark();
    wait::stays("nobody is killed", Duration::from_secs(4), || {
        let log = holdfast.log().text_from(mark);
        Ok(lab::alive(checker) && !log.contains("did not answer") && !log.contains("real server down"))
    })?;
    limit(limits.trim())?;
    checked("the death", &|server| server.pointer("/alive") == Some(&false.into()))?;
    let status = holdfast.status()?;
    let found = status.pointer("/checker/virtual_servers/0/real_servers/0").ok_or("no server")?;
    assert!(field(found, "/checks/0/local_errors") >= 3, "{found}");
    assert_eq!(holdfast.child("checker")?, checker);
    let log = holdfast.log().text();
    assert!(log.contains("reason=\"cannot open a socket: too many open files\""), "{log}");
    Ok(())
}

#[test]
fn what_many_services_ask_alike_is_asked_once() -> Result {
    let bench = Bench::new("shared")?;
    let server = HttpServer::start(&bench.host, "127.0.0.1:80", "only")?;
    let check = "{ type = \"http\", interval = \"100ms\", warm_up = 0, path = \"/shared\" }";
    let service = |number: u8, check: &str| {
        format!(
            "[[virtual_server]]\naddress = \"192.0.2.{number}:80\"\nreal_servers = [\"127.0.0.1:80\"]\ncheck = {check}\n"
        )
    };
    let mut config = "[checker]\nipvs = false\n\n".to_owned();
    for number in 1..=20 {
        config += &service(number, check);
    }
    // Another interval is another check.
    config += &service(21, &check.replace("100ms", "1s").replace("shared", "alone"));
    let holdfast = Holdfast::start(&bench.host, &config)?;
    let count = || server.requests().iter().filter(|request| request.starts_with("GET /shared ")).count();
    wait::until("thirty requests", LIMIT, || Ok(count() >= 30))?;
    let before = count() as u64;
    let status = holdfast.status()?;
    let after = count() as u64;
    for service in 0..20 {
        let attempts =
            status.pointer(&format!("/checker/virtual_servers/{service}/real_servers/0/checks/0/attempts"));
        let attempts = attempts.and_then(Value::as_u64).unwrap_or_default();
        // One may be under way.
        assert!(
            attempts + 1 >= before && attempts <= after,
            "{attempts} attempts, {before} to {after} requests"
        );
    }
    wait::until("the other one", SECONDS_10, || {
        Ok(server.requests().iter().any(|request| request.starts_with("GET /alone ")))
    })?;
    // All of them hear of its death from the one check.
    drop(server);
    wait::until("all to be dead", LIMIT, || {
        let status = holdfast.status()?;
        let alive = |service: usize| {
            status.pointer(&format!("/checker/virtual_servers/{service}/real_servers/0/alive")).cloned()
        };
        Ok((0..21).all(|service| alive(service) == Some(false.into())))
    })
}
