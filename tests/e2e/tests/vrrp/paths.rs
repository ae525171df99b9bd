//! `also_via`: two directors with two wires between them, cut where neither notices: both carriers stay up.

use lab::{Holdfast, Lan, Netns, Result, SECONDS_10, TempDir, wait};

use super::{NAME, VIP, config, transitions};

/// Two hosts, each with eth0 on the first wire and eth1 on the second.
struct Wires {
    a: Netns,
    b: Netns,
    main: Lan,
    second: Lan,
}

#[derive(Clone, Copy)]
enum By {
    Group,
    Peers,
}

/// A master may be silent for so many adverts: more than a busy machine keeps it from speaking.
const PATIENT: &str = "down_timer_adverts = 20\n";

impl Wires {
    #[track_caller]
    fn new() -> Result<Self> {
        lab::require_privileges()?;
        let (main, second) = (Lan::new()?, Lan::new()?);
        let host = |label: &str, number: u32| -> Result<Netns> {
            let (v4, v6) = (format!("192.168.152.{number}/24"), format!("fe80::{number}/64"));
            let host = main.host(label, &[&v4, &v6])?;
            // In the other order, so that whoever compares the wrong addresses is found out.
            let (v4, v6) = (format!("10.1.0.{}/24", 99 - number), format!("fe80::1:{number}/64"));
            second.attach(&host, "eth1", &[&v4, &v6])?;
            Ok(host)
        };
        let (a, b) = (host("a", 11)?, host("b", 12)?);
        Ok(Self { a, b, main, second })
    }

    fn text(&self, host: &Netns, priority: u8, by: By, extra: &str) -> String {
        let peer = if host.name() == self.a.name() { "10.1.0.87" } else { "10.1.0.88" };
        let via = match by {
            By::Group => "{ interface = \"eth1\" }".to_owned(),
            By::Peers => format!("{{ interface = \"eth1\", peers = [\"{peer}\"], ttl = 64 }}"),
        };
        let patience = if extra.contains("down_timer_adverts") { "" } else { PATIENT };
        config(priority, &format!("also_via = [{via}]\n{patience}{extra}"))
    }

    fn start(&self, by: By, extra: &str) -> Result<(Holdfast, Holdfast)> {
        let a = Holdfast::start(&self.a, &self.text(&self.a, 200, by, extra))?;
        a.wait_state(NAME, "master", SECONDS_10)?;
        let b = Holdfast::start(&self.b, &self.text(&self.b, 100, by, extra))?;
        wait::until("b to hear a by both", SECONDS_10, || Ok(received(&b, 0)? > 2 && received(&b, 1)? > 2))?;
        Ok((a, b))
    }
}

fn received(holdfast: &Holdfast, path: usize) -> Result<u64> {
    let count = holdfast.instance(NAME, &format!("/paths/{path}/received"))?;
    Ok(count.as_u64().unwrap_or_default())
}

fn is_lost(holdfast: &Holdfast, path: usize) -> Result<bool> {
    Ok(holdfast.instance(NAME, &format!("/paths/{path}/lost"))?.is_string())
}

fn is_master(holdfast: &Holdfast) -> Result<bool> {
    Ok(holdfast.instance(NAME, "/state")? == "master")
}

/// Waits for more adverts by a path than a master may be silent for.
#[track_caller]
fn outlasts_silence(holdfast: &Holdfast, path: usize) -> Result {
    let heard = received(holdfast, path)?;
    wait::until(
        "adverts by the path that is left",
        SECONDS_10,
        || Ok(received(holdfast, path)? >= heard + 25),
    )
}

/// Each path cut in turn moves nobody; both are a split, and whichever heals first ends it.
fn one_holder_while_a_path_is_left(by: By, extra: &str) -> Result {
    let wires = Wires::new()?;
    let (a, b) = wires.start(by, extra)?;
    let before = (transitions(&a)?, transitions(&b)?);
    let stays = |path: usize| -> Result {
        outlasts_silence(&b, path)?;
        assert_eq!((transitions(&a)?, transitions(&b)?), before, "one holder:\n{}", b.log().tail(20));
        Ok(())
    };

    wires.main.isolate(&wires.b, "eth0")?;
    wait::until("b to miss the first path", SECONDS_10, || is_lost(&b, 0))?;
    stays(1)?;
    b.log().wait("path of adverts lost instance=VI_1 path=\"eth0", SECONDS_10)?;
    wires.main.join(&wires.b, "eth0")?;
    wait::until("the first path", SECONDS_10, || Ok(!is_lost(&b, 0)?))?;

    wires.second.isolate(&wires.b, "eth1")?;
    wait::until("b to miss the second path", SECONDS_10, || is_lost(&b, 1))?;
    stays(0)?;
    wires.second.join(&wires.b, "eth1")?;
    wait::until("the second path", SECONDS_10, || Ok(!is_lost(&b, 1)?))?;
    stays(0)?;

    for main_first in [true, false] {
        wires.second.isolate(&wires.b, "eth1")?;
        wires.main.isolate(&wires.b, "eth0")?;
        b.wait_state(NAME, "master", SECONDS_10)?;
        assert!(is_master(&a)?, "neither can know of the other");
        if main_first {
            wires.main.join(&wires.b, "eth0")?;
        } else {
            wires.second.join(&wires.b, "eth1")?;
        }
        b.wait_state(NAME, "backup", SECONDS_10)?;
        wires.b.wait_no_address(VIP, SECONDS_10)?;
        assert!(is_master(&a)?, "{}", a.log().tail(20));
        wires.main.join(&wires.b, "eth0")?;
        wires.second.join(&wires.b, "eth1")?;
        wait::until("both paths", SECONDS_10, || Ok(!is_lost(&b, 0)? && !is_lost(&b, 1)?))?;
    }
    assert_eq!(transitions(&a)?, before.0, "{}", a.log().tail(20));
    Ok(())
}

