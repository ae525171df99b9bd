//! Who serves: several checks of a server, backups, slow start, a sorry server that is checked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use e2e::farm::{Farm, NAT, farm};
use lab::{Behaviour, Result, SECONDS_10, TempDir, wait};

use crate::HTTP;

const SERVICE: &str = "-A -t 192.0.2.100:80 -s rr";
const LIMIT: Duration = Duration::from_secs(60);

/// The table with these of the farm's servers in it.
fn wait_servers(farm: &Farm, servers: &[u8]) -> Result {
    let servers = servers.iter().map(|last| format!("-a -t 192.0.2.100:80 -r 10.0.0.2{last}:80 -m -w 1"));
    let expected: Vec<String> = [SERVICE.to_owned()].into_iter().chain(servers).collect();
    farm.wait_lines(&expected)
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn so_many_checks_of_a_server_must_pass_as_it_says() -> Result {
    let mut farm = farm();
    // The farm's servers stand for three checks of one server.
    let keys =
        HTTP.trim_start_matches("{ type = \"http\", path = \"/\", status = [200],").trim_end_matches(" }");
    let checks: Vec<String> =
        (1..=3).map(|last| format!("{{ type = \"tcp\", address = \"10.0.0.2{last}\",{keys} }}")).collect();
    let text = |needed: &str| {
        format!(
            "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = [{}]\n\
             checks_needed = {needed}\nreal_servers = [\"10.0.0.21:80\"]\n",
            checks.join(", ")
        )
    };
    let holdfast = farm.start(&text("\"all\""))?;
    wait_servers(&farm, &[1])?;
    farm.stop_web(3);
    wait_servers(&farm, &[])?;
    assert_eq!(holdfast.reload(&text("2"))?.code, Some(0));
    wait_servers(&farm, &[1])?;
    farm.stop_web(2);
    wait_servers(&farm, &[])?;
    assert_eq!(holdfast.reload(&text("\"any\""))?.code, Some(0));
    wait_servers(&farm, &[1])?;
    farm.stop_web(1);
    wait_servers(&farm, &[])?;
    farm.start_web(2)?;
    wait_servers(&farm, &[1])
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn backups_serve_when_the_others_are_not_enough() -> Result {
    let mut farm = farm();
    let text = |below: &str| {
        format!(
            "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = {HTTP}\n{below}\n\
             real_servers = [\"10.0.0.21:80\", \"10.0.0.22:80\"]\n\
             [[virtual_server.real_server]]\naddress = \"10.0.0.23:80\"\nbackup = true\n"
        )
    };
    let holdfast = farm.start(&text(""))?;
    wait_servers(&farm, &[1, 2])?;
    farm.stop_web(1);
    wait_servers(&farm, &[2])?;
    assert_eq!(holdfast.reload(&text("backup_below = 60"))?.code, Some(0));
    wait_servers(&farm, &[2, 3])?;
    let answers: Vec<_> = farm.ask_often("192.0.2.100:80", 4)?.into_iter().collect();
    assert_eq!(answers, [("web2".to_owned(), 2), ("web3".to_owned(), 2)]);
    farm.start_web(1)?;
    wait_servers(&farm, &[1, 2])?;
    assert_eq!(holdfast.reload(&text(""))?.code, Some(0));
    farm.stop_web(1);
    farm.stop_web(2);
    wait_servers(&farm, &[3])?;
    let status = holdfast.status()?;
    let standby = status.pointer("/checker/virtual_servers/0/real_servers/2/standby");
    assert_eq!(standby, Some(&false.into()), "{status}");
    farm.start_web(2)?;
    wait_servers(&farm, &[2])
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_server_that_comes_back_begins_with_little() -> Result {
    let mut farm = farm();
    let holdfast = farm.start(&format!(
        "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"wrr\"\ncheck = {HTTP}\nweight = 100\n\
         real_servers = [\"10.0.0.22:80\"]\n\
         [[virtual_server.real_server]]\naddress = \"10.0.0.21:80\"\nslow_start = \"10s\"\n"
    ))?;
    let weights = |farm: &Farm| -> Result<Vec<u32>> {
        let lines = farm.saved()?;
        let weight = |last: u8| {
            let line = lines.iter().find(|line| line.contains(&format!("-r 10.0.0.2{last}:80")));
            line.and_then(|line| line.rsplit_once("-w ")?.1.parse().ok())
        };
        Ok([1, 2].into_iter().filter_map(weight).collect())
    };
    wait::until("both, the first start is no recovery", SECONDS_10, || Ok(weights(&farm)? == [100, 100]))?;
    farm.stop_web(1);
    wait::until("web1 to go", SECONDS_10, || Ok(weights(&farm)? == [100]))?;
    farm.start_web(1)?;
    let mut seen = Vec::new();
    wait::until("the whole weight again", LIMIT, || {
        let now = weights(&farm)?;
        if let [first, other] = now[..] {
            assert_eq!(other, 100, "the others keep theirs");
            seen.push(first);
        }
        Ok(seen.last() == Some(&100))
    })?;
    seen.dedup();
    assert!(seen.is_sorted() && seen.len() > 3 && seen[0] < 100, "{seen:?}");
    assert!(seen.iter().all(|weight| weight % 10 == 0), "{seen:?}");
    let log = holdfast.log().text();
    let first = log.lines().find(|line| line.contains("add destination 10.0.0.21:80 (nat, weight 10) to"));
    assert!(first.is_some(), "{log}");
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_sorry_server_that_is_dead_itself_is_no_help() -> Result {
    let mut farm = farm();
    let check = HTTP.replace("{ ", "{ initial = \"down\", ");
    let holdfast = farm.start(&format!(
        "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = {HTTP}\nquorum = 2\n\
         sorry_server = {{ address = \"10.0.0.23:80\", check = {check} }}\n\
         real_servers = [\"10.0.0.21:80\", \"10.0.0.22:80\"]\n"
    ))?;
    wait_servers(&farm, &[1, 2])?;
    farm.stop_web(1);
    wait_servers(&farm, &[3])?;
    farm.web(3)?.behave(Behaviour::Status(500));
    wait_servers(&farm, &[2])?;
    assert_eq!(farm.ask("192.0.2.100:80")?, "web2");
    let status = holdfast.status()?;
    let field = |name: &str| status.pointer(&format!("/checker/virtual_servers/0/{name}")).cloned();
    assert_eq!((field("sorry_active"), field("sorry_alive")), (Some(false.into()), Some(false.into())));
    farm.web(3)?.behave(Behaviour::Status(200));
    wait_servers(&farm, &[3])?;
    farm.start_web(1)?;
    wait_servers(&farm, &[1, 2])
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_sorry_server_has_settings_of_its_own() -> Result {
    let mut farm = farm();
    let folder = TempDir::new()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777))?;
    let notes = folder.path().join("notes");
    let script = folder.write("note", &format!("#!/bin/sh\necho \"$@\" >>{}\n", notes.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let script = script.display();
    let keys =
        HTTP.trim_start_matches("{ type = \"http\", path = \"/\", status = [200],").trim_end_matches(" }");
    let elsewhere = format!("{{ type = \"tcp\", address = \"10.0.0.22\", port = 80,{keys} }}");
    let holdfast = farm.start(&format!(
        "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = {HTTP}\n\
         real_servers = [\"10.0.0.21:80\"]\nquorum_up = \"{script} quorum up\"\nquorum_down = \"{script} quorum down\"\n\
         notify_up = \"{script} server up\"\nnotify_down = \"{script} server down\"\n\
         [virtual_server.sorry_server]\naddress = \"10.0.0.23:80\"\nforward = \"tun\"\n\
         tunnel = {{ type = \"gue\", port = 6080 }}\ninhibit_on_failure = true\ndrain = \"1s\"\n\
         notify_up = \"{script} sorry up\"\nnotify_down = \"{script} sorry down\"\n\
         check = [{HTTP}, {elsewhere}]\nchecks_needed = \"any\"\n"
    ))?;
    let web1 = "-a -t 192.0.2.100:80 -r 10.0.0.21:80 -m -w 1";
    let sorry = |weight: u8| {
        format!(
            "-a -t 192.0.2.100:80 -r 10.0.0.23:80 -i -w {weight} --tun-type gue --tun-port 6080 --tun-nocsum"
        )
    };
    let noted = |lines: &[&str]| {
        wait::until(&format!("the notes {lines:?}"), LIMIT, || {
            let text = fs::read_to_string(&notes).unwrap_or_default();
            let mut have: Vec<&str> = text.lines().collect();
            have.sort_unstable();
            Ok(have == lines)
        })
    };
    farm.wait_lines(&[SERVICE, web1, &sorry(0)])?;
    farm.stop_web(3);
    wait::until("a check of it to fail", LIMIT, || {
        let status = holdfast.status()?;
        let up = status.pointer("/checker/virtual_servers/0/sorry_checks/0/up");
        Ok(up == Some(&false.into()))
    })?;
    farm.wait_lines(&[SERVICE, web1, &sorry(0)])?;
    farm.stop_web(1);
    farm.wait_lines(&[SERVICE, &sorry(1)])?;
    noted(&["quorum down", "quorum up", "server down"])?;
    farm.stop_web(2);
    farm.wait_lines(&[SERVICE, &sorry(0)])?;
    noted(&["quorum down", "quorum up", "server down", "sorry down"])?;
    farm.start_web(3)?;
    farm.wait_lines(&[SERVICE, &sorry(1)])?;
    farm.start_web(1)?;
    farm.wait_lines(&[SERVICE, web1, &sorry(0)])?;
    noted(&["quorum down", "quorum up", "quorum up", "server down", "server up", "sorry down", "sorry up"])
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_quorum_with_hysteresis_is_harder_to_win_than_to_keep() -> Result {
    let mut farm = farm();
    let holdfast = farm.start(&format!(
        "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = {HTTP}\nquorum = 2\nhysteresis = 1\n\
         real_servers = [\"10.0.0.21:80\", \"10.0.0.22:80\", \"10.0.0.23:80\"]\n"
    ))?;
    let met = |wanted: bool| {
        wait::until(&format!("the quorum met: {wanted}"), SECONDS_10, || {
            let status = holdfast.status()?;
            Ok(status.pointer("/checker/virtual_servers/0/quorum_met") == Some(&wanted.into()))
        })
    };
    wait_servers(&farm, &[1, 2, 3])?;
    met(true)?;
    farm.stop_web(1);
    farm.stop_web(2);
    wait_servers(&farm, &[3])?;
    met(true)?;
    farm.stop_web(3);
    wait_servers(&farm, &[])?;
    met(false)?;
    farm.start_web(1)?;
    farm.start_web(2)?;
    wait_servers(&farm, &[1, 2])?;
    met(false)?;
    farm.start_web(3)?;
    met(true)
}
