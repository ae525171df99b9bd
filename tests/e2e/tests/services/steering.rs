//! What operators order for real servers: in the kernel's table, over a reload, over a crash, and back.

use e2e::farm::{Farm, NAT, farm};
use lab::{Holdfast, Result, SECONDS_10, wait};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::HTTP;

const SERVICE: &str = "-A -t 192.0.2.100:80 -s wrr";
const WEB1: &str = "10.0.0.21:80";

fn text(keys: &str) -> String {
    format!(
        "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"wrr\"\ncheck = {HTTP}\n{keys}\n\
         [[virtual_server.real_server]]\naddress = \"{WEB1}\"\nweight = 3\n\
         [[virtual_server.real_server]]\naddress = \"10.0.0.22:80\"\n"
    )
}

/// The weights of the servers in the kernel's table; none for one that is not there.
fn wait_weights(farm: &Farm, weights: [Option<u32>; 2]) -> Result {
    let line = |(number, weight)| format!("-a -t 192.0.2.100:80 -r 10.0.0.2{number}:80 -m -w {weight}");
    let servers = [1, 2].into_iter().zip(weights).filter_map(|(number, weight)| Some((number, weight?)));
    farm.wait_lines(&[SERVICE.to_owned()].into_iter().chain(servers.map(line)).collect::<Vec<_>>())
}

fn order(holdfast: &Holdfast, arguments: &[&str]) -> Result<String> {
    let done = holdfast.command(arguments)?;
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    Ok(done.stdout)
}

fn overrides(holdfast: &Holdfast) -> Result<Value> {
    let status = holdfast.status()?;
    Ok(status.pointer("/checker/virtual_servers/0/real_servers/0/overrides").cloned().unwrap_or_default())
}

fn kill_checker(holdfast: &Holdfast) -> Result {
    let before = holdfast.child("checker")?;
    holdfast.signal_child("checker", Signal::SIGKILL)?;
    wait::until("another checker", SECONDS_10, || {
        Ok(holdfast.child("checker").is_ok_and(|pid| pid != before))
    })
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_server_is_drained_disabled_weighed_and_released() -> Result {
    let mut farm = farm();
    let holdfast = farm.start(&text(""))?;
    wait_weights(&farm, [Some(3), Some(1)])?;
    let told = order(&holdfast, &["drain", WEB1, "--reason", "new disk"])?;
    assert!(
        told.starts_with("10.0.0.21:80 in tcp 192.0.2.100:80: drained until released, weight 3 -> 0"),
        "{told}"
    );
    wait_weights(&farm, [Some(0), Some(1)])?;
    assert_eq!(farm.ask_often(&format!("{NAT}:80"), 3)?.into_keys().collect::<Vec<_>>(), ["web2"]);
    let shown = overrides(&holdfast)?;
    let field = |pointer: &str| shown.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!((field("/0/kind"), field("/0/reason")), ("drain".into(), "new disk".into()), "{shown}");
    assert_eq!(
        (field("/0/uid"), field("/0/user"), field("/0/until")),
        (0.into(), "root".into(), Value::Null)
    );
    let status = holdfast.command(&["status", "servers"])?.stdout;
    assert!(status.contains("drained until released, by root (uid 0) at "), "{status}");

    order(&holdfast, &["weight", WEB1, "7"])?;
    wait_weights(&farm, [Some(0), Some(1)])?;
    let told = order(&holdfast, &["enable", WEB1])?;
    assert!(told.contains("weight 7 until released, weight 0 -> 7"), "{told}");
    wait_weights(&farm, [Some(7), Some(1)])?;

    order(&holdfast, &["disable", WEB1])?;
    wait_weights(&farm, [None, Some(1)])?;
    // Neither the loss of its checks nor their return brings it back.
    farm.stop_web(1);
    wait::until("web1 to be down", SECONDS_10, || {
        let status = holdfast.status()?;
        Ok(status.pointer("/checker/virtual_servers/0/real_servers/0/alive") == Some(&false.into()))
    })?;
    farm.start_web(1)?;
    wait::until("web1 to be up", SECONDS_10, || {
        let status = holdfast.status()?;
        Ok(status.pointer("/checker/virtual_servers/0/real_servers/0/alive") == Some(&true.into()))
    })?;
    wait_weights(&farm, [None, Some(1)])?;

    // One that fails is put into service by force.
    farm.stop_web(1);
    order(&holdfast, &["enable", WEB1, "--force", "--reason", "the check is wrong"])?;
    wait_weights(&farm, [Some(7), Some(1)])?;
    farm.start_web(1)?;
    let told = order(&holdfast, &["release", WEB1])?;
    assert!(told.contains("as configured again"), "{told}");
    wait_weights(&farm, [Some(3), Some(1)])?;
    assert_eq!(overrides(&holdfast)?, Value::Array(Vec::new()));
    let log = holdfast.log().text();
    for line in [
        "override: drain service=\"tcp 192.0.2.100:80\" server=10.0.0.21:80 for=\"until it is released\" by=root uid=0 reason=\"new disk\"",
        "override released: force service=\"tcp 192.0.2.100:80\" server=10.0.0.21:80 by=root uid=0",
    ] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn orders_outlive_reloads_and_crashes_but_not_their_time() -> Result {
    let farm = farm();
    let holdfast = farm.start(&text(""))?;
    wait_weights(&farm, [Some(3), Some(1)])?;
    order(&holdfast, &["disable", WEB1, "--reason", "kept"])?;
    order(&holdfast, &["weight", "192.0.2.100:80/10.0.0.22", "5", "--for", "1h"])?;
    wait_weights(&farm, [None, Some(5)])?;
    let before = overrides(&holdfast)?;
    kill_checker(&holdfast)?;
    wait_weights(&farm, [None, Some(5)])?;
    assert_eq!(overrides(&holdfast)?, before, "who, when and why outlive a crash");
    assert_eq!(holdfast.reload(&text("quorum = 2"))?.code, Some(0));
    wait_weights(&farm, [None, Some(5)])?;
    assert_eq!(overrides(&holdfast)?, before);
    let upgraded = holdfast.command(&["upgrade"])?;
    assert_eq!(upgraded.code, Some(0), "{}", upgraded.stderr);
    wait_weights(&farm, [None, Some(5)])?;
    assert_eq!(overrides(&holdfast)?, before);

    // A shorter one takes the place of a longer one, and ends by itself, also when the checker dies meanwhile.
    order(&holdfast, &["drain", WEB1, "--for", "5s"])?;
    wait_weights(&farm, [Some(0), Some(5)])?;
    kill_checker(&holdfast)?;
    wait_weights(&farm, [Some(3), Some(5)])?;
    assert!(holdfast.log().text().contains("override is over: drain service="), "{}", holdfast.log().text());
    order(&holdfast, &["release", "--all"])?;
    wait_weights(&farm, [Some(3), Some(1)])?;
    assert_eq!(order(&holdfast, &["release", "--all"])?, "nothing was in force\n");

    // What leaves the configuration takes its orders with it.
    order(&holdfast, &["drain", WEB1])?;
    let without = text("").replace(WEB1, "10.0.0.23:80");
    assert_eq!(holdfast.reload(&without)?.code, Some(0));
    assert_eq!(holdfast.reload(&text(""))?.code, Some(0));
    wait_weights(&farm, [Some(3), Some(1)])?;
    let log = holdfast.log().text();
    assert!(log.contains("override dropped, its server has left the configuration: drain"), "{log}");
    Ok(())
}
