//! The lab is itself under test: its witnesses must see what is there, with Debian's keepalived on both sides.

use std::time::Duration;

use lab::keepalived::Instance;
use lab::packet::Checksum;
use lab::{Behaviour, HttpServer, Keepalived, Lan, Monitor, Netns, Result, SECONDS_10, arping, get, wait};

const VIP: &str = "192.168.152.200";

#[test]
fn two_keepalived_share_an_address_and_the_witnesses_agree() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (a, b) = (lan.host("a", &["192.168.152.11/24"])?, lan.host("b", &["192.168.152.12/24"])?);
    let client = lan.host("client", &["192.168.152.10/24"])?;
    let wire = lan.capture()?;
    let config = |priority| Instance::v2(51, priority, VIP).password("1111").config();
    let first = Keepalived::start(&a, &config(100))?;
    let second = Keepalived::start(&b, &config(90))?;
    first.wait_state("VI_1", "MASTER", SECONDS_10)?;
    second.wait_state("VI_1", "BACKUP", SECONDS_10)?;
    let advert = wire.wait_advert(SECONDS_10, |advert| advert.vrid == 51)?;
    assert_eq!((advert.version, advert.priority, advert.checksum), (2, 100, Checksum::Message));
    assert_eq!(&advert.auth_data[..4], b"1111");
    a.wait_address(VIP, SECONDS_10)?;
    assert!(!b.has_address(VIP)?);
    assert_eq!(arping(&client, "eth0", VIP)?, [a.mac("eth0")?]);

    let mark = wire.mark();
    first.stop()?;
    let (released, _) = wire.wait_advert_from(mark, SECONDS_10, |advert| advert.priority == 0)?;
    b.wait_address(VIP, SECONDS_10)?;
    let announced = wire.wait_from(mark, "a gratuitous ARP", SECONDS_10, |frame| {
        frame.packet.announced().is_some_and(|address| address.to_string() == VIP)
    })?;
    assert!(announced.at > released);
    assert_eq!(arping(&client, "eth0", VIP)?, [b.mac("eth0")?]);
    Ok(())
}

#[test]
fn a_killed_keepalived_is_gone_with_all_its_processes() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let a = lan.host("a", &["192.168.152.11/24", "fe80::11/64"])?;
    let peer = Keepalived::start(&a, &Instance::v3(51, 100, "fe80::200").config())?;
    peer.wait_state("VI_1", "MASTER", SECONDS_10)?;
    assert_eq!(a.pids().len(), 2);
    peer.kill()?;
    assert_eq!(a.pids(), Vec::<i32>::new());
    Ok(())
}

#[test]
fn a_host_goes_with_its_guard_even_when_the_test_panics() -> Result {
    lab::require_privileges()?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let panicking = std::thread::spawn(move || {
        let host = Netns::new("panic").unwrap();
        let folder = lab::TempDir::new().unwrap();
        let sleeper = lab::Process::start(&host, &["sleep", "1000"], &folder.path().join("log")).unwrap();
        sender.send((host.name().to_owned(), sleeper.pid())).unwrap();
        panic!("on purpose");
    });
    let (name, pid) = receiver.recv().map_err(|error| lab::Error::new(error.to_string()))?;
    assert!(panicking.join().is_err());
    assert!(!std::path::Path::new("/run/netns").join(name).exists());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    Ok(())
}

#[test]
fn plugs_and_cuts_do_what_they_say() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (a, b) = (lan.host("a", &["192.0.2.1/24"])?, lan.host("b", &["192.0.2.2/24"])?);
    let carrier = || Ok(a.ip("link show dev eth0")?.contains("LOWER_UP"));
    let heard = || Ok(!arping(&b, "eth0", "192.0.2.1")?.is_empty());
    let changes = Monitor::start(&a, &["link"])?;
    assert!(heard()?);
    lan.isolate(&a, "eth0")?;
    assert!(carrier()? && !heard()?);
    lan.join(&a, "eth0")?;
    wait::until("the wire to be whole", SECONDS_10, heard)?;
    let mark = changes.log().mark();
    lan.unplug(&a, "eth0")?;
    wait::until("the carrier to go", SECONDS_10, || Ok(!carrier()?))?;
    changes.log().wait_from(mark, "eth0", SECONDS_10)?;
    lan.plug(&a, "eth0")?;
    wait::until("the carrier to come", SECONDS_10, carrier)?;
    a.ip("link del eth0")?;
    lan.attach(&a, "eth0", &["192.0.2.1/24"])?;
    wait::until("the new wire", SECONDS_10, heard)
}

#[test]
fn the_web_server_behaves_as_told() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (web, client) = (lan.host("web", &["192.0.2.1/24"])?, lan.host("client", &["192.0.2.2/24"])?);
    let server = HttpServer::start(&web, "192.0.2.1:80", "web1")?;
    let ask = || get(&client, "192.0.2.1:80", "/healthz", Duration::from_millis(500));
    assert_eq!(ask()?.body, "web1");
    server.behave(Behaviour::Status(503));
    assert_eq!(ask()?.status, 503);
    server.behave(Behaviour::Silent);
    assert!(ask().is_err());
    assert!(server.requests()[0].starts_with("GET /healthz "));
    drop(server);
    assert!(ask().is_err());
    Ok(())
}

#[test]
fn keepalived_and_frr_understand_each_other() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (a, b) = (lan.host("a", &["192.168.152.11/24"])?, lan.host("b", &["192.168.152.12/24"])?);
    let router = lab::frr::Router {
        version: 3,
        vrid: 51,
        priority: 200,
        interval_ms: 1000,
        addresses: vec![VIP.to_owned()],
    };
    let frr = lab::Frr::start(&a, &router)?;
    frr.wait_state(false, "Master", SECONDS_10)?;
    let peer = Keepalived::start(&b, &Instance::v3(51, 100, VIP).config())?;
    peer.wait_state("VI_1", "BACKUP", SECONDS_10)?;
    let wire = lan.capture()?;
    frr.stop()?;
    peer.wait_state("VI_1", "MASTER", SECONDS_10)?;
    wire.wait_advert(SECONDS_10, |advert| advert.priority == 0 && advert.checksum == Checksum::PseudoHeader)?;
    Ok(())
}
