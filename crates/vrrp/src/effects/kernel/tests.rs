use super::*;

fn name(text: &str) -> LinkName {
    LinkName::new(text).unwrap()
}

fn link(index: u32, name: &str) -> Link {
    Link {
        index: IfIndex(index),
        name: name.into(),
        up: true,
        running: true,
        loopback: false,
        arp: true,
        multicast: true,
        hardware: 1,
        mac: None,
        mtu: 1500,
        parent: None,
        master: None,
        kind: None,
        alias: None,
    }
}

/// The events of some reports, and whether all could be translated.
fn run(reports: Vec<monitor::Event>) -> (Vec<String>, bool) {
    let (mut names, mut out) = (Names::default(), Vec::new());
    let whole = reports.into_iter().all(|report| translate(report, &mut names, &Marks::Kept, &mut out));
    let words = out.iter().map(|event| {
        if let Event::LinkChanged { link, facts } = event {
            format!("{link} is {}", facts.index.0)
        } else if let Event::LinkVanished { link } = event {
            format!("{link} gone")
        } else if let Event::AddressAppeared { link, address } = event {
            format!("{} on {link}", address.address)
        } else if let Event::AddressVanished { link, address } = event {
            format!("{address} left {link}")
        } else {
            format!("{event:?}")
        }
    });
    (words.collect(), whole)
}

fn address(index: u32) -> Address {
    Address::new(IfIndex(index), "192.0.2.1".parse().unwrap(), 24)
}

#[test]
fn reports_become_events_by_name() {
    let (events, whole) = run(vec![
        monitor::Event::LinkSet(link(3, "eth0")),
        monitor::Event::AddressSet(address(3)),
        monitor::Event::AddressSet(address(4)),
        monitor::Event::AddressGone(address(3)),
        monitor::Event::LinkGone(link(3, "eth0")),
        monitor::Event::LinkGone(link(3, "eth0")),
    ]);
    assert!(whole);
    assert_eq!(events, ["eth0 is 3", "192.0.2.1 on eth0", "192.0.2.1 left eth0", "eth0 gone"]);
}

#[test]
fn a_link_without_neighbours_has_no_hardware_address_to_announce() {
    let ethernet = Link { mac: Some(link::Mac([2, 0, 0, 0, 0, 1])), ..link(3, "eth0") };
    assert_eq!(facts(&ethernet).mac, Some(Mac([2, 0, 0, 0, 0, 1])));
    assert_eq!(facts(&Link { arp: false, ..ethernet.clone() }).mac, None);
    assert_eq!(facts(&Link { loopback: true, ..ethernet }).mac, None);
}

#[test]
fn an_interface_made_anew_under_the_old_name_survives_the_late_end_of_the_old_one() {
    let (events, whole) = run(vec![
        monitor::Event::LinkSet(link(3, "eth0")),
        monitor::Event::LinkSet(link(7, "eth0")),
        monitor::Event::LinkGone(link(3, "eth0")),
    ]);
    assert!(whole);
    assert_eq!(events, ["eth0 is 3", "eth0 is 7"]);
}

#[test]
fn a_renamed_interface_and_lost_reports_ask_for_the_whole_picture() {
    let renamed = vec![monitor::Event::LinkSet(link(3, "eth0")), monitor::Event::LinkSet(link(3, "lan0"))];
    assert!(!run(renamed).1);
    assert!(!run(vec![monitor::Event::Resync]).1);
}

#[test]
fn kernels_that_drop_the_mark_are_known_by_their_release() {
    for (release, marks) in [
        ("6.18.44-fc", Marks::Kept),
        ("5.18.0", Marks::Kept),
        ("10.0", Marks::Kept),
        ("5.17.9-arch1", Marks::Dropped),
        ("5.10.0-28-amd64", Marks::Dropped),
        ("4.19", Marks::Dropped),
        ("unheard of", Marks::Kept),
    ] {
        assert_eq!(Marks::of_release(release), marks, "{release}");
    }
}

#[test]
fn without_the_mark_a_short_lease_is_ours() {
    let mut address = address(3);
    address.protocol = 0;
    assert!(!Marks::Dropped.observed(&address).ours);
    address.lifetime = Lifetime::Seconds { valid: 3, preferred: 3 };
    assert!(Marks::Dropped.observed(&address).ours);
    assert!(!Marks::Kept.observed(&address).ours);
    address.lifetime = Lifetime::Seconds { valid: 86_400, preferred: 86_400 };
    assert!(!Marks::Dropped.observed(&address).ours);
}

#[test]
fn an_address_whose_duplicate_detection_runs_or_failed_is_not_usable() {
    for (flags, usable) in [(0, true), (TENTATIVE, false), (DADFAILED, false)] {
        assert_eq!(Marks::Kept.observed(&Address { flags, ..address(3) }).usable, usable);
    }
    assert_eq!(name("eth0").as_str(), "eth0");
}

#[test]
fn late_news_of_an_interface_we_replaced_do_not_hide_the_new_one() {
    let (mut names, mut out) = (Names::default(), Vec::new());
    names.set(IfIndex(7), name("vrrp.51"));
    names.forget(IfIndex(7));
    names.set(IfIndex(8), name("vrrp.51"));
    let late = [
        monitor::Event::LinkSet(link(7, "vrrp.51")),
        monitor::Event::AddressGone(address(7)),
        monitor::Event::LinkGone(link(7, "vrrp.51")),
    ];
    for report in late {
        assert!(translate(report, &mut names, &Marks::Kept, &mut out));
    }
    assert!(out.is_empty(), "{out:?}");
    assert_eq!(names.index(name("vrrp.51")), Some(IfIndex(8)));
    translate(monitor::Event::LinkSet(link(8, "vrrp.51")), &mut names, &Marks::Kept, &mut out);
    assert_eq!(out.len(), 1);
}
