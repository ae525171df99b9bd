//! What needs no server: echo requests and datagrams.

use lab::{Lan, Result};

use crate::Bench;

#[test]
fn a_host_is_alive_while_it_answers_pings() -> Result {
    for range in ["1 0", "0 2147483647"] {
        let bench = Bench::new("ping")?;
        let lan = Lan::new()?;
        lan.attach(&bench.host, "eth0", &["192.0.2.1/24", "2001:db8::1/64"])?;
        let peer = lan.host("peer", &["192.0.2.2/24", "2001:db8::2/64"])?;
        // Both kinds of socket: raw where the datagram kind is not allowed.
        bench.host.sysctl("net/ipv4/ping_group_range", range)?;
        let watched = bench.checked("192.0.2.2:80", "type = \"ping\"")?;
        watched.alive("echo reply")?;
        lan.unplug(&peer, "eth0")?;
        watched.dead("no echo reply in time")?;
        lan.plug(&peer, "eth0")?;
        watched.alive("echo reply")?;
        drop(watched);
        let check = "type = \"ping\", address = \"2001:db8::2\"";
        bench.checked("192.0.2.2:80", check)?.alive("echo reply")?;
    }
    Ok(())
}

#[test]
fn a_datagram_is_refused_where_nobody_listens() -> Result {
    let bench = Bench::new("udp")?;
    let echo = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', 7))\n\
                while True:\n    data, peer = s.recvfrom(2000)\n    s.sendto(data, peer)\n";
    let script = bench.write("echo.py", echo)?;
    let mut server = bench.server(&["python3", &script])?;
    let check = "type = \"udp\", payload = \"hello\", reply = \"hel\"";
    let watched = bench.checked("127.0.0.1:7", check)?;
    watched.alive("reply of 5 bytes")?;
    server.kill_tree()?;
    watched.dead("connection refused")
}