#[test]
fn one_holder_while_one_of_two_paths_is_left() -> Result {
    one_holder_while_a_path_is_left(By::Group, "")
}

#[test]
fn one_holder_while_a_path_to_peers_is_left() -> Result {
    one_holder_while_a_path_is_left(By::Peers, "unicast_peers = [\"192.168.152.11\", \"192.168.152.12\"]")
}

#[test]
fn one_holder_while_a_path_is_left_with_signed_adverts() -> Result {
    let folder = TempDir::new()?;
    let key = super::signed::key_file(&folder, "key", 0x11)?;
    let auth = format!("auth = {{ type = \"hmac\", keys = [{{ id = 1, file = \"{key}\" }}] }}");
    one_holder_while_a_path_is_left(By::Group, &auth)
}

/// With a second between adverts, and a password in each.
#[test]
fn one_holder_while_a_path_is_left_in_version_2() -> Result {
    let wires = Wires::new()?;
    let text = |host: &Netns, priority: u8| {
        let extra = "version = 2\ndown_timer_adverts = 3\nauth = { type = \"pass\", password = \"1111\" }";
        wires.text(host, priority, By::Group, extra).replace("\"100ms\"", "\"1s\"")
    };
    let a = Holdfast::start(&wires.a, &text(&wires.a, 200))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let b = Holdfast::start(&wires.b, &text(&wires.b, 100))?;
    wait::until("b to hear a by both", SECONDS_10, || Ok(received(&b, 0)? > 0 && received(&b, 1)? > 0))?;
    let before = (transitions(&a)?, transitions(&b)?);
    wires.main.isolate(&wires.b, "eth0")?;
    wait::until("b to miss the first path", SECONDS_10, || is_lost(&b, 0))?;
    // More adverts than a master may be silent for.
    let heard = received(&b, 1)?;
    wait::until("five adverts by the second path", SECONDS_10, || Ok(received(&b, 1)? >= heard + 5))?;
    assert_eq!((transitions(&a)?, transitions(&b)?), before);
    wires.second.isolate(&wires.b, "eth1")?;
    b.wait_state(NAME, "master", SECONDS_10)
}

/// The backup would wait for the silence otherwise; the adverts are rare, so that it is noticed.
#[test]
fn a_master_whose_cable_is_pulled_says_goodbye_by_the_second_path() -> Result {
    let wires = Wires::new()?;
    let patient = "down_timer_adverts = 100\nstate = \"master\"";
    let (a, b) = wires.start(By::Group, patient)?;
    wires.main.unplug(&wires.a, "eth0")?;
    a.wait_state(NAME, "fault", SECONDS_10)?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    let line = b.log().wait("from=backup to=master", SECONDS_10)?;
    assert!(line.contains("master left"), "{line}");
    Ok(())
}

#[test]
fn ipv6_adverts_go_by_both_paths() -> Result {
    let wires = Wires::new()?;
    let text = |priority: u8| {
        format!(
            "[[vrrp.instance]]\nname = \"{NAME}\"\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = {priority}\n\
             advert_interval = \"100ms\"\nvirtual_addresses = [\"fe80::200\", \"2001:db8::200\"]\n\
             also_via = [{{ interface = \"eth1\" }}]\n{PATIENT}"
        )
    };
    let a = Holdfast::start(&wires.a, &text(200))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let b = Holdfast::start(&wires.b, &text(100))?;
    wait::until("b to hear a by both", SECONDS_10, || Ok(received(&b, 0)? > 2 && received(&b, 1)? > 2))?;
    let before = (transitions(&a)?, transitions(&b)?);
    wires.main.isolate(&wires.b, "eth0")?;
    wait::until("b to miss the first path", SECONDS_10, || is_lost(&b, 0))?;
    outlasts_silence(&b, 1)?;
    assert_eq!((transitions(&a)?, transitions(&b)?), before);
    Ok(())
}
