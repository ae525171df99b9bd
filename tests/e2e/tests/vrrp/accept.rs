//! `accept = false`: what is for the virtual address is dropped, and neighbours find it all the same.

use lab::{Holdfast, Netns, Result, SECONDS_10, arping, wait};
use nix::sys::signal::Signal;

use super::{NAME, QUIET, Two, VIP, VIP6, config, with_addresses};

const OFF: &str = "accept = false";
const FOREIGN: &str = "table inet mine {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t}\n}\n";

fn ping(from: &Netns, address: &str) -> Result<bool> {
    Ok(from.output(&["ping", "-n", "-c", "1", "-W", "1", address])?.code == Some(0))
}

/// Whether a connection to the address is answered by anybody, be it with a refusal.
fn connects(from: &Netns, address: &str) -> Result<bool> {
    let script = format!("exec 3<>/dev/tcp/{address}/4711");
    let said = from.output(&["timeout", "1", "bash", "-c", &script])?;
    Ok(said.code == Some(0) || said.stderr.contains("refused"))
}

fn rules(host: &Netns) -> Result<String> {
    host.run(&["nft", "list", "ruleset"])
}

fn ours(host: &Netns) -> Result<bool> {
    Ok(rules(host)?.contains("holdfast-"))
}

/// A client that has seen the address answer, so that what follows is no trouble of the network.
fn client(two: &Two) -> Result<Netns> {
    two.lan.host("client", &["192.168.152.10/24", "fe80::10/64", "2001:db8::10/64"])
}

#[test]
fn v2_10_s16_a_master_takes_no_ipv4_packets_and_answers_arp() -> Result {
    let two = Two::new()?;
    let client = client(&two)?;
    let (a, _b) = two.start("")?;
    wait::until("an answer", SECONDS_10, || ping(&client, VIP))?;
    assert!(connects(&client, VIP)?, "the test could fail");
    assert!(!ours(&two.a)?);
    assert_eq!(a.reload(&config(200, OFF))?.code, Some(0));
    wait::until("the table", SECONDS_10, || ours(&two.a))?;
    assert!(!ping(&client, VIP)? && !connects(&client, VIP)?);
    let found = || Ok(arping(&client, "eth0", VIP)? == [two.a.mac("eth0")?]);
    wait::until("its answer alone", SECONDS_10, found)?;
    assert!(ping(&client, "192.168.152.11")?, "its own address takes what it took");
    assert!(rules(&two.a)?.contains("priority 150"), "behind IPVS: {}", rules(&two.a)?);
    // With the state it goes.
    assert_eq!(a.stop()?, 0);
    wait::until("no table", SECONDS_10, || Ok(!ours(&two.a)?))
}

#[test]
fn s16_neighbours_find_an_ipv6_address_that_takes_no_packets() -> Result {
    let two = Two::new()?;
    let client = client(&two)?;
    let addresses = format!("\"fe80::200\", \"{VIP6}\"");
    let a = Holdfast::start(&two.a, &with_addresses(200, &addresses, OFF))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    for address in [VIP6, "fe80::200"] {
        let asked = if address == VIP6 { address.to_owned() } else { format!("{address}%eth0") };
        assert!(!ping(&client, &asked)?);
        // Asked to the group, and then to the address itself (neighbour unreachability detection).
        let mac = two.a.mac("eth0")?;
        let known = |state: &str| {
            let neighbour = client.ip(&format!("-6 neigh show {address} dev eth0"))?;
            Ok(neighbour.contains(&mac) && neighbour.contains(state))
        };
        wait::until("the neighbour", SECONDS_10, || known("lladdr"))?;
        client.ip(&format!("-6 neigh change {address} dev eth0 nud probe lladdr {mac}"))?;
        wait::until("an answer to a probe", SECONDS_10, || known("REACHABLE"))?;
        assert!(!ping(&client, &asked)?);
    }
    assert_eq!(a.reload(&with_addresses(200, &addresses, "accept = true"))?.code, Some(0));
    wait::until("an answer", SECONDS_10, || ping(&client, VIP6))?;
    assert!(!ours(&two.a)?);
    Ok(())
}

