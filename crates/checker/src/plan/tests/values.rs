use std::rc::Rc;
use std::time::Duration;

use common::ipvs::{Checksum, Forward, ServiceKey, Tunnel};

use super::plan;
use crate::checks::Kind;
use crate::machine::schedule::Initial;
use crate::plan::VirtualServer;

fn one(text: &str) -> VirtualServer {
    let mut plan = plan(text);
    assert_eq!(plan.virtual_servers.len(), 1);
    Rc::into_inner(plan.virtual_servers.remove(0)).unwrap()
}

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

const SMALL: &str = "[[virtual_server]]\naddress = \"192.0.2.1:80\"\ncheck = { type = \"tcp\" }\nreal_servers = [\"10.0.0.1\"]\n";

#[test]
fn the_smallest_useful_file_has_sensible_defaults() {
    let server = one(SMALL);
    assert_eq!(server.services, [key("tcp 192.0.2.1:80")]);
    assert_eq!(server.service.scheduler.as_str(), "wlc");
    assert_eq!(server.service.persistence, None);
    assert_eq!((server.quorum, server.hysteresis), (1, 0));
    let real = &server.real_servers[0];
    assert_eq!(
        (real.weight, real.terms.forward, real.terms.inhibit_on_failure),
        (1, Forward::Masquerade, false)
    );
    assert_eq!(real.key(server.services[0]).to_string(), "10.0.0.1:80");
    let check = real.checks().next().unwrap();
    assert_eq!(check.target(), "10.0.0.1:80".parse().unwrap());
    let timing = &check.settings.timing;
    assert_eq!((timing.interval, timing.timeout), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!((timing.retries, timing.retry_delay), (1, Duration::from_secs(1)));
    assert_eq!((timing.warm_up, timing.initial), (Duration::from_secs(10), Initial::Up));
    assert!(plan(SMALL).ipvs);
}

#[test]
fn the_configuration_of_the_design_is_understood() {
    let server = one(r#"
        [[virtual_server]]
        address = "192.168.1.100:80"
        protocol = "tcp"
        scheduler = "wrr"
        forward = "dr"
        persistence = "50s"
        sorry_server = "127.0.0.1"
        check = { type = "http", path = "/healthz", status = [200], interval = "6s", timeout = "3s", retries = 3, retry_delay = "3s" }

        [[virtual_server.real_server]]
        address = "192.168.1.11:80"
        weight = 1

        [[virtual_server.real_server]]
        address = "192.168.1.12:80"
        weight = 2
        check = [{ type = "tcp" }, { type = "script", command = ["/etc/holdfast/chk.sh"] }]
    "#);
    assert_eq!(server.service.persistence.unwrap().timeout, 50);
    assert_eq!(server.service_for(server.services[0]).persistence.unwrap().granularity, 32);
    assert_eq!(server.sorry.as_ref().unwrap().key(server.services[0]).to_string(), "127.0.0.1:80");
    let [first, second] = &server.real_servers[..] else { panic!("two servers") };
    assert_eq!((first.weight, second.weight, first.terms.forward), (1, 2, Forward::DirectRoute));
    let Kind::Http(http) = &first.terms.checks[0].settings.kind else { panic!("http") };
    let [url] = &http.urls[..] else { panic!("one URL") };
    assert_eq!(url.path, "/healthz");
    assert!(url.status.contains(200) && !url.status.contains(204));
    let timing = &first.terms.checks[0].settings.timing;
    assert_eq!((timing.retries, timing.retry_delay), (3, Duration::from_secs(3)));
    let kinds: Vec<&str> = second.terms.checks.iter().map(|check| check.settings.kind.name()).collect();
    assert_eq!(kinds, ["tcp", "script"]);
}

#[test]
fn servers_inherit_and_override() {
    let server = one(r#"
        [[virtual_server]]
        address = "192.0.2.1:80"
        weight = 7
        forward = "tun"
        tunnel = { type = "gue", port = 6080, checksum = "plain" }
        inhibit_on_failure = true
        notify_up = "/up a"
        notify_down = ["/down"]
        quorum_up = "/qup"
        quorum_down = "/qdown"
        check = []
        real_servers = ["10.0.0.1"]
        [[virtual_server.real_server]]
        address = "10.0.0.2"
        weight = 0
        forward = "dr"
        inhibit_on_failure = false
        upper_threshold = 100
        lower_threshold = 50
        notify_up = "/mine"
        [[virtual_server.real_server]]
        address = "10.0.0.3"
        forward = "tun"
        tunnel = { type = "gre" }
    "#);
    let [plain, own, gre] = &server.real_servers[..] else { panic!("three servers") };
    let gue = Forward::Tunnel(Tunnel::Gue { port: 6080, checksum: Checksum::Plain });
    assert_eq!((plain.weight, plain.terms.forward, plain.terms.inhibit_on_failure), (7, gue, true));
    assert_eq!(
        (own.weight, own.terms.forward, own.terms.inhibit_on_failure),
        (0, Forward::DirectRoute, false)
    );
    assert_eq!((own.terms.upper_threshold, own.terms.lower_threshold), (100, 50));
    assert_eq!(gre.terms.forward, Forward::Tunnel(Tunnel::Gre { checksum: Checksum::None }));
    let command = |command: &Option<common::config::CommandLine>| command.as_ref().unwrap().to_string();
    assert_eq!(command(&plain.terms.notify.up), "/up a");
    assert_eq!(
        (command(&own.terms.notify.up), command(&own.terms.notify.down)),
        ("/mine".into(), "/down".into())
    );
    assert_eq!(
        (command(&server.on_quorum.up), command(&server.on_quorum.down)),
        ("/qup".into(), "/qdown".into())
    );
    assert!(plain.terms.checks.is_empty());
}

#[test]
fn marks_take_their_family_from_the_servers_or_say_it() {
    let text = |family: &str, server: &str| {
        format!(
            "[[virtual_server]]\nfwmark = 10\n{family}\ncheck = {{ type = \"tcp\", port = 8080 }}\nreal_servers = [\"{server}\"]\n"
        )
    };
    assert_eq!(one(&text("", "10.0.0.1")).services, [key("fwmark 10 ipv4")]);
    let six = one(&text("family = \"ipv6\"", "[2001:db8::1]:80"));
    assert_eq!(six.services, [key("fwmark 10 ipv6")]);
    assert_eq!(six.real_servers[0].checks().next().unwrap().target(), "[2001:db8::1]:8080".parse().unwrap());
    assert_eq!(six.real_servers[0].key(six.services[0]).port, 80);
}

#[test]
fn a_group_is_one_virtual_server_with_several_services() {
    let server = one(r#"
        [[virtual_server]]
        addresses = ["192.0.2.1:80", "192.0.2.1:443", "[2001:db8::1]:80"]
        protocol = "udp"
        one_packet = true
        persistence = "6m"
        persistence_engine = "sip"
        forward = "tun"
        scheduler = "sh"
        scheduler_flags = ["sh-port", "sh-fallback"]
        check = { type = "tcp", port = 22 }
        real_servers = ["10.0.0.1"]
    "#);
    let keys = ["udp 192.0.2.1:80", "udp 192.0.2.1:443", "udp [2001:db8::1]:80"].map(key);
    assert_eq!(server.services, keys);
    let ports: Vec<u16> = keys.iter().map(|key| server.real_servers[0].key(*key).port).collect();
    assert_eq!(ports, [80, 443, 80]);
    assert!(server.service.one_packet);
    assert_eq!(server.service.persistence.unwrap().engine.unwrap().as_str(), "sip");
    assert_ne!(server.service.flags, common::ipvs::SchedulerFlags::default());
}

#[test]
fn a_service_for_all_ports_needs_no_port_but_persistence() {
    let server = one(r#"
        [[virtual_server]]
        address = "192.0.2.1"
        persistence = 300
        persistence_granularity = 24
        check = { type = "tcp", port = 22, address = "10.9.9.9", source = "10.9.9.1", interface = "eth7", fwmark = 5 }
        real_servers = ["10.0.0.1"]
    "#);
    assert_eq!(server.services, [key("tcp 192.0.2.1:0")]);
    assert_eq!(server.service.persistence.unwrap().granularity, 24);
    let check = server.real_servers[0].checks().next().unwrap();
    assert_eq!(check.target(), "10.9.9.9:22".parse().unwrap());
    let dial = &check.settings.dial;
    assert_eq!(dial.source, Some("10.9.9.1".parse().unwrap()));
    assert_eq!(dial.interface.as_ref().unwrap().as_str(), "eth7");
    assert_eq!(dial.fwmark.unwrap().get(), 5);
}

#[test]
fn every_timing_key_is_read() {
    let server = one(r#"
        [[virtual_server]]
        address = "192.0.2.1:80"
        check = { type = "tcp", interval = "2s", timeout = "1500ms", retries = 4, retry_delay = "250ms", warm_up = 0, rise = 2, fall = 3, initial = "down", log_all_failures = true }
        real_servers = ["10.0.0.1"]
    "#);
    let settings = &server.real_servers[0].terms.checks[0].settings;
    let timing = &settings.timing;
    let ms = Duration::from_millis;
    assert_eq!((timing.interval, timing.timeout, timing.retry_delay), (ms(2000), ms(1500), ms(250)));
    assert_eq!((timing.retries, timing.rise, timing.fall), (4, 2, 3));
    assert_eq!((timing.warm_up, timing.initial), (Duration::ZERO, Initial::Down));
    assert!(settings.log_all_failures);
}

#[test]
fn a_short_interval_shortens_the_default_time_limit() {
    let server = one(&SMALL.replace("\"tcp\"", "\"tcp\", interval = \"1s\""));
    assert_eq!(server.real_servers[0].terms.checks[0].settings.timing.timeout, Duration::from_secs(1));
}

#[test]
fn the_same_check_twice_is_one_check() {
    let server = one(&SMALL.replace("{ type = \"tcp\" }", "[{ type = \"tcp\" }, { type = \"tcp\" }]"));
    assert_eq!(server.real_servers[0].terms.checks.len(), 1);
}

#[test]
fn ipvs_can_be_left_alone() {
    assert!(!plan(&format!("[checker]\nipvs = false\n{SMALL}")).ipvs);
}

#[test]
fn mail_is_sent_about_a_server_as_about_its_service_unless_it_says_otherwise() {
    let of = |service: &str, server: &str, sorry: &str| {
        let server = one(&format!(
            "[[virtual_server]]\naddress = \"192.0.2.1:80\"\ncheck = []\n{service}\n\
             sorry_server = {{ address = \"10.0.0.9\"{sorry} }}\n\
             [[virtual_server.real_server]]\naddress = \"10.0.0.1\"\n{server}\n\
             [[virtual_server.real_server]]\naddress = \"10.0.0.2\"\n"
        ));
        let members: Vec<Option<bool>> = server.members().map(|member| member.terms.alert).collect();
        (server.alert, members)
    };
    assert_eq!(of("", "", ""), (None, vec![None, None, None]));
    assert_eq!(of("alert = false", "", ""), (Some(false), vec![Some(false); 3]));
    assert_eq!(
        of("alert = false", "alert = true", ""),
        (Some(false), vec![Some(true), Some(false), Some(false)])
    );
    assert_eq!(of("", "", ", alert = true"), (None, vec![None, None, Some(true)]));
}
