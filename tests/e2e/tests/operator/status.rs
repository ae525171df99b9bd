//! `holdfast status` grown up: names, reasons, the probe, and the watch.

use std::time::Duration;

use e2e::terminal::Terminal;
use lab::{Holdfast, HttpServer, Lan, Result, wait};
use nix::sys::signal::Signal;

const LIMIT: Duration = Duration::from_secs(60);
const CONFIG: &str = "\
[checker]
ipvs = false
[[vrrp.script]]
name = \"no\"
command = \"/bin/false\"
weight = -20
[[vrrp.instance]]
name = \"VI_1\"
interface = \"eth0\"
virtual_router_id = 51
advert_interval = \"100ms\"
virtual_addresses = [\"192.0.2.100/24\"]
track_scripts = [\"no\"]
[[virtual_server]]
address = \"192.0.2.100:80\"
check = { type = \"tcp\", interval = \"100ms\", retries = 0 }
real_servers = [\"192.0.2.1:8081\", \"192.0.2.1:8082\"]
";

fn healthy(lan: &Lan) -> Result<(lab::Netns, Holdfast, HttpServer)> {
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let server = HttpServer::start(&host, "192.0.2.1:8081", "one")?;
    let ours = Holdfast::start(&host, CONFIG)?;
    ours.wait_state("VI_1", "master", LIMIT)?;
    wait::until("verdicts", LIMIT, || {
        let status = ours.status()?;
        let alive = |at: usize| {
            let pointer = format!("/checker/virtual_servers/0/real_servers/{at}/alive");
            status.pointer(&pointer).and_then(serde_json::Value::as_bool)
        };
        Ok(alive(0) == Some(true) && alive(1) == Some(false))
    })?;
    wait::until("the script's weight", LIMIT, || Ok(ours.instance("VI_1", "/effective_priority")? == 80))?;
    Ok((host, ours, server))
}

fn code(ours: &Holdfast, arguments: &[&str]) -> Result<Option<i32>> {
    let done = ours.command(&[&["status", "--quiet"], arguments].concat())?;
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""), "{arguments:?}");
    Ok(done.code)
}

#[test]
fn who_is_named_is_explained_and_the_way_there_survives_a_kill() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (_host, ours, _server) = healthy(&lan)?;
    let before = ours.child("vrrp")?;
    ours.signal_child("vrrp", Signal::SIGKILL)?;
    wait::until("another process", LIMIT, || Ok(ours.child("vrrp").is_ok_and(|pid| pid != before)))?;
    ours.wait_state("VI_1", "master", LIMIT)?;
    wait::until("the script's weight", LIMIT, || Ok(ours.instance("VI_1", "/effective_priority")? == 80))?;
    let text = ours.command(&["status", "vrrp", "VI_*"])?.stdout;
    for wanted in [
        "it took over: no advert heard",
        "priority 80 (of 100): -20 script no fails",
        "Z init -> backup, priority 100: started",
        "Z backup -> master, priority ",
        "Z init -> master, priority ",
        ": restored from checkpoint",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
    }
    let text = ours.command(&["status", "servers", "192.0.2.1:8082"])?.stdout;
    assert!(text.contains("1 of 2 alive") && text.contains("    tcp: "), "{text}");
    assert!(!text.contains("192.0.2.1:8081"), "{text}");
    let down = ours.command(&["status", "--down"])?.stdout;
    assert!(down.contains("192.0.2.1:8082  DOWN") && !down.contains("VI_1"), "{down}");
    let nobody = ours.command(&["status", "vrrp", "nobody"])?;
    assert_eq!((nobody.code, nobody.stderr.as_str()), (Some(1), "nothing is called nobody\n"));
    Ok(())
}

#[test]
fn the_probe_says_what_its_exit_code_means() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (host, ours, server) = healthy(&lan)?;
    assert_eq!(code(&ours, &[])?, Some(0), "a server that is down leaves a quorum");
    assert_eq!(code(&ours, &["vrrp", "VI_1"])?, Some(0));
    assert_eq!(code(&ours, &["--state", "master", "vrrp", "VI_1"])?, Some(0));
    assert_eq!(code(&ours, &["--state", "backup", "vrrp", "VI_1"])?, Some(1));
    assert_eq!(code(&ours, &["vrrp", "VI_2"])?, Some(1), "there is none");
    assert_eq!(code(&ours, &["servers", "192.0.2.1:8081"])?, Some(0));
    assert_eq!(code(&ours, &["servers", "192.0.2.1:8082"])?, Some(1), "named, it counts for itself");
    drop(server);
    wait::until("no quorum", LIMIT, || Ok(code(&ours, &[])? == Some(1)))?;
    assert_eq!(code(&ours, &["vrrp"])?, Some(0), "of the virtual routers nothing is wrong");
    host.ip("link set eth0 down")?;
    wait::until("a fault", LIMIT, || Ok(code(&ours, &["vrrp"])? == Some(1)))?;
    let folder = ours.kill()?;
    let run = folder.path().join("run");
    let quiet = ["status", "--quiet", "--run-dir"];
    let program = lab::program(lab::Program::Holdfast)?;
    let done = std::process::Command::new(program).args(quiet).arg(run).output()?;
    assert_eq!(done.status.code(), Some(7));
    Ok(())
}

#[test]
fn the_watch_follows_and_gives_the_terminal_back() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (host, ours, _server) = healthy(&lan)?;
    let watch = ["status", "--watch", "0.2", "vrrp", "VI_1"];
    let mut terminal = Terminal::holdfast(&host, &ours, &watch, 24, 80)?;
    terminal.wait("the master", |text| text.contains("VI_1      MASTER") && text.contains("q ends"))?;
    assert!(terminal.look()?.alternate_screen());
    // The carrier goes, by its other end.
    host.ip("link set eth0 down")?;
    terminal.wait("the fault", |text| text.contains("fault: interface eth0 is down"))?;
    host.ip("link set eth0 up")?;
    terminal.wait("the master again", |text| text.contains("VI_1      MASTER"))?;
    terminal.resize(6, 80)?;
    terminal.wait("a smaller page", |text| text.contains("-- lines 1 to "))?;
    terminal.press("q")?;
    assert_eq!(terminal.end()?.code(), Some(0));
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut terminal = Terminal::holdfast(&host, &ours, &watch, 24, 80)?;
        terminal.wait("the master", |text| text.contains("VI_1      MASTER"))?;
        terminal.signal(signal)?;
        assert_eq!(terminal.end()?.code(), Some(0), "{signal}");
    }
    let mut terminal = Terminal::holdfast(&host, &ours, &watch, 24, 80)?;
    terminal.wait("the master", |text| text.contains("VI_1      MASTER"))?;
    terminal.press("\u{3}")?;
    assert_eq!(terminal.end()?.code(), Some(0));
    Ok(())
}
