//! Forwarding methods, schedulers, persistence: the table as configured, and requests that go where it says.

use std::collections::BTreeMap;

use e2e::farm::{DR, DR6, NAT, TUN, farm};
use lab::Result;

use crate::HTTP;

fn counts(expected: &[(&str, u32)]) -> BTreeMap<String, u32> {
    expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn requests_are_distributed_as_the_schedulers_should() -> Result {
    let farm = farm();
    let tcp = r#"{ type = "tcp", interval = "1s", warm_up = "100ms" }"#;
    let holdfast = farm.start(&format!(
        r#"
[[virtual_server]]
address = "{NAT}:80"
scheduler = "rr"
forward = "nat"
check = {HTTP}
real_servers = ["10.0.0.21:80", "10.0.0.22:80", "10.0.0.23:80"]

[[virtual_server]]
address = "{DR}:80"
scheduler = "wrr"
forward = "dr"
check = {tcp}

[[virtual_server.real_server]]
address = "10.0.0.21:80"
weight = 3

[[virtual_server.real_server]]
address = "10.0.0.22:80"

[[virtual_server]]
address = "{TUN}:80"
scheduler = "lc"
forward = "tun"
check = {tcp}
real_servers = ["10.0.0.21:80", "10.0.0.22:80"]

[[virtual_server]]
address = "[{DR6}]:80"
scheduler = "rr"
forward = "dr"
check = {tcp}
real_servers = ["[2001:db8:2::21]:80", "[2001:db8:2::23]:80"]
"#
    ))?;
    farm.wait_saved(&[
        "-A -t 192.0.2.100:80 -s rr",
        "-a -t 192.0.2.100:80 -r 10.0.0.21:80 -m -w 1",
        "-a -t 192.0.2.100:80 -r 10.0.0.22:80 -m -w 1",
        "-a -t 192.0.2.100:80 -r 10.0.0.23:80 -m -w 1",
        "-A -t 192.0.2.101:80 -s wrr",
        "-a -t 192.0.2.101:80 -r 10.0.0.21:80 -g -w 3",
        "-a -t 192.0.2.101:80 -r 10.0.0.22:80 -g -w 1",
        "-A -t 192.0.2.102:80 -s lc",
        "-a -t 192.0.2.102:80 -r 10.0.0.21:80 -i -w 1 --tun-type ipip",
        "-a -t 192.0.2.102:80 -r 10.0.0.22:80 -i -w 1 --tun-type ipip",
        "-A -t [2001:db8:1::101]:80 -s rr",
        "-a -t [2001:db8:1::101]:80 -r [2001:db8:2::21]:80 -g -w 1",
        "-a -t [2001:db8:1::101]:80 -r [2001:db8:2::23]:80 -g -w 1",
    ])?;
    let nat = farm.ask_often(&format!("{NAT}:80"), 12)?;
    assert_eq!(nat, counts(&[("web1", 4), ("web2", 4), ("web3", 4)]));
    let dr = farm.ask_often(&format!("{DR}:80"), 16)?;
    assert_eq!(dr, counts(&[("web1", 12), ("web2", 4)]));
    let tun = farm.ask_often(&format!("{TUN}:80"), 12)?;
    assert!(tun.len() == 2 && tun.values().all(|count| (5..=7).contains(count)), "lc is even: {tun:?}");
    let dr6 = farm.ask_often(&format!("[{DR6}]:80"), 6)?;
    assert_eq!(dr6, counts(&[("web1", 3), ("web3", 3)]));
    farm.wait_counted(&format!("{NAT}:80"), 12)?;
    farm.wait_counted(&format!("{DR}:80"), 16)?;

    let status = holdfast.status()?;
    let server = "/checker/virtual_servers/1/real_servers/0";
    let connections = ["active_connections", "inactive_connections"]
        .map(|field| status.pointer(&format!("{server}/{field}")).and_then(serde_json::Value::as_u64));
    let [Some(active), Some(inactive)] = connections else { panic!("no counts: {status}") };
    assert!(active + inactive >= 12, "{active} + {inactive}");

    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(farm.saved()?, [""; 0], "nothing is left behind");
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn persistence_and_every_kind_of_setting_reach_the_kernel() -> Result {
    let farm = farm();
    let _holdfast = farm.start(&format!(
        r#"
[[virtual_server]]
address = "{DR}:80"
scheduler = "rr"
forward = "dr"
persistence = "50s"
check = []
real_servers = ["10.0.0.21:80", "10.0.0.22:80"]

[[virtual_server]]
fwmark = 7
family = "ipv4"
scheduler = "sh"
scheduler_flags = ["sh-port", "sh-fallback"]
forward = "dr"
check = []
real_servers = ["10.0.0.21"]

[[virtual_server]]
address = "{NAT}:53"
protocol = "udp"
one_packet = true
scheduler = "wlc"
forward = "nat"
check = []

[[virtual_server.real_server]]
address = "10.0.0.21:5353"
weight = 5
upper_threshold = 100
lower_threshold = 50

[[virtual_server.real_server]]
address = "10.0.0.22:53"
forward = "tun"
tunnel = {{ type = "gue", port = 6080 }}

[[virtual_server]]
address = "{TUN}:5060"
protocol = "udp"
scheduler = "mh"
scheduler_flags = ["mh-port"]
persistence = "5m"
persistence_granularity = 24
persistence_engine = "sip"
forward = "tun"
check = []
real_servers = ["10.0.0.23:5060"]

[[virtual_server]]
address = "{TUN}:36412"
protocol = "sctp"
scheduler = "sed"
forward = "nat"
check = []
real_servers = ["10.0.0.23:36412"]
"#
    ))?;
    farm.wait_saved(&[
        "-A -t 192.0.2.101:80 -s rr -p 50",
        "-a -t 192.0.2.101:80 -r 10.0.0.21:80 -g -w 1",
        "-a -t 192.0.2.101:80 -r 10.0.0.22:80 -g -w 1",
        "-A -u 192.0.2.100:53 -s wlc -o",
        "-a -u 192.0.2.100:53 -r 10.0.0.21:5353 -m -w 5",
        "-a -u 192.0.2.100:53 -r 10.0.0.22:53 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
        "-A -u 192.0.2.102:5060 -s mh -p 300 -M 255.255.255.0 --pe sip -b mh-port",
        "-a -u 192.0.2.102:5060 -r 10.0.0.23:5060 -i -w 1 --tun-type ipip",
        "-A --sctp-service 192.0.2.102:36412 -s sed",
        "-a --sctp-service 192.0.2.102:36412 -r 10.0.0.23:36412 -m -w 1",
        "-A -f 7 -s sh -b sh-fallback,sh-port",
        "-a -f 7 -r 10.0.0.21:0 -g -w 1",
    ])?;
    let answers = farm.ask_often(&format!("{DR}:80"), 6)?;
    assert_eq!(answers.into_values().collect::<Vec<_>>(), [6], "one client stays with one server");
    Ok(())
}
