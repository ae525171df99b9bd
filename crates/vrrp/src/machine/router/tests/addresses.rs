//! Addresses of a master: leases, repairs, foreign ones, announcements.

use super::*;

#[test]
fn a_lease_is_refreshed_with_every_advert() {
    let mut m = Machine::master(&instance("announce = { delay = 0 }"));
    let lines = m.pass(10 * SECOND);
    let adverts: Vec<Duration> = timed(&lines, &["advert"]).into_iter().map(|(at, _)| at).collect();
    let refreshes: Vec<Duration> = timed(&lines, &["refresh"]).into_iter().map(|(at, _)| at).collect();
    assert_eq!(adverts, refreshes, "no wake-up of its own");
    assert_eq!(adverts.len(), 10);
}

#[test]
fn a_lease_is_refreshed_in_time_whatever_the_interval() {
    for (interval, lease) in
        [("10ms", 3), ("100ms", 2), ("700ms", 3), ("1s", 3), ("3s", 3), ("40s", 3), ("1s", 60)]
    {
        let mut m = Machine::started(&instance(&format!(
            "advert_interval = \"{interval}\"\naddress_lease = \"{lease}s\"\nannounce = {{ delay = 0 }}"
        )));
        m.pass(200 * SECOND);
        let lines = m.pass(100 * SECOND);
        let refreshes: Vec<Duration> = timed(&lines, &["refresh"]).into_iter().map(|(at, _)| at).collect();
        let mut last = refreshes[0];
        for at in &refreshes {
            // Two refreshes may be lost and the third still comes in time.
            assert!(
                *at - last <= Duration::from_secs(lease) / 3 + MS,
                "{interval} {lease}s: {:?}",
                *at - last
            );
            last = *at;
        }
        let most = 100 * 6 / lease;
        assert!(refreshes.len() as u64 <= most + 2, "{interval} {lease}s: {} refreshes", refreshes.len());
    }
}

#[test]
fn without_a_lease_nothing_is_refreshed() {
    let mut m = Machine::master(&instance("address_lease = false"));
    assert_eq!(timed(&m.pass(10 * SECOND), &["refresh"]), []);
}

#[test]
fn an_address_that_was_removed_by_somebody_comes_back_at_once_and_is_announced() {
    let mut m = Machine::master(&instance(""));
    let appeared = observed("192.0.2.1", true);
    m.handle(Event::AddressAppeared { link: link("eth0"), address: appeared });
    let vanished = Event::AddressVanished { link: link("eth0"), address: ip("192.0.2.1") };
    let lines = m.handle(vanished.clone());
    assert_eq!(
        lines,
        [
            "report address was removed by somebody: putting it back instance=A address=192.0.2.1/24@eth0",
            "install A 192.0.2.1/24@eth0 lifetime=3s",
            "announce A 192.0.2.1 repeat=5",
        ]
    );
    // Again and again: once a second is enough.
    m.handle(Event::AddressAppeared { link: link("eth0"), address: appeared });
    assert_eq!(m.handle(vanished), Vec::<String>::new());
    let lines = m.pass(1100 * MS);
    assert_eq!(timed(&lines, &["install"]).len(), 1, "{lines:?}");
}

#[test]
fn our_own_removal_is_no_news() {
    let mut m = Machine::master(&instance(""));
    m.handle(Event::AddressAppeared { link: link("eth0"), address: observed("192.0.2.1", true) });
    m.hear("10.0.0.9", 200);
    m.pass(4 * SECOND);
    assert_eq!(m.state(), StateName::Master, "again");
    let lines = m.handle(Event::AddressVanished { link: link("eth0"), address: ip("192.0.2.1") });
    assert_eq!(lines, Vec::<String>::new(), "the removal before, heard of late");
}

#[test]
fn an_address_that_could_not_be_installed_is_tried_again() {
    let mut m = Machine::master(&instance("announce = { delay = 0 }"));
    let error = "no room".to_owned();
    let failed = Event::AddressFailed { instance: ID, link: link("eth0"), address: ip("192.0.2.1"), error };
    assert_eq!(m.handle(failed), ["report no room instance=A"]);
    let lines = m.pass(1500 * MS);
    assert_eq!(timed(&lines, &["install"]).len(), 1);
}

#[test]
fn a_foreign_address_is_used_and_left_alone() {
    let mut links = links();
    links[0].addresses.push(observed("192.0.2.1", false));
    let mut m = Machine::with_links(&instance(""), links);
    let lines = m.begin();
    assert_eq!(only(&lines, &["report virtual address is present"]).len(), 1, "{lines:?}");
    let lines = m.pass(4 * SECOND);
    assert_eq!(timed(&lines, &["install", "refresh"]), [], "{lines:?}");
    assert_eq!(timed(&lines, &["announce"]).len(), 1);
    let lines = m.hear("10.0.0.9", 200);
    assert_eq!(only(&lines, &["remove"]), Vec::<String>::new());
}

