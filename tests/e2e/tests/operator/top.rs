//! `holdfast top` in a terminal, against a daemon that runs, ends, and comes back.

use std::time::Duration;

use e2e::terminal::Terminal;
use lab::{Holdfast, Lan, Result};
use nix::sys::signal::Signal;

const LIMIT: Duration = Duration::from_secs(60);
const CONFIG: &str = "\
[checker]
ipvs = false
[[vrrp.instance]]
name = \"VI_1\"
interface = \"eth0\"
virtual_router_id = 51
advert_interval = \"100ms\"
virtual_addresses = [\"192.0.2.100/24\"]
[[vrrp.instance]]
name = \"VI_2\"
interface = \"eth7\"
virtual_router_id = 52
virtual_addresses = [\"192.0.2.200/24\"]
[[virtual_server]]
address = \"192.0.2.100:80\"
check = { type = \"tcp\", interval = \"100ms\", retries = 0 }
real_servers = [\"192.0.2.1:8081\"]
";

#[test]
fn the_operator_looks_around_and_a_daemon_that_comes_back_is_shown_again() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let ours = Holdfast::start(&host, CONFIG)?;
    ours.wait_state("VI_1", "master", LIMIT)?;
    let mut terminal = Terminal::holdfast(&host, &ours, &["top", "--interval", "0.2"], 24, 100)?;
    let text = terminal
        .wait("both instances", |text| text.contains("VI_1  MASTER") && text.contains("VI_2  FAULT"))?;
    assert!(text.contains("interface eth7 does not exist") && text.contains("1 master  1 fault"), "{text}");
    assert!(terminal.look()?.alternate_screen() && terminal.look()?.hide_cursor());
    terminal.press("\t")?;
    terminal.wait("the service", |text| {
        text.contains("[Services 1]") && text.contains("tcp 192.0.2.100:80  NOT MET  0/1")
    })?;
    terminal.press("\t")?;
    terminal
        .wait("the server", |text| text.contains("[Servers 1]") && text.contains("192.0.2.1:8081  DOWN"))?;
    terminal.press("\t/VI_2\r")?;
    terminal.wait("the filter", |text| text.contains("filter: VI_2") && !text.contains("VI_1"))?;
    terminal.press("\u{1b}")?;
    terminal.wait("both again", |text| text.contains("VI_1") && !text.contains("filter:"))?;
    terminal.press("s")?;
    let text = terminal.wait("the worst first", |text| text.contains("order: worst first"))?;
    assert!(text.find("VI_2  FAULT") < text.find("VI_1  MASTER"), "{text}");
    terminal.resize(7, 60)?;
    terminal.wait("the smaller screen", |text| text.contains("1-1 of 2"))?;
    terminal.resize(24, 100)?;
    terminal.wait("the larger screen", |text| text.contains("VI_1") && text.contains("VI_2"))?;
    let folder = ours.kill()?;
    terminal
        .wait("the end of the daemon", |text| text.contains("is not running") && !text.contains("VI_1"))?;
    let ours = Holdfast::restart(&host, folder)?;
    terminal.wait("the daemon", |text| text.contains("VI_1  MASTER") && !text.contains("is not running"))?;
    terminal.press("q")?;
    assert_eq!(terminal.end()?.code(), Some(0));
    for (signal, key) in [(Some(Signal::SIGTERM), ""), (Some(Signal::SIGHUP), ""), (None, "\u{3}")] {
        let mut terminal = Terminal::holdfast(&host, &ours, &["top"], 24, 80)?;
        terminal.wait("the master", |text| text.contains("VI_1  MASTER"))?;
        match signal {
            Some(signal) => terminal.signal(signal)?,
            None => terminal.press(key)?,
        }
        assert_eq!(terminal.end()?.code(), Some(0), "{signal:?}");
    }
    let piped = ours.command(&["top"])?;
    assert_eq!(piped.code, Some(2));
    assert!(piped.stderr.starts_with("top needs a terminal"), "{}", piped.stderr);
    Ok(())
}
