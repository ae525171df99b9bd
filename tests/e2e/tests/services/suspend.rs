//! Checks that run only while this machine holds the address of the service.

use std::time::Duration;

use e2e::farm::farm;
use lab::{Result, wait};
use serde_json::Value;

use crate::HTTP;

const SERVICE: &str = "-A -t 192.0.2.110:80 -s rr";
const ONE: &str = "-a -t 192.0.2.110:80 -r 10.0.0.21:80 -m -w 1";
const TWO: &str = "-a -t 192.0.2.110:80 -r 10.0.0.22:80 -m -w 1";
const LIMIT: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn servers_are_asked_only_while_the_address_is_here() -> Result {
    let mut farm = farm();
    let text = |suspend: &str| {
        format!(
            "[[virtual_server]]\naddress = \"192.0.2.110:80\"\nscheduler = \"rr\"\ncheck = {HTTP}\n\
             ha_suspend = {suspend}\nreal_servers = [\"10.0.0.21:80\", \"10.0.0.22:80\"]\n"
        )
    };
    let holdfast = farm.start(&text("true"))?;
    let suspended = |wanted: bool| {
        wait::until(&format!("suspended: {wanted}"), LIMIT, || {
            let status = holdfast.status()?;
            Ok(status.pointer("/checker/virtual_servers/0/suspended") == Some(&Value::Bool(wanted)))
        })
    };
    suspended(true)?;
    farm.wait_lines(&[SERVICE, ONE, TWO])?;
    farm.stop_web(1);
    let asked = farm.web(2)?.requests().len();
    wait::stays("nobody is asked", Duration::from_secs(2), || Ok(farm.web(2)?.requests().len() == asked))?;
    farm.wait_lines(&[SERVICE, ONE, TWO])?;

    farm.director.ip("addr add 192.0.2.110/32 dev eth0")?;
    suspended(false)?;
    farm.wait_lines(&[SERVICE, TWO])?;
    wait::until("web2 to be asked", LIMIT, || Ok(farm.web(2)?.requests().len() > asked + 3))?;

    farm.director.ip("addr del 192.0.2.110/32 dev eth0")?;
    suspended(true)?;
    let asked = farm.web(2)?.requests().len();
    farm.start_web(1)?;
    wait::stays("verdicts stay", Duration::from_secs(2), || {
        Ok(farm.web(2)?.requests().len() <= asked + 1 && farm.saved()?.len() == 2)
    })?;
    // Another address may be the one that counts; and the key may go.
    assert_eq!(holdfast.reload(&text("[\"192.0.2.111\", \"10.0.0.1\"]"))?.code, Some(0));
    suspended(false)?;
    farm.wait_lines(&[SERVICE, ONE, TWO])?;
    assert_eq!(holdfast.reload(&text("true"))?.code, Some(0));
    suspended(true)?;
    assert_eq!(holdfast.reload(&text("false"))?.code, Some(0));
    suspended(false)
}
