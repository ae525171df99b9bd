//! Who leaves without having failed: connections are kept for a while; and who is told at the end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use e2e::farm::{Farm, NAT, farm};
use lab::{Behaviour, Result, SECONDS_10, TempDir, wait};

use crate::HTTP;

const SERVICE: &str = "-A -t 192.0.2.100:80 -s rr";
const BOTH: [&str; 2] = ["10.0.0.21:80", "10.0.0.22:80"];

fn text(keys: &str, servers: &[&str]) -> String {
    format!(
        "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = {HTTP}\n{keys}\n\
         real_servers = {servers:?}\n"
    )
}

fn wait_weights(farm: &Farm, servers: &[(u8, u8)]) -> Result {
    let lines = servers.iter();
    let lines =
        lines.map(|(last, weight)| format!("-a -t 192.0.2.100:80 -r 10.0.0.2{last}:80 -m -w {weight}"));
    let expected: Vec<String> = [SERVICE.to_owned()].into_iter().chain(lines).collect();
    farm.wait_lines(&expected)
}

/// A connection of the client that is answered, and stays.
fn connect(farm: &Farm) -> Result<TcpStream> {
    let address: SocketAddr = format!("{NAT}:80").parse()?;
    let stream = farm.client.enter(|| TcpStream::connect_timeout(&address, SECONDS_10))??;
    stream.set_read_timeout(Some(SECONDS_10))?;
    Ok(stream)
}

/// Asks over a connection that stood before: who answers.
fn ask(mut stream: &TcpStream) -> Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.rsplit("\r\n").next().unwrap_or_default().to_owned())
}

/// Closes it so that the kernel forgets it soon.
fn reset(stream: &TcpStream) -> Result {
    let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    Ok(nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &at_once)?)
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_server_that_is_removed_keeps_its_connections_until_it_has_none() -> Result {
    let farm = farm();
    let one = ["10.0.0.21:80"];
    let holdfast = farm.start(&text("drain = \"5m\"", &one))?;
    wait_weights(&farm, &[(1, 1)])?;
    let stream = connect(&farm)?;
    assert_eq!(holdfast.reload(&text("drain = \"5m\"", &["10.0.0.22:80"]))?.code, Some(0));
    wait_weights(&farm, &[(1, 0), (2, 1)])?;
    assert_eq!(farm.ask_often(&format!("{NAT}:80"), 3)?.into_keys().collect::<Vec<_>>(), ["web2"]);
    let status = holdfast.status()?;
    let leaving = status.pointer("/checker/virtual_servers/0/leaving/0").ok_or("nobody leaves")?;
    assert_eq!(leaving.pointer("/address"), Some(&"10.0.0.21:80".into()));
    assert_eq!(leaving.pointer("/active_connections"), Some(&1.into()), "{leaving}");
    // A killed checker forgets neither whom it let go nor until when.
    let before = holdfast.child("checker")?;
    holdfast.signal_child("checker", nix::sys::signal::Signal::SIGKILL)?;
    wait::until("another checker", SECONDS_10, || {
        Ok(holdfast.child("checker").is_ok_and(|pid| pid != before))
    })?;
    wait_weights(&farm, &[(1, 0), (2, 1)])?;
    assert_eq!(ask(&stream)?, "web1", "the connection stands");
    reset(&stream)?;
    drop(stream);
    // The kernel remembers a closed connection for a while; it may have been closed from the other side.
    let limit = Duration::from_secs(180);
    wait::until("web1 to go", limit, || Ok(farm.saved()?.len() == 2))?;
    wait_weights(&farm, &[(2, 1)])?;
    let log = holdfast.log().text();
    assert!(log.contains("real server has no connections left: removed"), "{log}");
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_server_that_keeps_its_connections_goes_when_its_time_is_over() -> Result {
    let mut farm = farm();
    // The sorry server makes way, and so does a server for it: both for so long.
    let keys = "drain = \"3s\"\nsorry_server = \"10.0.0.23:80\"\nquorum = 2";
    let holdfast = farm.start(&text(keys, &BOTH))?;
    wait_weights(&farm, &[(1, 1), (2, 1)])?;
    let streams = [connect(&farm)?, connect(&farm)?];
    farm.stop_web(1);
    // web1 has failed and goes at once; web2 makes way, and keeps its connections.
    wait_weights(&farm, &[(2, 0), (3, 1)])?;
    wait_weights(&farm, &[(3, 1)])?;
    let log = holdfast.log().text();
    assert!(log.contains("real server still has connections, but no more time: removed"), "{log}");
    let held = connect(&farm)?;
    farm.start_web(1)?;
    wait_weights(&farm, &[(1, 1), (2, 1), (3, 0)])?;
    assert_eq!(ask(&held)?, "web3");
    wait_weights(&farm, &[(1, 1), (2, 1)])?;
    drop(streams);
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn without_drain_it_goes_at_once() -> Result {
    let farm = farm();
    let holdfast = farm.start(&text("", &BOTH))?;
    wait_weights(&farm, &[(1, 1), (2, 1)])?;
    let streams = [connect(&farm)?, connect(&farm)?];
    let mark = holdfast.log().mark();
    assert_eq!(holdfast.reload(&text("", &BOTH[1..]))?.code, Some(0));
    wait_weights(&farm, &[(2, 1)])?;
    let log = holdfast.log().text_from(mark);
    let requests: Vec<_> =
        log.lines().filter_map(|line| line.split_once("IPVS request: ")).map(|(_, what)| what).collect();
    assert_eq!(requests, ["remove destination 10.0.0.21:80 from tcp 192.0.2.100:80"]);
    drop(streams);
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn the_end_is_told_where_that_is_wanted_and_only_of_what_was_up() -> Result {
    for (wanted, expected) in [(true, &["DOWN 10.0.0.21:80", "QUORUM"][..]), (false, &[])] {
        let farm = farm();
        let folder = TempDir::new()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777))?;
        let notes = folder.path().join("notes");
        let script = folder
            .write("notify", &format!("#!/bin/sh\necho \"$@\" $HOLDFAST_SERVER >>{}\n", notes.display()))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        farm.web(2)?.behave(Behaviour::Status(500));
        let script = script.display();
        let keys = format!(
            "notify_on_stop = {wanted}\nnotify_down = \"{script} DOWN\"\nquorum_down = \"{script} QUORUM\""
        );
        let holdfast = farm.start(&text(&keys, &BOTH))?;
        wait_weights(&farm, &[(1, 1)])?;
        wait::until("the first notice", SECONDS_10, || Ok(notes.exists()))?;
        let mark = fs::read_to_string(&notes)?.len();
        assert_eq!(holdfast.stop()?, 0);
        let text = fs::read_to_string(&notes)?;
        let mut lines: Vec<&str> = text[mark..].lines().map(str::trim).collect();
        lines.sort_unstable();
        assert_eq!(text[..mark].trim(), "DOWN 10.0.0.22:80");
        assert_eq!(lines, expected);
        farm.web(2)?.behave(Behaviour::Status(200));
    }
    Ok(())
}