#[test]
fn a_foreign_address_that_appears_on_a_backup_is_told() {
    let mut m = Machine::started(&instance(""));
    let appeared = |ours| Event::AddressAppeared { link: link("eth0"), address: observed("192.0.2.1", ours) };
    let lines = m.handle(appeared(false));
    assert_eq!(
        lines,
        ["report virtual address is present but not ours: left alone instance=A address=192.0.2.1/24@eth0"]
    );
    assert_eq!(m.handle(appeared(false)), Vec::<String>::new(), "once");
}

#[test]
fn an_owner_keeps_its_own_address_and_may_send_from_it() {
    let mut links = links();
    links[0].addresses = vec![observed("192.0.2.1", false)];
    let mut m = Machine::with_links(&instance("priority = 255"), links);
    let lines = m.begin();
    assert_eq!(m.state(), StateName::Master, "{lines:?}");
    assert_eq!(only(&lines, &["install", "remove"]), Vec::<String>::new());
}

#[test]
fn leftovers_of_an_earlier_run_are_removed_at_start() {
    let mut links = links();
    links[0].addresses.push(observed("192.0.2.1", true));
    let mut m = Machine::with_links(&instance(""), links);
    assert_eq!(only(&m.begin(), &["remove"]), ["remove A 192.0.2.1/24@eth0"]);
}

#[test]
fn a_virtual_address_is_never_the_source_of_adverts() {
    let mut links = links();
    links[0].addresses.insert(0, observed("192.0.2.1", true));
    let mut m = Machine::with_links(&instance(""), links);
    m.begin();
    assert_eq!(m.packets(4 * SECOND)[0].copies[0].source, ip("10.0.0.2"));
}

#[test]
fn the_source_does_not_change_while_it_is_there() {
    let mut m = Machine::master(&instance(""));
    let more = ObservedLink {
        link: link("eth0"),
        facts: facts(2),
        addresses: vec![observed("10.0.0.1", false), observed("10.0.0.2", false)],
    };
    m.handle(Event::LinksObserved(vec![more]));
    assert_eq!(m.packets(2 * SECOND)[0].copies[0].source, ip("10.0.0.2"));
    m.handle(Event::AddressVanished { link: link("eth0"), address: ip("10.0.0.2") });
    assert_eq!(m.packets(2 * SECOND)[0].copies[0].source, ip("10.0.0.1"));
    let lines = m.handle(Event::AddressVanished { link: link("eth0"), address: ip("10.0.0.1") });
    assert!(lines.iter().any(|l| l.contains("has no address to send adverts from")), "{lines:?}");
    assert_eq!(m.state(), StateName::Fault);
}

#[test]
fn announcements_come_in_two_bursts_and_then_as_often_as_wanted() {
    let mut m = Machine::started(&instance(
        "announce = { repeat = 3, delay = \"2s\", refresh = \"10s\", refresh_repeat = 2 }",
    ));
    let lines = timed(&m.pass(30 * SECOND), &["announce"]);
    let first = lines[0].0;
    let seen: Vec<_> = lines.iter().map(|(at, l)| (*at - first, &l[l.len() - 8..])).collect();
    assert_eq!(
        seen,
        [
            (Duration::ZERO, "repeat=3"),
            (2 * SECOND, "repeat=3"),
            (10 * SECOND, "repeat=2"),
            (20 * SECOND, "repeat=2"),
        ]
    );
}

#[test]
fn announcements_can_be_spaced() {
    let text = instance("announce = { repeat = 2, delay = 0, spacing = \"10ms\" }")
        .replace("[\"192.0.2.1/24\"]", "[\"192.0.2.1\", \"192.0.2.2\"]");
    let mut m = Machine::started(&text);
    let lines = timed(&m.pass(6 * SECOND), &["announce"]);
    let first = lines[0].0;
    let seen: Vec<_> = lines.iter().map(|(at, l)| (*at - first, l.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Duration::ZERO, "announce A 192.0.2.1 repeat=1"),
            (10 * MS, "announce A 192.0.2.2 repeat=1"),
            (20 * MS, "announce A 192.0.2.1 repeat=1"),
            (30 * MS, "announce A 192.0.2.2 repeat=1"),
        ]
    );
}

#[test]
fn the_spacing_is_that_of_the_interface_and_shared_by_its_instances() {
    let text = ["A", "B", "C"].iter().enumerate().fold(String::new(), |text, (n, name)| {
        let id = n + 1;
        text + &format!(
            "[[vrrp.instance]]\nname = \"{name}\"\ninterface = \"eth{}\"\nvirtual_router_id = {id}\n\
             virtual_addresses = [\"192.0.2.{id}\"]\nannounce = {{ repeat = 2, delay = 0, spacing = \"10ms\" }}\n",
            n / 2
        )
    });
    let mut m = Machine::started(&text);
    let lines = timed(&m.pass(6 * SECOND), &["announce"]);
    let first = lines[0].0;
    let mut seen: Vec<_> = lines.iter().map(|(at, l)| (l.as_str(), *at - first)).collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("announce A 192.0.2.1 repeat=1", Duration::ZERO),
            ("announce A 192.0.2.1 repeat=1", 20 * MS),
            ("announce B 192.0.2.2 repeat=1", 10 * MS),
            ("announce B 192.0.2.2 repeat=1", 30 * MS),
            // By another interface.
            ("announce C 192.0.2.3 repeat=1", Duration::ZERO),
            ("announce C 192.0.2.3 repeat=1", 10 * MS),
        ]
    );
}

