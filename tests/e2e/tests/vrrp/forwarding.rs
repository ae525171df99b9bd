//! Packets that are not adverts: what a director takes, and what one that routes does not pass on.

use lab::{Capture, Holdfast, Lan, Result, SECONDS_10, wait};

use super::{NAME, QUIET, Two, VIP, VIP6, config, with_addresses};

/// Host `a` stands on a second wire as well and routes between the two.
fn router(two: &Two) -> Result<Lan> {
    let behind = Lan::new()?;
    behind.attach(&two.a, "eth1", &["198.51.100.1/24"])?;
    two.a.sysctl("net/ipv4/ip_forward", "1")?;
    Ok(behind)
}

#[test]
fn w4_adverts_do_not_reach_another_wire() -> Result {
    let two = Two::new()?;
    let behind = router(&two)?;
    let seen = behind.capture()?;
    let _b = Holdfast::start(&two.b, &config(200, ""))?;
    let a = Holdfast::start(&two.a, &config(100, ""))?;
    let heard = || Ok(a.instance(NAME, "/advertisements/received")?.as_u64() > Some(5));
    wait::until("a to hear b", SECONDS_10, heard)?;
    assert_eq!(seen.adverts(), []);
    Ok(())
}

#[test]
fn s21_a_master_does_not_forward_what_is_for_its_address() -> Result {
    let two = Two::new()?;
    let _behind = router(&two)?;
    let seen = Capture::start_with(&two.a, "eth1", "udp port 4711")?;
    // Whoever sends to the address is made to send it to a, and a has a way for it to the other wire.
    two.b.ip(&format!("neigh add {VIP} lladdr {} dev eth0", two.a.mac("eth0")?))?;
    two.a.ip(&format!("route add {VIP}/32 dev eth1"))?;
    two.a.ip(&format!("neigh add {VIP} lladdr 02:00:00:00:00:99 dev eth1"))?;
    let send = || two.b.run(&["bash", "-c", &format!("echo hello >/dev/udp/{VIP}/4711")]).map(drop);
    let forwarded = |mark: usize| !seen.frames_from(mark).is_empty();
    // Without the address it is a router's work: the test could fail.
    wait::until("a datagram on the other wire", SECONDS_10, || {
        send()?;
        Ok(forwarded(0))
    })?;
    let a = Holdfast::start(&two.a, &config(200, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    two.a.wait_address(VIP, SECONDS_10)?;
    let mark = seen.mark();
    send()?;
    wait::stays("nothing forwarded", QUIET, || Ok(!forwarded(mark)))?;
    Ok(())
}

/// Accept mode, which is on as keepalived's users expect; over IPv6 the asker finds the master by the solicited-node
/// group of the address.
#[test]
fn s15_s16_packets_to_the_address_are_taken() -> Result {
    let two = Two::new()?;
    let ping = |address: &str| {
        two.b.output(&["ping", "-n", "-c", "1", "-W", "1", address]).map(|o| o.code == Some(0))
    };
    assert!(!ping(VIP)?, "nobody has the address yet");
    for (addresses, address) in [(format!("\"{VIP}\""), VIP), (format!("\"fe80::200\", \"{VIP6}\""), VIP6)] {
        let a = Holdfast::start(&two.a, &with_addresses(200, &addresses, ""))?;
        a.wait_state(NAME, "master", SECONDS_10)?;
        wait::until("an answer", SECONDS_10, || ping(address))?;
    }
    Ok(())
}
