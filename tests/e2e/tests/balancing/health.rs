//! The table follows the servers' health: out and in again, sorry server, quorum, weight 0 instead of removal.

use std::time::Duration;

use e2e::farm::{DR, NAT, farm};
use lab::Behaviour;
use lab::{Result, SECONDS_10, Traffic, wait};

use crate::HTTP;

const SERVICE: &str = "192.0.2.100:80";
const ALL: [&str; 4] = [
    "-A -t 192.0.2.100:80 -s rr",
    "-a -t 192.0.2.100:80 -r 10.0.0.21:80 -m -w 1",
    "-a -t 192.0.2.100:80 -r 10.0.0.22:80 -m -w 1",
    "-a -t 192.0.2.100:80 -r 10.0.0.23:80 -m -w 1",
];

fn service(extra: &str, servers: &[&str]) -> String {
    format!(
        "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\nforward = \"nat\"\ncheck = {HTTP}\n\
         {extra}\nreal_servers = {servers:?}\n"
    )
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_dead_server_goes_and_comes_back_under_load() -> Result {
    let mut farm = farm();
    let servers = ["10.0.0.21:80", "10.0.0.22:80", "10.0.0.23:80"];
    let _holdfast = farm.start(&service("", &servers))?;
    farm.wait_saved(&ALL)?;
    let traffic = Traffic::start(&farm.client, SERVICE, Duration::from_millis(20), Duration::from_secs(5))?;

    farm.stop_web(2);
    farm.wait_saved(&[ALL[0], ALL[1], ALL[3]])?;
    let mark = traffic.mark();
    wait::until("requests without web2", SECONDS_10, || Ok(traffic.mark() >= mark + 30))?;
    // The first one may have been on its way before.
    assert_eq!(traffic.failed(mark + 1), 0, "{:?}", traffic.samples_from(mark));
    assert_eq!(traffic.answered_by(mark + 1, "web2"), 0);

    let mark = traffic.mark();
    farm.start_web(2)?;
    farm.wait_saved(&ALL)?;
    wait::until("web2 to answer", SECONDS_10, || Ok(traffic.answered_by(mark, "web2") >= 5))?;
    assert_eq!(traffic.failed(mark), 0);

    // It listens, but what it says is not what is expected.
    farm.web(1)?.behave(Behaviour::Status(503));
    farm.wait_saved(&[ALL[0], ALL[2], ALL[3]])?;
    farm.web(1)?.behave(Behaviour::Status(200));
    farm.wait_saved(&ALL)
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_lost_quorum_brings_the_sorry_server() -> Result {
    let mut farm = farm();
    let extra = "quorum = 2\nsorry_server = \"10.0.0.23:80\"";
    let holdfast = farm.start(&service(extra, &["10.0.0.21:80", "10.0.0.22:80"]))?;
    farm.wait_saved(&ALL[..3])?;
    let sorry = [ALL[0], ALL[3]];
    farm.stop_web(1);
    farm.wait_saved(&sorry)?;
    assert_eq!(farm.ask_often(SERVICE, 4)?.into_iter().collect::<Vec<_>>(), [("web3".to_owned(), 4)]);
    let status = holdfast.status()?;
    let field = |name: &str| status.pointer(&format!("/checker/virtual_servers/0/{name}")).cloned();
    assert_eq!((field("quorum_met"), field("sorry_active")), (Some(false.into()), Some(true.into())));
    farm.start_web(1)?;
    farm.wait_saved(&ALL[..3])?;
    assert_eq!(farm.ask_often(SERVICE, 4)?.len(), 2);
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn without_a_sorry_server_the_living_serve_on() -> Result {
    let mut farm = farm();
    let _holdfast = farm.start(&service("quorum = 2", &["10.0.0.21:80", "10.0.0.22:80"]))?;
    farm.wait_saved(&ALL[..3])?;
    farm.stop_web(1);
    farm.wait_saved(&[ALL[0], ALL[2]])?;
    assert_eq!(farm.ask(SERVICE)?, "web2");
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn an_inhibited_server_stays_with_weight_zero() -> Result {
    let mut farm = farm();
    let _holdfast = farm.start(&format!(
        "[[virtual_server]]\naddress = \"{DR}:80\"\nscheduler = \"wrr\"\nforward = \"dr\"\ncheck = {HTTP}\n\
         inhibit_on_failure = true\nweight = 2\nreal_servers = [\"10.0.0.21:80\", \"10.0.0.22:80\"]\n"
    ))?;
    let table = |weight: u32| {
        [
            "-A -t 192.0.2.101:80 -s wrr".to_owned(),
            format!("-a -t 192.0.2.101:80 -r 10.0.0.21:80 -g -w {weight}"),
            "-a -t 192.0.2.101:80 -r 10.0.0.22:80 -g -w 2".to_owned(),
        ]
    };
    let wait_table = |farm: &e2e::farm::Farm, weight| {
        let table = table(weight);
        farm.wait_saved(&table.each_ref().map(String::as_str))
    };
    wait_table(&farm, 2)?;
    farm.stop_web(1);
    wait_table(&farm, 0)?;
    assert_eq!(farm.ask_often(&format!("{DR}:80"), 4)?.into_keys().collect::<Vec<_>>(), ["web2"]);
    farm.start_web(1)?;
    wait_table(&farm, 2)
}
