//! A reload touches what it changes and nothing else.

use std::time::Duration;

use e2e::farm::{DR, NAT, TUN, farm};
use lab::{Result, SECONDS_10, Traffic, wait};

use crate::HTTP;

fn config(weight: u32, second: &str) -> String {
    format!(
        r#"
[[virtual_server]]
address = "{NAT}:80"
scheduler = "wrr"
forward = "nat"
check = {HTTP}

[[virtual_server.real_server]]
address = "10.0.0.21:80"
weight = {weight}

[[virtual_server.real_server]]
address = "10.0.0.22:80"

{second}"#
    )
}

fn more(address: &str, forward: &str) -> String {
    format!(
        "[[virtual_server]]\naddress = \"{address}:80\"\nscheduler = \"rr\"\nforward = \"{forward}\"\n\
         check = {HTTP}\nreal_servers = [\"10.0.0.23:80\"]\n"
    )
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_reload_sends_only_the_requests_its_change_needs() -> Result {
    let farm = farm();
    let holdfast = farm.start(&config(1, &more(DR, "dr")))?;
    let nat = |weight: u32| {
        [
            "-A -t 192.0.2.100:80 -s wrr".to_owned(),
            format!("-a -t 192.0.2.100:80 -r 10.0.0.21:80 -m -w {weight}"),
            "-a -t 192.0.2.100:80 -r 10.0.0.22:80 -m -w 1".to_owned(),
        ]
    };
    let dr = ["-A -t 192.0.2.101:80 -s rr", "-a -t 192.0.2.101:80 -r 10.0.0.23:80 -g -w 1"];
    let tun = ["-A -t 192.0.2.102:80 -s rr", "-a -t 192.0.2.102:80 -r 10.0.0.23:80 -i -w 1 --tun-type ipip"];
    let wait_table = |weight: u32, others: &[&str]| {
        let nat = nat(weight);
        farm.wait_saved(&[&nat.each_ref().map(String::as_str)[..], others].concat())
    };
    wait_table(1, &dr)?;
    let services = [format!("{NAT}:80"), format!("{DR}:80")];
    let traffic: Vec<Traffic> = services
        .iter()
        .map(|service| {
            Traffic::start(&farm.client, service, Duration::from_millis(20), Duration::from_secs(5))
        })
        .collect::<Result<_>>()?;
    wait::until("requests", SECONDS_10, || Ok(traffic.iter().all(|traffic| traffic.mark() >= 5)))?;

    let reload = |text: &str| -> Result<Vec<String>> {
        let mark = holdfast.log().mark();
        let done = holdfast.reload(text)?;
        assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
        let log = holdfast.log().text_from(mark);
        let requests = log.lines().filter_map(|line| line.split_once("IPVS request: "));
        Ok(requests.map(|(_, request)| request.to_owned()).collect())
    };

    wait::until("counted requests", SECONDS_10, || Ok(farm.counted(&services[0])?[0] >= 5))?;
    let counted = farm.counted(&services[0])?;
    let requests = reload(&config(3, &more(DR, "dr")))?;
    assert_eq!(requests, ["change destination 10.0.0.21:80 (nat, weight 3) of tcp 192.0.2.100:80"]);
    wait_table(3, &dr)?;
    let after = farm.counted(&services[0])?;
    assert!(after.iter().zip(&counted).all(|(after, before)| after >= before), "{counted:?} {after:?}");

    let requests = reload(&config(3, &[more(DR, "dr"), more(TUN, "tun")].concat()))?;
    assert_eq!(
        requests,
        [
            "add service tcp 192.0.2.102:80 (scheduler rr)",
            "add destination 10.0.0.23:80 (tun, weight 1) to tcp 192.0.2.102:80"
        ]
    );
    wait_table(3, &[&dr[..], &tun[..]].concat())?;

    let requests = reload(&config(3, &more(DR, "dr")))?;
    assert_eq!(requests, ["remove service tcp 192.0.2.102:80"]);
    wait_table(3, &dr)?;

    assert_eq!(reload(&config(3, &more(DR, "dr")))?, [""; 0], "nothing changed, nothing is sent");

    let mark = holdfast.log().mark();
    assert_ne!(holdfast.reload(&config(3, &more(DR, "drr")))?.code, Some(0), "a faulty file is refused");
    assert!(!holdfast.log().text_from(mark).contains("IPVS request"));
    wait_table(3, &dr)?;

    for traffic in &traffic {
        assert_eq!(traffic.failed(0), 0, "{:?}", traffic.samples_from(0));
    }
    drop(traffic);
    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(farm.saved()?, [""; 0]);
    Ok(())
}