#[test]
fn neighbour_advertisements_have_a_spacing_of_their_own() {
    let text = instance(
        "announce = { repeat = 2, delay = 0, na_spacing = \"10ms\" }\nexcluded_addresses = [\"2001:db8::1\"]",
    );
    let mut m = Machine::started(&text);
    let lines = timed(&m.pass(6 * SECOND), &["announce"]);
    let first = lines[0].0;
    let seen: Vec<_> = lines.iter().map(|(at, l)| (*at - first, l.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Duration::ZERO, "announce A 192.0.2.1 repeat=1"),
            (Duration::ZERO, "announce A 2001:db8::1 repeat=1"),
            (Duration::ZERO, "announce A 192.0.2.1 repeat=1"),
            (10 * MS, "announce A 2001:db8::1 repeat=1"),
        ]
    );
}

#[test]
fn addresses_on_another_interface_are_announced_again_by_themselves() {
    let text = instance(
        "announce = { repeat = 1, delay = 0, elsewhere_refresh = \"2s\" }\n\
         excluded_addresses = [{ address = \"198.51.100.1/24\", interface = \"eth1\" }]",
    );
    let mut m = Machine::started(&text);
    let lines = timed(&m.pass(8 * SECOND), &["announce"]);
    let first = lines[0].0;
    let seen: Vec<_> = lines.iter().map(|(at, l)| (*at - first, l.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Duration::ZERO, "announce A 192.0.2.1,198.51.100.1 repeat=1"),
            (2 * SECOND, "announce A 198.51.100.1 repeat=1"),
            (4 * SECOND, "announce A 198.51.100.1 repeat=1"),
        ]
    );
}

#[test]
fn a_reload_can_begin_and_end_the_regular_announcements() {
    let with = |refresh: &str| instance(&format!("announce = {{ delay = 0, refresh = \"{refresh}\" }}"));
    let mut m = Machine::master(&with("0s"));
    assert_eq!(timed(&m.pass(10 * SECOND), &["announce"]), []);
    m.reload(&with("2s"));
    assert_eq!(timed(&m.pass(10 * SECOND), &["announce"]).len(), 5);
    m.reload(&with("0s"));
    assert_eq!(timed(&m.pass(10 * SECOND), &["announce"]), []);
}

#[test]
fn nothing_is_announced_after_the_master_left() {
    let mut m = Machine::master(&instance("announce = { delay = \"20s\", refresh = \"1s\" }"));
    m.hear("10.0.0.9", 200);
    let mut lines = Vec::new();
    for _ in 0..30 {
        m.hear("10.0.0.9", 200);
        lines.extend(m.pass(SECOND));
    }
    assert_eq!(timed(&lines, &["announce", "advert", "refresh"]), []);
}

#[test]
fn addresses_on_another_interface_come_back_with_it() {
    let text =
        instance("").replace("\"192.0.2.1/24\"", "{ address = \"192.0.2.1/24\", interface = \"eth1\" }");
    let mut m = Machine::master(&text);
    m.handle(Event::AddressAppeared { link: link("eth1"), address: observed("192.0.2.1", true) });
    m.handle(Event::LinkVanished { link: link("eth1") });
    assert_eq!(m.state(), StateName::Master, "it is not the interface of the adverts");
    let lines = m.handle(Event::LinkChanged { link: link("eth1"), facts: facts(9) });
    assert_eq!(effects(&lines), ["install A 192.0.2.1/24@eth1 lifetime=3s", "announce A 192.0.2.1 repeat=5"]);
}

#[test]
fn after_a_resync_missing_addresses_are_put_back() {
    let mut m = Machine::master(&instance(""));
    m.handle(Event::AddressAppeared { link: link("eth0"), address: observed("192.0.2.1", true) });
    let lines = m.handle(Event::LinksObserved(links()));
    assert_eq!(only(&lines, &["install"]), ["install A 192.0.2.1/24@eth0 lifetime=3s"]);
}

#[test]
fn excluded_addresses_are_held_and_not_advertised() {
    let mut m = Machine::started(&instance("excluded_addresses = [\"192.0.2.77\", \"2001:db8::1\"]"));
    let lines = m.pass(4 * SECOND);
    assert_eq!(
        timed(&lines, &["install"])[0].1,
        "install A 192.0.2.1/24@eth0,192.0.2.77/32@eth0,2001:db8::1/128@eth0 lifetime=3s"
    );
    let packets = m.packets(2 * SECOND);
    assert_eq!(packets[0].copies[0].payload.len(), 12);
}