#[test]
fn s16_an_owner_takes_packets_whatever_accept_says() -> Result {
    let two = Two::new()?;
    let a = Holdfast::start(&two.a, &config(255, OFF))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    wait::until("an answer", SECONDS_10, || ping(&two.b, VIP))?;
    assert!(!ours(&two.a)?);
    Ok(())
}

#[test]
fn it_goes_with_the_virtual_mac_too() -> Result {
    let two = Two::new()?;
    let (a, _b) = two.start("virtual_mac = true\naccept = false")?;
    assert!(!ping(&two.b, VIP)? && !connects(&two.b, VIP)?);
    assert_eq!(arping(&two.b, "eth0", VIP)?, ["00:00:5e:00:01:33"]);
    assert_eq!(a.stop()?, 0);
    wait::until("no table", SECONDS_10, || Ok(!ours(&two.a)?))
}

#[test]
fn other_tables_are_not_touched_and_who_flushes_ours_gets_it_back() -> Result {
    let two = Two::new()?;
    two.a.run(&["nft", FOREIGN])?;
    let (a, b) = two.start(OFF)?;
    assert!(ours(&two.a)?);
    let log = a.log().mark();
    two.a.run(&["nft", "flush ruleset"])?;
    a.log().wait_from(log, "somebody removed a packet filter table of ours", SECONDS_10)?;
    wait::until("the table again", SECONDS_10, || ours(&two.a))?;
    assert!(!ping(&two.b, VIP)?);
    two.a.run(&["nft", FOREIGN])?;
    assert_eq!(a.stop()?, 0);
    assert_eq!(rules(&two.a)?, FOREIGN);
    b.wait_state(NAME, "master", SECONDS_10)?;
    wait::until("the successor's table", SECONDS_10, || ours(&two.b))?;
    Ok(())
}

#[test]
fn a_killed_process_s_table_stays_for_its_successor() -> Result {
    let two = Two::new()?;
    let (a, _b) = two.start(OFF)?;
    let old = a.child("vrrp")?;
    a.signal_child("vrrp", Signal::SIGKILL)?;
    wait::until("a successor", SECONDS_10, || Ok(a.child("vrrp").is_ok_and(|pid| pid != old)))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    assert!(ours(&two.a)? && !ping(&two.b, VIP)?);
    Ok(())
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_or_taken_over() -> Result {
    let two = Two::new()?;
    two.a.run(&["nft", FOREIGN])?;
    let (a, b) = two.start(OFF)?;
    let folder = a.kill()?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    assert!(ours(&two.a)?, "nobody was left to remove it");
    // As the next run's configuration has it: refused by the same table.
    let a = Holdfast::restart(&two.a, folder)?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    assert!(ours(&two.a)? && !ping(&two.b, VIP)?);
    let folder = a.kill()?;
    std::fs::write(folder.path().join("holdfast.toml"), config(50, ""))?;
    let a = Holdfast::restart(&two.a, folder)?;
    wait::until("what was left removed", SECONDS_10, || Ok(rules(&two.a)? == FOREIGN))?;
    let text = a.log().text();
    assert!(text.contains("removed a packet filter table that an earlier run left behind"), "{text}");
    wait::stays("no table", QUIET, || Ok(!ours(&two.a)?))
}

/// Two that hold to the RFC to the letter understand each other.
#[test]
fn w5_v3_7_v2_10_s13_strict_routers_do_as_the_rfc_says() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("strict = true")?;
    let advert = two.wire.wait_advert(SECONDS_10, |advert| advert.priority == 200)?;
    assert_eq!(advert.source_mac, lab::packet::Mac::parse("00:00:5e:00:01:33")?);
    let frames = two.wire.frames();
    let frame = frames.iter().find(|frame| frame.packet.advert().is_some()).ok_or("no advert")?;
    // Version 3, one address: twelve bytes behind the IP header, that sum up without anything else.
    let words = frame.bytes.get(34..46).ok_or("short")?.chunks_exact(2);
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "no pseudo header");
    assert!(!ping(&two.b, VIP)? && ours(&two.a)?);
    assert_eq!(a.stop()?, 0);
    b.wait_state(NAME, "master", SECONDS_10)?;
    Ok(())
}
