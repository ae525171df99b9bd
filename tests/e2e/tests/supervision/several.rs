//! Several daemons on one host, each with a run directory, a configuration and virtual routers of its own.

use lab::{Holdfast, Lan, Monitor, Netns, Result, SECONDS_10, wait};

use super::{IMPATIENT, processes};

const INSTANCES: [(&str, u8, &str); 2] = [("VI_1", 51, "192.168.152.200"), ("VI_2", 52, "192.168.152.201")];

/// One virtual router on eth0, which both daemons share.
fn config(which: usize, priority: u8, extra: &str) -> String {
    let (name, vrid, address) = INSTANCES[which];
    format!(
        "{IMPATIENT}[[vrrp.instance]]\nname = \"{name}\"\ninterface = \"eth0\"\nvirtual_router_id = {vrid}\n\
         priority = {priority}\nadvert_interval = \"100ms\"\nvirtual_addresses = [\"{address}\"]\n{extra}\n"
    )
}

fn pair(host: &Netns) -> Result<[Holdfast; 2]> {
    let both = [Holdfast::start(host, &config(0, 200, ""))?, Holdfast::start(host, &config(1, 200, ""))?];
    for (holdfast, (name, _, address)) in both.iter().zip(INSTANCES) {
        holdfast.wait_state(name, "master", SECONDS_10)?;
        host.wait_address(address, SECONDS_10)?;
    }
    Ok(both)
}

/// What must not change where the other one is touched.
fn life(holdfast: &Holdfast, name: &str) -> Result<(i32, serde_json::Value, serde_json::Value)> {
    let rejected = holdfast.instance(name, "/advertisements/rejected")?;
    Ok((holdfast.child("vrrp")?, holdfast.instance(name, "/transitions")?, rejected))
}

#[test]
fn two_daemons_on_one_host_do_not_know_of_each_other() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let [first, second] = pair(&host)?;
    assert_eq!(processes(&host).len(), 4);
    // Each shows its own and nothing else.
    for (holdfast, (name, _, _)) in [&first, &second].into_iter().zip(INSTANCES) {
        let status = holdfast.status()?;
        let names = status["vrrp"]["instances"].as_array().into_iter().flatten().map(|i| i["name"].clone());
        assert_eq!(names.collect::<Vec<_>>(), [name]);
    }
    let monitor = Monitor::start(&host, &["address"])?;
    let (seen, before) = (monitor.log().mark(), life(&second, "VI_2")?);

    // A reload that adds an address, a fault in the file, a kill: all of the first one.
    let more = config(0, 200, "").replace("200\"]", "200\", \"192.168.152.210\"]");
    assert_eq!(first.reload(&more)?.code, Some(0));
    host.wait_address("192.168.152.210", SECONDS_10)?;
    assert_ne!(first.reload("nonsense = 1\n")?.code, Some(0));
    let old = first.child("vrrp")?;
    first.signal_child("vrrp", nix::sys::signal::Signal::SIGKILL)?;
    wait::until("a successor", SECONDS_10, || Ok(first.child("vrrp").is_ok_and(|pid| pid != old)))?;
    first.wait_state("VI_1", "master", SECONDS_10)?;

    // An orderly stop of the first takes its addresses and files with it, and nothing of the second.
    assert_eq!(first.stop()?, 0);
    assert!(!host.has_address("192.168.152.200")? && !host.has_address("192.168.152.210")?);
    assert_eq!(processes(&host).len(), 2);
    assert_eq!(life(&second, "VI_2")?, before);
    assert_eq!(second.instance("VI_2", "/state")?, "master");
    let touched = |line: &&String| line.contains("192.168.152.201") && line.contains("Deleted");
    assert_eq!(monitor.lines_from(seen).iter().find(touched), None);

    // And it comes back beside the other one, whose addresses are no leftovers of its own.
    let first = Holdfast::start(&host, &config(0, 200, ""))?;
    first.wait_state("VI_1", "master", SECONDS_10)?;
    assert_eq!(life(&second, "VI_2")?, before);
    assert!(host.has_address("192.168.152.201")?);
    Ok(())
}

#[test]
fn a_run_directory_has_one_daemon() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let first = Holdfast::start(&host, &config(0, 200, ""))?;
    first.wait_state("VI_1", "master", SECONDS_10)?;
    let before = life(&first, "VI_1")?;
    let run = first.folder().path().join("run");
    let daemon = lab::program(lab::Program::Holdfastd)?;
    let (daemon, run) = (daemon.to_string_lossy(), run.to_string_lossy());
    let file = first.folder().write("other.toml", &config(1, 200, ""))?;
    let second = host.output(&[&*daemon, "-n", "-c", &file.to_string_lossy(), "--run-dir", &*run])?;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("already"), "{second:?}");
    assert_eq!(life(&first, "VI_1")?, before);
    assert!(!host.has_address("192.168.152.201")?);
    Ok(())
}
